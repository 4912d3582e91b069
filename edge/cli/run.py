"""`lineside-edge run`: the agent itself."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import Annotated

import typer

from edge.cli.output import DEFAULT_PATH, ConfigPath, fail, helped
from edge.cli.words import Catalogue
from protocols.logs import LogForm, set_up

say = Catalogue(
    {
        "run": (
            "Run the gateway until it is told to stop (SIGTERM, Ctrl-C).",
            "运行网关，直到收到停止信号（SIGTERM、Ctrl-C）。",
        ),
        "log": (
            "Lines for people, or JSON objects; as the file says if not given.",
            "日志格式：供人阅读的文本或 JSON 对象；不指定时以配置文件为准。",
        ),
        "refused": ("{count} errors; nothing was started", "{count} 个错误，未启动"),
        "refused_one": ("1 error; nothing was started", "1 个错误，未启动"),
    }
)
RUN_HELP = helped(say("run"))

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _named() -> None:
    """Let `run` be said, though there is no other command."""


@app.command(help=RUN_HELP)
def run(
    config: ConfigPath = DEFAULT_PATH,
    log: Annotated[
        LogForm | None, typer.Option(envvar="LINESIDE_EDGE_LOG", help=say("log"))
    ] = None,
) -> None:
    """Run the agent in this process."""
    from edge.config import ConfigError, Reading
    from edge.journal import JournalError
    from edge.proposals.files import look_at_start

    try:
        look_at_start(config)
    except OSError as error:
        fail(str(error))
    reading = Reading(config)
    from edge import agent  # while the file is read: that takes as long

    try:
        loaded = reading.result()
    except ConfigError as error:
        typer.echo(str(error), err=True)
        count = len(error.problems)
        fail(say("refused_one") if count == 1 else say("refused", count=count))
    handler = set_up(loaded.log if log is None else log)
    for library in ("asyncua", "snap7", "pymodbus"):  # they report each retry, we changes
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        asyncio.run(agent.run(loaded, config, handler if log is None else None))
    except (JournalError, OSError, sqlite3.OperationalError) as error:
        fail(f"{loaded.data_dir}: {error}")
