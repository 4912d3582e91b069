"""`init`: a commented configuration to begin with, from a few questions."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, fail, helped, say, show_json
from edge.cli.words import Catalogue

words = Catalogue(
    {
        "init": (
            "Write a commented configuration to begin with. Never overwrites. In a terminal it "
            "asks what no option says.",
            "生成带注释的初始配置，绝不覆盖已有文件。在终端中会询问未用选项给出的内容。",
        ),
        "kind": ("What is read: {kinds}.", "数据源类型：{kinds}。"),
        "address": (
            "Address of the PLC or device: host, host:port or opc.tcp://host:port; or the folder "
            "that its files are put into.",
            "PLC 或设备的地址：主机、主机:端口或 opc.tcp://主机:端口；或存放其文件的文件夹。",
        ),
        "device": ("Name of that device at the hub.", "该设备在中心的名称。"),
        "group": ("Your company's name at the hub.", "贵公司在中心的名称。"),
        "node": ("This gateway's name at the hub.", "本网关在中心的名称。"),
        "broker": (
            "The hub's MQTT broker: host or host:port.",
            "中心的 MQTT 服务器：主机或主机:端口。",
        ),
        "broker_user": ("User name at the broker.", "MQTT 服务器的用户名。"),
        "password_file": (
            "File whose first line is the password at the broker.",
            "首行为 MQTT 密码的文件。",
        ),
        "data_dir": (
            "Directory of the journal, on a disk that keeps what it confirms.",
            "本地缓存目录，须位于可靠的磁盘上。",
        ),
        "ask.kind": ("What is read ({kinds})", "数据源类型（{kinds}）"),
        "ask.address": (
            "Address of that PLC or device (empty: later)",
            "该 PLC 或设备的地址（留空：以后填写）",
        ),
        "ask.folder": (
            "Folder that its files are put into (empty: later)",
            "存放其文件的文件夹（留空：以后填写）",
        ),
        "ask.group": ("Your company's name at the hub", "贵公司在中心的名称"),
        "ask.node": ("This gateway's name at the hub", "本网关在中心的名称"),
        "ask.broker": (
            "The hub's MQTT broker, host or host:port",
            "中心的 MQTT 服务器，主机或主机:端口",
        ),
        "ask.broker_user": (
            "User name at the broker (empty: none)",
            "MQTT 服务器用户名（留空：无）",
        ),
        "exists": (
            "{path} exists; it is left as it is: give another path, or move it away first",
            "{path} 已存在，保持不变：请换一个路径，或先移走它",
        ),
        "unwritable": ("{path} cannot be written: {why}", "{path} 无法写入：{why}"),
        "no_kind": ("{kind!r} is none of {kinds}", "{kind!r} 不在 {kinds} 之中"),
        "no_port": (
            "{text!r} is no address: write host or host:port",
            "{text!r} 不是地址：请写主机或主机:端口",
        ),
        "wrong": ("nothing is written: {why}", "未写入：{why}"),
        "written": ("{path} written. Next:", "{path} 已生成。接下来："),
        "next.discover": ("find tags and add them", "查找变量并写入文件"),
        "next.check": ("check the file, without network", "检查文件，不联网"),
        "next.doctor": ("check all that it names, live", "在线检查文件中的一切"),
        "next.run": ("run the gateway", "运行网关"),
        "password_at": (
            "Put the password of {user} into {path}, readable for the gateway alone.",
            "请把 {user} 的密码放入 {path}，且只允许网关读取。",
        ),
    }
)
_LOOPBACK = ("localhost", "127.0.0.1")
_DISCOVERS = {
    "opcua": "discover opcua {endpoint} --write {config}",
    "s7": "discover s7 SYMBOLS --host {host} --write {config}",
    "modbus": "discover modbus MAP.csv --host {host} --write {config}",
}
_ADDRESS_KEYS = {"opcua": "endpoint", "s7": "host", "modbus": "host",
                 "open_protocol": "host", "qdas": "watch_dir",
                 "drop": "watch_dir", "camera": "url"}  # fmt: skip
_PASSWORD_FILE = "broker.password"  # noqa: S105 - a file's name


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command(help=helped(words("init")))(init)


def init(
    config: ConfigPath = DEFAULT_PATH,
    kind: Annotated[
        str | None, typer.Option(help=words("kind", kinds="opcua, s7, modbus, …"))
    ] = None,
    address: Annotated[str | None, typer.Option(help=words("address"))] = None,
    device: Annotated[str | None, typer.Option(help=words("device"))] = None,
    group: Annotated[str | None, typer.Option(help=words("group"))] = None,
    node: Annotated[str | None, typer.Option(help=words("node"))] = None,
    broker: Annotated[str | None, typer.Option(help=words("broker"))] = None,
    broker_user: Annotated[str | None, typer.Option(help=words("broker_user"))] = None,
    password_file: Annotated[Path | None, typer.Option(help=words("password_file"))] = None,
    data_dir: Annotated[Path, typer.Option(help=words("data_dir"))] = Path("data"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help=say("yes"))] = False,
    as_json: AsJson = False,
) -> None:
    """Ask, write, and say how to go on."""
    from edge.config.sample import SOURCES, sample

    if config.exists():
        fail(words("exists", path=config), as_json=as_json)
    asking = not yes and not as_json and sys.stdin.isatty()
    kinds = ", ".join(SOURCES)
    kind = kind or (_ask("kind", "opcua", kinds=kinds) if asking else "opcua")
    if kind not in SOURCES:
        raise typer.BadParameter(words("no_kind", kind=kind, kinds=kinds))
    if address is None and asking and kind in _ADDRESS_KEYS:
        address = _ask("folder" if _ADDRESS_KEYS[kind] == "watch_dir" else "address", "")
    group = group or (_ask("group", "my-company") if asking else "my-company")
    node = node or (_ask("node", _host_name()) if asking else "gateway-1")
    broker = broker or (_ask("broker", "localhost") if asking else "localhost")
    if broker_user is None and asking:
        broker_user = _ask("broker_user", "") or None
    if broker_user and password_file is None:
        password_file = Path(_PASSWORD_FILE)
    source = _source(kind, address, device)
    text = sample(
        kind,
        settings={
            "gateway": {"group": group, "node": node},
            "data_dir": str(data_dir),
            "broker": _broker(broker, broker_user, password_file),
        },
        source=source,
    )
    _write(config, text, as_json)
    where = {**SOURCES[kind], **{k: v for k, v in source.items() if v is not None}}
    steps = _next_steps(kind, where, config)
    if as_json:
        show_json({"written": str(config), "next": [command for command, _ in steps]})
        return
    typer.echo(words("written", path=config))
    for command, why in steps:
        typer.echo(f"  {command}  # {why}")
    if broker_user and password_file is not None:
        place = config.parent / password_file
        typer.echo(words("password_at", user=broker_user, path=place))


def _ask(key: str, default: str, **values: object) -> str:
    answer: str = typer.prompt(words(f"ask.{key}", **values), default, show_default=bool(default))
    return answer.strip()


def _host_name() -> str:
    """This machine's name as a gateway may be called."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname().partition(".")[0]) or "gateway-1"


def _place(text: str, default_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    if not host or (colon and not port.isdecimal()):
        raise typer.BadParameter(words("no_port", text=text))
    return host, int(port) if colon else default_port


def _broker(broker: str, user: str | None, password_file: Path | None) -> dict[str, Any]:
    host, _ = _place(broker, 0)
    tls = host not in _LOOPBACK
    host, port = _place(broker, 8883 if tls else 1883)
    settings: dict[str, Any] = {"host": host, "port": port, "tls": tls}
    if user:
        settings |= {"username": user, "password_file": str(password_file)}
    return settings


def _source(kind: str, address: str | None, device: str | None) -> dict[str, Any]:
    """What stands in place of the example's settings. Tags of OPC UA go once an address is given:
    nobody has those of the example, and a source may be without."""
    source: dict[str, Any] = {"device": device} if device else {}
    key = _ADDRESS_KEYS.get(kind)
    if not address or key is None:
        return source
    if key == "watch_dir":
        return source | {"watch_dir": address}
    if key == "endpoint":
        bare = address if ":" in address else f"{address}:4840"
        endpoint = address if "://" in address else f"opc.tcp://{bare}"
        return source | {"endpoint": endpoint, "tags": None}
    if key == "url":
        return source | {"url": address if "://" in address else f"http://{address}"}
    host, port = _place(address, 0)
    if kind == "open_protocol":  # nobody has the codes of the example, and few its time zone
        source |= {"serial": None, "time_zone": None}
    return source | {"host": host} | ({"port": port} if port else {})


def _write(config: Path, text: str, as_json: bool) -> None:
    """Put the file there whole, and only where there is none and it would be a right one."""
    from edge.config import ConfigError, load

    trial = config.with_name(f".{config.name}.new")
    try:
        with trial.open("x", encoding="utf-8") as file:
            file.write(text)
        try:
            load(trial)
            config.hardlink_to(trial)
        finally:
            trial.unlink()
    except ConfigError as error:
        said = "; ".join(f"{p.where}: {p.what}" for p in error.problems)
        fail(words("wrong", why=said), as_json=as_json)
    except FileExistsError:
        fail(words("exists", path=config), as_json=as_json)
    except OSError as error:
        fail(words("unwritable", path=config, why=error.strerror), as_json=as_json)


def _next_steps(kind: str, source: dict[str, Any], config: Path) -> list[tuple[str, str]]:
    file = "" if config == DEFAULT_PATH else f" --config {config}"
    steps = [(f"{name}{file}", words(f"next.{name}")) for name in ("check", "doctor", "run")]
    if kind in _DISCOVERS:
        discover = _DISCOVERS[kind].format(config=config, **source)
        steps.insert(0, (discover, words("next.discover")))
    return [(f"lineside-edge {command}", why) for command, why in steps]
