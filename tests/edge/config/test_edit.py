"""Adding to a configuration: what stands in the file stays, byte for byte."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest

from edge.config import ConfigError, load, sample
from edge.config.edit import EditError, rewrite, with_source, with_tags

TAG: dict[str, Any] = {"name": "Line/Torque", "node": "nsu=urn:plc;s=Torque", "unit": "Nm"}
S7: dict[str, Any] = {
    "kind": "s7",
    "device": "press-7",
    "host": "10.0.0.7",
    "tags": [{"name": "Force", "address": "DB1.DBD0:REAL"}],
}
WRITTEN = """\
# head
version: 1  # of the format
gateway: {group: g, node: n}
data_dir: data

sources:
  # the press
  - device: press   # left
    endpoint: opc.tcp://10.0.0.1:4840
    tags:
      # the force
      - name: Force  # in kN
        node: ns=2;s=F
        # heartbeat_s: 60
    # backfill: true

# the end
status:
  port: 0
"""


def changes(old: str, new: str) -> tuple[list[str], list[str]]:
    """Lines that went, and lines that came."""
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    return [x[2:] for x in lines if x[:2] == "- "], [x[2:] for x in lines if x[:2] == "+ "]


def test_tags_come_behind_those_that_are_there() -> None:
    new = with_tags(WRITTEN, 0, [TAG])
    gone, come = changes(WRITTEN, new)
    assert gone == []
    assert come == ["      - name: Line/Torque", f"        node: {TAG['node']}", "        unit: Nm"]
    lines = new.splitlines()
    assert lines[lines.index("      - name: Line/Torque") - 1] == "        # heartbeat_s: 60"


def test_a_source_comes_behind_those_that_are_there(tmp_path: Path) -> None:
    new = with_source(WRITTEN, S7)
    assert changes(WRITTEN, new)[0] == []
    file = tmp_path / "edge.yaml"
    file.write_text(with_tags(new, 1, [{"name": "B", "address": "M1.0"}]))
    press, other = load(file, {}).sources
    assert [tag.name for tag in press.tags] == ["Force"]
    assert [tag.name for tag in other.tags] == ["Force", "B"]
    assert "    # backfill: true\n  - kind: s7" in file.read_text()


@pytest.mark.parametrize("empty", ["", "sources:\n", "sources: []  # none yet\n"])
def test_the_first_source(tmp_path: Path, empty: str) -> None:
    text = f"version: 1\ngateway: {{group: g, node: n}}\n{empty}data_dir: data\n"
    file = tmp_path / "edge.yaml"
    file.write_text(with_source(text, S7))
    assert [source.device for source in load(file, {}).sources] == ["press-7"]


def test_the_tags_of_the_sample_make_place() -> None:
    new = with_tags(sample(), 0, [TAG])
    assert "Press.Force" not in new
    assert "Press.Stroke" not in new
    gone, come = changes(sample(), new)
    assert "    # publishing_ms: 500" not in gone
    assert len(come) <= 3
    bare = sample(source={"tags": None})
    assert changes(bare, with_tags(bare, 0, [TAG]))[0] == []


def test_a_form_that_is_not_edited_is_said() -> None:
    with pytest.raises(EditError, match=r"line 3: the list sources stands in brackets"):
        with_source("version: 1\ndata_dir: d\nsources: [{device: a}]\n", S7)
    with pytest.raises(EditError, match="stands in braces"):
        with_tags("sources:\n  - {device: a, tags: []}\n", 0, [TAG])
    with pytest.raises(EditError, match="lines of their own"):
        with_source('{"version": 1}', S7)


def test_a_file_is_rewritten_at_once_and_kept_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(WRITTEN)
    file.chmod(0o640)
    kept = [rewrite(file, with_tags(WRITTEN, 0, [TAG])) for _ in range(2)]
    assert kept[0].read_text() == WRITTEN
    assert len({file, *kept}) == 3
    assert {path.stat().st_mode & 0o777 for path in (file, *kept)} == {0o640}
    now = file.read_text()
    with pytest.raises(ConfigError, match=r"edge.yaml:2: version"):
        rewrite(file, now.replace("version: 1", "version: 9"))
    assert file.read_text() == now
    assert set(tmp_path.iterdir()) == {file, *kept}
