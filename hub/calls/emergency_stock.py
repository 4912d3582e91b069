"""The emergency stock that the plant keeps of a line's parts, in sets: what is taken for cars whose
part is not there, and what fills it up again.

There are as many sets of each part group as the line's profile says (`emergency_stock`), less
what was taken and has not come back. What was taken for a call comes back by itself: its own part,
or that of the reorder that stands for it, is for the stock once the dock has confirmed it, since
the car has one already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import psycopg

from hub.calls.history import FoundCall
from hub.calls.refused import RefusedError
from hub.orders.profile import stored_profile
from protocols.jis.messages import CallKey

_LOCK = "SELECT FROM supplier_line WHERE plant = %s AND id = %s FOR NO KEY UPDATE"
_LEVELS = """
SELECT g.id, l.profile, coalesce(sum(b.sets), 0)
FROM part_group g JOIN supplier_line l ON l.plant = g.plant AND l.id = g.line
LEFT JOIN stock_booking b ON b.plant = g.plant AND b.line = g.line AND b.part_group = g.id
WHERE g.plant = %s AND g.line = %s GROUP BY g.id, l.profile ORDER BY g.id
"""
_BOOK = """
INSERT INTO stock_booking
    (plant, line, owner, partner, part_group, call, sets, part_no, actor, reason, source_at)
SELECT plant, line, owner, partner, part_group, id, %(sets)s, part_no, %(actor)s, %(reason)s, %(at)s
FROM jis_call WHERE id = %(call)s
ON CONFLICT (call, sets) DO NOTHING
RETURNING id
"""
_TAKEN = "SELECT FROM stock_booking WHERE call = %s AND sets = -1"
# A call and those it is a reorder of: what is still owed to the stock for any of them.
_OWED = """
WITH RECURSIVE chain AS (
    SELECT id, reorder_of FROM jis_call WHERE id = %s
    UNION ALL SELECT c.id, c.reorder_of FROM jis_call c JOIN chain ON c.id = chain.reorder_of
)
SELECT coalesce(sum(b.sets), 0) < 0 FROM stock_booking b WHERE b.call IN (SELECT id FROM chain)
"""


def lock_stock(connection: psycopg.Connection, plant: str, line: str) -> None:
    """Whoever takes from a line's stock comes one after the other, so that no set is given to two
    cars. Before streams and calls are locked."""
    connection.execute(_LOCK, (plant, line))


def levels(connection: psycopg.Connection, plant: str, line: str) -> dict[str, int]:
    """Sets that there are of each part group of a line."""
    rows = connection.execute(_LEVELS, (plant, line)).fetchall()
    return {
        group: stored_profile(profile).emergency_stock + booked for group, profile, booked in rows
    }


def take(
    connection: psycopg.Connection, call: FoundCall, at: datetime, by: str, reason: str
) -> bool:
    """A set for the call's car; False: it has one already. The stock is to be locked. Raises
    `RefusedError` if there is none left of its part group."""
    if connection.execute(_TAKEN, (call.id,)).fetchone() is not None:
        return False
    left = levels(connection, call.plant, call.line).get(call.part_group, 0)
    if left < 1:
        raise RefusedError(
            f"no set of {call.part_group} is left in the emergency stock of line {call.line}: fit "
            f"car {call.production_no} offline, or have the part sent by express"
        )
    return _book(connection, call.id, -1, at, by, reason)


def take_for(
    connection: psycopg.Connection,
    calls: Sequence[FoundCall],
    at: datetime,
    by: str,
    reason: str,
) -> list[CallKey]:
    """Sets for these calls, as far as there are any, the first named first. Returns the calls whose
    cars get none; raises `RefusedError` if none gets any. The stock is to be locked."""
    without: list[CallKey] = []
    refused: RefusedError | None = None
    for call in calls:
        try:
            take(connection, call, at, by, reason)
        except RefusedError as none_left:
            refused = none_left
            without.append(call.key)
    if refused is not None and len(without) == len(calls):
        raise refused
    return without


def fill_up(connection: psycopg.Connection, call: FoundCall, at: datetime, by: str) -> bool:
    """The call's part is there: for the stock, if its car was given one out of it."""
    row = connection.execute(_OWED, (call.id,)).fetchone()
    if row is None or not row[0]:
        return False
    return _book(connection, call.id, 1, at, by, "its car has one out of the stock")


def named(keys: Iterable[CallKey]) -> str:
    """For a person who reads who gets none."""
    return ", ".join(f"{key.production_no} {key.part_group}" for key in keys)


def _book(
    connection: psycopg.Connection, call: int, sets: int, at: datetime, by: str, reason: str
) -> bool:
    values = {"call": call, "sets": sets, "at": at, "actor": by, "reason": reason[:500]}
    return connection.execute(_BOOK, values).fetchone() is not None
