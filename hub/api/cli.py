"""`lineside-hub serve`."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import psycopg
import typer
from pydantic import ValidationError

from hub.api.settings import PartName
from hub.settings import HubSettings
from hub.store.cli import migrate_database, misconfigured
from hub.store.connect import open_database
from hub.store.embedded import EmbeddedError


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.command("serve")(serve)


def serve(
    only: Annotated[
        list[PartName] | None,
        typer.Option(help="Run this part alone; may be given more than once."),
    ] = None,
) -> None:
    """Run the hub until SIGTERM or Ctrl-C. Says `ready http://…` once it serves."""
    # What serves takes seconds to load, which no other command should wait for.
    from hub.api.serving import run

    parts = frozenset(only or PartName)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = HubSettings()
        with open_database(settings.database, settings.data_dir) as database:
            migrate_database(database, settings.keep)
            run(settings, database, parts, stopping)
    except ValidationError as error:
        raise misconfigured(error) from None
    except (psycopg.OperationalError, EmbeddedError, OSError, ValueError) as error:
        typer.echo(f"cannot serve: {str(error).strip()}", err=True)
        raise typer.Exit(1) from None
