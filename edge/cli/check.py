"""`check`: a configuration, without network."""

from __future__ import annotations

import typer

from edge.cli.output import (
    DEFAULT_PATH,
    NOT_RUNNING,
    WARNINGS,
    WELL,
    WRONG,
    AsJson,
    ConfigPath,
    helped,
    show_json,
)
from edge.cli.words import Catalogue

words = Catalogue(
    {
        "check": (
            "Check a configuration without network: all errors at once, each with its line and "
            "what to do; then what may be meant otherwise.",
            "不联网检查配置：一次列出所有错误，附行号与处理方法；并提示可疑之处。",
        ),
        "right": (
            "{path} is right: gateway {group}/{node}, {sources} sources, {tags} tags, {lines} "
            "lines",
            "{path} 正确：网关 {group}/{node}，{sources} 个数据源，{tags} 个变量，{lines} 条产线",
        ),
        "errors": ("{count} errors; nothing was started", "{count} 个错误，未启动"),
        "one_error": ("1 error; nothing was started", "1 个错误，未启动"),
        "warning": ("{place}: {what} (warning)", "{place}: {what}（警告）"),
    }
)


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command(help=helped(words("check"), WELL, WRONG, NOT_RUNNING, WARNINGS))(check)


def check(config: ConfigPath = DEFAULT_PATH, as_json: AsJson = False) -> None:
    """Print what is wrong, or what the file says in short."""
    from edge.config import ConfigError, load
    from edge.config.remarks import remarks

    try:
        loaded = load(config)
    except ConfigError as error:
        if as_json:
            show_json({"right": False, "errors": [_plain(p) for p in error.problems]})
        else:
            typer.echo(str(error), err=True)
            count = len(error.problems)
            typer.echo(words("one_error") if count == 1 else words("errors", count=count), err=True)
        raise typer.Exit(WRONG) from None
    found = remarks(config, loaded)
    told = {
        "group": loaded.gateway.group,
        "node": loaded.gateway.node,
        "sources": len(loaded.sources),
        "tags": sum(len(source.tags) for source in loaded.sources),
        "lines": len(loaded.jis),
    }
    if as_json:
        show_json({"right": True, **told, "errors": [], "warnings": [_plain(p) for p in found]})
    else:
        for remark in found:
            place = f"{config}:{remark.line}: {remark.where}"
            typer.echo(words("warning", place=place, what=remark.what), err=True)
        typer.echo(words("right", path=config, **told))
    raise typer.Exit(WARNINGS if found else WELL)


def _plain(problem: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(problem)  # type: ignore[call-overload,no-any-return]
