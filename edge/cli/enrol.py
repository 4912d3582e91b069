"""`enrol`: this gateway's certificate, of the hub for a token, or of another authority by EST."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, fail, helped, reason, show_json
from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from edge.config import EdgeConfig
    from edge.identity.files import Enrolment, IdentityFiles
    from edge.identity.settings import EstSettings

words = Catalogue(
    {
        "enrol": (
            "Get this gateway's certificate: from the hub (--hub), for a token of `lineside-hub "
            "gateways add`, or, where the file has `identity: est:`, from that authority by EST "
            "(RFC 7030), for --user and a password. The key is made here and stays here. The "
            "file's `broker:` is set to it.",
            "申请本网关证书：用 `lineside-hub gateways add` 的令牌向中心申请（--hub）；"
            "若配置文件含 `identity: est:`，则用 --user 和密码通过 EST（RFC 7030）向该机构申请。"
            "密钥在本机生成并保留。配置文件的 `broker:` 随之更新。",
        ),
        "hub": ("Address of the hub's API: https://hub.example.org.", "中心 API 的地址。"),
        "token": (
            "The token. Others on this machine may see it here: better give --token-file.",
            "令牌。本机其他用户可能看到：建议使用 --token-file。",
        ),
        "token_file": ("File with the token; - reads it from input.", "令牌文件；- 表示标准输入。"),
        "user": ("EST: user that the authority knows.", "EST：证书机构认识的用户。"),
        "password_file": (
            "EST: file whose first line is the password, best one that is good once; - reads it "
            "from input.",
            "EST：首行为密码的文件，最好是一次性密码；- 表示标准输入。",
        ),
        "one_token": ("give --token or --token-file", "请给出 --token 或 --token-file"),
        "no_hub": (
            "give --hub and a token; or, for another authority, `identity: est:` in the file",
            "请给出 --hub 和令牌；若用其他证书机构，请在配置文件中写入 `identity: est:`",
        ),
        "not_hub": (
            "{path} names {url} as this gateway's authority (identity.est): give --user in place "
            "of hub and token, or remove it there to enrol at a hub",
            "{path} 指定 {url} 为本网关的证书机构（identity.est）：请用 --user 代替中心和令牌；"
            "若要向中心申请，请先删除该项",
        ),
        "not_est": (
            "--user and --password-file are for EST, and {path} has no `identity: est:`",
            "--user 和 --password-file 用于 EST，而 {path} 没有 `identity: est:`",
        ),
        "give_user": (
            "{url} is asked by EST: give --user, and --password-file or its password when asked",
            "{url} 通过 EST 申请：请给出 --user，并给出 --password-file 或按提示输入密码",
        ),
        "password": ("Password of {user}", "{user} 的密码"),
        "no_password": ("{file}: its first line is empty", "{file}：首行为空"),
        "waits": (
            "{url} has not decided yet; it is asked again in {wait} s",
            "{url} 尚未决定；{wait} 秒后再次询问",
        ),
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
    hub: Annotated[str | None, typer.Option(help=words("hub"))] = None,
    config: ConfigPath = DEFAULT_PATH,
    token: Annotated[
        str | None, typer.Option(envvar="LINESIDE_EDGE_TOKEN", help=words("token"))
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help=words("token_file"))] = None,
    user: Annotated[str | None, typer.Option(help=words("user"))] = None,
    password_file: Annotated[Path | None, typer.Option(help=words("password_file"))] = None,
    as_json: AsJson = False,
) -> None:
    """Ask who certifies this gateway, keep what it gives, and let the file name it."""
    from edge.config import ConfigError, load
    from edge.identity.files import IdentityFiles
    from edge.identity.https import AskError

    try:
        loaded = load(config)
        files = IdentityFiles.of(loaded.data_dir)
        est = loaded.identity.est
        if est is None:
            if user is not None or password_file is not None:
                raise typer.BadParameter(words("not_est", path=config))
            if hub is None:
                raise typer.BadParameter(words("no_hub"))
            got = _at_hub(files, loaded, hub, _given(token, token_file))
        elif hub is not None or token_file is not None:
            raise typer.BadParameter(words("not_hub", path=config, url=est.url))
        else:
            got = _by_est(files, loaded, est, user, password_file)
    except ConfigError as error:
        fail(str(error), as_json=as_json)
    except (AskError, OSError, ValueError) as error:
        fail(reason(error), as_json=as_json)
    settings: dict[str, Any] = {
        **_left_of_before(loaded),
        "tls": True,
        "ca_file": _named(_authority_of_broker(files, loaded), config),
        "cert_file": _named(files.proof, config),
        "key_file": _named(files.proof, config),
    }
    _name_in_file(config, settings, got, as_json=as_json)


def _at_hub(files: IdentityFiles, loaded: EdgeConfig, hub: str, token: str) -> Enrolment:
    """Raises `AskError`, `OSError`, `ValueError`."""
    from edge.identity.hub import Hub
    from edge.identity.obtain import enrol as ask
    from protocols.enrolment import Token

    return ask(files, Hub(hub), Token.parse(token), loaded.gateway.group, loaded.gateway.node)


def _by_est(
    files: IdentityFiles,
    loaded: EdgeConfig,
    est: EstSettings,
    user: str | None,
    password_file: Path | None,
) -> Enrolment:
    """Raises `AskError`, `OSError`, `ValueError`."""
    from edge.identity.obtain_est import enrol as ask

    if user is None:
        raise typer.BadParameter(words("give_user", url=est.url))
    if password_file is None:
        password = typer.prompt(words("password", user=user), hide_input=True, err=True)
    elif not (password := _first_line(password_file)):
        raise ValueError(words("no_password", file=password_file))

    def waits(wait_s: float) -> None:
        typer.echo(words("waits", url=est.url, wait=f"{wait_s:.0f}"), err=True)

    return ask(files, est, (loaded.gateway.group, loaded.gateway.node), user, password, waits)


def _authority_of_broker(files: IdentityFiles, loaded: EdgeConfig) -> Path:
    """Whom the broker is known by: the hub's authority, or, for a gateway that has another's
    certificate, whom the file names already, else that other."""
    est = loaded.identity.est
    return files.authority if est is None else loaded.broker.ca_file or est.ca_file


def _left_of_before(loaded: EdgeConfig) -> dict[str, Any]:
    """What `init` wrote for a broker without certificates and would be in the way of one with: the
    port without TLS, and a password that nobody ever put there."""
    broker = loaded.broker
    left: dict[str, Any] = {}
    if not broker.tls and broker.port == 1883:
        left["port"] = 8883
    if broker.password_file is not None and not broker.password_file.exists():
        left |= {"username": None, "password_file": None}
    return left


def _name_in_file(config: Path, settings: dict[str, Any], got: Enrolment, *, as_json: bool) -> None:
    """Let the configuration name the certificate, or say what to write."""
    from edge.config import ConfigError
    from edge.config.edit import EditError, rewrite, with_section
    from edge.config.sample import yaml_lines

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
    return token or "" if file is None else _first_line(file)


def _first_line(file: Path) -> str:
    """Raises `OSError`."""
    if file == Path("-"):
        return sys.stdin.readline().rstrip("\r\n")
    return (file.read_text().splitlines() or [""])[0]


def _named(path: Path, config: Path) -> str:
    """As a file beside the configuration is written in it, if it is one."""
    base = config.absolute().parent
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
