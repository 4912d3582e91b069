"""Of what a figure is worked out: a plant, a time, some lines, and what it is told apart by.

Not counted are calls of pre-series cars, and those that were made or required while their line was
in an emergency mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg import sql

from hub.orders.calendar_entry import WorkEntry, shift_calendar
from hub.orders.profile import stored_profile

By = Literal["supplier", "line", "shift"]

EXCLUDED = sql.SQL("""
(c.pre_series OR EXISTS (SELECT FROM line_mode m WHERE m.plant = c.plant AND m.line = c.line
    AND m.mode <> 'normal' AND (tstzrange(m.since, m.until) @> c.called_at
        OR tstzrange(m.since, m.until) @> c.required_at)))
""")
"""Of a call `c`."""
SHIFTS = sql.SQL("""
unnest(%(shift_names)s::text[], %(shift_starts)s::timestamptz[], %(shift_ends)s::timestamptz[])
    AS shift (name, starts, ends)
""")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for: [start, end) of a plant."""

    plant: str
    start: datetime
    end: datetime
    line: str | None = None
    supplier: str | None = None
    window_s: float = 900.0
    """How far from its slot a rack may arrive, either way."""
    by: frozenset[By] = frozenset(("line",))


def parameters(connection: psycopg.Connection, scope: Scope) -> dict[str, Any]:
    """What the queries of a scope need; the connection sees one tenant's rows alone."""
    shifts = _shifts(connection, scope) if "shift" in scope.by else []
    lines = connection.execute(
        "SELECT id, profile FROM supplier_line WHERE plant = %s ORDER BY id", (scope.plant,)
    ).fetchall()
    profiles = [(line, stored_profile(profile)) for line, profile in lines]
    return {
        "plant": scope.plant,
        "start": scope.start,
        "end": scope.end,
        "line": scope.line,
        "supplier": scope.supplier,
        "window_s": scope.window_s,
        "by_supplier": "supplier" in scope.by,
        "by_line": "line" in scope.by,
        "by_shift": "shift" in scope.by,
        "shift_names": [name for name, _, _ in shifts],
        "shift_starts": [start for _, start, _ in shifts],
        "shift_ends": [end for _, _, end in shifts],
        "lines": [line for line, _ in profiles],
        "dock_to_car_s": [float(p.unload_s + p.lineside_s + p.safety_s) for _, p in profiles],
    }


def _shifts(connection: psycopg.Connection, scope: Scope) -> list[tuple[str, datetime, datetime]]:
    row = connection.execute(
        "SELECT calendar, takt_s FROM plant WHERE id = %s", (scope.plant,)
    ).fetchone()
    if row is None or row[0] is None:
        return []
    calendar = shift_calendar(WorkEntry.model_validate(row[0]), row[1])
    return [
        (name, start, end)
        for name, start, end in calendar.shifts_in_utc()
        if start < scope.end and end > scope.start
    ]
