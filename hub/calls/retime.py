"""Required times are worked out anew: after a line stop, with another takt or another calendar.

The order is kept: a car's time follows from when it passed and from how far it has to go, and both
clock and tolerance treat all alike. Told again is only what moved by more than its line's profile
tolerates, and what would otherwise stand in another order than its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg
from psycopg.types.json import Jsonb

from hub.calls.called import AT_SUPPLIER, By, CalledCall, LineRow, find_calls, lock_plant
from hub.calls.calling import LATE, flag_late
from hub.calls.clock import PlantClock, load_clock
from hub.calls.exceptions import close_exception
from hub.calls.line_states import tell_line_states
from hub.calls.previews import refresh_demand
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.telling import Telling
from hub.orders.calendar_entry import WorkEntry, shift_calendar
from hub.orders.problems import did_you_mean
from protocols.jis.messages import CallKey

_BEGIN = """
INSERT INTO line_stop (plant, owner, partner, line, cause, began_at, expected_end_at, message_id)
SELECT id, owner, %(partner)s, %(line)s, %(cause)s, %(at)s, %(expected_end_at)s, %(message_id)s
FROM plant WHERE id = %(plant)s
ON CONFLICT (plant, message_id) DO NOTHING
RETURNING id
"""
_FIND_STOP = """
SELECT id, began_at, ended_at FROM line_stop WHERE plant = %s AND message_id = %s FOR UPDATE
"""
_OPEN_STOPS = "SELECT message_id FROM line_stop WHERE plant = %s AND ended_at IS NULL"
_SET_TAKT = """
INSERT INTO takt (plant, since, owner, takt_s, set_by, message_id)
SELECT id, %(since)s, owner, %(takt_s)s, %(actor)s, %(message_id)s FROM plant WHERE id = %(plant)s
ON CONFLICT DO NOTHING
RETURNING since
"""
_KNOWN_TAKT = "SELECT FROM takt WHERE plant = %s AND message_id = %s"
_OVERDUE = timedelta(days=1)
"""Where no instant is known from which on times move: what is overdue for so long is fitted, though
nobody said so."""
_SLACK = timedelta(hours=1)
"""By which a told time may be off the clock: no tolerance is as large."""


@dataclass
class Retimed:
    """What came of it."""

    told: list[CallKey] = field(default_factory=list)
    """Calls that were told their new time."""
    kept: int = 0
    """Calls whose time has not moved, or too little to be told."""
    repeated: bool = False


def begin_stop(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    by: By,
    cause: str,
    *,
    line: str | None = None,
    expected_end_at: datetime | None = None,
) -> Retimed:
    """The plant's line stands since `by.at`. line: the supplier's that caused it. What is behind is
    timed anew at once if the end is expected, and again when it ends; it is known by
    `by.message_id`. Raises `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        if line is not None and line not in lines:
            raise UnknownError(f"no line {line} in plant {plant}{did_you_mean(line, lines)}")
        if expected_end_at is not None and expected_end_at <= by.at:
            raise RefusedError(f"a stop that began at {by.at} cannot end at {expected_end_at}")
        row = connection.execute(
            _BEGIN,
            {
                "plant": plant,
                "partner": lines[line].partner if line is not None else None,
                "line": line,
                "cause": cause,
                "at": by.at,
                "expected_end_at": expected_end_at,
                "message_id": by.message_id,
            },
        ).fetchone()
        if row is None:
            return Retimed(repeated=True)
        return _retime_and_tell(connection, plant, list(lines.values()), by, by.at)


def end_stop(connection: psycopg.Connection, tenant: str, plant: str, by: By, stop: str) -> Retimed:
    """The stop that began by message `stop` has ended. Raises `UnknownError` or `RefusedError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        row = connection.execute(_FIND_STOP, (plant, stop)).fetchone()
        if row is None:
            names = [name for (name,) in connection.execute(_OPEN_STOPS, (plant,)).fetchall()]
            raise UnknownError(f"no stop {stop} in plant {plant}{did_you_mean(stop, names)}")
        number, began_at, ended_at = row
        if ended_at is not None:
            if ended_at != by.at:
                raise RefusedError(f"stop {stop} has ended at {ended_at} already")
            return Retimed(repeated=True)
        if by.at < began_at:
            raise RefusedError(f"stop {stop} began at {began_at}: it cannot end at {by.at}")
        connection.execute("UPDATE line_stop SET ended_at = %s WHERE id = %s", (by.at, number))
        return _retime_and_tell(connection, plant, list(lines.values()), by, began_at)


def set_takt(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    by: By,
    takt_s: float,
    since: datetime,
) -> Retimed:
    """From an instant on the plant moves by another takt. Raises `UnknownError`, `RefusedError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        row = connection.execute(
            _SET_TAKT,
            {
                "plant": plant,
                "since": since,
                "takt_s": takt_s,
                "actor": by.actor,
                "message_id": by.message_id,
            },
        ).fetchone()
        if row is None:
            if connection.execute(_KNOWN_TAKT, (plant, by.message_id)).fetchone() is None:
                raise RefusedError(f"another takt holds from {since} on: set this one a moment on")
            return Retimed(repeated=True)
        return _retime_and_tell(connection, plant, list(lines.values()), by, min(since, by.at))


def set_calendar(
    connection: psycopg.Connection, tenant: str, plant: str, by: By, calendar: WorkEntry | None
) -> Retimed:
    """The plant works at other times: overtime, another shift; None: it never rests. Raises
    `UnknownError`, or `CalendarError` where the calendar contradicts itself."""
    if calendar is not None:
        shift_calendar(calendar, 60)
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        stored = None if calendar is None else Jsonb(calendar.model_dump(mode="json"))
        connection.execute("UPDATE plant SET calendar = %s WHERE id = %s", (stored, plant))
        return _retime_and_tell(connection, plant, list(lines.values()), by, by.at - _OVERDUE)


def retime(connection: psycopg.Connection, tenant: str, plant: str, by: By) -> Retimed:
    """Time all calls of the plant that are not fitted yet, and the demand ahead, by its clock as it
    is now. Raises `UnknownError`."""
    with connection.transaction():
        lines = lock_plant(connection, tenant, plant)
        return _retime(connection, plant, list(lines.values()), by, by.at - _OVERDUE)


def _retime_and_tell(
    connection: psycopg.Connection,
    plant: str,
    lines: Sequence[LineRow],
    by: By,
    since: datetime,
) -> Retimed:
    done = _retime(connection, plant, lines, by, since)
    tell_line_states(connection, plant, by.at)
    return done


def _retime(
    connection: psycopg.Connection,
    plant: str,
    lines: Sequence[LineRow],
    by: By,
    since: datetime,
) -> Retimed:
    """since: nothing that was to be fitted before has another time."""
    clock = load_clock(connection, plant, by.at)
    telling = Telling(connection, by)
    done = Retimed()
    for line in lines:
        calls = find_calls(connection, plant, line=line.id, moving=True, since=since - _SLACK)
        _retime_line(telling, line, clock, calls, done)
    telling.flush()
    refresh_demand(connection, plant, by.at)
    return done


def retime_line(telling: Telling, line: LineRow) -> None:
    """Time one line's calls, as part of what `telling` tells: what waited for an answer was not
    timed meanwhile."""
    clock = load_clock(telling.connection, line.plant, telling.by.at)
    since = telling.by.at - _OVERDUE
    calls = find_calls(telling.connection, line.plant, line=line.id, moving=True, since=since)
    _retime_line(telling, line, clock, calls, Retimed())


def _retime_line(
    telling: Telling, line: LineRow, clock: PlantClock, calls: Sequence[CalledCall], done: Retimed
) -> None:
    placed = sorted(
        (call for call in calls if call.place is not None), key=lambda call: call.place or 0
    )
    alone = [call for call in calls if call.place is None]
    required = {call.id: _required_at(clock, call) for call in calls}
    tolerance = timedelta(seconds=line.agreed.retime_tolerance_s)
    moves = {
        call.id
        for call in calls
        if call.asked is None and abs(required[call.id] - call.required_at) > tolerance
    }
    # What waits for an answer is left alone; and of a car that was out and came back, a part on a
    # truck or beyond stands where it stood.
    keep_order([c for c in placed if c.asked is None and c.part in AT_SUPPLIER], required, moves)
    for call in (*placed, *alone):
        if call.id not in moves:
            done.kept += 1
            continue
        after = replace(call, required_at=required[call.id])
        told = telling.change(call, after, "resequence", message_id=f"{telling.by.message_id} time")
        done.told.append(call.key)
        _judge_time(telling, line, told)


def _required_at(clock: PlantClock, call: CalledCall) -> datetime:
    """An express call is never told a later start than now by an earlier time."""
    at = clock.after(call.timed_from, call.lead_s)
    return max(at, call.required_at) if call.priority == "express" else at


def keep_order(
    placed: Sequence[CalledCall], required: dict[int, datetime], moves: set[int]
) -> None:
    """Add to `moves` the calls that must be told too, lest told times stand in another order than
    places."""
    again = True
    while again:
        again = False
        told = [required[c.id] if c.id in moves else c.required_at for c in placed]
        for n in range(1, len(placed)):
            if told[n - 1] > told[n]:
                pair = {c.id for c in placed[n - 1 : n + 1]}
                again |= not pair <= moves
                moves |= pair


def _judge_time(telling: Telling, line: LineRow, call: CalledCall) -> None:
    """A new time may be too early to be kept, or leave time enough again."""
    late = flag_late(
        telling.connection,
        call.message(),
        call.id,
        owner=call.owner,
        partner=call.partner,
        needed_s=line.agreed.needed_s,
        now=call.called_at,
    )
    if not late:
        close_exception(telling.connection, call.plant, LATE, str(call.key), telling.by.actor)
