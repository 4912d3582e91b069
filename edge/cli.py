"""`lineside-edge`: the gateway's command line.

Exit codes: 0 all well; 1 the configuration is wrong, or a file stands in the way; 2 the command
itself was wrong (an unknown option, a missing argument).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edge import agent
from edge.config import ConfigError, EdgeConfig, load, sample
from edge.journal import JournalError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=(
        "Gateway between the line's PLCs and the hub.\n\n"
        "Exit codes: 0 all well; 1 the configuration is wrong, a file stands in the way, or the "
        "data directory cannot be used; 2 the command itself was wrong."
    ),
)
ConfigPath = Annotated[Path, typer.Option("--config", help="The gateway's YAML file.")]
DEFAULT_PATH = Path("edge.yaml")


@app.command()
def init(config: ConfigPath = DEFAULT_PATH) -> None:
    """Write a commented configuration to begin with. Never overwrites. Exit codes: 0, 1, 2."""
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(sample())
    except FileExistsError:
        _fail(f"{config} exists; it is left as it is: give another path, or move it away first")
    except OSError as error:
        _fail(f"{config} cannot be written: {error.strerror}")
    typer.echo(f"{config} written; fill it in, then: lineside-edge check --config {config}")


@app.command()
def check(config: ConfigPath = DEFAULT_PATH) -> None:
    """Check a configuration without network: all errors, with lines. Exit codes: 0, 1, 2."""
    loaded = _load(config)
    tags = sum(len(source.tags) for source in loaded.sources)
    typer.echo(
        f"{config} is right: gateway {loaded.gateway.group}/{loaded.gateway.node}, "
        f"{len(loaded.sources)} sources, {tags} tags, {len(loaded.jis)} lines"
    )


@app.command()
def run(config: ConfigPath = DEFAULT_PATH) -> None:
    """Run the gateway until it is told to stop (SIGTERM, Ctrl-C). Exit codes: 0, 1, 2."""
    loaded = _load(config)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # it reports each retry, we changes
    try:
        asyncio.run(agent.run(loaded))
    except (JournalError, OSError, sqlite3.OperationalError) as error:
        _fail(f"{loaded.data_dir}: {error}")


def main() -> None:
    """Entry point."""
    app()


def _load(path: Path) -> EdgeConfig:
    try:
        return load(path)
    except ConfigError as error:
        count = len(error.problems)
        typer.echo(error, err=True)
        _fail(f"{count} error{'s' if count > 1 else ''}; nothing was started")


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
