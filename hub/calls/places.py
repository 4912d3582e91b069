"""Places in a line's order: taken at its end, given free, moved up to, made room for.

Call numbers stay as they were given. What moves is the place, and with it sequence number, rack and
slot; each car keeps its own time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from heapq import heappop, heappush

import psycopg
from psycopg.rows import class_row

from hub.calls.called import CALLS_BEHIND, By, CalledCall, LineRow, told_state
from hub.calls.refused import RefusedError
from hub.calls.telling import Telling


def at_place(line: LineRow, call: CalledCall, place: int) -> CalledCall:
    """The call with sequence number, rack and slot of a place."""
    return replace(call, **line.numbers_at(place))


def take_last(connection: psycopg.Connection, line: LineRow, count: int = 1) -> int:
    """The first of so many new places at the end of the line's order."""
    row = connection.execute(
        "UPDATE supplier_line SET next_place = next_place + %s WHERE plant = %s AND id = %s "
        "RETURNING next_place",
        (count, line.plant, line.id),
    ).fetchone()
    return int(row[0]) - count if row else 0


def can_move(line: LineRow, call: CalledCall, by: By) -> bool:
    """Whether the call may get another place without asking."""
    return (
        "resequence" in call.situation.may and call.asked is None and not is_frozen(line, call, by)
    )


def is_frozen(line: LineRow, call: CalledCall, by: By) -> bool:
    """Whether the call is required so soon that its supplier is asked before it changes."""
    frozen_s = line.agreed.frozen_s
    return bool(frozen_s and call.required_at < by.at + timedelta(seconds=frozen_s))


def close_up(telling: Telling, line: LineRow, freed: Collection[int]) -> None:
    """Let the calls behind places that were given free move up, as far as they may.

    The first that may not move ends it: the empty slots are then before that one.
    """
    free = sorted(freed)
    for call, place in _standing(telling.connection, line, free[0] + 1):
        if not can_move(line, call, telling.by):
            break
        telling.change(call, at_place(line, call, heappop(free)), "resequence")
        heappush(free, place)
    after = _next_place(telling.connection, line)
    while after - 1 in free:
        after -= 1
    _set_next(telling.connection, line, after)


def make_room(telling: Telling, line: LineRow, place: int, count: int, car: str) -> None:
    """Give free so many places from this one on: who stands there moves back, up to the first empty
    places. Raises `RefusedError` if one of them may not."""
    arriving = deque[CalledCall | None]([None] * count)
    standing = iter(_standing(telling.connection, line, place))
    call, stands = next(standing, (None, 0))
    while arriving:
        if call is not None and stands == place:
            if not can_move(line, call, telling.by):
                raise RefusedError(
                    f"{told_state(call)} and required at {call.required_at:%Y-%m-%d %H:%M} UTC: it "
                    f"cannot make room for car {car}; let that come back further behind"
                )
            arriving.append(call)
            call, stands = next(standing, (None, 0))
        moves = arriving.popleft()
        if moves is not None:
            telling.change(moves, at_place(line, moves, place), "resequence")
        place += 1
    _set_next(telling.connection, line, max(_next_place(telling.connection, line), place))


def _next_place(connection: psycopg.Connection, line: LineRow) -> int:
    row = connection.execute(
        "SELECT next_place FROM supplier_line WHERE plant = %s AND id = %s", (line.plant, line.id)
    ).fetchone()
    return int(row[0]) if row else line.next_place


def _set_next(connection: psycopg.Connection, line: LineRow, place: int) -> None:
    connection.execute(
        "UPDATE supplier_line SET next_place = %s WHERE plant = %s AND id = %s",
        (place, line.plant, line.id),
    )


def _standing(
    connection: psycopg.Connection, line: LineRow, place: int
) -> list[tuple[CalledCall, int]]:
    """All calls of the line from this place on, each with its own, by place."""
    with connection.cursor(row_factory=class_row(CalledCall)) as cursor:
        calls = cursor.execute(CALLS_BEHIND, (line.plant, line.id, place)).fetchall()
    return [(call, call.place) for call in calls if call.place is not None]
