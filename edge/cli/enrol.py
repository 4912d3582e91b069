"""`enrol`: this gateway's certificate, for a token of the hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, fail, helped, show_json
from edge.cli.words import Catalogue

words = Catalogue(
    {
        "enrol": (
            "Get this gateway's certificate from the hub, for a token of `lineside-hub gateways "
            "add`. The key is made here and stays here. The file's `broker:` is set to it.",
            "用 `lineside-hub gateways add` 的令牌向中心申请本网关证书。密钥在本机生成并保留。"
            "配置文件的 `broker:` 随之更新。",
        ),
        "hub": ("Address of the hub's API: https://hub.example.org.", "中心 API 的地址。"),
        "token": (
            "The token. Others on this machine may see it here: better give --token-file.",
            "令牌。本机其他用户可能看到：建议使用 --token-file。",
        ),
        "token_file": ("File with the token; - reads it from input.", "令牌文件；- 表示标准输入。"),
        "one_token": ("give --token or --token-file", "请给出 --token 或 --token-file"),
        "done": (
            "{group}/{node} has a certificate until {until}; the agent renews it by itself",
            "{group}/{node} 的证书有效期至 {until}；网关会自动续期",
        ),
        "edited": (
            "{path} names it now (before: {kept}); let the agent read it: lineside-edge reload",
            "{path} 已更新（旧文件：{kept}）；请执行 lineside-edge reload",
        ),
        "unedited": (
            "{path} is not changed: {why}. Write below `broker:`",
            "{path} 未更改：{why}。请在 `broker:` 下写入",
        ),
    }
)


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command(help=helped(words("enrol")))(enrol)


def enrol(
    hub: Annotated[str, typer.Option(help=words("hub"))],
    config: ConfigPath = DEFAULT_PATH,
    token: Annotated[
        str | None, typer.Option(envvar="LINESIDE_EDGE_TOKEN", help=words("token"))
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help=words("token_file"))] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the hub, keep what it gives, and let the file name it."""
    from edge.config import ConfigError, load
    from edge.config.edit import EditError, rewrite, with_section
    from edge.config.sample import yaml_lines
    from edge.identity.files import IdentityFiles
    from edge.identity.hub import Hub, HubError
    from edge.identity.obtain import enrol as ask
    from protocols.enrolment import Token

    try:
        loaded = load(config)
        given = Token.parse(_given(token, token_file))
        files = IdentityFiles.of(loaded.data_dir)
        got = ask(files, Hub(hub), given, loaded.gateway.group, loaded.gateway.node)
    except ConfigError as error:
        fail(str(error), as_json=as_json)
    except (HubError, OSError, ValueError) as error:
        fail(str(error), as_json=as_json)
    settings = {
        "tls": True,
        "ca_file": _named(files.authority, config),
        "cert_file": _named(files.proof, config),
        "key_file": _named(files.proof, config),
    }
    said = words("done", group=got.group, node=got.node, until=f"{got.not_after:%Y-%m-%d}")
    try:
        kept = rewrite(config, with_section(config.read_text("utf-8"), "broker", settings))
        edited = words("edited", path=config, kept=kept)
    except (ConfigError, EditError, OSError) as error:
        kept = None
        lines = [f"\n  {line}" for line in yaml_lines(settings)]
        edited = words("unedited", path=config, why=error) + "".join(lines)
    if as_json:
        who = {"group": got.group, "node": got.node}
        show_json(who | {"not_after": got.not_after, "edited": kept})
        return
    typer.echo(said)
    typer.echo(edited)


def _given(token: str | None, file: Path | None) -> str:
    if (token is None) == (file is None):
        raise typer.BadParameter(words("one_token"))
    if file is None:
        return token or ""
    return sys.stdin.readline() if file == Path("-") else file.read_text()


def _named(path: Path, config: Path) -> str:
    """As a file beside the configuration is written in it, if it is one."""
    base = config.absolute().parent
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
