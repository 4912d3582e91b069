"""An OPC UA source: its endpoints, the session, the clock, and each node that it names."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from asyncua import Client, ua

from edge.cli.words import Catalogue
from edge.discover.opcua import OBJECTS, Offer, Server, Tree, browse, find, node_text
from edge.doctor.finding import Finding, failed, ok, warning
from edge.doctor.vendors import trust_step
from edge.sources.opcua.certificates import CertificateError
from edge.sources.opcua.clock import read_clock
from edge.sources.opcua.companion import RESULT_KEYS, Companion
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import ConnectFailedError, close, connect, node_id
from edge.sources.opcua.identity import expiry_notice, own_application
from edge.sources.opcua.tags import TagSettings
from edge.sources.opcua.values import datatype_of, type_name
from protocols.sparkplug.datatypes import DataType

words = Catalogue(
    {
        "answers": ("{url} answers; it offers {offers}", "{url} 有应答，提供：{offers}"),
        "session": ("{url}: a session is made: {how}", "{url}：会话已建立：{how}"),
        "unsecured": ("not secured", "未加密"),
        "unsecured_of": (
            "the channel is not secured, though the server offers {policy}",
            "通道未加密，而服务器支持 {policy}",
        ),
        "secure_it": ("set security in this source", "请在该数据源中设置 security"),
        "own_certificate": (
            "this gateway's certificate {what}",
            "本网关的证书：{what}",
        ),
        "renew_own": (
            "remove {path}: a new one is made, which the server must be told to trust",
            "删除 {path} 后会生成新证书，并须让服务器信任它",
        ),
        "server_certificate": (
            "the server's certificate is valid until {until}",
            "服务器证书有效期至 {until}",
        ),
        "renew_server": (
            "let the server make a new one before it ends, and trust that one too",
            "请在到期前让服务器更换证书，并同样信任它",
        ),
        "at_server": ("At the server: {step}", "在服务器上：{step}"),
        "clock": (
            "the server's clock is {offset:+.0f} ms from this PC's",
            "服务器时钟与本机相差 {offset:+.0f} ms",
        ),
        "clock_set": (
            "let both keep to the same NTP server: samples bear the server's time",
            "请让两者使用同一 NTP 服务器：采样使用服务器时间",
        ),
        "no_clock": ("the server does not tell its time", "服务器不提供时间"),
        "no_tags": ("it has no tags", "没有变量"),
        "find_tags": (
            "lineside-edge discover opcua {url} --write FILE",
            "lineside-edge discover opcua {url} --write FILE",
        ),
        "nodes": (
            "{count} of {all} nodes are there, can be read, and fit",
            "{all} 个节点中有 {count} 个存在、可读且类型合适",
        ),
        "unknown": (
            "tag {tag}: the server has no node {node}",
            "变量 {tag}：服务器没有节点 {node}",
        ),
        "mean": ("did you mean {near}?", "是否为 {near}？"),
        "look": (
            "look at lineside-edge discover opcua {url}",
            "请查看 lineside-edge discover opcua {url}",
        ),
        "refused": ("tag {tag}: {why}", "变量 {tag}：{why}"),
        "allow": (
            "let this user read it at the server",
            "请在服务器上允许该用户读取",
        ),
        "no_value": (
            "tag {tag}: has no good value now ({why})",
            "变量 {tag}：目前没有有效值（{why}）",
        ),
        "unfit": (
            "tag {tag}: is {kind}, for which {keys} mean nothing",
            "变量 {tag}：类型为 {kind}，{keys} 对其无意义",
        ),
        "no_model": (
            "the server does not have the model {title} ({uri})",
            "服务器没有 {title} 信息模型（{uri}）",
        ),
        "load_model": (
            "load it at the server, or remove {key}",
            "请在服务器上加载该模型，或删除 {key}",
        ),
        "events": (
            "results: node {node} tells events, and the server has the model {title}",
            "结果：节点 {node} 可发送事件，服务器具有 {title} 信息模型",
        ),
        "no_events": (
            "results: node {node} tells no events ({why})",
            "结果：节点 {node} 不发送事件（{why}）",
        ),
        "leave_node": (
            "leave {key}.node out for the server's own, i=2253",
            "可省略 {key}.node，使用服务器对象 i=2253",
        ),
        "remove_keys": ("remove {keys} from the tag", "请从该变量中删除 {keys}"),
    }
)
_CLOCK_OFF_MS = 1000.0
_PER_READ = 100
_SUGGEST_FROM = 5000
_TEXTS = {DataType.String, DataType.UUID, DataType.DateTime}
_READABLE = 1
_SOON_DAYS = 30


async def look(settings: OpcUaSettings) -> AsyncIterator[Finding]:
    """Each endpoint, then the nodes at the first that works."""
    part = f"source {settings.device}"
    looked = False
    for url in dict.fromkeys((settings.endpoint, *settings.more_endpoints)):
        alone = settings.model_copy(update={"endpoint": url, "more_endpoints": []})
        try:
            servers, offers = await find(alone)
        except ConnectFailedError as error:
            yield failed(part, str(error))
            continue
        named = dict.fromkeys(_offer_name(offer) for offer in offers)
        yield ok(part, words("answers", url=url, offers="; ".join(named)))
        try:
            client = await connect(alone)
        except ConnectFailedError as error:
            yield failed(part, str(error), _vendor_step(alone, servers))
            continue
        try:
            for finding in _secured(part, alone, offers):
                yield finding
            yield await _clock(part, client)
            if not looked:
                looked = True
                async for found in _nodes(part, alone, client):
                    yield found
        except (OSError, ua.UaError) as error:
            yield failed(part, f"{url}: {error or type(error).__name__}")
        finally:
            await close(client, settings.timeout_s)


def _vendor_step(settings: OpcUaSettings, servers: Sequence[Server]) -> str:
    step = trust_step(servers) if settings.security is not None else ""
    return words("at_server", step=step) if step else ""


def _offer_name(offer: Offer) -> str:
    return words("unsecured") if offer.mode == "None" else f"{offer.policy} {offer.mode}"


def _secured(part: str, settings: OpcUaSettings, offers: Sequence[Offer]) -> Iterator[Finding]:
    """How the channel is secured, and for how long its certificates are good."""
    security, url = settings.security, settings.endpoint
    if security is None:
        better = [offer for offer in offers if offer.mode != "None"]
        if better:
            what = words("unsecured_of", policy=_offer_name(better[-1]))
            yield warning(part, f"{url}: {what}", words("secure_it"))
        else:
            yield ok(part, words("session", url=url, how=words("unsecured")))
        return
    yield ok(part, words("session", url=url, how=f"{security.policy}, {security.mode}"))
    now = datetime.now(UTC)
    try:
        notice = expiry_notice(own_application(security).certificate, now)
    except CertificateError as error:
        notice = str(error)
    if notice is not None:
        remedy = words("renew_own", path=security.certificate_file)
        yield warning(part, words("own_certificate", what=notice), remedy)
    for until in sorted({offer.valid_until for offer in offers if offer.valid_until})[:1]:
        what = words("server_certificate", until=until)
        days = (datetime.fromisoformat(until).replace(tzinfo=UTC) - now).days
        yield ok(part, what) if days > _SOON_DAYS else warning(part, what, words("renew_server"))


async def _clock(part: str, client: Client) -> Finding:
    readings = await read_clock(client)
    if not readings:
        return warning(part, words("no_clock"))
    offset = statistics.median(r.server_us - r.wall_us for r in readings) / 1000
    what = words("clock", offset=offset)
    return (
        ok(part, what) if abs(offset) < _CLOCK_OFF_MS else warning(part, what, words("clock_set"))
    )


async def _nodes(part: str, settings: OpcUaSettings, client: Client) -> AsyncIterator[Finding]:
    namespaces = await client.get_namespace_array()
    if settings.results is not None:
        model, wanted = settings.results
        yield await _events(part, model, wanted.node, client, namespaces)
    if not settings.tags:
        if settings.results is None:
            yield warning(part, words("no_tags"), words("find_tags", url=settings.endpoint))
        return
    bad: list[Finding] = []
    unknown: list[TagSettings] = []
    known: list[tuple[TagSettings, ua.NodeId]] = []
    for tag in settings.tags:
        try:
            known.append((tag, node_id(tag.node, namespaces)))
        except ValueError:
            unknown.append(tag)
    for at in range(0, len(known), _PER_READ):
        some = known[at : at + _PER_READ]
        nodes = [node for _, node in some]
        values = await client.uaclient.read_attributes(nodes, ua.AttributeIds.Value)
        access = await client.uaclient.read_attributes(nodes, ua.AttributeIds.UserAccessLevel)
        for (tag, _), data, allowed in zip(some, values, access, strict=True):
            if data.StatusCode is not None and data.StatusCode.value in _UNKNOWN:
                unknown.append(tag)
            elif (finding := _judged(part, tag, data, allowed)) is not None:
                bad.append(finding)
    good = len(settings.tags) - len(unknown) - len(bad)
    count = words("nodes", count=good, all=len(settings.tags))
    yield ok(part, count) if good == len(settings.tags) else warning(part, count)
    for finding in bad:
        yield finding
    if unknown:
        tree = await browse(client, OBJECTS, depth=20, limit=_SUGGEST_FROM)
        for tag in unknown:
            yield failed(
                part,
                words("unknown", tag=tag.name, node=tag.node),
                _near(tag.node, tree) or words("look", url=settings.endpoint),
            )


async def _events(
    part: str, model: Companion, named: str, client: Client, namespaces: list[str]
) -> Finding:
    """Whether results can be told as events of this model, by the node of that name."""
    if model.namespace not in namespaces:
        missing = words("no_model", title=model.title, uri=model.namespace)
        return failed(part, missing, words("load_model", key=model.key))
    leave_node = words("leave_node", key=model.key)
    try:
        node = node_id(named, namespaces)
    except ValueError as error:
        return failed(part, words("no_events", node=named, why=error), leave_node)
    (data,) = await client.uaclient.read_attributes([node], ua.AttributeIds.EventNotifier)
    bits = data.Value.Value if data.Value is not None else None
    if not isinstance(bits, int) or not bits & 1 << ua.EventNotifier.SubscribeToEvents:
        why = data.StatusCode.name if data.StatusCode is not None else bits
        return failed(part, words("no_events", node=named, why=why), leave_node)
    return ok(part, words("events", node=named, title=model.title))


_UNKNOWN = {
    ua.StatusCodes.BadNodeIdUnknown,
    ua.StatusCodes.BadNodeIdInvalid,
    ua.StatusCodes.BadAttributeIdInvalid,  # a node that is no variable
}


def _judged(
    part: str, tag: TagSettings, data: ua.DataValue, allowed: ua.DataValue
) -> Finding | None:
    """What is wrong with a node that is there."""
    level = allowed.Value.Value if allowed.Value is not None else None
    if isinstance(level, int) and not level & _READABLE:
        what = words("refused", tag=tag.name, why="BadUserAccessDenied")
        return failed(part, what, words("allow"))
    status = data.StatusCode
    if status is not None and not status.is_good():
        if status.value in (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadNotReadable):
            return failed(part, words("refused", tag=tag.name, why=status.name), words("allow"))
        return warning(part, words("no_value", tag=tag.name, why=status.name))
    variant = data.Value
    datatype = datatype_of(variant) if variant is not None else None
    if variant is None or datatype is None:
        return warning(part, words("no_value", tag=tag.name, why="null"))
    if datatype in _TEXTS or variant.is_array:
        keys = [key for key in _NUMERIC if getattr(tag, key) is not None]
        keys += ["scale"] * (tag.scale != 1) + ["shift"] * (tag.shift != 0)
        if keys:
            said = ", ".join(keys)
            what = words("unfit", tag=tag.name, kind=type_name(variant), keys=said)
            return warning(part, what, words("remove_keys", keys=said))
    return None


_NUMERIC = ("deadband", "deadband_percent", "swinging_door")


def _near(wanted: str, tree: Tree) -> str:
    """Nodes of the server that are called nearly so."""
    known = {node_text(found.node, tree) for found in tree.variables}
    known |= {str(found.node.to_string()) for found in tree.variables}
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.7)
    return words("mean", near=near[0]) if near else ""


async def look_at_nodes(
    part: str, settings: OpcUaSettings, named: Iterable[tuple[str, str]]
) -> AsyncIterator[Finding]:
    """Nodes by what they are for, that must be there: those of a hand-over."""
    tags = [TagSettings(name=name, node=node) for name, node in named]
    alone = settings.model_copy(update={"tags": tags, **dict.fromkeys(RESULT_KEYS)})
    try:
        client = await connect(alone)
    except ConnectFailedError as error:
        yield failed(part, str(error))
        return
    try:
        async for finding in _nodes(part, alone, client):
            if finding.verdict != "warning" or finding.remedy:  # a PLC at rest has no values
                yield finding
    except (OSError, ua.UaError) as error:
        yield failed(part, f"{settings.endpoint}: {error or type(error).__name__}")
    finally:
        await close(client, settings.timeout_s)
