"""`lineside-hub contracts`: the schemas that are published are those of the models."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from typer.testing import CliRunner

from hub.cli import app
from protocols.jis.net import net_text, status_net
from protocols.jis.schema import json_schemas


def test_the_contracts_are_printed() -> None:
    result = CliRunner().invoke(app, ["contracts"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json_schemas()


def test_the_contracts_are_written_a_file_each(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["contracts", "--out", str(tmp_path / "schemas")])
    assert result.exit_code == 0, result.output
    written = {path.name.partition(".")[0] for path in (tmp_path / "schemas").iterdir()}
    assert written == set(json_schemas())
    call = json.loads((tmp_path / "schemas" / "call.schema.json").read_text())
    assert call["$id"] == "urn:lineside:v1:call"


def test_the_status_net_is_printed_as_people_read_it() -> None:
    result = CliRunner().invoke(app, ["calls", "net"])
    assert result.exit_code == 0, result.output
    assert result.stdout == net_text()


def test_the_status_net_is_drawn_with_every_status_and_pair(tmp_path: Path) -> None:
    out = tmp_path / "net.svg"
    result = CliRunner().invoke(app, ["calls", "net", "--out", str(out)])
    assert result.exit_code == 0, result.output
    texts = [text for text in ET.parse(out).getroot().itertext() if text.strip()]
    for status in status_net().statuses:
        assert status.id in texts
        assert status.title_zh in texts
    assert any(text.startswith("released × missing: cannot be built in time") for text in texts)
