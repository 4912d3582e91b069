"""The command `lineside-hub`. Each part of the hub brings its own commands in its `cli` module."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.api import cli as api
from hub.calls import cli as calls
from hub.edi import cli as edi
from hub.fleet import cli as fleet
from hub.identity import cli as identity
from hub.labels import cli as labels
from hub.monitoring import cli as monitoring
from hub.orders import cli as orders
from hub.sequencing import cli as sequencing
from hub.store import cli as store
from hub.webhooks import cli as webhooks
from protocols.logs import LogForm, set_up

app = typer.Typer(
    name="lineside-hub",
    help="The cloud side of Lineside: ingest, store, sequencing, calls, live page.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _logging(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    log: Annotated[
        LogForm, typer.Option(envvar="LINESIDE_HUB_LOG", help="Lines for people, or JSON objects.")
    ] = LogForm.TEXT,
) -> None:
    set_up(log, verbose=verbose)


for part in (
    *(api, store, orders, sequencing, calls, labels, edi),
    *(identity, fleet, webhooks, monitoring),
):
    part.register(app)


def main() -> None:
    """Entry point of the console script."""
    app()
