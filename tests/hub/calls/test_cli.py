"""`lineside-hub contracts`: the schemas that are published are those of the models."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from hub.cli import app
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
