"""`config diff` and `config migrate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.cli.invoke import invoke, invoke_json

OLD = """\
version: 1
gateway: {group: g, node: n}
data_dir: data
broker: {username: me, password: first}
sources:
  - device: press
    endpoint: opc.tcp://10.0.0.1:4840
    tags:
      - {name: A, node: ns=2;s=A}
      - {name: B, node: ns=2;s=B}
  - device: oven
    endpoint: opc.tcp://10.0.0.2:4840
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "edge.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text(OLD)
    return old, new


def test_what_is_the_same_is_the_same(files: tuple[Path, Path]) -> None:
    old, new = files
    # A default written down, and another order, say nothing new.
    head, press, oven = OLD.partition("  - device: press")[0], *OLD.split("  - device: ")[1:]
    new.write_text(f"{head}  - device: {oven}    publishing_ms: 500\n  - device: {press}")
    assert invoke("config", "diff", new, "--config", old) == (0, "both say the same\n")


def test_each_setting_that_differs_and_what_a_reload_does(files: tuple[Path, Path]) -> None:
    old, new = files
    new.write_text(
        OLD.replace("first", "second")
        .replace("ns=2;s=B", "ns=2;s=C")
        .replace("device: oven", "device: robot")
    )
    code, told = invoke_json("config", "diff", new, "--config", old)
    assert code == 1
    found = {change["where"]: (change["old"], change["new"]) for change in told["changes"]}
    assert found["broker.password"] == ("(hidden)", "(hidden)")
    assert found["sources[press].tags[B].node"] == ("ns=2;s=B", "ns=2;s=C")
    assert found["sources[oven].endpoint"] == ("opc.tcp://10.0.0.2:4840", None)
    assert "source press is begun anew" in told["on_reload"]
    assert "source robot begins" in told["on_reload"]
    camera = "  - {device: eye, kind: camera, url: 'http://10.0.0.3/snap?user=me&pw=hunter2'}\n"
    new.write_text(OLD.replace("first", "second").replace("device: oven", "device: robot") + camera)
    code, said = invoke("config", "diff", new, "--config", old)
    assert "+ sources[eye].url: http://10.0.0.3/snap?(hidden)\n" in said
    assert (code, "second" in said, "+ sources[robot].device: robot" in said) == (1, False, True)
    new.write_text(OLD.replace("data_dir: data", "data_dir: other"))
    _, told = invoke_json("config", "diff", new, "--config", old)
    assert told["on_reload"] == [
        "data_dir cannot change while the agent runs; restart it for that, or put back what it was"
    ]


def test_an_old_file_is_brought_over_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    older = "# our press\n\n" + OLD.replace("version: 1\n", "")
    file.write_text(older)
    assert invoke("check", "--config", file)[0] == 1
    code, told = invoke_json("config", "migrate", "--config", file)
    assert (code, told["done"]) == (0, ["version: 1 put at its head"])
    assert file.read_text() == "# our press\n\n" + OLD
    assert Path(told["backup"]).read_text() == older
    code, said = invoke("config", "migrate", "--config", file)
    assert (code, "newest format" in said) == (0, True)
    file.write_text(OLD.replace("version: 1", "version: 7"))
    code, said = invoke("config", "migrate", "--config", file)
    assert (code, "version 7 is not known" in said) == (1, True)
    assert len(list(tmp_path.iterdir())) == 2
