"""`support-bundle`: what the maker needs to help, without secrets."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, fail, helped, show_json, unlogged
from edge.cli.output import say as shared
from edge.cli.words import Catalogue

words = Catalogue(
    {
        "support": (
            "Write one zip for support: the file without its secrets, versions, status, the log's "
            "end, the journal's figures. Samples are not in it.",
            "生成一个支持用 zip：去除机密的配置、版本、状态、日志末尾和缓存统计；不含采样数据。",
        ),
        "output": ("File to write.", "目标文件。"),
        "log": ("Log of an agent that is not run by systemd.", "非 systemd 运行时的日志文件。"),
        "doctor": ("Run the doctor too, live.", "同时在线运行 doctor。"),
        "written": (
            "{path} written. Look into it before you send it; it holds: {parts}",
            "{path} 已生成。发送前请查看；内容：{parts}",
        ),
    }
)


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command("support-bundle", help=helped(words("support")))(support_bundle)


def support_bundle(
    config: ConfigPath = DEFAULT_PATH,
    output: Annotated[Path | None, typer.Option(help=words("output"))] = None,
    log: Annotated[Path | None, typer.Option(help=words("log"))] = None,
    doctor: Annotated[bool, typer.Option("--doctor", help=words("doctor"))] = False,
    as_json: AsJson = False,
) -> None:
    """Gather, take the secrets out, write."""
    from edge import support
    from edge.service.unit import NAME

    if not config.exists():
        fail(shared("no_config", path=config), as_json=as_json)
    redact = support.Redactor(support.secrets_in(config))
    parts: dict[str, Any] = {
        "config.yaml": support.config_text(config),
        "check.json": _checked(config),
        "versions.json": support.versions(),
        "log.txt": support.log_tail(NAME, log),
    }
    parts |= _of_data_dir(config)
    if doctor:
        parts["doctor.json"] = _doctor(config)
    path = output or Path(time.strftime("lineside-support-%Y%m%d-%H%M%S.zip"))
    try:
        support.write(path, parts, redact)
    except OSError as error:
        fail(f"{path}: {error.strerror}", as_json=as_json)
    if as_json:
        show_json({"written": str(path), "parts": sorted(parts)})
    else:
        typer.echo(words("written", path=path, parts=", ".join(sorted(parts))))


def _checked(config: Path) -> Any:
    from edge.config import ConfigError, load
    from edge.config.remarks import remarks

    try:
        found = remarks(config, load(config))
    except ConfigError as error:
        return {"errors": [asdict(problem) for problem in error.problems]}
    return {"errors": [], "warnings": [asdict(problem) for problem in found]}


def _of_data_dir(config: Path) -> dict[str, Any]:
    """What the agent says, and what its directory holds."""
    from edge import support
    from edge.cli.journal import summary
    from edge.journal.looking import JournalFile, LookError
    from edge.status.client import NotRunningError, ask, data_dir_of

    try:
        directory = data_dir_of(config)
    except (LookupError, OSError) as error:
        return {"status.json": {"error": str(error)}}
    try:
        status: Any = ask(directory, "GET", "/status.json")[1]
    except NotRunningError as error:
        status = {"error": str(error)}
    try:
        with JournalFile(directory / "journal.sqlite") as journal:
            kept: Any = summary(journal)
    except LookError as error:
        kept = {"error": str(error)}
    return {"status.json": status, "journal.json": kept, "disk.json": support.disk(directory)}


def _doctor(config: Path) -> Any:
    from edge.config import ConfigError, EdgeConfig, load
    from edge.doctor.rounds import look

    async def findings(loaded: EdgeConfig) -> list[dict[str, Any]]:
        return [asdict(finding) async for finding in look(loaded)]

    try:
        loaded = load(config)
    except ConfigError as error:
        return {"error": str(error)}
    with unlogged():
        return asyncio.run(findings(loaded))
