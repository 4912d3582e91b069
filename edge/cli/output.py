"""What every command has: the file it is about, `--json`, and how it ends."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from rich.console import Console

WELL, WRONG, NOT_RUNNING, WARNINGS = 0, 1, 2, 3
"""Exit codes. A wrong use of a command is 2 too."""
DEFAULT_PATH = Path("edge.yaml")
_UNBROKEN = 1000
"""Columns of what no terminal shows."""

say = Catalogue(
    {
        "config": ("The gateway's YAML file.", "网关的 YAML 配置文件。"),
        "json": ("Print one JSON document instead of text.", "以一个 JSON 文档输出。"),
        "yes": ("Ask nothing.", "不提问。"),
        "codes": ("Exit codes: {codes}.", "退出码：{codes}。"),
        "code.0": ("0 well", "0 正常"),
        "code.1": ("1 something is wrong", "1 有错误"),
        "code.2": ("2 no agent runs, or wrong use", "2 网关未运行或用法错误"),
        "code.3": ("3 warnings only", "3 仅有警告"),
        "no_config": (
            "there is no {path} here: go to its directory or name it by --config; "
            "lineside-edge init writes one",
            "此处没有 {path}：请进入其目录，或用 --config 指定；lineside-edge init 可生成",
        ),
        "absent": ("{path} is not there", "{path} 不存在"),
        "troubled": ("{path}: {why}", "{path} 出错：{why}"),
        "no_agent": (
            "no agent answers in {directory}: lineside-edge run starts one, or, where it is "
            "installed as a service, lineside-edge service start",
            "{directory} 中没有运行的网关：请用 lineside-edge run 启动，"
            "若已安装为服务则用 lineside-edge service start",
        ),
        "agent_denied": (
            "no agent answers in {directory}: {why}; ask as the user that it runs as, or as root "
            "(sudo)",
            "{directory} 中的网关无法访问：{why}；请以其运行用户或 root（sudo）执行",
        ),
        "agent_silent": (
            "no agent answers in {directory}: {why}",
            "{directory} 中的网关没有应答：{why}",
        ),
    }
)

ConfigPath = Annotated[Path, typer.Option("--config", help=say("config"))]
AsJson = Annotated[bool, typer.Option("--json", help=say("json"))]


def helped(text: str, *codes: int) -> str:
    """A command's help, with the exit codes that it ends with; without any named: 0, 1 and 2."""
    named = ", ".join(say(f"code.{code}") for code in codes or (WELL, WRONG, NOT_RUNNING))
    return f"{text} {say('codes', codes=named)}"


@contextmanager
def unlogged() -> Iterator[None]:
    """Nothing is logged meanwhile."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def reason(error: Exception) -> str:
    """Why something ended: of a file that is not there, without the system's number for it."""
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    if isinstance(error, FileNotFoundError):
        return say("absent", path=error.filename)
    return say("troubled", path=error.filename, why=error.strerror)


def data_dir_named(config: Path, *, as_json: bool = False) -> Path:
    """The directory that a configuration names; ends the command if it names none."""
    from edge.status.client import data_dir_of

    try:
        return data_dir_of(config)
    except FileNotFoundError:
        fail(say("no_config", path=config), as_json=as_json)
    except (LookupError, OSError) as error:
        fail(reason(error), as_json=as_json)


def printer() -> Console:
    """As wide as the terminal; what goes into a file or to another program is not broken."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _UNBROKEN
    return console


def show_json(told: Any) -> None:
    """Print a document; what JSON has no form for as text."""
    typer.echo(json.dumps(told, indent=2, ensure_ascii=False, default=str))


def fail(text: str, code: int = WRONG, *, as_json: bool = False) -> NoReturn:
    """End with a reason: on standard error, or as a document with `error`."""
    if as_json:
        show_json({"error": text})
    else:
        typer.echo(text, err=True)
    raise typer.Exit(code)
