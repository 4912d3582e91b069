"""`discover`: what there is to read, and tags for it, put into the file."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.output import AsJson, fail, helped, printer, reason, show_json
from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge.discover.opcua import Found, Offer, Server, Tree
    from edge.discover.polled import TagAnswer
    from edge.discover.write import Written
    from edge.sources.opcua.config import OpcUaSettings

words = Catalogue(
    {
        "discover": (
            "Find what can be read, and put it into the file as tags.",
            "查找可读取的内容，并作为变量写入文件。",
        ),
        "opcua": (
            "Find OPC UA servers and their endpoints, browse one as a tree with values and types, "
            "and suggest tags.",
            "查找 OPC UA 服务器及其端点，以树形浏览变量的值与类型，并建议变量。",
        ),
        "s7": (
            "Tags from the symbols of an S7 project: .db, .awl, .scl, .sdf or .csv as the "
            "engineering tool exports them.",
            "从 S7 项目导出的符号（.db、.awl、.scl、.sdf、.csv）生成变量。",
        ),
        "modbus": (
            "Tags from a map of Modbus registers as CSV: name,address,type,unit,scale, …",
            "从 Modbus 寄存器表（CSV：name,address,type,unit,scale, …）生成变量。",
        ),
        "target": (
            "opc.tcp://host:port/path, or a host whose usual ports are tried.",
            "opc.tcp://主机:端口/路径，或主机名（尝试常用端口）。",
        ),
        "symbols": ("File of symbols.", "符号文件。"),
        "map": ("File of registers.", "寄存器文件。"),
        "node": ("Node below which is browsed.", "从该节点开始浏览。"),
        "depth": ("How many levels.", "浏览层数。"),
        "limit": ("How many nodes at most.", "最多节点数。"),
        "only": (
            "Tags whose name is like this, with * and ?; may be given several times.",
            "只取名称匹配的变量，可用 * 和 ?；可重复给出。",
        ),
        "user": ("User name at the server.", "服务器用户名。"),
        "password_file": ("File whose first line is the password.", "首行为密码的文件。"),
        "security": (
            "Secure the channel by this policy, such as Basic256Sha256; certificates are kept in "
            "--pki.",
            "用该安全策略（如 Basic256Sha256）加密通道；证书存放于 --pki。",
        ),
        "pki": ("Directory of certificates, beside the file.", "证书目录，相对于配置文件。"),
        "device": (
            "Name of the source to add to, or of the new one.",
            "要加入的数据源名称，或新数据源的名称。",
        ),
        "write": (
            "Add the tags to this file; what stands in it stays, a copy of the old one is kept.",
            "把变量加入该文件；原有内容不变，并保留旧文件副本。",
        ),
        "number": (
            "Number of a data block that the file calls by name: Press=10.",
            "文件中以名称出现的数据块的编号：Press=10。",
        ),
        "host": (
            "Address of the device; the values are read too.",
            "设备地址；同时读取当前值。",
        ),
        "port": ("TCP port, if not the usual one.", "TCP 端口（非默认时）。"),
        "slot": ("Slot of the CPU.", "CPU 槽号。"),
        "unit_id": ("Unit id of registers that name none.", "未注明从站的寄存器的从站号。"),
        "nothing_listens": (
            "{host}: nothing listens on the usual ports of OPC UA ({ports}); is the server "
            "switched on, and which port does it show?",
            "{host}：常用 OPC UA 端口（{ports}）均无响应；服务器是否已启用？它显示的端口是多少？",
        ),
        "servers": ("Servers", "服务器"),
        "endpoints": ("Endpoints", "端点"),
        "insecure": ("not secured", "未加密"),
        "pick": (
            "Several servers answer; name the one to browse: lineside-edge discover opcua {url}",
            "有多个服务器应答，请指定要浏览的一个：lineside-edge discover opcua {url}",
        ),
        "no_session": (
            "The tree cannot be shown: {why}",
            "无法显示节点树：{why}",
        ),
        "cut_limit": (
            "There is more: the limit of {limit} nodes is reached; give --limit, or --node to "
            "begin deeper.",
            "还有更多：已达 {limit} 个节点上限；请用 --limit，或用 --node 从更深处开始。",
        ),
        "cut_depth": (
            "There is more below {depth} levels; give --depth, or --node to begin deeper.",
            "{depth} 层以下还有更多；请用 --depth，或用 --node 从更深处开始。",
        ),
        "results": (
            "The server has the model {title}: {key} takes the results that {node} tells as "
            "events; say under `measured` what they hold (edge/sources/opcua/README.md).",
            "服务器具有 {title} 信息模型：{key} 可接收 {node} 以事件发送的结果；"
            "请在 `measured` 中说明其内容（edge/sources/opcua/README.md）。",
        ),
        "count": ("{tags} tags can be read.", "可读取 {tags} 个变量。"),
        "none_like": (
            "no tag that can be read is called like {only}",
            "没有可读取的变量名称匹配 {only}",
        ),
        "left_out": (
            "{count} of them are not written: the device does not give them",
            "其中 {count} 个未写入：设备不提供",
        ),
        "how_to_write": ("Add them to a file: --write edge.yaml", "写入文件：--write edge.yaml"),
        "added": (
            "{tags} tags added to source {device} of {path}; as it was: {backup}",
            "已将 {tags} 个变量加入 {path} 的数据源 {device}；旧文件：{backup}",
        ),
        "added_source": (
            "source {device} with {tags} tags added to {path}; as it was: {backup}",
            "已在 {path} 中新增数据源 {device}（{tags} 个变量）；旧文件：{backup}",
        ),
        "nothing_new": (
            "source {device} of {path} has all of them; nothing is written",
            "{path} 的数据源 {device} 已包含全部变量，未写入",
        ),
        "added_results": (
            "it takes results that come as events now",
            "现在会接收以事件发送的结果",
        ),
        "reload": (
            "A running gateway takes it in by: lineside-edge reload --config {path}",
            "运行中的网关用此命令生效：lineside-edge reload --config {path}",
        ),
        "no_file": (
            "{path} is not there; lineside-edge init writes one to begin with",
            "{path} 不存在；请先用 lineside-edge init 生成",
        ),
        "host_needed": (
            "{path} has no source for it yet; give --host, or --device with the name of one",
            "{path} 中尚无对应数据源；请给出 --host，或用 --device 指定已有数据源",
        ),
        "no_number": (
            "{text!r} is not NAME=NUMBER, such as Press=10",
            "{text!r} 不是 名称=编号，例如 Press=10",
        ),
        "name": ("name", "名称"),
        "address": ("address", "地址"),
        "value": ("value", "值"),
        "comment": ("comment", "注释"),
        "password": ("Password of {user}", "{user} 的密码"),
        "password_wanted": (
            "a file keeps no password that was typed: give --password-file",
            "文件中不保存键入的密码：请给出 --password-file",
        ),
    }
)
_MOST_SHOWN = 500
"""Rows of a table in a terminal; a document has them all."""

Only = Annotated[list[str] | None, typer.Option(help=words("only"))]
Device = Annotated[str | None, typer.Option(help=words("device"))]
Write = Annotated[Path | None, typer.Option(help=words("write"))]
Host = Annotated[str | None, typer.Option(help=words("host"))]
Port = Annotated[int | None, typer.Option(help=words("port"))]


def add_to(app: typer.Typer) -> None:
    """These commands."""
    group = typer.Typer(help=words("discover"), no_args_is_help=True, rich_markup_mode=None)
    group.command(help=helped(words("opcua"), 0, 1, 2))(opcua)
    group.command(help=helped(words("s7"), 0, 1, 2))(s7)
    group.command(help=helped(words("modbus"), 0, 1, 2))(modbus)
    app.add_typer(group, name="discover")


# OPC UA.


def opcua(
    target: Annotated[str, typer.Argument(help=words("target"))],
    node: Annotated[str, typer.Option(help=words("node"))] = "i=85",
    depth: Annotated[int, typer.Option(help=words("depth"), min=1, max=50)] = 8,
    limit: Annotated[int, typer.Option(help=words("limit"), min=1, max=100_000)] = 2000,
    only: Only = None,
    user: Annotated[str | None, typer.Option(help=words("user"))] = None,
    password_file: Annotated[Path | None, typer.Option(help=words("password_file"))] = None,
    security: Annotated[str | None, typer.Option(help=words("security"))] = None,
    pki: Annotated[Path, typer.Option(help=words("pki"))] = Path("pki"),
    device: Device = None,
    write: Write = None,
    as_json: AsJson = False,
) -> None:
    """Look around, show it, and write it down if wanted."""
    _check_file(write, as_json)
    password = None
    if user and password_file is None:
        if write is not None:
            fail(words("password_wanted"), as_json=as_json)
        password = typer.prompt(words("password", user=user), hide_input=True, err=True)
    given: dict[str, Any] = {}
    if user:
        given["username"] = user
        given |= {"password_file": str(password_file)} if password_file else {"password": password}
    if security:
        given["security"] = {
            "policy": security,
            "certificate_file": str(pki / "own" / "gateway.der"),
            "key_file": str(pki / "own" / "gateway.pem"),
            "trust_dir": str(pki),
        }
    asyncio.run(_opcua(target, node, depth, limit, only, given, device, write, as_json))


async def _opcua(
    target: str,
    node: str,
    depth: int,
    limit: int,
    only: list[str] | None,
    given: dict[str, Any],
    device: str | None,
    write: Path | None,
    as_json: bool,
) -> None:
    import logging

    from asyncua import ua

    from edge.discover.opcua import browse, results, suggest
    from edge.sources.opcua.connect import ConnectFailedError, close, connect

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what it says is in the error
    told: dict[str, Any] = {"servers": [], "endpoints": [], "nodes": [], "tags": []}
    urls = await _urls(target, as_json)
    servers, endpoints = await _find(urls, given, device, write, as_json)
    told["servers"] = [asdict(server) for server in servers]
    told["endpoints"] = [asdict(offer) for offer in endpoints]
    if not as_json:
        _print(_servers_table(servers), _endpoints_table(endpoints))
    if len(urls) > 1:
        if not as_json:
            typer.echo(words("pick", url=urls[0]))
        else:
            show_json(told)
        return
    settings = _settings(urls[0], given, device, write, as_json)
    try:
        client = await connect(settings)
        try:
            tree = await browse(client, node, depth=depth, limit=limit)
            found = await results(client, tree)
        finally:
            await close(client, settings.timeout_s)
    except (ConnectFailedError, OSError, ua.UaError, ValueError) as error:
        fail(words("no_session", why=error), as_json=as_json)
    tags = _matching(suggest(tree), only, as_json)
    if not as_json:
        _print(_tree(urls[0], tree, {tag["node"] for tag in tags} if only else None))
        if tree.cut_at_limit:
            typer.echo(words("cut_limit", limit=limit))
        if tree.cut_at_depth:
            typer.echo(words("cut_depth", depth=depth))
        if found is not None:
            model, how = found
            typer.echo(words("results", title=model.title, key=model.key, node=how["node"]))
    told |= {
        "nodes": [_node_plain(found) for found in tree.nodes],
        "tags": tags,
        "results": {} if found is None else {found[0].key: found[1]},
        "cut_at_limit": tree.cut_at_limit,
        "cut_at_depth": tree.cut_at_depth,
    }

    wanted = {tag["node"] for tag in tags}

    def tags_for(source: OpcUaSettings | None) -> list[dict[str, Any]]:
        if source is None:
            return tags
        had = _nodes_of(source, tree.namespaces)
        names = {tag.name for tag in source.tags}
        free = suggest(tree, taken=names, nodes=had)
        return [tag for tag in free if tag["node"] in wanted]

    name = device or next((s.name for s in servers if urls[0] in s.urls), "") or "plc"
    source = {"kind": "opcua", "device": name, "endpoint": urls[0], **_relative(given, write)}
    if not only:  # who names tags wants these alone
        source |= told["results"]
    _finish(told, tags, write, "opcua", device, urls[0], source, tags_for, list(given), as_json)


def _nodes_of(source: OpcUaSettings, namespaces: list[str]) -> list[Any]:
    from edge.sources.opcua.connect import node_id

    found = []
    for tag in source.tags:
        try:
            found.append(node_id(tag.node, namespaces))
        except ValueError:  # the server does not have it: `doctor` says so
            continue
    return found


async def _urls(target: str, as_json: bool) -> list[str]:
    from edge.discover.opcua import PORTS, listening

    if "://" in target:
        return [target]
    if target.count(":") == 1:
        return [f"opc.tcp://{target}"]
    ports = await listening(target)
    if not ports:
        fail(
            words("nothing_listens", host=target, ports=", ".join(map(str, PORTS))),
            as_json=as_json,
        )
    return [f"opc.tcp://{target}:{port}" for port in ports]


async def _find(
    urls: list[str],
    given: dict[str, Any],
    device: str | None,
    write: Path | None,
    as_json: bool,
) -> tuple[list[Server], list[Offer]]:
    from edge.discover.opcua import find
    from edge.sources.opcua.connect import ConnectFailedError

    servers: dict[str, Server] = {}
    endpoints: list[Offer] = []
    failures = []
    for url in urls:
        try:
            some, offers = await find(_settings(url, given, device, write, as_json))
        except ConnectFailedError as error:
            failures.append(str(error))
            continue
        servers |= {server.uri: server for server in some}
        endpoints += offers
    if len(failures) == len(urls):
        fail("\n".join(failures), as_json=as_json)
    return list(servers.values()), endpoints


def _settings(
    url: str, given: dict[str, Any], device: str | None, write: Path | None, as_json: bool
) -> OpcUaSettings:
    """How the server is reached: as the file says of that source, else as the options say."""
    from pydantic import ValidationError

    from edge.config import ConfigError, load
    from edge.discover.write import source_at
    from edge.sources.opcua.config import OpcUaSettings

    if write is not None and not given:
        try:
            config = load(write)
        except ConfigError as error:
            fail(str(error), as_json=as_json)
        at = source_at(config, "opcua", device, url)
        if at is not None and isinstance(source := config.sources[at], OpcUaSettings):
            return source.model_copy(update={"endpoint": url, "more_endpoints": []})
    try:
        return OpcUaSettings.model_validate({"device": "discover", "endpoint": url, **given})
    except ValidationError as error:
        fail("; ".join(str(detail["msg"]) for detail in error.errors()), as_json=as_json)


def _relative(given: dict[str, Any], write: Path | None) -> dict[str, Any]:
    """Settings as they stand in the file: its paths begin at the file, an option's where the
    command was given."""
    if write is None:
        return given
    base = write.absolute().parent

    def seen_from(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {inner: seen_from(part, inner) for inner, part in value.items()}
        if key.endswith(("_file", "_dir")):
            path = Path(value).absolute()
            return str(path.relative_to(base) if path.is_relative_to(base) else path)
        return value

    plain: dict[str, Any] = seen_from(given, "")
    return plain


def _servers_table(servers: Iterable[Server]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=words("servers"), title_justify="left", box=None, pad_edge=False)
    for server in servers:
        table.add_row(Text(server.name), Text(server.kind), Text("\n".join(server.urls)))
    return table


def _endpoints_table(endpoints: Iterable[Offer]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=words("endpoints"), title_justify="left", box=None, pad_edge=False)
    for offer in endpoints:
        secured = words("insecure") if offer.mode == "None" else f"{offer.policy}, {offer.mode}"
        table.add_row(Text(offer.url), Text(secured), Text(", ".join(offer.users)))
    for shown in sorted({offer.fingerprint for offer in endpoints if offer.fingerprint}):
        table.caption = f"{table.caption or ''}SHA-256 {shown}\n"
        table.caption_justify = "left"
    return table


def _tree(url: str, tree: Tree, wanted: set[str] | None) -> RenderableType:
    """What was found, or of it what is `wanted`, with what leads there."""
    from rich.text import Text
    from rich.tree import Tree as Shown

    from edge.discover.opcua import node_text

    root = Shown(Text(url))
    at: dict[tuple[str, ...], Any] = {(): root}
    ways = {
        found.path[:length]
        for found in tree.variables
        if wanted is None or node_text(found.node, tree) in wanted
        for length in range(1, len(found.path) + 1)
    }
    for found in tree.nodes:
        if wanted is not None and found.path not in ways:
            continue
        label = Text(found.path[-1], "" if found.is_variable else "bold")
        if found.is_variable:
            label.append(f"  {found.type}", "cyan")
            label.append(f"  {found.shown} {found.unit}".rstrip(), "" if found.readable else "red")
            label.append(f"  {node_text(found.node, tree)}", "dim")
        at[found.path] = at.get(found.path[:-1], root).add(label)
    return root


def _node_plain(found: Found) -> dict[str, Any]:
    return {
        "path": "/".join(found.path),
        "node": str(found.node.to_string()),
        "variable": found.is_variable,
        "type": found.type,
        "value": found.value,
        "unit": found.unit,
        "readable": found.readable,
        "why_not": found.why_not,
    }


# What is read by address.


def s7(
    symbols: Annotated[Path, typer.Argument(help=words("symbols"))],
    number: Annotated[list[str] | None, typer.Option(help=words("number"))] = None,
    host: Host = None,
    port: Port = None,
    slot: Annotated[int, typer.Option(help=words("slot"), min=0, max=31)] = 1,
    only: Only = None,
    device: Device = None,
    write: Write = None,
    as_json: AsJson = False,
) -> None:
    """Read the symbols, and with a host their values."""
    from edge.discover.maps import s7_tags

    numbers = dict(_number(text) for text in number or [])
    source: dict[str, Any] = {"kind": "s7", "device": device or symbols.stem, "host": host}
    if slot != 1:
        source["slot"] = slot
    _by_address(lambda: s7_tags(symbols, numbers), source, port, 102, only, device, write, as_json)


def modbus(
    registers: Annotated[Path, typer.Argument(metavar="MAP.csv", help=words("map"))],
    host: Host = None,
    port: Port = None,
    unit_id: Annotated[int, typer.Option(help=words("unit_id"), min=0, max=255)] = 1,
    only: Only = None,
    device: Device = None,
    write: Write = None,
    as_json: AsJson = False,
) -> None:
    """Read the map, and with a host its values."""
    from edge.discover.maps import modbus_tags

    source: dict[str, Any] = {"kind": "modbus", "device": device or registers.stem, "host": host}
    if unit_id != 1:
        source["unit_id"] = unit_id
    _by_address(lambda: modbus_tags(registers), source, port, 502, only, device, write, as_json)


def _number(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isdecimal():
        raise typer.BadParameter(words("no_number", text=text))
    return name, int(number)


def _by_address(
    read: Callable[[], list[tuple[dict[str, Any], str]]],
    source: dict[str, Any],
    port: int | None,
    usual_port: int,
    only: list[str] | None,
    device: str | None,
    write: Path | None,
    as_json: bool,
) -> None:
    from edge.discover.maps import fresh

    _check_file(write, as_json)
    kind = source["kind"]
    if port is not None and port != usual_port:
        source["port"] = port
    try:
        found = read()
    except (ValueError, OSError) as error:
        fail(reason(error), as_json=as_json)
    comments = {tag["name"]: comment for tag, comment in found}
    tags = _matching([tag for tag, _ in found], only, as_json)
    values = asyncio.run(_values(source, tags, as_json)) if source["host"] and tags else None
    if not as_json:
        _print(_tags_table(tags, comments, values))
    refused = {name for name, answer in (values or {}).items() if answer.why_not}
    if refused and not as_json:
        typer.echo(words("left_out", count=len(refused)))
    tags = [tag for tag in tags if tag["name"] not in refused]
    told: dict[str, Any] = {
        "tags": tags,
        "values": {name: asdict(answer) for name, answer in (values or {}).items()},
    }
    address = f"{source['host']}:{port or usual_port}"
    if write is not None and source["host"] is None and not _knows(write, device, as_json):
        fail(words("host_needed", path=write), as_json=as_json)

    def tags_for(there: Any) -> list[dict[str, Any]]:
        return fresh(tags, there, kind)

    _finish(told, tags, write, kind, device, address, source, tags_for, [], as_json)


def _knows(write: Path, device: str | None, as_json: bool) -> bool:
    from edge.config import ConfigError, load

    try:
        return device in [source.device for source in load(write).sources]
    except ConfigError as error:
        fail(str(error), as_json=as_json)


async def _values(
    source: dict[str, Any], tags: list[dict[str, Any]], as_json: bool
) -> dict[str, TagAnswer]:
    """The value of each tag now, or why there is none, by its name."""
    from pydantic import TypeAdapter, ValidationError

    from edge.discover.polled import LinkError, device_of, read_once
    from edge.sources.registry import SourceSettings

    try:
        settings: Any = TypeAdapter(SourceSettings).validate_python({**source, "tags": tags})
        answers = await read_once(device_of(settings))
    except ValidationError as error:
        fail("; ".join(str(detail["msg"]) for detail in error.errors()), as_json=as_json)
    except LinkError as error:
        fail(str(error), as_json=as_json)
    return {tag["name"]: answer for tag, answer in zip(tags, answers, strict=True)}


def _tags_table(
    tags: list[dict[str, Any]], comments: dict[str, str], values: dict[str, TagAnswer] | None
) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for key in ("name", "address", *(("value",) if values is not None else ()), "comment"):
        table.add_column(words(key))
    for tag in tags[:_MOST_SHOWN]:
        cells = [tag["name"], tag["address"]]
        if values is not None:
            answer = values[tag["name"]]
            cells.append(answer.why_not or f"{answer.value} {tag.get('unit', '')}".strip())
        table.add_row(*map(Text, (*cells, comments.get(tag["name"], ""))))
    if len(tags) > _MOST_SHOWN:
        table.add_row("…")
    return table


# What they share.


def _matching(
    tags: list[dict[str, Any]], only: list[str] | None, as_json: bool
) -> list[dict[str, Any]]:
    """The tags that are wanted; ends the command if none is called so."""
    if not only:
        return tags
    found = [tag for tag in tags if any(fnmatch.fnmatchcase(tag["name"], like) for like in only)]
    if not found:
        fail(words("none_like", only=", ".join(only)), as_json=as_json)
    return found


def _check_file(write: Path | None, as_json: bool) -> None:
    if write is not None and not write.exists():
        fail(words("no_file", path=write), as_json=as_json)


def _finish(
    told: dict[str, Any],
    tags: list[dict[str, Any]],
    write: Path | None,
    kind: str,
    device: str | None,
    address: str,
    source: dict[str, Any],
    tags_for: Callable[[Any], list[dict[str, Any]]],
    access: list[str],
    as_json: bool,
) -> None:
    """Write what was found if that is wanted, and say what was done."""
    written = None
    if write is not None:
        written = _written(write, kind, device, address, source, tags_for, access, as_json)
        told["written"] = {**asdict(written), "backup": str(written.backup or "")}
    if as_json:
        show_json(told)
        return
    typer.echo(words("count", tags=len(tags)))
    if write is None or written is None:
        typer.echo(words("how_to_write"))
    elif written.backup is None:
        typer.echo(words("nothing_new", device=written.device, path=write))
    else:
        key = "added_source" if written.new_source else "added"
        said = {"tags": written.tags, "device": written.device, "path": write}
        typer.echo(words(key, **said, backup=written.backup))
        if written.results:
            typer.echo(words("added_results"))
        typer.echo(words("reload", path=write))


def _written(
    write: Path,
    kind: str,
    device: str | None,
    address: str,
    source: dict[str, Any],
    tags_for: Callable[[Any], list[dict[str, Any]]],
    access: list[str],
    as_json: bool,
) -> Written:
    from edge.config import ConfigError
    from edge.config.edit import EditError
    from edge.discover.write import add

    try:
        return add(write, kind, device, address, source, tags_for, access)
    except (ConfigError, EditError, OSError) as error:
        fail(str(error), as_json=as_json)


def _print(*parts: RenderableType) -> None:
    console = printer()
    for part in parts:
        console.print(part)
