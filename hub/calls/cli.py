"""`lineside-hub contracts`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from protocols.jis.schema import json_schemas


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.command("contracts")(contracts)


def contracts(
    out: Annotated[
        Path | None, typer.Option(help="Write a file per message into this folder.")
    ] = None,
) -> None:
    """Print the messages between hub and gateways as JSON Schema, for who writes their own end."""
    schemas = json_schemas()
    if out is None:
        typer.echo(json.dumps(schemas, indent=2))
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas.items():
        (out / f"{name}.schema.json").write_text(json.dumps(schema, indent=2) + "\n")
    typer.echo(f"{len(schemas)} schemas in {out}")
