"""A polled source: keeps a link to one device, and its values in the journal.

The values of a few polls at most wait for the disk, so nothing piles up. What was
not polled when it should have been, because the device was away, the agent stopped or the link is
too slow, is a gap from the last poll that brought values to the first one that did again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Sequence

from edge.backoff import Backoff
from edge.journal import Gap, JournalError, SampleBatch, TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.clock import OwnClock
from edge.sources.polled.groups import Group, by_interval
from edge.sources.polled.intake import Intake
from edge.sources.polled.link import Device, Link, LinkError, Read, Refused, Silent
from edge.sources.polled.outages import Outages
from edge.sources.polled.plan import Plan, Portion
from edge.sources.polled.settings import PolledSettings
from edge.sources.settings import BaseTag
from edge.status import Condition, SourceFigures
from edge.supervise import keep_running, until_one_ends
from protocols.plc import Space

logger = logging.getLogger(__name__)

_TICK_S = 1.0
_FEW = 5
"""So many tags that are refused at once are told one by one."""
_AHEAD = 16
"""Polls of a group whose values may be on their way to the disk: one commit takes several."""
_MARK_S = 10.0
"""A device without news is noted as read at least so often: how much a restart cannot vouch for."""


class PolledSource:
    """Polls one device into the journal."""

    def __init__(
        self,
        settings: PolledSettings,
        tags: Sequence[BaseTag],
        device: Device,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        self._settings = settings
        self._tags = tags
        self._device = device
        self._journal = journal
        self._listener = listener
        self._figures = figures
        self._intake = Intake(settings.device, tags, device, settings.time_zone, journal)
        intervals = by_interval(settings.poll_s, [tag.poll_s for tag in tags])
        self._groups = [
            Group(
                interval_s,
                Plan(device, [device.items[p] for p in at], settings.retry_tags_s),
                Condition(logger, f"source {settings.device}: polling every {interval_s:g} s"),
            )
            for interval_s, at in intervals.items()
        ]
        self._bookmark = f"{settings.device}/polled"
        self._outages = Outages(settings.device, self._recall())
        self._blamed = {
            position: subject
            for position in range(len(tags))
            if (subject := self._subject(position)) in self._outages.state
        }
        """Tags that cannot be read, and the outage that says so."""
        self._silent: dict[str, tuple[float, Backoff]] = {}
        """Parts of the device that do not answer: when they are asked again."""
        self._clock = OwnClock(settings.device)
        self._clock.look()
        self._marked_at = 0.0
        self._sessions = 0

    @property
    def device(self) -> str:
        """Name of the device."""
        return self._settings.device

    async def run(self) -> None:
        """Poll until cancelled, through all failures of the device."""
        subjects = {self._subject(position) for position in range(len(self._tags))}
        subjects |= {self._device.party(item.space) for item in self._device.items}
        if over := self._outages.end_strangers(subjects, time.time_ns() // 1000):
            self._submit(over)
        await keep_running(
            f"source {self.device}",
            self._serve,
            expected=(LinkError, OSError, TimeoutError),
            hint_when_short_lived="the device drops the connection soon after it is made",
            fatal=(JournalError,),
            beat=self._figures.beat,
        )

    async def _serve(self, connected: Callable[[], None]) -> None:
        """One link to the device; ends by raising."""
        figures = self._figures
        session: _Session | None = None

        def announce() -> None:
            if session is not None and not session.online:
                session.online = True
                figures.enter("online")
                connected()
                self._listener.device_online(self.device)

        reason = "agent stopped"
        link: Link | None = None
        try:
            link = await self._device.connect()
            figures.reconnects = self._sessions
            self._sessions += 1
            for group in self._groups:
                group.plan.begin(link.max_size)
            self._silent.clear()
            session = _Session(link, asyncio.Lock(), announce)
            await until_one_ends(
                *(self._poll(group, session) for group in self._groups), self._watch(session)
            )
        except Exception as error:
            reason = str(error) or type(error).__name__
            for group in self._groups:
                group.cause = f"connection lost: {reason}"
            raise
        finally:
            figures.enter("offline", reason)
            if session is not None and session.online:
                self._listener.device_offline(self.device, reason)
            self._end_session()
            if link is not None:
                await link.close()

    def _end_session(self) -> None:
        """Nothing may come after what the filters hold; and from here on nothing is read."""
        with contextlib.suppress(JournalError):  # then the bookmarks still have what they had
            self._submit(self._intake.flush(), must=True)

    async def _poll(self, group: Group, session: _Session) -> None:
        """One group, poll by poll on its grid."""
        while True:
            await asyncio.sleep(group.due - time.monotonic())
            group.advance()
            try:
                await self._read(group, session)
            except (LinkError, OSError):
                group.missed += 1  # this poll
                raise

    async def _read(self, group: Group, session: _Session) -> None:
        """Poll a group once; returns when little enough of what was new is not durable yet."""
        plan, records = group.plan, list[SampleBatch | Gap]()
        refused: dict[int, str] = {}
        portions = self._awake(plan.wanted(time.monotonic()))
        begun_us: int | None = None
        good_us: int | None = None
        while portions:
            async with session.lock:
                asked_us = time.time_ns() // 1000
                begun_us = begun_us or asked_us
                outcomes = await session.link.read([portion.block for portion in portions])
            session.read_at = time.monotonic()
            self._figures.heard()
            again: list[Portion] = []
            for portion, outcome in zip(portions, outcomes, strict=True):
                if isinstance(outcome, Read):
                    good_us = good_us or outcome.at_us
                    self._intake.take(portion, outcome.data, outcome.at_us)
                    records += self._well(plan, portion, outcome.at_us)
                elif isinstance(outcome, Refused):
                    halves, tag = plan.refuse(portion, time.monotonic())
                    again += halves
                    if tag is not None:
                        refused[tag] = outcome.reason
                else:
                    records += self._fell_silent(portion, outcome, group.read_before(asked_us))
            portions = again
        records += self._tags_lost(refused, group.read_before(time.time_ns() // 1000))
        if good_us is not None and begun_us is not None:
            records = [*self._missed(group, good_us), *records]
            group.read_us = begun_us
        durable = self._submit([*records, *self._intake.take_out()])
        if durable is not None:
            group.on_their_way.append(durable)
            while len(group.on_their_way) > (_AHEAD if session.online else 0):
                await group.on_their_way.popleft()
        session.announce()

    def _awake(self, portions: list[Portion]) -> list[Portion]:
        """Those whose part of the device is not known to be silent, or is to be asked again."""
        if not self._silent:
            return portions
        now = time.monotonic()
        party = self._device.party
        return [
            p
            for p in portions
            if (silent := self._silent.get(party(p.block.space))) is None or silent[0] <= now
        ]

    def _well(self, plan: Plan, portion: Portion, at_us: int) -> list[Gap]:
        """A portion was read: what was wrong with it is over."""
        plan.accept(portion)
        if not self._outages.state:
            return []
        over = {self._device.party(portion.block.space)}
        self._silent.pop(self._device.party(portion.block.space), None)
        if self._blamed:
            over |= {self._blamed.pop(p) for p in portion.positions if p in self._blamed}
            over -= set(self._blamed.values())  # others of them still cannot be read
            self._figures.refused_nodes = len(self._blamed)
        gaps = (self._outages.end(subject, at_us) for subject in sorted(over))
        return [gap for gap in gaps if gap is not None]

    def _tags_lost(self, refused: dict[int, str], since_us: int) -> list[Gap]:
        """Tags were refused. Where many are at once for one reason, as when their block is not
        there, that is one outage."""
        alike: dict[tuple[Space, str], list[int]] = {}
        for position, reason in refused.items():
            if position not in self._blamed:
                self._intake.lose(position, time.time_ns() // 1000)
                space = self._device.items[position].space
                alike.setdefault((space, reason), []).append(position)
        gaps = []
        for (_, reason), positions in alike.items():
            many = len(positions) > _FEW
            for position in positions[:1] if many else positions:
                subject = self._subject(position)
                if many:
                    subject = f"{len(positions)} tags, the first is {subject}"
                self._blamed |= dict.fromkeys(positions if many else [position], subject)
                gaps.append(self._outages.begin(subject, f"refused: {reason}", since_us))
        self._figures.refused_nodes = len(self._blamed)
        return [gap for gap in gaps if gap is not None]

    def _fell_silent(self, portion: Portion, silent: Silent, since_us: int) -> list[Gap]:
        now_us = time.time_ns() // 1000
        for position in portion.positions:
            self._intake.lose(position, now_us)
        portion.last = b""
        until, backoff = self._silent.get(silent.party, (0.0, Backoff(5.0, 60.0)))
        if until <= time.monotonic():
            self._silent[silent.party] = (time.monotonic() + backoff.next_s(), backoff)
        gap = self._outages.begin(silent.party, silent.reason, since_us)
        return [] if gap is None else [gap]

    def _missed(self, group: Group, now_us: int) -> list[Gap]:
        """The gap before a poll that brought values again."""
        cycles, group.missed = group.missed, 0
        cause, group.cause = group.cause, ""
        if group.read_us is None or not cycles:
            group.slow.recover()
            return []
        if not cause and self._silent:
            cause = f"waited in vain for {', '.join(sorted(self._silent))}"
        if not cause:
            cause = f"the device or the disk is slower than {group.interval_s:g} s"
            group.slow.fail(cause)
        what = f"polling every {group.interval_s:g} s: {cycles} missed: {cause}"
        return [Gap.ended(self.device, group.read_us, now_us, what)]

    async def _watch(self, session: _Session) -> None:
        """Keep the link alive between rare polls, let through what filters have held, and look at
        the clock that values get their times from."""
        quiet_s = self._settings.silence_s / 4
        while True:
            await asyncio.sleep(min(_TICK_S, quiet_s))
            self._figures.beat()
            records: list[SampleBatch | Gap] = [*self._intake.due(time.time_ns() // 1000)]
            if (step := self._clock.look()) is not None:
                logger.warning("source %s: %s", self.device, step.cause)
                records.append(step)
            if records:
                self._submit(records)
            if time.monotonic() - session.read_at > quiet_s:
                await self._knock(session)

    async def _knock(self, session: _Session) -> None:
        """Read something only to see that the device is there."""
        first = next((f for g in self._groups if (f := g.plan.first) is not None), None)
        if first is None or not self._awake([first]):
            return
        async with session.lock:
            await session.link.read([first.block])
        session.read_at = time.monotonic()
        self._figures.heard()

    def _submit(
        self, records: Sequence[SampleBatch | Gap], *, must: bool = False
    ) -> asyncio.Future[int] | None:
        """Hand records over, with what a restart must know to go on after them; None if there is
        nothing worth a write."""
        now = time.monotonic()
        if not records and not must and now - self._marked_at < _MARK_S:
            return None
        self._marked_at = now
        marks = {**self._intake.marks(), self._bookmark: self._remember()}
        durable = self._journal.submit(*records, bookmarks=marks)
        durable.add_done_callback(lambda done: self._count(records, done))
        return durable

    def _count(self, records: Sequence[SampleBatch | Gap], durable: asyncio.Future[int]) -> None:
        if durable.cancelled() or durable.exception() is not None:
            return
        figures = self._figures
        for record in records:
            if isinstance(record, SampleBatch):
                figures.batches += 1
                figures.samples += len(record)
                figures.last_sample_us = max(figures.last_sample_us or 0, record.times_us[-1])
            else:
                figures.gaps += 1

    def _subject(self, position: int) -> str:
        return f"tag {self._tags[position].name}: {self._device.subject(position)}"

    def _remember(self) -> str:
        read = {g.name: g.read_us for g in self._groups if g.read_us is not None}
        return json.dumps({"read": read, "out": self._outages.state}, separators=(",", ":"))

    def _recall(self) -> dict[str, tuple[int, str]]:
        """Take up when each group was read last; what could not be read then."""
        told = json.loads(self._journal.bookmarks.get(self._bookmark) or "{}")
        read: dict[str, int] = told.get("read", {})
        now_us = time.time_ns() // 1000
        for group in self._groups:
            # Of an interval that is new the tags were read in another one: the earliest is safe.
            group.read_us = read.get(group.name, min(read.values(), default=None))
            if group.read_us is not None:
                away_s = (now_us - group.read_us) / 1e6
                # With the clock set back it may have been any time: one poll at least.
                group.missed = max(0, int(away_s / group.interval_s) - 1) if away_s >= 0 else 1
        return {subject: (since, cause) for subject, (since, cause) in told.get("out", {}).items()}


class _Session:
    """One link, and what its users share."""

    def __init__(self, link: Link, lock: asyncio.Lock, announce: Callable[[], None]) -> None:
        self.link = link
        self.lock = lock
        self.announce = announce
        self.online = False
        self.read_at = time.monotonic()
