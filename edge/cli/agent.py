"""`status` and `reload`: asking the agent that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from edge.cli.output import (
    DEFAULT_PATH,
    NOT_RUNNING,
    WELL,
    WRONG,
    AsJson,
    ConfigPath,
    data_dir_named,
    fail,
    helped,
    printer,
    show_json,
)
from edge.cli.output import say as shared
from edge.cli.words import LANGUAGE, Catalogue

say = Catalogue(
    {
        "status": ("Show how the running gateway is.", "显示运行中网关的状态。"),
        "reload": (
            "Have the running gateway read its file anew. What is unchanged goes on untouched; a "
            "file with errors changes nothing.",
            "让运行中的网关重新读取配置。未改动的部分不受影响；有错误的文件不会生效。",
        ),
        "refused": (
            "refused; the gateway goes on as it was",
            "已拒绝，网关按原配置继续运行",
        ),
    }
)
_RELOAD_S = 120.0


def add_to(app: typer.Typer) -> None:
    """These commands."""
    app.command(help=helped(say("status")))(status)
    app.command(help=helped(say("reload")))(reload)


def status(config: ConfigPath = DEFAULT_PATH, as_json: AsJson = False) -> None:
    """Print the agent's report."""
    from edge.status.table import tables

    told = ask_agent(config, "GET", "/status.json", as_json=as_json)
    if as_json:
        show_json(told)
    else:
        printer().print(tables(told, LANGUAGE))
    raise typer.Exit(WELL if told["well"] else WRONG)


def reload(config: ConfigPath = DEFAULT_PATH, as_json: AsJson = False) -> None:
    """Ask it to, and say what came of it."""
    told = ask_agent(config, "POST", "/reload", as_json=as_json, timeout_s=_RELOAD_S)
    if as_json:
        show_json(told)
        raise typer.Exit(WELL if told["done"] else WRONG)
    for said in told["said"]:
        typer.echo(said, err=not told["done"])
    if not told["done"]:
        fail(say("refused"))


def ask_agent(
    config: Path, method: str, path: str, *, as_json: bool = False, **options: Any
) -> dict[str, Any]:
    """The agent's answer; ends the command if there is none."""
    from edge.status.client import NotRunningError, ask

    directory = data_dir_named(config, as_json=as_json)
    try:
        return ask(directory, method, path, **options)[1]
    except NotRunningError as error:
        fail(_not_running(directory, error.__cause__), NOT_RUNNING, as_json=as_json)


def _not_running(directory: Path, cause: BaseException | None) -> str:
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return shared("no_agent", directory=directory)
    why = getattr(cause, "strerror", None) or cause
    denied = isinstance(cause, PermissionError)
    return shared("agent_denied" if denied else "agent_silent", directory=directory, why=why)
