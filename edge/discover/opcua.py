"""Looks around at an OPC UA server: which servers there are, what their endpoints offer, and which
variables lie below a node, with their values.

Services: FindServers and GetEndpoints (OPC 10000-4, 5.5), Browse and BrowseNext (5.9).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asyncua import Client, ua
from cryptography.exceptions import InvalidSignature

from edge.discover.names import free_name
from edge.sources.opcua.certificates import fingerprint, split_chain
from edge.sources.opcua.client import PlcClient
from edge.sources.opcua.companion import MACHINERY, VISION, Companion
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import ConnectFailedError
from edge.sources.opcua.refusals import Attempt, explain
from edge.sources.opcua.values import EPOCH, Unreadable, convert, datatype_of, type_name

PORTS = {
    4840: "OPC UA",
    4841: "OPC UA",
    48010: "Unified Automation",
    48020: "Unified Automation",
    49320: "Kepware",
    53530: "Prosys",
    62541: "Ignition",
}
"""Where servers listen that were set up as their makers do, by TCP port."""
OBJECTS = "i=85"
_SERVER = ua.NodeId(ua.Int32(ua.ObjectIds.Server))
_PORT_S = 3.0
_AT_A_TIME = 50
_REFERENCES = 500
"""Most references of a node in one answer; the rest follows (BrowseNext)."""
_LONGEST_VALUE = 60
_SKIPPED = {2253, 23470, 31915, 31917}
"""Below Objects, of every server and of no machine: Server, Aliases, Locations."""
_HAS_PROPERTY = ua.NodeId(ua.Int32(ua.ObjectIds.HasProperty))
_HIERARCHICAL = ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences))
_READABLE = 1
"""CurrentRead in an AccessLevel."""
_TELLS_EVENTS = 1
"""SubscribeToEvents in an EventNotifier."""
_SERIALS = {VISION: "PartId.Id", MACHINERY: "PartId"}
"""Where results have the serial of the part, as a rule."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One endpoint of a server."""

    url: str
    policy: str
    mode: str
    users: tuple[str, ...]
    fingerprint: str
    """SHA-256 of the server's certificate; empty if it shows none."""
    valid_until: str
    """Day on which that certificate ends; empty if it shows none."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server, as it is told of itself or by a discovery server."""

    name: str
    uri: str
    product_uri: str
    kind: str
    urls: tuple[str, ...]


@dataclass(slots=True)
class Found:
    """A node below the one where browsing began."""

    path: tuple[str, ...]
    node: ua.NodeId
    is_variable: bool
    type: str = ""
    """Of its value; empty if it has none that can be read."""
    value: Any = None
    unit: str = ""
    readable: bool = False
    why_not: str = ""

    @property
    def shown(self) -> str:
        """Its value in short."""
        if not self.readable:
            return self.why_not
        text = "" if self.value is None else str(self.value)
        return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


@dataclass(slots=True)
class Tree:
    """What browsing found, parents before their children."""

    nodes: list[Found] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    cut_at_limit: bool = False
    """There were more nodes than wanted."""
    cut_at_depth: bool = False
    """Something lies deeper than was looked."""

    @property
    def variables(self) -> Iterator[Found]:
        """Those that may be tags."""
        return (found for found in self.nodes if found.is_variable)


async def listening(host: str) -> list[int]:
    """Which of the usual ports of OPC UA take a connection there."""

    async def listens(port: int) -> bool:
        try:
            async with asyncio.timeout(_PORT_S):
                _, writer = await asyncio.open_connection(host, port)
        except OSError:  # a time-out is one too
            return False
        writer.close()
        return True

    answers = await asyncio.gather(*(listens(port) for port in PORTS))
    return [port for port, answer in zip(PORTS, answers, strict=True) if answer]


async def find(settings: OpcUaSettings) -> tuple[list[Server], list[Offer]]:
    """The servers that the one at the endpoint knows, itself among them, and its own endpoints.
    Raises `ConnectFailedError`."""
    endpoint = settings.endpoint
    attempt = Attempt(endpoint, settings)
    try:
        async with asyncio.timeout(3 * settings.timeout_s):
            servers = await PlcClient(endpoint, settings, attempt).connect_and_find_servers()
            offers = await PlcClient(endpoint, settings, attempt).connect_and_get_server_endpoints()
        return [_server(told) for told in servers], [_offer(told) for told in offers]
    except (OSError, ua.UaError, ValueError, InvalidSignature) as error:
        raise ConnectFailedError(f"{endpoint}: {explain(error, attempt)}") from error


async def browse(client: Client, start: str, *, depth: int, limit: int) -> Tree:
    """All objects and variables below a node, at most so many and so deep, with values. Level by
    level, so that what a limit cuts off lies deepest. Raises `ua.UaError`, `OSError`."""
    tree = Tree(namespaces=list(await client.get_namespace_array()))
    begin = ua.NodeId.from_string(start)
    seen = {begin}
    level: list[tuple[Found | None, ua.NodeId]] = [(None, begin)]
    units: dict[ua.NodeId, Found] = {}
    for at in range(depth):
        following: list[tuple[Found | None, ua.NodeId]] = []
        async for parent, reference in _references(client, level):
            node = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)
            is_property = reference.ReferenceTypeId == _HAS_PROPERTY
            if is_property and parent is not None and reference.BrowseName.Name == _UNITS:
                units[node] = parent
            if node in seen or is_property or (not at and _is_the_servers_own(node)):
                continue
            if len(tree.nodes) >= limit:
                tree.cut_at_limit = True
                break
            seen.add(node)
            found = _found(parent, node, reference)
            tree.nodes.append(found)
            following.append((found, node))
        if tree.cut_at_limit or not following:
            level = []
            break
        level = following
    tree.cut_at_depth = bool(level) and await _has_more(client, level, seen)
    await _read(client, tree, units)
    _in_order(tree)
    return tree


_UNITS = "EngineeringUnits"


def suggest(
    tree: Tree, *, taken: Iterable[str] = (), nodes: Iterable[ua.NodeId] = ()
) -> list[dict[str, Any]]:
    """Tags for what can be read, as a configuration has them: named by their path, known by the URI
    of their namespace. Not those of `nodes`; none is called as one of `taken`."""
    names, had = set(taken), set(nodes)
    tags = []
    for found in tree.variables:
        if not found.readable or not found.type or found.node in had:
            continue
        tag = {"name": free_name("/".join(found.path), names), "node": node_text(found.node, tree)}
        if found.unit:
            tag["unit"] = found.unit
        tags.append(tag)
    return tags


async def results(client: Client, tree: Tree) -> tuple[Companion, dict[str, Any]] | None:
    """By which model the server may tell results as events, and how they are taken, as a
    configuration has it: from the server's own object, or from the first that browsing found which
    tells events, if that does not. None where there are none. Raises `ua.UaError`, `OSError`."""
    model = next((each for each in _SERIALS if each.namespace in tree.namespaces), None)
    if model is None:
        return None
    objects = [_SERVER, *(found.node for found in tree.nodes if not found.is_variable)]
    for at in range(0, len(objects), _AT_A_TIME):
        part = objects[at : at + _AT_A_TIME]
        told = await client.uaclient.read_attributes(part, ua.AttributeIds.EventNotifier)
        for node, data in zip(part, told, strict=True):
            tells = data.Value.Value if data.Value is not None else None
            if isinstance(tells, int) and tells & _TELLS_EVENTS:
                return model, {"node": node_text(node, tree), "serial": _SERIALS[model]}
    return None


def node_text(node: ua.NodeId, tree: Tree) -> str:
    """A node id as a file names it for good."""
    text = str(node.to_string())
    if not node.NamespaceIndex:
        return text
    uri = tree.namespaces[node.NamespaceIndex]
    return text if ";" in uri else f"nsu={uri};{text.partition(';')[2]}"


def _server(told: ua.ApplicationDescription) -> Server:
    return Server(
        str(told.ApplicationName.Text or ""),
        str(told.ApplicationUri or ""),
        str(told.ProductUri or ""),
        told.ApplicationType.name,
        tuple(str(url) for url in told.DiscoveryUrls or ()),
    )


def _offer(told: ua.EndpointDescription) -> Offer:
    chain = split_chain(told.ServerCertificate or b"")
    return Offer(
        str(told.EndpointUrl),
        str(told.SecurityPolicyUri).rpartition("#")[2].replace("_", ""),
        told.SecurityMode.name.rstrip("_"),
        tuple(dict.fromkeys(token.TokenType.name for token in told.UserIdentityTokens or ())),
        fingerprint(chain[0]) if chain else "",
        f"{chain[0].not_valid_after_utc:%Y-%m-%d}" if chain else "",
    )


def _is_the_servers_own(node: ua.NodeId) -> bool:
    return not node.NamespaceIndex and node.Identifier in _SKIPPED


def _found(parent: Found | None, node: ua.NodeId, reference: ua.ReferenceDescription) -> Found:
    name = str(reference.BrowseName.Name or node.to_string())
    return Found(
        (*parent.path, name) if parent is not None else (name,),
        node,
        reference.NodeClass == ua.NodeClass.Variable,
    )


async def _references(
    client: Client, level: Sequence[tuple[Found | None, ua.NodeId]]
) -> AsyncIterator[tuple[Found | None, ua.ReferenceDescription]]:
    """Of each node of a level its objects, variables and properties."""
    for at in range(0, len(level), _AT_A_TIME):
        part = level[at : at + _AT_A_TIME]
        answers = await client.uaclient.browse(
            ua.BrowseParameters(
                RequestedMaxReferencesPerNode=ua.UInt32(_REFERENCES),
                NodesToBrowse=[_wanted(node) for _, node in part],
            )
        )
        for (parent, _), answer in zip(part, answers, strict=True):
            while True:
                for reference in answer.References or ():
                    if not getattr(reference.NodeId, "ServerIndex", 0):  # it is of this server
                        yield parent, reference
                if not answer.ContinuationPoint:
                    break
                (answer,) = await client.uaclient.browse_next(
                    ua.BrowseNextParameters(ContinuationPoints=[answer.ContinuationPoint])
                )


def _wanted(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=_HIERARCHICAL,
        IncludeSubtypes=True,
        NodeClassMask=ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable),
        ResultMask=ua.UInt32(ua.BrowseResultMask.All),
    )


async def _has_more(
    client: Client, level: Sequence[tuple[Found | None, ua.NodeId]], seen: set[ua.NodeId]
) -> bool:
    async for _, reference in _references(client, level):
        node = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)
        if reference.ReferenceTypeId != _HAS_PROPERTY and node not in seen:
            return True
    return False


async def _read(client: Client, tree: Tree, units: dict[ua.NodeId, Found]) -> None:
    """The values of the variables, whether they may be read, and their units."""
    variables = list(tree.variables)
    for at in range(0, len(variables), _AT_A_TIME):
        part = variables[at : at + _AT_A_TIME]
        nodes = [found.node for found in part]
        values = await client.uaclient.read_attributes(nodes, ua.AttributeIds.Value)
        access = await client.uaclient.read_attributes(nodes, ua.AttributeIds.UserAccessLevel)
        for found, data, allowed in zip(part, values, access, strict=True):
            _take_value(found, data, allowed)
        untyped = [f for f in part if f.readable and not f.type]
        for found in untyped:
            found.type = await _declared_type(client, found.node)
    wanted = [(node, found) for node, found in units.items() if found.is_variable]
    for at in range(0, len(wanted), _AT_A_TIME):
        some = wanted[at : at + _AT_A_TIME]
        told = await client.uaclient.read_attributes([n for n, _ in some], ua.AttributeIds.Value)
        for (_, found), data in zip(some, told, strict=True):
            value = data.Value.Value if data.Value is not None else None
            if isinstance(value, ua.EUInformation):
                found.unit = str(value.DisplayName.Text or "")[:40]


def _take_value(found: Found, data: ua.DataValue, allowed: ua.DataValue) -> None:
    level = allowed.Value.Value if allowed.Value is not None else None
    status = data.StatusCode
    if isinstance(level, int) and not level & _READABLE:
        found.why_not = "BadUserAccessDenied"
        return
    if status is not None and status.is_bad() and data.Value is None:
        found.why_not = status.name
        found.readable = status.value == ua.StatusCodes.BadWaitingForInitialData
        return
    found.readable = True
    variant = data.Value
    if variant is None or datatype_of(variant) is None:
        return
    found.type = type_name(variant)
    if isinstance(variant.Value, datetime):
        found.value = variant.Value.isoformat() if variant.Value >= EPOCH else None
        return
    try:
        found.value = convert(variant, _unexpanded)
    except Unreadable:
        found.value = "…"


def _unexpanded(_value: ua.ExtensionObject) -> Any:
    return "…"


async def _declared_type(client: Client, node: ua.NodeId) -> str:
    """The name of a variable's type, where its value is null and does not say it."""
    (data,) = await client.uaclient.read_attributes([node], ua.AttributeIds.DataType)
    kind = data.Value.Value if data.Value is not None else None
    if not isinstance(kind, ua.NodeId):
        return ""
    (told,) = await client.uaclient.read_attributes([kind], ua.AttributeIds.BrowseName)
    name = told.Value.Value if told.Value is not None else None
    return str(name.Name) if isinstance(name, ua.QualifiedName) else ""


def _in_order(tree: Tree) -> None:
    """Children behind their parent, in the order in which the server gave them."""
    rank = {found.path: at for at, found in enumerate(tree.nodes)}
    tree.nodes.sort(
        key=lambda found: [rank.get(found.path[: n + 1], 0) for n in range(len(found.path))]
    )
