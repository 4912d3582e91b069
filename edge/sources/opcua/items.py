"""What the server is asked of each tag, and less of it where the server refuses.

Where the server shall keep small changes back (`deadband_at`), a deadband in percent is asked for
as such; where it does not do that, as the absolute one that it is of the range the server knows
(EURange); where it does not do that either, the gateway's own filter does it. That filter works
whenever the absolute figure is known, so that a server that ignores its promise does no harm. It
works alone unless the settings say otherwise, since a server that measures from the last value and
not from the last report, as asyncua's does, never reports a slow drift. With a heartbeat it works
alone too: what a server keeps back cannot beat.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asyncua import Client, ua

from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.intake import Intake
from edge.sources.opcua.tags import DeadbandAt, TagSettings, Trigger

logger = logging.getLogger(__name__)

_NODES_PER_REQUEST = 200
_TRIGGERS = {
    Trigger.STATUS: ua.DataChangeTrigger.Status,
    Trigger.STATUS_VALUE: ua.DataChangeTrigger.StatusValue,
    Trigger.STATUS_VALUE_TIMESTAMP: ua.DataChangeTrigger.StatusValueTimestamp,
}
_REFUSALS = frozenset(
    {
        ua.StatusCodes.BadDeadbandFilterInvalid,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadFilterNotAllowed,
    }
)
"""It is the filter that the server does not want, not the node."""
_HAS_PROPERTY = ua.NodeId(ua.Int32(ua.ObjectIds.HasProperty))


@dataclass(frozen=True, slots=True)
class _Wish:
    """One way to ask for a tag, and how it is called."""

    filter: ua.DataChangeFilter | None
    name: str


class Items:
    """The monitored items of one device. What a server refused once is not asked for again."""

    def __init__(self, settings: OpcUaSettings, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._refused: dict[int, set[str]] = {}
        """Names of the wishes that the server refused, by position."""
        self._ranges: dict[int, float] = {}
        """Width of the range of each tag with a deadband in percent, in the server's unit."""

    async def prepare(self, client: Client, nodes: Mapping[int, ua.NodeId]) -> None:
        """Ask what must be known of these tags (by position) before their values come, whether the
        items are made in this session or are there already."""
        try:
            await self._intake.types.learn(client, nodes)
            await self._learn_ranges(client, nodes)
        except ua.UaError as error:
            logger.info("%s: types and ranges are not known: %s", self._settings.device, error)

    async def _learn_ranges(self, client: Client, nodes: Mapping[int, ua.NodeId]) -> None:
        percent = {p: n for p, n in nodes.items() if self._tag(p).deadband_percent is not None}
        for position, width in (await _ranges(client, percent)).items():
            self._ranges[position] = width
            tag = self._tag(position)
            self._intake.set_deadband(position, _of_range(tag, width) * abs(tag.scale))

    def request(self, position: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        """The most that the server has not refused of this tag."""
        settings, tag = self._settings, self._tag(position)
        parameters = ua.MonitoringParameters(
            ClientHandle=position,
            SamplingInterval=settings.sampling_ms if tag.sampling_ms is None else tag.sampling_ms,
            QueueSize=settings.queue_size if tag.queue_size is None else tag.queue_size,
            DiscardOldest=True,
        )
        parameters.Filter = self._wishes(position)[0].filter
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )

    def fallback(self, position: int, status: ua.StatusCode) -> bool:
        """Whether a refused tag is to be requested again, with less. Says so once per tag and
        wish."""
        wishes = self._wishes(position)
        if status.value not in _REFUSALS or len(wishes) < 2:
            return False
        self._refused.setdefault(position, set()).add(wishes[0].name)
        logger.info(
            "%s: tag %s: the server refuses %s (%s); instead: %s",
            self._settings.device,
            self._tag(position).name,
            wishes[0].name,
            status.name,
            wishes[1].name,
        )
        return True

    def _tag(self, position: int) -> TagSettings:
        return self._settings.tags[position]

    def _wishes(self, position: int) -> list[_Wish]:
        refused = self._refused.get(position, set())
        all_of_them = _wishes(self._tag(position), self._ranges.get(position))
        return [wish for wish in all_of_them if wish.name not in refused]


def _wishes(tag: TagSettings, width: float | None) -> list[_Wish]:
    """Ways to ask for a tag, best first. `width` is that of its range, if it is known."""
    if tag.trigger is not Trigger.STATUS_VALUE:
        return [
            _Wish(_filter(tag), f"the trigger {tag.trigger.value}"),
            _Wish(None, "changes of status and value"),
        ]
    wishes = []
    at_server = tag.deadband_at is DeadbandAt.SERVER and tag.heartbeat_s is None
    if at_server and tag.deadband_percent is not None:
        percent = _filter(tag, ua.DeadbandType.Percent, tag.deadband_percent)
        wishes.append(_Wish(percent, f"a deadband of {tag.deadband_percent:g} %"))
    absolute = tag.deadband and tag.deadband / abs(tag.scale)
    if tag.deadband_percent is not None and width is not None:
        absolute = _of_range(tag, width)
    if at_server and absolute:
        figure = _filter(tag, ua.DeadbandType.Absolute, absolute)
        wishes.append(_Wish(figure, f"a deadband of {absolute:g}"))
    if tag.deadband_percent is not None and width is None:
        last = "each change, since the server tells no range of it (EURange)"
    elif tag.reports_changes:
        last = "each change, for the gateway to keep small ones back"
    else:
        last = "each change"
    return [*wishes, _Wish(None, last)]


def _filter(
    tag: TagSettings,
    kind: ua.DeadbandType = ua.DeadbandType.None_,
    deadband: float = 0.0,
) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(
        Trigger=_TRIGGERS[tag.trigger],
        DeadbandType=ua.UInt32(kind),
        DeadbandValue=ua.Double(deadband),
    )


def _of_range(tag: TagSettings, width: float) -> float:
    """The deadband in percent as a figure in the server's unit."""
    return (tag.deadband_percent or 0.0) / 100 * width


async def _ranges(client: Client, nodes: Mapping[int, ua.NodeId]) -> dict[int, float]:
    """The width of EURange of each node that has one."""
    found: dict[int, ua.NodeId] = {}
    wanted = list(nodes.items())
    for at in range(0, len(wanted), _NODES_PER_REQUEST):
        chunk = wanted[at : at + _NODES_PER_REQUEST]
        results = await client.uaclient.translate_browsepaths_to_nodeids(
            [_range_of(node) for _, node in chunk]
        )
        for (position, _), result in zip(chunk, results, strict=True):
            if result.StatusCode.is_good() and result.Targets:
                target = result.Targets[0].TargetId
                found[position] = ua.NodeId(target.Identifier, target.NamespaceIndex)
    return await _widths(client, list(found.items()))


def _range_of(node: ua.NodeId) -> ua.BrowsePath:
    name = ua.QualifiedName("EURange", ua.UInt16(0))
    step = ua.RelativePathElement(
        ReferenceTypeId=_HAS_PROPERTY,
        IsInverse=False,  # type: ignore[arg-type]  # asyncua names its wire type, and takes bool
        TargetName=name,
    )
    return ua.BrowsePath(StartingNode=node, RelativePath=ua.RelativePath(Elements=[step]))


async def _widths(client: Client, nodes: Sequence[tuple[int, ua.NodeId]]) -> dict[int, float]:
    widths: dict[int, float] = {}
    for at in range(0, len(nodes), _NODES_PER_REQUEST):
        chunk = nodes[at : at + _NODES_PER_REQUEST]
        values = await client.uaclient.read_attributes(
            [node for _, node in chunk], ua.AttributeIds.Value
        )
        for (position, _), data in zip(chunk, values, strict=True):
            value = data.Value.Value if data.Value is not None else None
            if isinstance(value, ua.Range):
                width = value.High - value.Low
                if math.isfinite(width) and width > 0:
                    widths[position] = width
    return widths
