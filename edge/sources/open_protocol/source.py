"""The source: keeps a link to one controller, and all its tightenings in the journal.

A result is acknowledged only once it is durable, with the id of the newest that was seen (`Seen`);
what lies between it and the one before is fetched by id, beside what comes meanwhile. So what
happens while the link, the gateway or the controller is away is in the journal afterwards, and what
the controller no longer holds is a gap that names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from edge.journal import Gap, JournalError, Origin, SampleBatch, TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.begun import PartBegun, PartsBegun
from edge.sources.open_protocol.config import OpenProtocolSettings, PartOf
from edge.sources.open_protocol.findings import Findings
from edge.sources.open_protocol.link import Link, RefusedError
from edge.sources.open_protocol.seen import Hole, Seen
from edge.sources.open_protocol.starting import FIRST_REVISION, start
from edge.sources.open_protocol.values import LOCKED, Values
from edge.sources.polled.link import LinkError
from edge.sources.results import Results
from edge.status import Condition, SourceFigures
from edge.supervise import keep_running, until_one_ends
from protocols.open_protocol import (
    TIGHTENING,
    DataError,
    Message,
    Tightening,
    Value,
    is_after,
    make,
    newest,
    read,
    read_tightening,
    read_together,
)
from protocols.open_protocol.errors import ALREADY, NOT_FOUND, REVISIONS
from protocols.open_protocol.spindles import LAST_SYNC_ID

logger = logging.getLogger(__name__)

_OTHERS = {14: (15, "programme"), 34: (35, "job"), 51: (52, "identifier"), 70: (71, "alarms")}
"""What is subscribed beside results, if the controller has it."""
_RESULTS = (61, 101)
_RELEASES = (15, 52)
"""A programme was chosen, a part identified: who works there has gone on."""
_NOT_KEPT = "results of several spindles cannot be fetched afterwards"
_ANEW = f"the numbers have begun anew, and {_NOT_KEPT}"
_MARK_S = 10.0
_CLOCK_EVERY_S = 3600.0
_CLOCK_OFF_S = 2.0
_ASK_AGAIN = 3
_AHEAD = 32
"""Fetched results that may be on their way to the disk."""
_NAMED = 8
"""Parts named that a controller may not have told back yet; some never tell them."""

Record = SampleBatch | Gap


class OpenProtocolSource:
    """Reads one controller into the journal."""

    def __init__(
        self,
        settings: OpenProtocolSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
        begun: PartsBegun | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._listener = listener
        self._figures = figures
        self._begun = begun or PartsBegun()
        self._results = Results(settings.device, journal, figures, settings.serial)
        self._findings = Findings(settings, self._results)
        self._values = Values(settings.device, journal)
        kind = "together" if settings.multi_spindle else "tightenings"
        self._bookmark = f"{settings.device}/{kind}"
        kept = json.loads(journal.bookmarks.get(self._bookmark) or "{}")
        self._seen = Seen.recall(kept.get("seen", ""))
        self._locked: bool = kept.get("locked", False)
        self._heard_us: int | None = kept.get("heard")
        """When it was heard last while all was subscribed; a session that does not come so far
        leaves it, since what was missed until then is not told yet."""
        self._subscribed = False
        self._why_away = "agent stopped"
        self._missing = asyncio.Event()
        self._unreadable = Condition(logger, f"source {settings.device}: results")
        self._old = Condition(logger, f"source {settings.device}: old results")
        self._lock = Condition(logger, f"source {settings.device}: lock of the tool")
        self._part = Condition(logger, f"source {settings.device}: part of the line")
        self._start = FIRST_REVISION
        self._sessions = 0

    @property
    def device(self) -> str:
        """Name of the device."""
        return self._settings.device

    async def run(self) -> None:
        """Read until cancelled, through all failures of the controller."""
        await keep_running(
            f"source {self.device}",
            self._serve,
            expected=(LinkError, RefusedError, OSError),
            hint_when_short_lived="the controller drops the connection soon after it is made; has "
            "it room for one more client?",
            fatal=(JournalError,),
            beat=self._figures.beat,
        )

    async def _serve(self, connected: Callable[[], None]) -> None:
        """One link to the controller; ends by raising."""
        settings, figures = self._settings, self._figures
        session: _Session | None = None
        reason = "agent stopped"
        try:
            link = await Link.open(
                settings.host,
                settings.port,
                timeout_s=settings.timeout_s,
                keep_alive_s=settings.keep_alive_s,
                heard=figures.heard,
            )
            figures.reconnects = self._sessions
            self._sessions += 1
            session = _Session(link, settings.revision or newest(61))
            try:
                await until_one_ends(link.run(), self._work(session, connected))
            finally:
                await link.close()
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._why_away = reason
            if session is not None and not session.started:
                # Some drop the link in place of an answer: the next attempt asks for less.
                self._start = self._start - 1 or FIRST_REVISION
            raise
        finally:
            figures.enter("offline", reason)
            if session is not None and session.online:
                self._listener.device_offline(self.device, reason)

    async def _work(self, session: _Session, connected: Callable[[], None]) -> None:
        self._subscribed = False
        await self._begin(session)
        await self._look_at_clock(session.link)
        await self._ask_tool(session.link)
        await self._take_up_lock(session.link)
        if not self._settings.multi_spindle:
            await self._find_latest(session)
        await self._subscribe(session)
        told = ", ".join(session.others)
        gaps = [replace(gap, cause=f"{told}: {gap.cause}") for gap in self._away() if told]
        self._subscribed = True
        await self._submit([*gaps, *self._values.take_out()])
        session.online = True
        self._figures.enter("online")
        connected()
        self._listener.device_online(self.device)
        works = [self._take_pushes(session), self._fetch(session), self._watch(session.link)]
        if (part_of := self._settings.part_of) is not None:
            works.append(self._tell_parts(session, part_of))
        await until_one_ends(*works)

    # The beginning of a session.

    async def _begin(self, session: _Session) -> None:
        """Start the communication."""
        offers = self._settings.link_acknowledgements
        answer = await start(session.link, self._start, offers_numbers=offers)
        session.started = True
        logger.debug("source %s: %s", self.device, self._read(answer))

    async def _look_at_clock(self, link: Link) -> None:
        """Measure the controller's clock, to a second, and set it if that is wanted."""
        try:
            said = self._read(await link.ask(Message(80), answer=81))
        except RefusedError:
            return
        at = said.get("at")
        if not isinstance(at, datetime):
            return
        zone = UTC if self._settings.time_zone == "UTC" else ZoneInfo(self._settings.time_zone)
        now = datetime.now(zone)
        # Its seconds are cut off, not rounded.
        off_s = (at.replace(tzinfo=zone) - now).total_seconds() + 0.5
        self._figures.clock_offset_ms = off_s * 1000
        if self._settings.set_time and abs(off_s) > _CLOCK_OFF_S:
            local = now.replace(tzinfo=None, microsecond=0)
            with contextlib.suppress(RefusedError):
                await link.ask(make(82, {"at": local}))
                logger.info("source %s: its clock was %+.0f s off; set", self.device, off_s)
                self._figures.clock_offset_ms = 0.0

    async def _ask_tool(self, link: Link) -> None:
        with contextlib.suppress(RefusedError):
            tool = self._read(await link.ask(Message(40), answer=41)).get("tool_serial")
            self._findings.tool = tool if isinstance(tool, str) else None

    async def _take_up_lock(self, link: Link) -> None:
        """A tool that was locked before is locked again, or released if it is not to be locked."""
        if self._locked:
            await self._command_tool(link, locked=self._settings.lock_on_nok)
        self._values.put(LOCKED, self._locked)

    async def _find_latest(self, session: _Session) -> None:
        """Which result is the newest, so that what is missing is known before the next one."""
        try:
            latest = await self._ask_old(session, 0)
        except RefusedError as error:
            if error.code == NOT_FOUND:
                self._seen.note_empty(_now_us())
            else:
                self._old.fail(f"{error}; results of a time without link cannot be fetched")
            return
        if latest is None:
            return
        tightening, _ = latest
        if not tightening.id:
            return
        anew = await self._has_begun_anew(session, tightening.id)
        given_up = self._seen.begin_anew() if anew else []
        given_up += self._seen.note_latest(tightening.id, self._us(tightening))
        await self._submit(self._gaps(given_up))
        self._missing.set()

    async def _has_begun_anew(self, session: _Session, latest_id: int) -> bool:
        """Whether the controller's numbers go from 1 again: it has under the newest id that was
        seen something else; or nothing, though it has not come to it. Its clock may have begun anew
        with them, so that the time of its newest result says nothing."""
        last, last_us = self._seen.last, self._seen.last_us
        if not last:
            return False
        known = await self._ask_old(session, last)
        if known is None:
            return latest_id != last and not is_after(last, latest_id)
        return last_us is not None and self._us(known[0]) not in (None, last_us)

    async def _subscribe(self, session: _Session) -> None:
        """Results, and what else the controller has. Raises `RefusedError` if not even results."""
        if self._settings.multi_spindle:  # later revisions are for presses
            await self._subscribe_to(session.link, 100, 1)
        else:
            await self._subscribe_to(session.link, 60, session.revision)
        for mid, (brought, what) in _OTHERS.items():
            try:
                await self._subscribe_to(session.link, mid, newest(brought))
            except RefusedError as error:
                logger.debug("source %s: %s is not told: %s", self.device, what, error)
            else:
                session.others.append(what)

    async def _subscribe_to(self, link: Link, mid: int, revision: int) -> None:
        while True:
            try:
                await link.ask(Message(mid, revision=revision))
            except RefusedError as error:
                if error.code in ALREADY:
                    return
                if error.code not in REVISIONS or revision == 1:
                    raise
            else:
                return
            revision -= 1

    def _away(self) -> list[Gap]:
        """What is told but not kept by the controller was missed since it was heard last."""
        now_us = _now_us()
        if self._heard_us is None:
            return []
        cause = f"connection lost: {self._why_away}"
        return [Gap.ended(self.device, self._heard_us, now_us, cause)]

    # What comes.

    async def _take_pushes(self, session: _Session) -> None:
        link = session.link
        while True:
            push = await link.pushes.get()
            if push.mid in _RESULTS:
                await self._take_result(session, push)
                continue
            said: dict[str, Value] = {}
            try:
                said = read(push, self._settings.text_encoding)
            except DataError as error:
                logger.warning("source %s: %s", self.device, error)
            else:
                self._values.take(push.mid, said)
                await self._submit(self._values.take_out())
            link.acknowledge(push)
            if push.mid in _RELEASES:
                await self._release(session, push.mid, said.get("vin"))

    async def _take_result(self, session: _Session, push: Message) -> None:
        """A result: into the journal, then acknowledged."""
        try:
            tightening = self._tightening(push)
        except DataError as error:
            await self._note_unreadable(error)
            session.link.acknowledge(push)
            return
        state, given_up = self._note(tightening)
        locks = False
        if state == "new":
            results = list(self._findings.of(tightening, push, datetime.now(UTC)))
            bad = tightening.what == TIGHTENING and tightening.verdict == "nok"
            locks = bad and self._settings.lock_on_nok
            self._locked |= locks
            await self._submit([*self._gaps(given_up), *self._results.batches(results)])
        session.link.acknowledge(push)
        if self._seen.holes:
            self._missing.set()
        if locks:
            await self._command_tool(session.link, locked=True)

    def _note(
        self, tightening: Tightening
    ) -> tuple[Literal["new", "again"], list[tuple[Hole, str]]]:
        """Whether the journal is known to have it already, and what will not come, and why."""
        if tightening.together and not tightening.id:
            return "new", []  # the controller has no ids
        seen, at_us = self._seen, self._us(tightening)
        last, last_us = seen.last, seen.last_us
        state, given_up = seen.note(tightening.id, at_us)
        if tightening.together:
            if last and seen.last is not None and seen.last < last < LAST_SYNC_ID:
                given_up.append((Hole(last + 1, LAST_SYNC_ID, last_us, at_us), _ANEW))
            given_up += [(hole, _NOT_KEPT) for hole in seen.holes]
            seen.holes.clear()
        return state, given_up

    async def _note_unreadable(self, error: DataError) -> None:
        self._unreadable.fail(f"{error}; it is lost, and a gap says so")
        now_us = _now_us()
        await self._submit([Gap(self.device, now_us, now_us, f"a result cannot be read: {error}")])

    async def _release(self, session: _Session, mid: int, vin: Value) -> None:
        """A programme was chosen or a part identified: a tool that was locked is released. What is
        told first after a subscription is only how it is, and what we have named nobody's doing."""
        if mid not in session.told:
            session.told.add(mid)
        elif mid == 52 and vin in session.named:
            session.named.remove(vin)
        elif self._locked:
            await self._command_tool(session.link, locked=False)

    async def _command_tool(self, link: Link, *, locked: bool) -> None:
        """Disable or enable the tool; what is noted is what was wanted, so that a new session asks
        for it again."""
        try:
            await link.ask(Message(42 if locked else 43))
        except RefusedError as error:
            self._lock.fail(f"{error}; the tool is {'not locked' if locked else 'still locked'}")
            self._locked = not locked
            return
        self._lock.recover()
        self._locked = locked
        self._values.put(LOCKED, locked)
        await self._submit(self._values.take_out())

    # The part of the line.

    async def _tell_parts(self, session: _Session, part_of: PartOf) -> None:
        """Name to the controller what its line begins; at first what it has begun last, which a
        controller that was away or off may not know."""
        told: PartBegun | None = None
        while True:
            told = await self._begun.other_than(part_of.line, told)
            try:
                await self._tell_part(session, told, part_of)
            except (RefusedError, ValueError) as error:
                self._part.fail(f"{told.call}: {error}; its results name another part, or none")
            else:
                self._part.recover()

    async def _tell_part(self, session: _Session, part: PartBegun, part_of: PartOf) -> None:
        """Raises `ValueError` for a part without a name that can be said, `RefusedError`."""
        name: str | None = getattr(part, part_of.say)
        if not name:
            raise ValueError(f"it was begun without {part_of.say}")
        if not name.isprintable():
            raise ValueError(f"{name!r} is no text that a controller takes")
        encoding = self._settings.text_encoding
        name.encode(encoding)  # a part with ? in its name would be another one
        message = make(50, {"vin": name}, encoding=encoding)
        session.named.append(name.rstrip())
        try:
            await session.link.ask(message)
        except RefusedError:
            session.named.pop()
            raise

    # What was missed.

    async def _fetch(self, session: _Session) -> None:
        """Ask for what is missing, one by one, as long as there is any."""
        while True:
            if not self._seen.holes:
                self._missing.clear()
                await self._missing.wait()
                continue
            hole = self._seen.holes[0]
            try:
                await self._fetch_hole(session, hole)
            except RefusedError as error:
                self._old.fail(f"{error}; results of a time without link cannot be fetched")
                self._seen.close(hole.first, hole.last)
                await self._submit(self._gaps([(hole, str(error))]))

    async def _fetch_hole(self, session: _Session, hole: Hole) -> None:
        """The results of a hole, oldest first. Those that the controller does not hold any more are
        one gap for all that follow one another."""
        lost: list[int] = []
        on_their_way: deque[asyncio.Future[int]] = deque()
        for tightening_id in hole.ids:
            if not any(tightening_id in open_ for open_ in self._seen.holes):
                continue
            found = await self._ask_old(session, tightening_id)
            if found is None:
                lost.append(tightening_id)
                continue
            self._old.recover()
            gaps = self._lose(hole, lost)
            lost.clear()
            self._seen.close(tightening_id, tightening_id)
            results = list(self._findings.of(*found, datetime.now(UTC)))
            # The controller keeps them meanwhile: several may share a commit.
            on_their_way.append(
                self._hand_over([*gaps, *self._results.batches(results, Origin.HISTORY)])
            )
            self._figures.backfilled += len(results)
            if len(on_their_way) > _AHEAD:
                await on_their_way.popleft()
        await self._submit(self._lose(hole, lost))

    def _lose(self, hole: Hole, lost: Sequence[int]) -> list[Record]:
        if not lost:
            return []
        gone = replace(hole, first=lost[0], last=lost[-1])
        self._seen.close(gone.first, gone.last)
        return self._gaps([(gone, "the controller does not give them (any more)")])

    async def _ask_old(
        self, session: _Session, tightening_id: int
    ) -> tuple[Tightening, Message] | None:
        """An old result by its id, 0 for the newest; None if the controller has it not, or not so
        that it can be read. Raises `RefusedError` if it has none at all to give, `LinkError`."""
        for _ in range(_ASK_AGAIN):
            asked = make(64, {"tightening_id": tightening_id})
            try:
                answer = await session.link.ask(
                    replace(asked, revision=session.old_revision), answer=65
                )
            except RefusedError as error:
                if error.code == NOT_FOUND and tightening_id:
                    return None
                if error.code not in REVISIONS or session.old_revision == 1:
                    raise
                session.old_revision -= 1
                return await self._ask_old(session, tightening_id)
            try:
                tightening = self._tightening(answer)
            except DataError as error:
                self._unreadable.fail(f"{error}; it is lost, and a gap says so")
                return None
            if tightening_id in (0, tightening.id):
                return tightening, answer
        raise LinkError(f"asked for tightening {tightening_id}, it gives others")

    def _gaps(self, lost: Sequence[tuple[Hole, str]]) -> list[Record]:
        gaps: list[Record] = []
        for hole, why in lost:
            # Where the controller tells no time: before we know of it.
            until_us = time.time_ns() // 1000 if hole.to_us is None else hole.to_us
            cause = f"tightening {hole}: {why}"
            gaps.append(Gap.ended(self.device, hole.from_us, until_us, cause))
        return gaps

    # All of it.

    async def _watch(self, link: Link) -> None:
        """Note now and then that the controller is heard; look at its clock."""
        looked_at = time.monotonic()
        while True:
            await asyncio.sleep(_MARK_S)
            self._figures.beat()
            await self._submit([])
            if time.monotonic() - looked_at > _CLOCK_EVERY_S:
                looked_at = time.monotonic()
                await self._look_at_clock(link)

    async def _submit(self, records: Sequence[Record]) -> None:
        """Make records durable, with what a restart must know to go on after them."""
        await self._hand_over(records)

    def _hand_over(self, records: Sequence[Record]) -> asyncio.Future[int]:
        """`_submit` without waiting; what is handed over first is durable first."""
        if self._subscribed:
            self._heard_us = self._figures.last_heard_us
        kept = {"seen": self._seen.dump(), "locked": self._locked, "heard": self._heard_us}
        mark = json.dumps(kept, separators=(",", ":"))
        durable = self._journal.submit(*records, bookmarks={self._bookmark: mark})
        durable.add_done_callback(lambda done: self._count(records, done))
        return durable

    def _count(self, records: Sequence[Record], durable: asyncio.Future[int]) -> None:
        if durable.cancelled() or durable.exception() is not None:
            return
        figures = self._figures
        for record in records:
            if isinstance(record, Gap):
                figures.gaps += 1
            else:
                figures.batches += 1
                figures.samples += len(record)
                figures.last_sample_us = max(figures.last_sample_us or 0, *record.times_us)

    def _tightening(self, message: Message) -> Tightening:
        settings = self._settings
        read_it = read_together if message.mid == 101 else read_tightening
        tightening = read_it(message, settings.torque_unit, settings.text_encoding)
        self._unreadable.recover()
        return tightening

    def _us(self, tightening: Tightening) -> int | None:
        at = self._findings.measured_at(tightening)
        return None if at is None else round(at.timestamp() * 1e6)

    def _read(self, message: Message) -> dict[str, object]:
        """What an answer says; nothing, if it cannot be read."""
        try:
            return dict(read(message, self._settings.text_encoding))
        except DataError as error:
            logger.warning("source %s: %s", self.device, error)
            return {}


class _Session:
    """One link, and what is known of the controller by it."""

    def __init__(self, link: Link, revision: int) -> None:
        self.link = link
        self.revision = revision
        """Highest of results to ask for."""
        self.old_revision = min(revision, newest(65))
        self.started = False
        self.online = False
        self.others: list[str] = []
        """What is told beside results."""
        self.told: set[int] = set()
        """Messages that told how it is, and from now on tell what happens."""
        self.named: deque[Value] = deque(maxlen=_NAMED)
        """The parts that we have named, until the controller tells them back."""


def _now_us() -> int:
    return time.time_ns() // 1000
