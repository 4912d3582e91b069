"""The OPC UA source: keeps a subscription on one PLC and its values in the journal.

A message of the PLC is acknowledged only when the journal has it on disk (`publishing.py`). When a
session ends, however it does, its subscription is left at the server for the next one to go on with
(`recovery.py`). Where that cannot be, a new one is made (`subscription.py`); what was missed is
read from the server's history (`history.py`), and what that does not give is a gap (`gaps.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from asyncua import Client, ua

from edge.journal import Gap, JournalError, SampleBatch, TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.opcua.clock import ClockWatch, boot_id, watch_clocks
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import Connector, close
from edge.sources.opcua.events import ResultEvents
from edge.sources.opcua.history import Backfill, Ledger, tags_with_history
from edge.sources.opcua.intake import Intake
from edge.sources.opcua.items import Items
from edge.sources.opcua.poll import Poller
from edge.sources.opcua.publishing import MOST_PASSED, PublishPump, SubscriptionLostError
from edge.sources.opcua.recovery import Memory, identify, let_go, take_over
from edge.sources.opcua.subscription import Subscription
from edge.sources.opcua.values import EPOCH, microseconds
from edge.status import SourceFigures
from edge.supervise import keep_running, until_one_ends

logger = logging.getLogger(__name__)

_SILENCE_S = 10.0
"""Silence after which the subscription is taken for dead, or two and a half times as long as the
server may say nothing if that is more."""
_TICK_S = 1.0
_PASSED_S = 10.0
"""How long a message of which nothing was kept waits for another one to bring its number."""


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
        self._connector = Connector(settings)
        self._journal = journal
        self._listener = listener
        self._figures = figures
        self._kept = _Kept(settings, journal, figures)
        self._sessions = 0

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
        figures = self._figures
        online = False

        def announce() -> None:
            nonlocal online
            online = True
            figures.enter("online")
            connected()
            self._listener.device_online(self.device)

        reason = "agent stopped"
        client: Client | None = None
        try:
            client = await self._connector.connect(figures.beat)
            figures.endpoint = self._connector.endpoint
            figures.reconnects = self._sessions
            self._sessions += 1
            session = _Session(client, self._settings, self._journal, self._kept, figures)
            await until_one_ends(session.run(announce), self._connector.watch(client))
        except Exception as error:
            reason = str(error) or type(error).__name__
            if client is not None:
                self._kept.intake.gaps.interrupted(f"connection lost: {reason}")
            raise
        finally:
            figures.enter("offline", reason)
            if online:
                self._listener.device_offline(self.device, reason)
            self._let_held_through()
            if client is not None:
                await self._leave(client)

    def _let_held_through(self) -> None:
        """Nothing may come after what the filters hold, and what they dropped was not missed."""
        intake, memory = self._kept.intake, self._kept.memory
        records: list[SampleBatch | Gap] = [*intake.flush()]
        marks = intake.marks() if records else {}
        if memory.receipts.passed:
            records += intake.gaps.take_out(None, time.time_ns() // 1000)
            marks |= memory.marks(self.device)
        if records or marks:
            with contextlib.suppress(JournalError):  # then bookmark and server still have them
                self._journal.submit(*records, bookmarks=marks)

    async def _leave(self, client: Client) -> None:
        """End the session. The next one, or the next run of the agent, goes on with the
        subscription, if the server can let it."""
        memory = self._kept.memory
        forget = not (memory.receipts.subscription_id and memory.transferable)
        with contextlib.suppress(Exception):  # nothing depends on how a session ends
            async with asyncio.timeout(self._settings.timeout_s):
                await client.uaclient.close_session(delete_subscriptions=forget)
        await close(client, self._settings.timeout_s)


class _Kept:
    """What one session leaves to the next."""

    def __init__(
        self, settings: OpcUaSettings, journal: TelemetryJournal, figures: SourceFigures
    ) -> None:
        self.intake = Intake(settings, journal)
        if settings.results is not None:
            model, wanted = settings.results
            self.intake.events = ResultEvents(
                settings, model, wanted, journal, self.intake.gaps, figures
            )
        self.memory = Memory.load(journal.bookmarks, settings)
        self.ledger = Ledger(settings.device, journal)
        self.items = Items(settings, self.intake)
        self.clocks = ClockWatch(settings.device)
        self.clocks.recall(
            journal.bookmarks.get(_clock_mark(settings.device), ""),
            boot_id(),
            time.time_ns() // 1000,
            time.monotonic_ns() // 1000,
        )


class _Session:
    """One session, from its making to its loss."""

    def __init__(
        self,
        client: Client,
        settings: OpcUaSettings,
        journal: TelemetryJournal,
        kept: _Kept,
        figures: SourceFigures,
    ) -> None:
        self._client = client
        self._settings = settings
        self._journal = journal
        self._intake = kept.intake
        self._memory = kept.memory
        self._ledger = kept.ledger
        self._items = kept.items
        self._clocks = kept.clocks
        self._figures = figures
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begun = asyncio.Event()
        self._signs_of_life = 0
        self._numbered_at = time.monotonic()
        """When the journal was last given the number of the last message taken."""
        client.connection_lost_callback = self._on_lost

    async def run(self, online: Callable[[], None]) -> None:
        """Read until the session is lost, which raises. `online` is called once the first values
        are in the journal."""
        await until_one_ends(self._wait_for_loss(), self._read(online))

    async def _read(self, online: Callable[[], None]) -> None:
        settings, client, memory = self._settings, self._client, self._memory
        if not settings.tags and self._intake.events is None:
            online()  # read by nobody, but the hand-over of calls wants to know
            await self._beat()
        server = await identify(client)
        memory.doubt()
        await let_go(client, memory, server)
        await self._settle_earlier()
        held = await take_over(client, memory, server)
        subscription = Subscription(
            client, settings, self._journal, self._intake, memory, self._figures, self._items
        )
        await subscription.end_former()
        await self._items.prepare(client, await subscription.nodes([*range(len(settings.tags))]))
        if self._intake.events is not None:
            await self._intake.events.prepare(client)
        if held is None:
            await subscription.create(server)
        gaps = self._intake.gaps
        gaps.kept = await tags_with_history(client, settings, subscription)
        pump = PublishPump(
            client.uaclient.session,
            memory.receipts,
            self._deliver,
            gaps.missed,
            self._alive,
            self._figures,
            requests=settings.publish_requests,
        )
        if held is not None:
            await pump.recover(held)
            self._begun.set()
        await until_one_ends(
            pump.run(),
            self._watch(pump, subscription),
            self._announce(online),
            Backfill(
                client, settings, self._journal, subscription, gaps, self._ledger, self._figures
            ).run(),
            Poller(
                client,
                settings,
                subscription,
                self._intake,
                self._deliver,
                self._report,
                self._figures,
            ).run(),
            watch_clocks(client, self._clocks, self._figures, self._note_clocks),
        )

    async def _settle_earlier(self) -> None:
        """Return when all that an earlier source of the device took is durable: after a change of
        the configuration it may just have handed it over."""
        if self._memory.loaded:
            await self._journal.submit(bookmarks=self._memory.marks(self._settings.device))
            self._memory.loaded = False

    async def _announce(self, online: Callable[[], None]) -> None:
        await self._begun.wait()
        online()
        await asyncio.Event().wait()

    async def _beat(self) -> None:
        while True:
            self._figures.beat()
            await asyncio.sleep(_TICK_S)

    async def _watch(self, pump: PublishPump, subscription: Subscription) -> None:
        """Notice silence, and try refused nodes again."""
        silence_s = max(_SILENCE_S, 2.5 * self._memory.keepalive_s)
        retry_s = self._settings.retry_nodes_s
        next_try = time.monotonic() + retry_s
        while True:
            await asyncio.sleep(min(_TICK_S, retry_s))
            now = time.monotonic()
            # With no request there, it is the journal that lets us wait, not the PLC.
            if self._figures.publishes_in_flight and now - pump.heard_at > silence_s:
                raise SubscriptionLostError(f"nothing heard from the PLC for {silence_s:.0f} s")
            self._figures.beat()
            self._let_due_through()
            if self._memory.receipts.passed and now - self._numbered_at > _PASSED_S:
                pump.settle_with(self._submit_numbers())
            if self._intake.vanished:
                await subscription.lost(sorted(self._intake.vanished))
                self._intake.vanished.clear()
            if self._memory.refused and now >= next_try:
                await subscription.mend()
                next_try = now + retry_s

    def _deliver(self, message: ua.NotificationMessage) -> asyncio.Future[int] | None:
        """Take one message into the journal, with what must be known to go on after it."""
        gaps, figures = self._intake.gaps, self._figures
        now_us = time.time_ns() // 1000
        records = self._intake.take(message, now_us)
        self._hear(min(now_us, _published_us(message)))
        self._end_if_told(message)
        marks = {**self._ledger.add(gaps.debts), **self._intake.marks()}
        if self._intake.events is not None and self._intake.events.due(now_us):
            marks |= self._intake.events.marks()
        gaps.debts.clear()
        figures.overflows = gaps.overflows
        figures.last_sample_us = gaps.newest_us
        values_alone = all(
            isinstance(n, ua.DataChangeNotification) for n in message.NotificationData
        )
        # What a filter dropped comes often, and not each shall be a write: its number comes with
        # another one's. Until then the server holds it, but not more than a few of them.
        few = len(self._memory.receipts.passed) < MOST_PASSED
        if not records and not marks and values_alone and few:
            self._begun.set()  # it was told, and is as the journal has it
            return None
        durable = self._submit_numbers(records, marks)
        durable.add_done_callback(self._begin)
        return durable

    def _submit_numbers(
        self, records: Sequence[SampleBatch | Gap] = (), marks: Mapping[str, str] | None = None
    ) -> asyncio.Future[int]:
        """With how far the messages are taken, and what of those before is not known to come."""
        self._numbered_at = time.monotonic()
        missed = self._intake.gaps.take_out(None, time.time_ns() // 1000)
        numbers = self._memory.marks(self._settings.device)
        return self._submit([*missed, *records], {**(marks or {}), **numbers})

    def _submit(
        self, records: Sequence[SampleBatch | Gap], marks: Mapping[str, str]
    ) -> asyncio.Future[int]:
        durable = self._journal.submit(*records, bookmarks=marks)
        durable.add_done_callback(lambda done: self._count(records, done))
        return durable

    def _report(self, gap: Gap) -> None:
        self._submit([gap], {})

    def _note_clocks(self, gaps: Sequence[Gap], mark: str) -> None:
        self._submit(gaps, {_clock_mark(self._settings.device): mark} if mark else {})

    def _let_due_through(self) -> None:
        now_us = time.time_ns() // 1000
        records, events = self._intake.due(now_us), self._intake.events
        if records:
            self._submit(records, self._intake.marks())
        if events is not None and events.due(now_us):
            self._submit([], events.marks())

    def _count(self, records: Sequence[SampleBatch | Gap], durable: asyncio.Future[int]) -> None:
        if durable.cancelled() or durable.exception() is not None:
            return
        for record in records:
            if isinstance(record, SampleBatch):
                self._figures.batches += 1
                self._figures.samples += len(record)
            else:
                self._figures.gaps += 1

    def _begin(self, durable: asyncio.Future[int]) -> None:
        """What was delivered is in the journal."""
        if not durable.cancelled() and durable.exception() is None:
            self._begun.set()

    def _alive(self) -> None:
        """The server had nothing to tell. The first time after it was made a subscription may do so
        although first values are yet to come."""
        self._signs_of_life += 1
        if self._signs_of_life > 1 or len(self._memory.refused) >= len(self._settings.tags):
            self._begun.set()
        self._hear(time.time_ns() // 1000)

    def _hear(self, until_us: int) -> None:
        """The server has told all that it had until then."""
        events = self._intake.events
        if events is not None and events.position in self._memory.items:
            events.hear(until_us)

    def _end_if_told(self, message: ua.NotificationMessage) -> None:
        for notification in message.NotificationData:
            if not isinstance(notification, ua.StatusChangeNotification):
                continue
            # Meant for the session that the subscription was taken over from, but some servers hold
            # it for the new one too. Whether ours was taken from us, the next request will show.
            if notification.Status.value != ua.StatusCodes.GoodSubscriptionTransferred:
                self._lose(
                    SubscriptionLostError(
                        f"the PLC ended the subscription: {notification.Status.name}"
                    )
                )

    async def _on_lost(self, error: Exception) -> None:
        self._lose(SubscriptionLostError(str(error) or "connection lost"))

    def _lose(self, error: Exception) -> None:
        if not self._lost.done():
            self._lost.set_exception(error)

    async def _wait_for_loss(self) -> None:
        await asyncio.shield(self._lost)


def _published_us(message: ua.NotificationMessage) -> int:
    """When the server made a message, which may be long before it comes."""
    return microseconds(message.PublishTime) if message.PublishTime >= EPOCH else 0


def _clock_mark(device: str) -> str:
    """Name of the bookmark of what a server's clock said last."""
    return f"{device}/clock"
