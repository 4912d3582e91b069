"""The subscription at the server with its monitored items: made, and mended where a node is
refused."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary

from edge.journal import Gap, TelemetryJournal
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import node_id
from edge.sources.opcua.events import ResultEvents
from edge.sources.opcua.intake import Intake
from edge.sources.opcua.items import Items
from edge.sources.opcua.missed import held_results
from edge.sources.opcua.recovery import Memory
from edge.status import SourceFigures

logger = logging.getLogger(__name__)

ITEMS_PER_REQUEST = 200
_KEEPALIVE_S = 2.0
"""The server says at least so often that a subscription lives."""
_SHORT_LIFETIME_S = 60.0
"""Lifetime of a subscription that no other session can go on with."""
_MOST_PER_MESSAGE = 10_000


class Subscription:
    """One device's subscription within one session. What it finds out is kept in `memory`."""

    def __init__(
        self,
        client: Client,
        settings: OpcUaSettings,
        journal: TelemetryJournal,
        intake: Intake,
        memory: Memory,
        figures: SourceFigures,
        items: Items,
    ) -> None:
        self._client = client
        self._settings = settings
        self._journal = journal
        self._intake = intake
        self._items = items
        self._memory = memory
        self._figures = figures
        figures.refused_nodes = len(memory.refused)
        self._id = memory.receipts.subscription_id
        self._namespaces: list[str] = []
        self._tags = len(settings.tags)

    async def end_former(self) -> None:
        """End the gaps that former settings left open: what is refused of these is told anew."""
        if former := self._memory.former:
            now_us = time.time_ns() // 1000
            device = self._settings.device
            gaps = [Gap.ended(device, since_us, now_us, cause) for since_us, cause in former]
            self._figures.gaps += len(gaps)
            former.clear()
            await self._journal.submit(*gaps, bookmarks=self._memory.marks(device))

    async def create(self, server: str) -> None:
        """Make it, with all tags the server accepts. `server` says which one it is."""
        settings = self._settings
        per_s = 1000 / settings.publishing_ms
        keepalives = max(1, math.floor(_KEEPALIVE_S * per_s))
        lifetime_s = settings.lifetime_s if self._memory.transferable else _SHORT_LIFETIME_S
        result = await _create_subscription(
            self._client,
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=settings.publishing_ms,
                RequestedLifetimeCount=max(3 * keepalives, math.ceil(lifetime_s * per_s)),
                RequestedMaxKeepAliveCount=keepalives,
                MaxNotificationsPerPublish=_MOST_PER_MESSAGE,
                PublishingEnabled=True,
            ),
        )
        self._id = result.SubscriptionId
        self._memory.items.clear()
        await self._monitor(self._subscribed(range(len(settings.tags))))
        await self._monitor_events()
        interval_s = result.RevisedPublishingInterval / 1000
        self._memory.begin(server, self._id, interval_s * result.RevisedMaxKeepAliveCount)

    async def mend(self) -> None:
        """Try the refused nodes again."""
        self._intake.gaps.interrupted("node refused")
        async with self._mending():
            refused = sorted(self._memory.refused)
            await self._monitor(self._subscribed(p for p in refused if p < self._tags))
            if self._tags in refused:
                await self._monitor_events()

    async def lost(self, positions: list[int]) -> None:
        """The server says of monitored items that their nodes are gone: let go of those, and ask
        for the nodes anew when refused ones are."""
        items = self._memory.items
        ours = {p: items.pop(p) for p in positions if p in items}
        if not ours:
            return
        parameters = ua.DeleteMonitoredItemsParameters(
            SubscriptionId=self._id, MonitoredItemIds=list(ours.values())
        )
        async with self._mending():
            await self._client.uaclient.delete_monitored_items(parameters)
        await self.note([(position, "BadNodeIdUnknown") for position in ours], [])

    async def resolve(self, positions: list[int]) -> dict[int, ua.NodeId]:
        """As `nodes`; those that have none are noted as refused."""
        found, refused = await self._resolve(positions)
        await self.note(refused, [])
        return found

    @asynccontextmanager
    async def _mending(self) -> AsyncIterator[None]:
        """While monitored items are changed: that they are is durable before they are, so that a
        kill meanwhile leaves no doubt unseen."""
        for mending in (True, False):
            self._memory.mending = mending
            self._memory.changed()
            await self._journal.submit(bookmarks=self._memory.marks(self._settings.device))
            if mending:
                yield

    async def nodes(self, positions: list[int]) -> dict[int, ua.NodeId]:
        """The node ids of tags by their positions, without those that have none here."""
        return (await self._resolve(positions))[0]

    async def _resolve(
        self, positions: list[int]
    ) -> tuple[dict[int, ua.NodeId], list[tuple[int, str]]]:
        """Node ids by position, and the positions that have none, with the reason."""
        if any(self._settings.tags[p].node.startswith("nsu=") for p in positions):
            self._namespaces = await self._client.get_namespace_array()
        found: dict[int, ua.NodeId] = {}
        refused: list[tuple[int, str]] = []
        for position in positions:
            try:
                found[position] = node_id(self._settings.tags[position].node, self._namespaces)
            except ValueError as error:
                refused.append((position, str(error)))
        return found, refused

    async def _monitor(self, positions: list[int]) -> None:
        """Ask for tags by their positions; what the server refuses is left for a later try."""
        wanted = list((await self.resolve(positions)).items())
        for at in range(0, len(wanted), ITEMS_PER_REQUEST):
            chunk = wanted[at : at + ITEMS_PER_REQUEST]
            self._intake.begin([position for position, _ in chunk])
            while chunk:
                chunk = await self._create_items(chunk)

    async def _create_items(
        self, wanted: list[tuple[int, ua.NodeId]]
    ) -> list[tuple[int, ua.NodeId]]:
        """One request; returns those to be asked for again, with less."""
        results = await self._client.uaclient.create_monitored_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=self._id,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._items.request(position, node) for position, node in wanted],
            )
        )
        refused, accepted, again = [], [], []
        for (position, node), result in zip(wanted, results, strict=True):
            if result.StatusCode.is_good():
                self._memory.items[position] = result.MonitoredItemId
                accepted.append(position)
            elif self._items.fallback(position, result.StatusCode):
                again.append((position, node))
            else:
                refused.append((position, result.StatusCode.name))
        await self.note(refused, accepted)
        return again

    async def _monitor_events(self) -> None:
        """Ask for the events, if any are wanted."""
        events = self._intake.events
        if events is None:
            return
        position = events.position
        self._namespaces = await self._client.get_namespace_array()
        while True:
            try:
                request = events.request(self._namespaces)
            except ValueError as error:
                await self.note([(position, str(error))], [])
                return
            (result,) = await self._client.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._id,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=[request],
                )
            )
            if result.StatusCode.is_good():
                self._memory.items[position] = result.MonitoredItemId
                events.accepted(result.RevisedQueueSize)
                await self.note([], [position])
                await self._resume_events(events)
                return
            if not events.fallback(result.StatusCode):
                await self.note([(position, result.StatusCode.name)], [])
                return

    async def _resume_events(self, events: ResultEvents) -> None:
        """Account for the time without a subscription: by what the system holds, or by a gap."""
        now_us = time.time_ns() // 1000
        held: list[ua.ExtensionObject] = []
        whole = False
        if events.resumes:
            node = node_id(events.node, self._namespaces)
            device = self._settings.device
            held, whole = await held_results(
                self._client, events.model, node, self._namespaces, device, self._figures.beat
            )
        records = events.resume(held, now_us, whole=whole)
        self._figures.gaps += sum(isinstance(record, Gap) for record in records)
        await self._journal.submit(*records, bookmarks=events.marks())

    def _subscribed(self, positions: Iterable[int]) -> list[int]:
        settings = self._settings
        return [p for p in positions if not settings.polled(settings.tags[p])]

    async def note(self, refused: list[tuple[int, str]], accepted: list[int]) -> None:
        """Once per node, not per try: a line in the log, and a gap, whose end is open while the
        node is refused."""
        known = self._memory.refused
        gaps = []
        for position, why in refused:
            now_us = time.time_ns() // 1000  # of each, since its end is known by its beginning
            if position not in known:
                what = self._refusal(position, why)
                known[position] = (now_us, what)
                logger.warning(
                    "source %s: %s; it is tried again every %g s, the other tags go on",
                    self._settings.device,
                    what,
                    self._settings.retry_nodes_s,
                )
                gaps.append(Gap(self._settings.device, now_us, None, what))
        now_us = time.time_ns() // 1000
        for position in accepted:
            if position in known:
                since_us, what = known.pop(position)
                logger.info("source %s: %s: well again", self._settings.device, what)
                gaps.append(Gap.ended(self._settings.device, since_us, now_us, what))
        self._figures.refused_nodes = len(known)
        if gaps:
            self._figures.gaps += len(gaps)
            self._memory.changed()
            marks = {}
            if self._id == self._memory.receipts.subscription_id:
                marks = self._memory.marks(self._settings.device)
            await self._journal.submit(*gaps, bookmarks=marks)

    def _refusal(self, position: int, why: str) -> str:
        if position == self._tags and self._intake.events is not None:
            return f"events of node {self._intake.events.node} refused: {why}"
        tag = self._settings.tags[position]
        return f"tag {tag.name}: node {tag.node} refused: {why}"


async def _create_subscription(
    client: Client, parameters: ua.CreateSubscriptionParameters
) -> ua.CreateSubscriptionResult:
    """asyncua 2.1's own `create_subscription` begins its publish loop, which would acknowledge what
    is not stored yet; so the request is sent as that method sends it."""
    protocol = client.uaclient.protocol
    if protocol is None:
        raise ConnectionError("the connection is closed")
    request = ua.CreateSubscriptionRequest()
    request.Parameters = parameters
    data = await protocol.send_request(request)
    response = struct_from_binary(ua.CreateSubscriptionResponse, data)
    response.ResponseHeader.ServiceResult.check()
    result: ua.CreateSubscriptionResult = response.Parameters
    return result
