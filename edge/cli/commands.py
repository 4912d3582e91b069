"""All commands in one application."""

from __future__ import annotations

import re

import typer

from edge.cli import (
    agent,
    check,
    config,
    discover,
    doctor,
    enrol,
    init,
    journal,
    replay,
    service,
    support,
    watch,
)
from edge.cli.run import RUN_HELP, run
from edge.cli.words import Catalogue

words = Catalogue(
    {
        "gateway": (
            "Gateway between the line's PLCs and the hub.\n\n"
            "Exit codes: 0 all well; 1 something is wrong: the configuration, a file that stands "
            "in the way, the data directory, or a part of the gateway; 2 no agent runs, or the "
            "command itself was wrong; 3 nothing failed, but there are warnings.\n\n"
            "Messages are English or Chinese by LC_ALL, LC_MESSAGES or LANG.",
            "产线 PLC 与中心之间的网关。\n\n"
            "退出码：0 正常；1 有错误：配置、妨碍的文件、数据目录或网关的某个部分；"
            "2 网关未运行或命令用法错误；3 没有错误但有警告。\n\n"
            "消息语言由 LC_ALL、LC_MESSAGES 或 LANG 决定（中文或英文）。",
        ),
    }
)

app = typer.Typer(
    no_args_is_help=True,
    help=words("gateway"),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # what it shows of variables may be a password
)
for group in (init, discover, enrol, check, doctor):
    group.add_to(app)
app.command(help=RUN_HELP)(run)
for group in (agent, watch, journal, replay, service, support, config):
    group.add_to(app)


def _brief(text: str) -> str:
    """What a list of commands says of one: click's own shortening goes by blanks, and leaves of a
    Chinese sentence nothing."""
    return re.split(r"[。：，（]|[.:] ", text, maxsplit=1)[0]


def _shorten(commands: typer.Typer) -> None:
    for command in commands.registered_commands:
        command.short_help = _brief(command.help or "")
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            group.short_help = _brief(str(group.typer_instance.info.help))
            _shorten(group.typer_instance)


_shorten(app)
