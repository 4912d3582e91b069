"""`lineside-hub contracts`, `lineside-hub calls …` and `lineside-hub db restored`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.calls import plant_cli
from hub.calls.epochs import begin_all_anew
from hub.calls.net_picture import draw_net
from hub.store.cli import db, service_connection
from protocols.jis.net import net_text, status_net
from protocols.jis.schema import json_schemas

calls = typer.Typer(no_args_is_help=True, help="Calls: the rules they follow, where they stand.")


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    plant_cli.register(calls)
    app.add_typer(calls, name="calls")
    app.command("contracts")(contracts)
    db.command("restored")(restored)


@calls.command()
def net(
    out: Annotated[
        Path | None, typer.Option(help="Write the picture here (SVG) instead of the table.")
    ] = None,
) -> None:
    """Print the status net of a call as its table, or draw it with --out."""
    if out is None:
        typer.echo(net_text(), nl=False)
        return
    out.write_text(draw_net(status_net()), encoding="utf-8")
    typer.echo(f"the status net is drawn in {out}")


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


def restored() -> None:
    """Say that the database was put back from a backup: best before serve runs and cars pass.

    What is called from then on takes places in the gateways' streams that calls since the backup
    took, and gateways would pass over it as known. So each gets all open calls in a new epoch; a
    call it has already is not built again.
    """
    with service_connection() as connection:
        begun = begin_all_anew(connection)
    for name, stream in begun.items():
        typer.echo(f"{name}: calls begin anew with {stream.carried} that are open")
    if not begun:
        typer.echo("no calls were written to any gateway: nothing to begin anew")
