"""`lineside-hub sequence schema`: the form of a day file."""

from __future__ import annotations

import json

import typer

from hub.orders import day_file


def schema() -> None:
    """Print the JSON Schema of a day file, for editors and for programs that write one."""
    typer.echo(json.dumps(day_file.schema(), indent=2))
