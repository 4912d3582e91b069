"""What every command has: the file it is about, `--json`, and how it ends."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edge.cli.words import Catalogue

WELL, WRONG, NOT_RUNNING, WARNINGS = 0, 1, 2, 3
"""Exit codes. A wrong use of a command is 2 too."""
DEFAULT_PATH = Path("edge.yaml")

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
