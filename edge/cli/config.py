"""`config`: what differs between two files, and older formats brought over."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.output import DEFAULT_PATH, WELL, WRONG, AsJson, ConfigPath, fail, helped, show_json
from edge.cli.words import Catalogue

words = Catalogue(
    {
        "config": ("Compare and bring over configuration files.", "比较与迁移配置文件。"),
        "diff": (
            "What differs between the file and another one, setting by setting, and what a "
            "reload of that other one would do. Exit codes: 0 the same, 1 not, 2 wrong use.",
            "逐项比较两个配置，并说明重载另一个配置会做什么。退出码：0 相同，1 不同，2 用法错误。",
        ),
        "migrate": (
            "Bring the file over to this release's format; a copy of the old one is kept.",
            "把配置迁移到本版本格式，并保留旧文件副本。",
        ),
        "other": ("The other file.", "另一个配置文件。"),
        "same": ("both say the same", "两者相同"),
        "on_reload": ("A reload would say: {what}", "重载时：{what}"),
        "newest": ("{path} is of the newest format; nothing is done", "{path} 已是最新格式"),
        "done": ("{path}: {what}; as it was: {kept}", "{path}：{what}；旧文件：{kept}"),
    }
)


def add_to(app: typer.Typer) -> None:
    """These commands."""
    group = typer.Typer(help=words("config"), no_args_is_help=True, rich_markup_mode=None)
    group.command(help=words("diff"))(diff)
    group.command(help=helped(words("migrate")))(migrate)
    app.add_typer(group, name="config")


def diff(
    other: Annotated[Path, typer.Argument(help=words("other"))],
    config: ConfigPath = DEFAULT_PATH,
    as_json: AsJson = False,
) -> None:
    """Compare."""
    from edge.config import ConfigError, load
    from edge.config.differences import changes, on_reload

    try:
        old, new = load(config), load(other)
    except ConfigError as error:
        fail(str(error), as_json=as_json)
    found, said = changes(old, new), on_reload(old, new)
    if as_json:
        show_json({"changes": [asdict(change) for change in found], "on_reload": said})
    elif not found:
        typer.echo(words("same"))
    else:
        for change in found:
            if change.old is not None:
                typer.secho(f"- {change.where}: {change.old}", fg="red")
            if change.new is not None:
                typer.secho(f"+ {change.where}: {change.new}", fg="green")
        for what in said:
            typer.echo(words("on_reload", what=what))
    raise typer.Exit(WRONG if found else WELL)


def migrate(config: ConfigPath = DEFAULT_PATH, as_json: AsJson = False) -> None:
    """Rewrite the file, if it is of an older format."""
    from edge.config import ConfigError
    from edge.config.edit import rewrite
    from edge.config.migrate import MigrateError, migrated

    kept = ""
    try:
        text, said = migrated(config.read_text(encoding="utf-8"))
        if said:
            kept = str(rewrite(config, text))
    except (MigrateError, OSError, UnicodeDecodeError) as error:
        fail(f"{config}: {error}", as_json=as_json)
    except ConfigError as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json({"done": said, "backup": kept})
    elif said:
        typer.echo(words("done", path=config, what="; ".join(said), kept=kept))
    else:
        typer.echo(words("newest", path=config))
