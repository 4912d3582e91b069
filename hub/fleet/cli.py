"""`lineside-hub broker …`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hub.fleet.broker_files import broker_files, differing, registered_gateways, write_files
from hub.settings import HubSettings
from hub.store.cli import service_connection

broker = typer.Typer(no_args_is_help=True, help="The MQTT broker's files.")


class BrokerName(StrEnum):
    """Brokers whose files can be written."""

    MOSQUITTO = "mosquitto"
    EMQX = "emqx"


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(broker, name="broker")


@broker.callback()
def _named() -> None:
    """Let `config` be said, though there is no other command."""


@broker.command()
def config(
    kind: Annotated[BrokerName, typer.Option("--for", help="Make of the broker.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write the files to.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Folder to compare instead; nothing is written.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="That folder as the broker sees it, if elsewhere.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of the broker.")] = 8883,
) -> None:
    """Write who is let in by the broker and what each may do, from the registered gateways.

    Certificate and key of the broker (broker.crt, broker.key) and its authority (ca.crt) lie in the
    same folder. Exit codes: 0 well; 1 the folder is not as the database wants it, or cannot be made
    so; 2 wrong use.
    """
    if (out is None) == (check is None):
        raise typer.BadParameter("give --out to write, or --check to compare")
    folder = out or check or Path()
    with service_connection() as connection:
        gateways = registered_gateways(connection)
    try:
        files = broker_files(
            kind.value, gateways, HubSettings().host_id, port, at or str(folder.resolve())
        )
        changed = write_files(folder, files) if out else differing(folder, files)
    except (OSError, ValueError) as error:
        typer.echo(f"{folder}: {error}", err=True)
        raise typer.Exit(1) from None
    if check and changed:
        typer.echo(
            f"{folder}: {', '.join(changed)} differ from what {len(gateways)} gateways want; write "
            "anew with --out, then let the broker read them (SIGHUP)",
            err=True,
        )
        raise typer.Exit(1)
    if changed:
        typer.echo(f"{folder}: wrote {', '.join(changed)} for {len(gateways)} gateways")
        typer.echo(
            "let the broker read them: SIGHUP, or a restart if its settings changed", err=True
        )
    else:
        typer.echo(f"{folder}: as {len(gateways)} gateways want it")
