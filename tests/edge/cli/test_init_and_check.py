"""`init` and `check`: from no file to a right one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.config import load
from edge.config.sample import SOURCES
from tests.edge.cli.invoke import invoke, invoke_json


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edge.yaml"


def in_terminal(directory: Path, answers: list[str], *words: str) -> tuple[int, str]:
    """A command at a terminal where somebody types these lines."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from edge.cli import main; main()", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command, cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:  # how Linux says that nobody is at the other end any more
        pass
    os.close(ours)
    return process.wait(60), said.decode()


def test_the_questions_make_the_file(tmp_path: Path) -> None:
    answers = ["", "192.168.7.9", "seatworks", "gw-seat", "hub.example", "gw-seat"]
    code, said = in_terminal(tmp_path, answers, "init")
    assert code == 0, said
    assert "discover opcua opc.tcp://192.168.7.9:4840 --write edge.yaml" in said
    config = load(tmp_path / "edge.yaml", {})
    assert (config.gateway.group, config.gateway.node) == ("seatworks", "gw-seat")
    assert (config.broker.place, config.broker.tls) == ("hub.example:8883", True)
    assert config.broker.username == "gw-seat"
    assert config.broker.password_file == tmp_path / "broker.password"
    (source,) = config.sources
    assert source.endpoint == "opc.tcp://192.168.7.9:4840"
    assert not source.tags
    assert "# Smallest change worth a sample" not in said


@pytest.mark.parametrize("kind", SOURCES)
def test_options_alone_make_a_right_file(file: Path, kind: str) -> None:
    code, told = invoke_json("init", "--config", file, "--kind", kind, "--yes")
    assert (code, told["written"]) == (0, str(file))
    assert invoke("check", "--config", file)[0] == 0


def test_an_address_with_its_port(file: Path) -> None:
    options = ("--kind", "s7", "--address", "10.0.0.5:1102", "--device", "press-9", "--yes")
    assert invoke("init", "--config", file, *options)[0] == 0
    source: Any = load(file, {}).sources[0]
    assert (source.device, source.host, source.port) == ("press-9", "10.0.0.5", 1102)


def test_a_controller_without_the_codes_of_the_example(file: Path) -> None:
    options = ("--kind", "open_protocol", "--address", "10.0.0.6", "--yes")
    assert invoke("init", "--config", file, *options)[0] == 0
    source: Any = load(file, {}).sources[0]
    assert (source.host, source.port, source.serial, source.time_zone) == (
        "10.0.0.6", 4545, [], "UTC",
    )  # fmt: skip


def test_a_folder_in_place_of_an_address(file: Path) -> None:
    options = ("--kind", "qdas", "--address", "measured", "--yes")
    assert invoke("init", "--config", file, *options)[0] == 0
    assert load(file, {}).sources[0].endpoint == str(file.parent / "measured")


def test_what_would_make_no_right_file_makes_none(file: Path) -> None:
    code, told = invoke_json("init", "--config", file, "--group", "a/b", "--yes")
    assert code == 1
    assert "gateway.group" in told["error"]
    assert invoke("init", "--config", file, "--kind", "s8")[0] == 2
    assert invoke("init", "--config", file, "--broker", "host:port")[0] == 2
    assert list(file.parent.iterdir()) == []


def test_check_tells_all_errors_as_a_document(file: Path) -> None:
    invoke("init", "--config", file, "--yes")
    file.write_text(file.read_text().replace("device:", "devise:").replace("port: 1883", "port: x"))
    code, told = invoke_json("check", "--config", file)
    assert (code, told["right"]) == (1, False)
    lines = file.read_text().splitlines()
    for error in told["errors"]:
        assert error["line"] > 0
    wrong = next(e for e in told["errors"] if "devise" in e["where"])
    assert "did you mean device?" in wrong["what"]
    assert "devise" in lines[wrong["line"] - 1]


def test_check_warns_of_what_is_hardly_meant(file: Path) -> None:
    password = file.parent / "plc.password"
    password.write_text("secret")
    password.chmod(0o644)
    file.write_text(
        """\
version: 1
gateway: {group: g, node: n}
data_dir: data
broker:
  host: localhost
  ca_file: nowhere.pem
  username: me
  password: hunter2
sources:
  - device: plc
    endpoint: opc.tcp://127.0.0.1:4840
    username: me
    password_file: plc.password
    security:
      certificate_file: own.der
      key_file: own.pem
      trust_any_server: true
  - device: camera
    endpoint: opc.tcp://127.0.0.1:4841
    machine_vision: {}
"""
    )
    code, told = invoke_json("check", "--config", file)
    assert (code, told["right"]) == (3, True)
    found = {(w["line"], w["where"]): w["what"] for w in told["warnings"]}
    assert set(found) == {
        (6, "broker.ca_file"),
        (8, "broker.password"),
        (10, "sources[0]"),
        (13, "sources[0].password_file"),
        (17, "sources[0].security.trust_any_server"),
    }
    assert "chmod o=" in found[13, "sources[0].password_file"]
    code, said = invoke("check", "--config", file)
    assert f"{file}:8: broker.password: a password in the file" in said
    assert "hunter2" not in said


def test_traces_without_their_library_are_remarked(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("init", "--config", file)
    file.write_text(file.read_text() + "trace: {endpoint: 'https://collector'}\n")
    assert invoke_json("check", "--config", file)[0] == 0
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk", raising=False)
    code, told = invoke_json("check", "--config", file)
    assert (code, [w["where"] for w in told["warnings"]]) == (3, ["trace.endpoint"])
