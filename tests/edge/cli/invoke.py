"""Running commands of the gateway's command line in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from edge.cli.commands import app


def invoke(*arguments: str | Path) -> tuple[int, str]:
    """A command in this process: exit code, and all that it printed."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def invoke_json(*arguments: str | Path) -> tuple[int, Any]:
    """A command with `--json`: exit code, and its document."""
    result = CliRunner().invoke(app, [str(a) for a in (*arguments, "--json")])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)
