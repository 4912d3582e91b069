"""`doctor`: all that a configuration names, live."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from edge.cli.output import (
    DEFAULT_PATH,
    NOT_RUNNING,
    WARNINGS,
    WELL,
    WRONG,
    AsJson,
    ConfigPath,
    fail,
    helped,
    show_json,
    unlogged,
)
from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from edge.config import EdgeConfig
    from edge.doctor.finding import Finding

words = Catalogue(
    {
        "doctor": (
            "Look at all that the file names, live: this PC's disk, ports and clock, each device "
            "and tag, the broker and the rights there. Each line says ok, warning or failed, and "
            "what to do; the worst is the exit code. Nothing is changed anywhere.",
            "在线检查配置中的一切：本机磁盘、端口与时钟，每个设备与变量，消息服务器及其权限。"
            "每行给出正常、警告或失败及处理方法；退出码取最坏的结果。不改动任何东西。",
        ),
        "ok": ("ok", "正常"),
        "warning": ("warning", "警告"),
        "failed": ("failed", "失败"),
        "sum": (
            "{ok} ok, {warning} warnings, {failed} failed",
            "{ok} 项正常，{warning} 项警告，{failed} 项失败",
        ),
    }
)
_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command(help=helped(words("doctor"), WELL, WRONG, NOT_RUNNING, WARNINGS))(doctor)


def doctor(config: ConfigPath = DEFAULT_PATH, as_json: AsJson = False) -> None:
    """Look, and print each finding as it comes."""
    from edge.config import ConfigError, load
    from edge.doctor.finding import worst

    try:
        loaded = load(config)
    except ConfigError as error:
        fail(str(error), as_json=as_json)
    with unlogged():  # what libraries say of a failure is in its finding
        findings = asyncio.run(_look(loaded, as_json))
    counts = {v: sum(f.verdict == v for f in findings) for v in ("ok", "warning", "failed")}
    verdict = worst(findings)
    if as_json:
        show_json({"worst": verdict, **counts, "findings": [asdict(f) for f in findings]})
    else:
        typer.echo(words("sum", **counts))
    raise typer.Exit({"ok": WELL, "warning": WARNINGS, "failed": WRONG}[verdict])


async def _look(config: EdgeConfig, as_json: bool) -> list[Finding]:
    from edge.doctor.rounds import look

    findings = []
    async for finding in look(config):
        findings.append(finding)
        if not as_json:
            _print(finding)
    return findings


def _print(finding: Finding) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(
        (f"{words(finding.verdict):<8}", _STYLES[finding.verdict]),
        (f"{finding.part}: ", "bold"),
        finding.what,
    )
    if finding.remedy:
        line.append(f"\n        -> {finding.remedy}")
    Console(highlight=False).print(line, soft_wrap=True)
