"""`lineside-edge`: the gateway's command line.

Exit codes: 0 all well; 1 something is wrong: the configuration, a file that stands in the way, or a
part of the gateway; 2 no agent runs, or the command itself was wrong (an unknown option).

Each command imports what it needs: `status` is asked often and needs no OPC UA.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=(
        "Gateway between the line's PLCs and the hub.\n\n"
        "Exit codes: 0 all well; 1 the configuration is wrong, a file stands in the way, the data "
        "directory cannot be used, or a part of the gateway is not well; 2 no agent runs, or the "
        "command itself was wrong."
    ),
)
ConfigPath = Annotated[Path, typer.Option("--config", help="The gateway's YAML file.")]
DEFAULT_PATH = Path("edge.yaml")
_RELOAD_S = 120.0


@app.command()
def init(
    config: ConfigPath = DEFAULT_PATH,
    kind: Annotated[str, typer.Option(help="What is read: opcua, s7 or modbus.")] = "opcua",
) -> None:
    """Write a commented configuration to begin with. Never overwrites. Exit codes: 0, 1, 2."""
    from edge.config.sample import SOURCES, sample

    if kind not in SOURCES:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(SOURCES)}")
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(sample(kind))
    except FileExistsError:
        _fail(f"{config} exists; it is left as it is: give another path, or move it away first")
    except OSError as error:
        _fail(f"{config} cannot be written: {error.strerror}")
    typer.echo(f"{config} written; fill it in, then: lineside-edge check --config {config}")


@app.command()
def check(config: ConfigPath = DEFAULT_PATH) -> None:
    """Check a configuration without network: all errors, with lines. Exit codes: 0, 1, 2."""
    from edge.config import ConfigError, load

    try:
        loaded = load(config)
    except ConfigError as error:
        _refuse(error.problems, str(error))
    tags = sum(len(source.tags) for source in loaded.sources)
    typer.echo(
        f"{config} is right: gateway {loaded.gateway.group}/{loaded.gateway.node}, "
        f"{len(loaded.sources)} sources, {tags} tags, {len(loaded.jis)} lines"
    )


@app.command()
def run(config: ConfigPath = DEFAULT_PATH) -> None:
    """Run the gateway until it is told to stop (SIGTERM, Ctrl-C). Exit codes: 0, 1, 2."""
    from edge.config import ConfigError, Reading
    from edge.journal import JournalError

    reading = Reading(config)
    from edge import agent  # while the file is read: that takes as long

    try:
        loaded = reading.result()
    except ConfigError as error:
        _refuse(error.problems, str(error))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for library in ("asyncua", "snap7", "pymodbus"):  # they report each retry, we changes
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        asyncio.run(agent.run(loaded, config))
    except (JournalError, OSError, sqlite3.OperationalError) as error:
        _fail(f"{loaded.data_dir}: {error}")


@app.command()
def status(
    config: ConfigPath = DEFAULT_PATH,
    as_json: Annotated[bool, typer.Option("--json", help="All figures, as JSON.")] = False,
) -> None:
    """Show how the running gateway is. Exit codes: 0 all well, 1 not all is, 2 not running."""
    from rich.console import Console

    from edge.status.table import tables

    _, told = _ask(config, "GET", "/status.json")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        Console().print(tables(told))
    raise typer.Exit(0 if told["well"] else 1)


@app.command()
def reload(config: ConfigPath = DEFAULT_PATH) -> None:
    """Have the running gateway read its file anew. What is unchanged goes on untouched; a file with
    errors changes nothing. Exit codes: 0 done, 1 refused, 2 not running."""
    _, told = _ask(config, "POST", "/reload", timeout_s=_RELOAD_S)
    for said in told["said"]:
        typer.echo(said, err=not told["done"])
    if not told["done"]:
        _fail("refused; the gateway goes on as it was")


def main() -> None:
    """Entry point."""
    app()


def _ask(config: Path, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
    from edge.status.client import NotRunningError, ask, data_dir_of

    try:
        return ask(data_dir_of(config), method, path, **options)
    except NotRunningError as error:
        _fail(str(error), 2)
    except (LookupError, OSError) as error:
        _fail(str(error))


def _refuse(problems: list[Any], text: str) -> NoReturn:
    typer.echo(text, err=True)
    _fail(f"{len(problems)} error{'s' if len(problems) > 1 else ''}; nothing was started")


def _fail(text: str, code: int = 1) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)
