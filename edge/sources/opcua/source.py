"""The OPC UA source: keeps a subscription on one PLC and its values in the journal.

asyncua 2.1 awaits the raw publish callback before it queues the acknowledgement, so `_on_publish`
returns only after the journal has the values: the PLC keeps them until then, and a slow disk is
felt there. A callback that raises is acknowledged all the same, therefore it never raises.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from asyncua import Client, ua

from edge.journal import Gap, JournalError, TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import close, connect, node_id
from edge.sources.opcua.intake import Intake
from edge.status import SourceFigures
from edge.supervise import keep_running

logger = logging.getLogger(__name__)

_KEEPALIVE_S = 2.0
"""The server says at least so often that a subscription lives."""
_SILENCE_S = 10.0
"""Silence after which the subscription is taken for dead."""
_LIFETIME_S = 60.0
"""How long the server keeps a subscription that nobody asks."""
_ITEMS_PER_REQUEST = 200


class SubscriptionLostError(ConnectionError):
    """The subscription is over; the text says why."""


class OpcUaSource:
    """Reads one PLC into the journal."""

    def __init__(
        self,
        settings: OpcUaSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._listener = listener
        self._figures = figures
        self._intake = Intake(settings, journal)
        self._refused: dict[int, tuple[int, str]] = {}
        """Position of each tag whose node the server refuses: since when (µs), and why."""

    @property
    def device(self) -> str:
        """Name of the device."""
        return self._settings.device

    async def run(self) -> None:
        """Read until cancelled, through all failures of the PLC."""
        await keep_running(
            f"source {self.device}",
            self._serve,
            expected=(OSError, TimeoutError, ua.UaError),
            hint_when_short_lived="the PLC drops the session soon after it is made",
            fatal=(JournalError,),
            beat=self._figures.beat,
        )

    async def _serve(self, connected: Callable[[], None]) -> None:
        """One session with the PLC; ends by raising."""
        client = await connect(self._settings)
        session = _Session(client, self._settings, self._journal, self._intake, self._refused)
        online = False
        reason = "agent stopped"
        try:
            await session.subscribe()
            await session.first_values()
            connected()
            online = True
            self._listener.device_online(self.device)
            await session.watch()
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._intake.gaps.interrupted(f"connection lost: {reason}")
            raise
        finally:
            if online:
                self._listener.device_offline(self.device, reason)
            await close(client, self._settings.timeout_s)


class _Session:
    """One subscription, from its creation to its loss."""

    def __init__(
        self,
        client: Client,
        settings: OpcUaSettings,
        journal: TelemetryJournal,
        intake: Intake,
        refused: dict[int, tuple[int, str]],
    ) -> None:
        self._client = client
        self._settings = settings
        self._journal = journal
        self._intake = intake
        self._refused = refused
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._first = asyncio.Event()
        self._heard_at = time.monotonic()
        self._writing = False
        self._monitored = False
        self._subscription_id: int | None = None
        self._namespaces: list[str] = []
        client.connection_lost_callback = self._on_lost

    async def subscribe(self) -> None:
        """Make the subscription with all tags the server accepts."""
        settings = self._settings
        if not settings.tags:
            self._first.set()
            return
        self._intake.begin()
        per_s = 1000 / settings.publishing_ms
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=settings.publishing_ms,
            RequestedLifetimeCount=math.ceil(_LIFETIME_S * per_s),
            RequestedMaxKeepAliveCount=max(1, math.floor(_KEEPALIVE_S * per_s)),
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
        )
        result = await self._client.uaclient.create_subscription(parameters, self._on_publish)
        self._subscription_id = result.SubscriptionId
        await self._monitor(list(range(len(settings.tags))))
        self._monitored = True

    async def first_values(self) -> None:
        """Return when the server has been heard for the first time, and what came is durable."""
        first: asyncio.Task[bool] = asyncio.create_task(self._first.wait())
        try:
            waiting: list[asyncio.Future[Any]] = [first, self._lost]
            ended: set[asyncio.Future[Any]] = set()
            while not ended:
                ended, _ = await asyncio.wait(
                    waiting, timeout=_SILENCE_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not self._writing:  # else it is the disk that lets us wait, not the PLC
                    break
        finally:
            first.cancel()
        if self._lost.done():
            self._lost.result()
        if not self._first.is_set():
            raise SubscriptionLostError("the PLC made the subscription and then said nothing")

    async def watch(self) -> None:
        """Notice the end of the session, and try refused nodes again. Ends by raising."""
        next_try = time.monotonic() + self._settings.retry_nodes_s
        while True:
            await asyncio.wait([self._lost], timeout=1.0)
            if self._lost.done():
                self._lost.result()
            now = time.monotonic()
            if self._subscription_id is None or self._writing:
                self._heard_at = now
            if now - self._heard_at > _SILENCE_S:
                raise SubscriptionLostError(f"nothing heard from the PLC for {_SILENCE_S:.0f} s")
            if self._refused and now >= next_try:
                await self._monitor(sorted(self._refused))
                next_try = now + self._settings.retry_nodes_s

    async def _monitor(self, positions: list[int]) -> None:
        """Ask for tags by their positions; what the server refuses is left for a later try."""
        if any(self._settings.tags[p].node.startswith("nsu=") for p in positions):
            self._namespaces = await self._client.get_namespace_array()
        wanted: list[tuple[int, ua.NodeId]] = []
        for position in positions:
            try:
                node = node_id(self._settings.tags[position].node, self._namespaces)
            except ValueError as error:
                await self._note_refused(position, str(error))
            else:
                wanted.append((position, node))
        for at in range(0, len(wanted), _ITEMS_PER_REQUEST):
            chunk = wanted[at : at + _ITEMS_PER_REQUEST]
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=self._subscription_id,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._request(position, node) for position, node in chunk],
            )
            results = await self._client.uaclient.create_monitored_items(parameters)
            for (position, _), result in zip(chunk, results, strict=True):
                if result.StatusCode.is_good():
                    await self._note_accepted(position)
                else:
                    await self._note_refused(position, result.StatusCode.name)

    def _request(self, position: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        tag = self._settings.tags[position]
        sampling_ms = self._settings.sampling_ms if tag.sampling_ms is None else tag.sampling_ms
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=position,
                SamplingInterval=sampling_ms,
                QueueSize=self._settings.queue_size,
                DiscardOldest=True,
            ),
        )

    async def _note_refused(self, position: int, why: str) -> None:
        """Once per node, not per try: a line in the log and a gap with an open end."""
        if position in self._refused:
            return
        now_us = time.time_ns() // 1000
        self._refused[position] = (now_us, why)
        what = self._refusal(position, why)
        logger.warning(
            "source %s: %s; it is tried again every %g s, the other tags go on",
            self._settings.device,
            what,
            self._settings.retry_nodes_s,
        )
        await self._journal.append(Gap(self._settings.device, now_us, None, what))

    async def _note_accepted(self, position: int) -> None:
        if position not in self._refused:
            return
        since_us, why = self._refused.pop(position)
        what = self._refusal(position, why)
        logger.info("source %s: %s: well again", self._settings.device, what)
        now_us = time.time_ns() // 1000
        await self._journal.append(Gap(self._settings.device, since_us, now_us, what))

    def _refusal(self, position: int, why: str) -> str:
        tag = self._settings.tags[position]
        return f"tag {tag.name}: node {tag.node} refused: {why}"

    async def _on_lost(self, error: Exception) -> None:
        self._lose(SubscriptionLostError(str(error) or "connection lost"))

    def _lose(self, error: Exception) -> None:
        if not self._lost.done():
            self._lost.set_exception(error)

    async def _on_publish(self, result: ua.PublishResult) -> None:
        """Take one answer of the server; returns when it may be acknowledged."""
        message = result.NotificationMessage
        self._heard_at = time.monotonic()
        if message.NotificationData:
            try:
                await self._store(message)
            except Exception as error:
                self._lose(error)
                await asyncio.Event().wait()  # until cancelled: it must not be acknowledged
        elif not self._monitored:
            return  # the sign of life that begins a subscription; first values are yet to come
        self._first.set()

    async def _store(self, message: ua.NotificationMessage) -> None:
        records = self._intake.take(message, time.time_ns() // 1000)
        if records:
            self._writing = True
            try:
                await self._journal.append(*records)
            finally:
                self._writing = False
        for notification in message.NotificationData:
            if isinstance(notification, ua.StatusChangeNotification):
                self._lose(
                    SubscriptionLostError(f"the PLC ended the subscription: {notification.Status}")
                )
