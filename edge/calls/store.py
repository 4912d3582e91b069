"""Calls and events on disk: one SQLite file, apart from telemetry. What holds:

1. The cursor of the call stream moves in the transaction that stores its records: each counts once.
2. A record that cannot be read, or is of a kind or line not known here, lies in quarantine, and a
   call this gateway does not serve is refused by an event, in that same transaction; the cursor
   moves on over both.
3. Of a call's content, and of what the plant wants of it (build, hold, cancel), the newest revision
   counts, whatever the order and number in which records come (`book.py`). What a PLC may hold
   already changes only once the PLC or a person has said so; the older content holds until then.
4. What a PLC is told is on disk as shown before the PLC sees it, and its answer comes with its
   event in one transaction. Calls are handed over express first, then by `call_no`; held and
   cancelled ones are not.
5. A result of a PLC is stored with its event in one transaction and counts once by its number.
   Whatever the PLC reports of a call comes after the event that it was accepted. Numbers that were
   passed over are an event that is lost, so that the hub has a gap for them.
6. How far a part is, what stands in the racks and what must be decided follow from our own events,
   in the transaction of each, and from nothing else; instants of this machine order nothing.
7. What a person does is stored with its events in one transaction, and once: the same press again
   finds what came of it.
8. Events are kept until the hub has committed them, and `retain_committed_h` longer, so that a hub
   restored from a backup can ask again.
9. A call is forgotten `retain_decided_h` after its decision, once the hub has committed that: what
   the hub sends again after so long would be built again. What is noted for people (quarantine,
   gaps) goes after as long, and the oldest where there is very much of it.
10. A file that SQLite cannot read is set aside and a new one begun, when it is opened as while it
   is in use: the hub then sends all open calls again. Events that can still be read go over.
11. On a full disk calls and events go on in a reserve, which telemetry leaves alone.

Everything here blocks (each transaction waits for the disk) and is used from one thread at a time:
see `edge.calls.desk`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from edge import set_aside
from edge.calls import demand, racks
from edge.calls.actions import Action, Actions
from edge.calls.book import CallBook
from edge.calls.upgrade import SCHEMA_VERSION, create, upgrade
from edge.calls.view import LineView, view
from edge.calls.work import Work
from edge.journal.wal import last_commit
from protocols.jis.messages import (
    CALL_RECORD,
    EVENT_RECORD,
    Call,
    CallChange,
    CallRecord,
    Delay,
    Delivery,
    Event,
    Instruction,
    LineState,
    Preview,
    Shipment,
)
from protocols.refusal import first_problem
from protocols.streams import Answer, Cursor, State, draw_epoch, read_state

logger = logging.getLogger(__name__)

_RESERVE_BYTES = 4 * 1024 * 1024
_NOTES_KEPT = 10_000
"""Rows each of quarantine and gap."""
_UPKEEP_EVERY_US = 3_600_000_000
_LOST = "lost"
"""Only key of the body of an event that is lost; no event has it. Its value is the cause."""
_CAUSE_LENGTH = 200
"""As `protocols.jis.envelope.Lost` takes it."""
_RESULTS_REMEMBERED = 64
"""Digests kept per line: far more than a PLC holds unacknowledged."""

Routes = Mapping[str, frozenset[str]]
"""Which part groups each line (`plant/line`) of this gateway builds."""


@dataclass(frozen=True, slots=True)
class Received:
    """What came of an offer of call records."""

    answer: Answer
    lines: frozenset[str] = frozenset()
    """Lines that may have something to hand over."""
    refused: Sequence[str] = ()
    """Reasons of the calls this gateway does not serve; an event says so to the hub."""
    quarantined: Sequence[str] = ()
    """Reasons of the records that could not be read."""
    told: bool = False
    """Events were appended."""
    repeated: int = 0
    """Records that had come before, by their place in the stream or by what they say of a call."""
    taken: Sequence[int] = ()
    """Offsets of the others that are in force now."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A truck has left, as a PLC says; what it took is known from earlier results."""

    shipment: str
    at: datetime
    eta: datetime | None


@dataclass(frozen=True, slots=True)
class TakenResult:
    """A result as read from a PLC: the record it makes, or why it makes none."""

    no: int
    digest: bytes
    event: Event | Departure | Delay | None
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class LostEvent:
    """Stands in the event stream for what can never be told."""

    cause: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What the file holds."""

    calls_open: int
    events_pending: int
    quarantined: int
    set_aside: int
    """Damaged files before it."""


class CallsLostError(sqlite3.OperationalError):
    """The file was damaged, and a new one has been begun: connect again, and ask what there is."""


def line_key(plant: str, line: str) -> str:
    """Name of a line within this file and in the logs."""
    return f"{plant}/{line}"


class CallStore:
    """The file. Open it with `CallStore.open`."""

    def __init__(
        self, path: Path, retain_committed_h: float = 24.0, retain_decided_h: float = 720.0
    ) -> None:
        """Open or create the file. One that SQLite cannot read is set aside (`edge.set_aside`), and
        a new one is begun: the hub then sends all open calls again, under a new epoch."""
        self._path = path
        self._reserve = path.with_suffix(".reserve")
        self.retain(retain_committed_h, retain_decided_h)
        self._kept_up_us = 0
        self._hub_heard = False
        self.decided_by_people: frozenset[str] = frozenset()
        """Lines at which a person, not the PLC, decides on what the plant asks."""
        self.rack_slots: Mapping[str, int] = {}
        """Slots of a rack, of the lines of which it is known."""
        self.set_aside = set_aside.count(path)
        """Damaged files before this one."""
        self.lost_by: str | None = None
        """Why a new file was begun since the store was opened, or None: events of the old one that
        the hub had not committed are lost, but for those that could still be read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _connect(path)
        except sqlite3.DatabaseError as error:
            if not set_aside.is_damage(error):
                raise
            self.begin_anew(error)
        self._keep_reserve()

    @classmethod
    def open(
        cls, path: Path, *, retain_committed_h: float = 24.0, retain_decided_h: float = 720.0
    ) -> Self:
        """As the constructor. Raises `sqlite3.OperationalError` or `OSError` if the disk does not
        allow a file here."""
        return cls(path, retain_committed_h, retain_decided_h)

    def begin_anew(self, error: sqlite3.DatabaseError) -> None:
        """Set the damaged file aside and go on with a new one, and with the pending events that can
        still be read. Raises as `open` does; it is then to be called again."""
        with suppress(AttributeError):
            self._db.close()
        saved = _salvage(self._path)
        if self._path.exists():
            aside, self.set_aside = set_aside.set_aside(self._path)
            logger.error("calls: %s cannot be read (%s); kept as %s", self._path, error, aside.name)
        self._db = _connect(self._path)
        with self._transaction():
            for body in saved:
                self._insert_event(body)
        self.lost_by = f"{error}; {len(saved)} events that the hub had not committed were saved"

    def retain(self, committed_h: float, decided_h: float) -> None:
        """Keep what the hub has committed, and calls that are decided, so long from now on. (Unlike
        all else here this may be called from any thread.)"""
        self._retain_us = int(committed_h * 3_600_000_000)
        self._retain_decided_us = int(decided_h * 3_600_000_000)

    def spend_reserve(self) -> bool:
        """Make room on a full disk, once. False: the reserve is spent already."""
        try:
            self._reserve.unlink()
        except FileNotFoundError:
            return False
        logger.error("calls: the disk is full; going on in the reserve of %d bytes", _RESERVE_BYTES)
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- the call stream: we read --------------------------------------------------------------

    def position(self) -> Answer:
        """Where we stand in the call stream; epoch None if nothing was ever received."""
        cursor = self._cursor()
        return Answer(None) if cursor is None else cursor.answer()

    def read_state(self, state: State) -> tuple[Answer, bool]:
        """Take in the hub's position. True: it is of an epoch that has ended, and was refused."""
        with self._transaction():
            closed = {
                row[0] for row in self._db.execute("SELECT epoch FROM call_epoch WHERE closed")
            }
            opening = read_state(self._cursor(), closed, state)
            if opening.closes is not None:
                self._db.execute(
                    "UPDATE call_epoch SET closed = 1 WHERE epoch = ?", (opening.closes,)
                )
            if opening.cursor is not None:
                self._keep_cursor(opening.cursor)
                for first, after in opening.lost:
                    self._add_gap(
                        "calls", opening.cursor.epoch, first, after, "not kept by the hub"
                    )
        return self.position(), opening.refused

    def lose(self, epoch: int, first: int, after: int, cause: str) -> Answer:
        """The hub no longer has these records."""
        with self._transaction():
            cursor = self._cursor()
            if cursor is not None and cursor.epoch == epoch:
                acceptance = cursor.accept(first, after)
                self._keep_cursor(acceptance.cursor)
                for lost_first, lost_after in acceptance.fresh:
                    self._add_gap("calls", epoch, lost_first, lost_after, cause)
        return self.position()

    def receive(self, epoch: int, first: int, records: Sequence[Any], routes: Routes) -> Received:
        """Store the records that are new. Records of an epoch that is not open are left alone."""
        lines: set[str] = set()
        refused: list[str] = []
        quarantined: list[str] = []
        repeated = 0
        taken: list[int] = []
        before = self.event_state().next
        with self._transaction():
            cursor = self._cursor()
            if cursor is not None and cursor.epoch == epoch:
                acceptance = cursor.accept(first, first + len(records))
                repeated = len(records) - sum(after - begin for begin, after in acceptance.fresh)
                for fresh_first, fresh_after in acceptance.fresh:
                    for offset in range(fresh_first, fresh_after):
                        record = records[offset - first]
                        try:
                            line, new = self._store_record(record, routes)
                            lines.add(line)
                            repeated += not new
                            if new:
                                taken.append(offset)
                        except _RefusedError as refusal:
                            refused.append(str(refusal))
                        except ValueError as error:
                            reason = _reason(error)
                            self._quarantine("calls", epoch, offset, reason, json.dumps(record))
                            quarantined.append(f"offset {offset}: {reason}")
                self._keep_cursor(acceptance.cursor)
            self._keep_up()
        told = self.event_state().next != before
        return Received(
            self.position(), frozenset(lines), refused, quarantined, told, repeated, taken
        )

    # --- hand-over -----------------------------------------------------------------------------

    def next_work(self, line: str) -> Work | None:
        """What the line's PLC is to be told next: see `CallBook.next_work`."""
        return self._book.next_work(line)

    def offer(self, work: Work, strobes: tuple[int, int] | None = None) -> bool:
        """It is about to be shown to the PLC; `strobes` as in `Work`. False if it is due no
        more."""
        with self._transaction():
            return self._book.offer(work, strobes)

    def decide(self, event: Event) -> bool:
        """Store what became of a hand-over, with its event. False if it was decided before."""
        with self._transaction():
            return self._book.decide(event)

    def settle(self, work: Work, accepted: bool, reason: str, at: datetime) -> None:
        """Store what the PLC answered to a command, with its event."""
        with self._transaction():
            self._book.settle(work, accepted, reason, at)

    def ask_person(self, work: Work, reason: str) -> None:
        """Nobody can tell whether the PLC took a command: a person is to decide."""
        with self._transaction():
            self._book.ask_person(work, reason)

    def know_commands(self, line: str, commands: bool) -> None:
        """Note whether a line's PLC takes commands."""
        with self._transaction():
            demand.know_commands(self._db, line, commands)

    def call(self, key: str) -> sqlite3.Row:
        """All that is known of a call, by the columns of `schema.sql`. Raises `KeyError`."""
        row = self._book.find(key)
        if row is None:
            raise KeyError(key)
        return row

    # --- people --------------------------------------------------------------------------------

    def act(self, action: Action, at: datetime | None = None) -> str:
        """Do what a person says, once; what came of it. Raises `ActionError`."""
        with self._transaction():
            actions = Actions(
                self._db, self._book, self._append_event, self._insert_event, self.rack_slots
            )
            return actions.act(action, at or datetime.now(UTC))

    @property
    def changes(self) -> int:
        """Grows with each row that is written."""
        return self._db.total_changes

    def view(self, line: str) -> LineView:
        """What a line's board shows."""
        return view(self._db, line, self.rack_slots.get(line))

    # --- results -------------------------------------------------------------------------------

    def last_result(self, line: str) -> int | None:
        """Number of the last result taken from a line's PLC."""
        row = self._db.execute(
            "SELECT max(result_no) FROM result WHERE line_key = ?", (line,)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def is_taken(self, line: str, no: int, digest: bytes) -> bool:
        """Whether this very result has been stored before."""
        row = self._db.execute(
            "SELECT digest FROM result WHERE line_key = ? AND result_no = ?", (line, no)
        ).fetchone()
        return row is not None and bytes(row[0]) == digest

    def take_results(self, line: str, results: Sequence[TakenResult]) -> None:
        """Store results in order of their number, each with its event or in quarantine. Numbers
        between the last one taken and these are lost: the PLC does not hold them any more."""
        with self._transaction():
            last = self.last_result(line)
            if last is not None and results[0].no > last + 1:
                missed = f"results {last + 1} … {results[0].no - 1} of line {line}"
                self._lose_event(f"{missed}: not stored here, and not held by the PLC")
            for result in results:
                try:
                    self._take_result(line, result)
                except ValueError as error:
                    self._quarantine(f"results/{line}", None, result.no, str(error), result.raw)
                self._db.execute(
                    "INSERT INTO result VALUES (?, ?, ?)", (line, result.no, result.digest)
                )
            self._db.execute(
                "DELETE FROM result WHERE line_key = ? AND result_no <= ?",
                (line, results[-1].no - _RESULTS_REMEMBERED),
            )

    def _take_result(self, line: str, result: TakenResult) -> None:
        """Raises `ValueError` for one that makes no record."""
        match result.event:
            case None:
                raise ValueError(result.reason)
            case Event() as event:
                # The PLC reports on this call, so it took it, whatever the hand-over knows.
                self._book.decide(Event(kind="accepted", key=event.key, at=event.at))
                self._append_event(event)
            case Delay() as delay:
                self._delay(delay)
            case Departure() as departure:
                self._depart(line, departure)

    def _depart(self, line: str, departure: Departure) -> None:
        at_us = int(departure.at.timestamp() * 1_000_000)
        slots = self.rack_slots.get(line)
        left = racks.depart(self._db, line, departure.shipment, at_us, departure.eta, slots)
        if not left:
            raise ValueError(f"shipment {departure.shipment}: no part is known to be on it")
        plant, _, name = line.partition("/")
        shipment = Shipment(
            plant=plant,
            line=name,
            shipment=departure.shipment,
            departed_at=departure.at,
            eta=departure.eta,
            racks=left,
        )
        self._insert_event(shipment.model_dump_json())

    def _delay(self, delay: Delay) -> None:
        self._db.execute(
            "UPDATE truck SET eta = ? WHERE line_key = ? AND shipment = ?",
            (delay.eta.isoformat(), line_key(delay.plant, delay.line), delay.shipment),
        )
        self._insert_event(delay.model_dump_json())

    def forget_results(self, line: str) -> None:
        """The PLC's numbers have begun anew: what was taken says nothing about them."""
        with self._transaction():
            self._db.execute("DELETE FROM result WHERE line_key = ?", (line,))

    # --- the event stream: we write ------------------------------------------------------------

    def event_state(self) -> State:
        """The position of the event stream."""
        return State(
            *self._db.execute("SELECT epoch, first_kept, next_offset FROM event_stream").fetchone()
        )

    def events(self, first: int, after: int) -> list[Any]:
        """The events first … after - 1: JSON values, or `LostEvent`."""
        rows = self._db.execute(
            "SELECT body FROM event WHERE event_offset >= ? AND event_offset < ?"
            " ORDER BY event_offset",
            (first, after),
        )
        return [_event(body) for (body,) in rows]

    def is_old_copy(self, watermark: int) -> bool:
        """The hub's first answer in the stream's epoch since the file was opened, to be told here
        before any event is sent: whether the hub has more than can have been sent from this file.
        What was appended meanwhile, over restarts too, was not sent."""
        with self._transaction():
            (bound,) = self._db.execute(
                "SELECT coalesce(unheard_from, next_offset) FROM event_stream"
            ).fetchone()
            self._db.execute("UPDATE event_stream SET unheard_from = NULL")
        self._hub_heard = True
        return watermark > int(bound)

    def commit_events(self, watermark: int) -> int:
        """The hub has committed all below. Lets go of what was kept long enough; returns the new
        first offset kept."""
        with self._transaction():
            oldest = _now_us() - self._retain_us
            (kept,) = self._db.execute(
                "SELECT min(event_offset) FROM event WHERE event_offset >= ? OR stored_us > ?",
                (watermark, oldest),
            ).fetchone()
            first_kept = watermark if kept is None else min(int(kept), watermark)
            self._db.execute("DELETE FROM event WHERE event_offset < ?", (first_kept,))
            self._db.execute(
                "UPDATE event_stream SET watermark = ?, first_kept = max(first_kept, ?)",
                (watermark, first_kept),
            )
            self._keep_up()
            return self.event_state().first_kept

    def reopen_events(self) -> State:
        """Begin a new epoch of the event stream with all that the hub is not known to have."""
        with self._transaction():
            (watermark,) = self._db.execute("SELECT watermark FROM event_stream").fetchone()
            bodies = self._db.execute(
                "SELECT body, stored_us FROM event WHERE event_offset >= ? ORDER BY event_offset",
                (watermark,),
            ).fetchall()
            self._db.execute("DELETE FROM event")
            self._db.executemany(
                "INSERT INTO event VALUES (?, ?, ?)",
                [(offset, body, stored) for offset, (body, stored) in enumerate(bodies)],
            )
            self._db.execute(
                "UPDATE event_stream SET epoch = ?, first_kept = 0, next_offset = ?, watermark = 0",
                (draw_epoch(), len(bodies)),
            )
        return self.event_state()

    def counts(self) -> Counts:
        """How much is open."""
        calls_open, events_pending, quarantined = self._db.execute(
            "SELECT (SELECT count(*) FROM call WHERE state IN ('received', 'offered')),"
            " (SELECT next_offset - watermark FROM event_stream),"
            " (SELECT count(*) FROM quarantine)"
        ).fetchone()
        return Counts(calls_open, events_pending, quarantined, self.set_aside)

    # --- within a transaction ------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @property
    def _book(self) -> CallBook:
        return CallBook(self._db, self._append_event, _now_us)

    def _cursor(self) -> Cursor | None:
        row = self._db.execute(
            "SELECT epoch, watermark FROM call_epoch WHERE NOT closed"
        ).fetchone()
        return None if row is None else Cursor(*row)

    def _keep_cursor(self, cursor: Cursor) -> None:
        self._db.execute(
            "INSERT INTO call_epoch (epoch, watermark) VALUES (?, ?)"
            " ON CONFLICT (epoch) DO UPDATE SET watermark = excluded.watermark",
            (cursor.epoch, cursor.watermark),
        )

    def _store_record(self, record: Any, routes: Routes) -> tuple[str, bool]:
        """Store one record of the call stream; gives its line, and whether it says of a call what
        was not known. Raises `_RefusedError` for a call this gateway does not serve, `ValueError`
        for what cannot be read."""
        found: CallRecord = CALL_RECORD.validate_python(record)
        match found:
            case Call() | CallChange():
                change = None if isinstance(found, Call) else found
                call = found if isinstance(found, Call) else found.call
                line = line_key(call.key.plant, call.key.line)
                if reason := _unserved(call, line, routes):
                    self._refuse(call, line, reason)
                person = line in self.decided_by_people
                new = self._book.take_call(line, call, change, person=person)
                demand.called(self._db, line, call.key)
                return line, new
            case Preview() | LineState():
                line = _served(line_key(found.plant, found.line), routes)
                if isinstance(found, Preview):
                    demand.take_preview(self._db, line, found)
                else:
                    demand.take_line_state(self._db, line, found)
                return line, True
            case Instruction():
                line = _served(line_key(found.key.plant, found.key.line), routes)
                self._book.take_instruction(found, person=line in self.decided_by_people)
                return line, True
            case Delivery():
                self._book.take_delivery(found)
                return line_key(found.key.plant, found.key.line), True

    def _refuse(self, call: Call, line: str, reason: str) -> None:
        """Say once that this gateway does not serve a call. Raises `_RefusedError`."""
        known = self._book.find(str(call.key)) is not None
        if not known:
            self._book.take_call(line, call, None, person=False)
            at = datetime.now(UTC)
            refusal = Event(kind="refused", key=call.key, at=at, reason=reason[:500])
            self._book.decide(refusal)
        raise _RefusedError(f"{call.key}: {reason}")

    def _append_event(self, event: Event) -> int:
        at_us = self._insert_event(event.model_dump_json())
        self._book.apply(event)
        return at_us

    def _lose_event(self, cause: str) -> None:
        self._insert_event(json.dumps({_LOST: cause[:_CAUSE_LENGTH]}, ensure_ascii=False))

    def _insert_event(self, body: str) -> int:
        """Add an event; returns when, as it is stored with it."""
        now_us = _now_us()
        (offset,) = self._db.execute(
            "UPDATE event_stream SET next_offset = next_offset + 1,"
            " unheard_from = CASE WHEN NOT ? THEN coalesce(unheard_from, next_offset) END"
            " RETURNING next_offset - 1",
            (self._hub_heard,),
        ).fetchone()
        self._db.execute("INSERT INTO event VALUES (?, ?, ?)", (offset, body, now_us))
        return now_us

    def _keep_up(self) -> None:
        """Once an hour: forget what was decided or noted long ago."""
        now_us = _now_us()
        if abs(now_us - self._kept_up_us) < _UPKEEP_EVERY_US:
            return
        self._kept_up_us = now_us
        oldest = now_us - self._retain_decided_us
        # What the hub has not committed of the decisions begins here; they count as open with it.
        (pending_us,) = self._db.execute(
            "SELECT min(stored_us) FROM event"
            " WHERE event_offset >= (SELECT watermark FROM event_stream)"
        ).fetchone()
        self._db.execute(
            "DELETE FROM call WHERE state NOT IN ('received', 'offered')"
            " AND coalesce(decided_us, received_us) < ?",
            (oldest if pending_us is None else min(oldest, pending_us),),
        )
        for statement in _FORGET_NOTES:
            self._db.execute(statement, (oldest, _NOTES_KEPT))
        for table in ("instruction_ahead", "rack_part", "action"):
            self._db.execute(
                f"DELETE FROM {table} WHERE stored_us < ?",  # noqa: S608 - these three names
                (oldest,),
            )
        self._keep_reserve()

    def _keep_reserve(self) -> None:
        """Have the reserve on the disk again, if there is plenty of room for it."""
        free = shutil.disk_usage(self._path.parent).free
        if self._reserve.exists() or free < 4 * _RESERVE_BYTES:
            return
        with suppress(OSError), self._reserve.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)

    def _quarantine(
        self, stream: str, epoch: int | None, offset: int, reason: str, raw: str
    ) -> None:
        self._db.execute(
            "INSERT INTO quarantine (stream, epoch, record_offset, reason, raw, stored_us)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (stream, epoch, offset, reason, raw, _now_us()),
        )

    def _add_gap(self, stream: str, epoch: int | None, first: int, after: int, cause: str) -> None:
        self._db.execute(
            "INSERT INTO gap (stream, epoch, first_no, next_no, cause, stored_us)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (stream, epoch, first, after, cause, _now_us()),
        )


_FORGET_NOTES = tuple(
    f"DELETE FROM {table} WHERE stored_us < ?"  # noqa: S608 - these two names
    f" OR id <= (SELECT max(id) FROM {table}) - ?"
    for table in ("quarantine", "gap")
)


_EVENTS = "SELECT body FROM event ORDER BY event_offset"


class _RefusedError(Exception):
    """A call this gateway does not serve; the text says why."""


def _connect(path: Path) -> sqlite3.Connection:
    commits = last_commit(path.with_name(f"{path.name}-wal"))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            create(database)
            database.execute("INSERT INTO event_stream VALUES (?, 0, 0, 0, NULL)", (draw_epoch(),))
            database.execute("COMMIT")
        elif version < SCHEMA_VERSION:
            upgrade(database, version)
            CallBook(database, lambda _event: 0, _now_us).replay(
                [_event(body) for (body,) in database.execute(_EVENTS).fetchall()]
            )
            database.execute("COMMIT")
        elif version > SCHEMA_VERSION:
            raise sqlite3.OperationalError(
                f"{path} is of version {version}; this agent reads version {SCHEMA_VERSION}"
            )
        if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise set_aside.DamageError("its pages are damaged")
        if commits > database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]:
            raise set_aside.DamageError("its write-ahead log is damaged")
    except BaseException:
        database.close()
        raise
    return database


def _salvage(path: Path) -> list[str]:
    """The pending events of a damaged file, as far as they can be read."""
    saved: list[str] = []
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as database:
        for (body,) in database.execute(
            "SELECT body FROM event WHERE event_offset >= (SELECT watermark FROM event_stream)"
            " ORDER BY event_offset"
        ):
            with suppress(ValueError):
                if not isinstance(_event(body), LostEvent):
                    EVENT_RECORD.validate_json(body)
                saved.append(body)
    return saved


def _unserved(call: Call, line: str, routes: Routes) -> str:
    """Why this gateway cannot take a call, or nothing."""
    if line not in routes:
        return f"this gateway serves no line {line}"
    if call.key.part_group not in routes[line]:
        return f"line {line} builds no part group {call.key.part_group}"
    return ""


def _served(line: str, routes: Routes) -> str:
    """The line. Raises `ValueError` if this gateway does not serve it."""
    if line not in routes:
        raise ValueError(f"this gateway serves no line {line}")
    return line


def _reason(error: ValueError) -> str:
    return first_problem(error, "record") if isinstance(error, ValidationError) else str(error)


def _event(body: str) -> Any:
    """A row's event: a JSON value, or `LostEvent`. Raises `ValueError`."""
    value = json.loads(body)
    if isinstance(value, dict) and value.keys() == {_LOST}:
        return LostEvent(str(value[_LOST]))
    return value


def _now_us() -> int:
    return time.time_ns() // 1000
