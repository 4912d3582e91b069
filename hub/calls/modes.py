"""How a supplier's line works with the plant while something is wrong: normal, from the emergency
stock, with late re-delivery, or by hand. Who set it, when and why stays in `line_mode`; the line's
gateway is told.

What was called or required while a mode other than normal was in force counts in no key figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from hub.calls.emergency_stock import levels
from hub.calls.line_states import tell_line_states
from hub.calls.outbox import hold
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.shipments import Line, find_line
from protocols.jis.messages import LineMode

_IN_FORCE = """
SELECT mode, since FROM line_mode WHERE plant = %s AND line = %s AND until IS NULL FOR UPDATE
"""
_END = """
UPDATE line_mode SET until = %s WHERE plant = %s AND line = %s AND until IS NULL
"""
_BEGIN = """
INSERT INTO line_mode (plant, line, owner, partner, mode, since, set_by, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_HEARD = "SELECT online FROM gateway_status WHERE gateway = %s"
_UNACKNOWLEDGED = """
SELECT count(*) FROM jis_call WHERE plant = %s AND line = %s AND acknowledged_at IS NULL
    AND car = 'released' AND required_at > %s
"""
_OWED = """
SELECT count(*) FROM jis_call WHERE plant = %s AND line = %s AND car = 'released'
    AND required_at < %s
    AND status NOT IN ('arrived', 'mismatched', 'confirmed', 'consumed', 'rejected', 'returned',
        'dropped', 'scrapped', 'stocked')
"""


@dataclass(frozen=True, slots=True)
class ModeChange:
    """What was in force before, and what is now."""

    before: LineMode
    after: LineMode
    since: datetime


def set_mode(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    line: str,
    mode: LineMode,
    at: datetime,
    by: str,
    reason: str,
    *,
    anyway: bool = False,
) -> ModeChange:
    """Put a mode in force, unless its rules forbid it; `anyway` passes over them, and the record
    says so. Raises `UnknownError`, `RefusedError`."""
    with connection.transaction():
        found = find_line(connection, plant, line)
        if found is None or found.owner != tenant:
            raise UnknownError(f"no line {line} in plant {plant}")
        hold(connection, found.gateway)
        row = connection.execute(_IN_FORCE, (plant, line)).fetchone()
        before: LineMode = row[0] if row else "normal"
        since = row[1] if row else at
        if before == mode:
            return ModeChange(before, mode, since)
        broken = [*_may_leave(connection, found, before, at), *_may_enter(connection, found, mode)]
        if broken and not anyway:
            raise RefusedError("; ".join(broken))
        if row is not None:  # one after the other, though the clock was set back in between
            at = max(at, since + timedelta(microseconds=1))
        noted = f"{reason} (anyway: {'; '.join(broken)})" if broken else reason
        connection.execute(_END, (at, plant, line))
        connection.execute(
            _BEGIN, (plant, line, found.owner, found.partner, mode, at, by, noted[:500])
        )
        tell_line_states(connection, plant, at, [line])
        return ModeChange(before, mode, at)


def _may_enter(connection: psycopg.Connection, line: Line, mode: LineMode) -> list[str]:
    """Why the mode cannot be entered."""
    if mode == "buffer":
        if line.profile.emergency_stock < 1:
            return [f"line {line.id} has no emergency stock (profile: emergency_stock)"]
        if max(levels(connection, line.plant, line.id).values(), default=0) < 1:
            return [f"the emergency stock of line {line.id} is used up"]
    if mode == "manual":
        row = connection.execute(_HEARD, (line.gateway,)).fetchone()
        if row is not None and row[0]:
            return [f"the gateway of line {line.id} is heard: its calls reach it"]
    return []


def _may_leave(
    connection: psycopg.Connection, line: Line, mode: LineMode, at: datetime
) -> list[str]:
    """Why the mode cannot be left."""
    found = []
    if mode == "manual":
        row = connection.execute(_HEARD, (line.gateway,)).fetchone()
        if row is not None and not row[0]:
            found.append(f"the gateway of line {line.id} is not heard yet")
        open_calls = _count(connection, _UNACKNOWLEDGED, line, at)
        if open_calls:
            found.append(f"{open_calls} calls are not on its disk yet")
    if mode == "late_redelivery":
        owed = _count(connection, _OWED, line, at)
        if owed:
            found.append(f"{owed} parts that were required are still to come")
    return found


def _count(connection: psycopg.Connection, query: str, line: Line, at: datetime) -> int:
    row = connection.execute(query.encode(), (line.plant, line.id, at)).fetchone()
    return int(row[0]) if row else 0
