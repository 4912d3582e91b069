"""The command `lineside-hub`. Each part of the hub brings its own commands in its `cli` module."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.util import find_spec

import typer

app = typer.Typer(
    name="lineside-hub",
    help="The cloud side of Lineside: ingest, store, sequencing, calls, live page.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

PARTS = ("store", "orders", "sequencing", "fleet", "ingest", "calls", "api")
"""Folders of the hub that have commands: `hub/<part>/cli.py` with `register(app)`."""


@app.callback()
def _logging(verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more.")) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


for _part in PARTS:
    if find_spec(f"hub.{_part}.cli") is not None:
        import_module(f"hub.{_part}.cli").register(app)


def main() -> None:
    """Entry point of the console script."""
    app()
