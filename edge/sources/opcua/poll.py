"""Reading in an interval, for tags that are not subscribed to.

Tags of one interval are one group, read together in as few requests as the server takes. A cycle
begins only when the values of the one before it are durable, so nothing piles up: cycles that pass
meanwhile are left out, counted, and a gap. The same value read again is no sample (`intake.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from asyncua import Client, ua

from edge.journal import Gap
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.intake import Intake
from edge.sources.opcua.subscription import Subscription
from edge.status import Condition, SourceFigures
from edge.supervise import until_one_ends

logger = logging.getLogger(__name__)

NODES_PER_READ = 500
"""If the server names no limit of its own, or a higher one."""
_MAX_NODES_PER_READ = ua.NodeId(
    ua.Int32(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
)

Deliver = Callable[[ua.NotificationMessage], "asyncio.Future[int] | None"]
"""Takes values into the journal. The future is settled when they are durable; None: none is new."""
_REFUSALS = frozenset(
    {
        ua.StatusCodes.BadNodeIdUnknown,
        ua.StatusCodes.BadNodeIdInvalid,
        ua.StatusCodes.BadAttributeIdInvalid,
        ua.StatusCodes.BadNotReadable,
        ua.StatusCodes.BadUserAccessDenied,
    }
)
"""It is the node that is refused, and no value of bad quality."""


@dataclass(slots=True)
class _Group:
    """Tags that are read together."""

    interval_s: float
    positions: list[int] = field(default_factory=list)


def groups(settings: OpcUaSettings) -> list[_Group]:
    """The polled tags of a source, by interval."""
    found: dict[float, _Group] = {}
    for position, tag in enumerate(settings.tags):
        if settings.polled(tag):
            interval_s = settings.poll_s if tag.poll_s is None else tag.poll_s
            found.setdefault(interval_s, _Group(interval_s)).positions.append(position)
    return list(found.values())


class Poller:
    """Polls one device within one session."""

    def __init__(
        self,
        client: Client,
        settings: OpcUaSettings,
        subscription: Subscription,
        intake: Intake,
        deliver: Deliver,
        report: Callable[[Gap], None],
        figures: SourceFigures,
    ) -> None:
        self._client = client
        self._settings = settings
        self._subscription = subscription
        self._intake = intake
        self._deliver = deliver
        self._report = report
        self._figures = figures
        self._nodes_per_read = NODES_PER_READ
        self._condition = Condition(logger, f"{settings.device}: polling")

    async def run(self) -> None:
        """Poll until the session is lost, which raises, or cancelled."""
        wanted = groups(self._settings)
        if not wanted:
            await asyncio.Event().wait()
        self._nodes_per_read = await self._limit()
        for group in wanted:
            self._intake.begin(group.positions)
        await until_one_ends(*(self._poll(group) for group in wanted))

    async def _limit(self) -> int:
        (data,) = await self._client.uaclient.read_attributes(
            [_MAX_NODES_PER_READ], ua.AttributeIds.Value
        )
        limit = data.Value.Value if data.Value is not None else None
        return min(NODES_PER_READ, limit) if isinstance(limit, int) and limit else NODES_PER_READ

    async def _poll(self, group: _Group) -> None:
        """One group, cycle by cycle on a fixed grid."""
        begun, last_us = time.monotonic(), time.time_ns() // 1000
        nodes = await self._subscription.resolve(group.positions)
        resolved_at = begun
        for cycle in itertools.count():
            now = time.monotonic()
            late = math.floor((now - begun) / group.interval_s) - cycle
            if late > 0:
                begun += late * group.interval_s
                self._miss(group, late, last_us)
            else:
                self._condition.recover()
                await asyncio.sleep(begun + cycle * group.interval_s - now)
            last_us = time.time_ns() // 1000
            missing = len(nodes) < len(group.positions)
            if missing and time.monotonic() - resolved_at >= self._settings.retry_nodes_s:
                nodes = await self._subscription.resolve(group.positions)
                resolved_at = time.monotonic()
            await self._read(list(nodes.items()))

    async def _read(self, nodes: list[tuple[int, ua.NodeId]]) -> None:
        """Read nodes once; returns when what is new is durable."""
        for at in range(0, len(nodes), self._nodes_per_read):
            chunk = nodes[at : at + self._nodes_per_read]
            values = await self._client.uaclient.read(
                ua.ReadParameters(
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    NodesToRead=[
                        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value)
                        for _, node in chunk
                    ],
                )
            )
            self._figures.heard()
            items, refused = [], []
            for (position, _), value in zip(chunk, values, strict=True):
                if value.StatusCode is not None and value.StatusCode.value in _REFUSALS:
                    refused.append((position, value.StatusCode.name))
                else:
                    items.append(ua.MonitoredItemNotification(ClientHandle=position, Value=value))
            await self._subscription.note(refused, [item.ClientHandle for item in items])
            durable = self._deliver(
                ua.NotificationMessage(
                    NotificationData=[ua.DataChangeNotification(MonitoredItems=items)]
                )
            )
            if durable is not None:
                await durable

    def _miss(self, group: _Group, cycles: int, last_us: int) -> None:
        what = f"polling every {group.interval_s:g} s: {cycles} cycles missed"
        self._condition.fail(f"the server or the disk is slower than {group.interval_s:g} s")
        self._report(Gap.ended(self._settings.device, last_us, time.time_ns() // 1000, what))
