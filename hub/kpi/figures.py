"""The key figures, each a query of the things behind it and one way to sum them up.

A figure's rows carry the thing, when it counts, its value, whether it is good, and whether it is
left out; the figure is what a group of them comes to, and the drill-down is the rows themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from hub.kpi.scope import EXCLUDED, SHIFTS, Scope, parameters

_CALL = sql.SQL("concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index)")
_CALLS = sql.SQL("""
SELECT c.id, {key} AS thing, c.line, c.partner AS supplier, c.called_at AS at,
    {value} AS value, {good} AS good, {excluded} AS excluded
FROM jis_call c {join}
WHERE c.plant = %(plant)s AND c.called_at >= %(start)s AND c.called_at < %(end)s {where}
""")
# Racks count when they arrive. Their slot: the first car's fit time less what lies between dock and
# car. Empty ones and those of emergencies have none.
_RACKS = sql.SQL("""
SELECT c.id, r.rack AS thing, r.line, r.partner AS supplier, r.arrived_at AS at,
    extract(epoch FROM r.arrived_at - (c.first_fit - way.dock_to_car_s * interval '1 s'))::float8
        AS value,
    {good} AS good, c.excluded
FROM rack r
JOIN unnest(%(lines)s::text[], %(dock_to_car_s)s::float8[]) AS way (line, dock_to_car_s)
    ON way.line = r.line
JOIN LATERAL (
    SELECT min(c.id) AS id, min(c.required_at) AS first_fit, bool_or({excluded}) AS excluded,
        bool_and(c.status IN ('confirmed', 'consumed') AND NOT EXISTS (SELECT FROM call_event e
            WHERE e.call = c.id AND e.kind IN ('mismatched', 'rejected'))) AS as_called
    FROM jis_call c
    WHERE c.plant = r.plant AND c.line = r.line AND c.rack = r.rack
        AND c.car IN ('released', 'fitted')
) c ON c.id IS NOT NULL
WHERE r.plant = %(plant)s AND r.kind = 'regular'
    AND r.arrived_at >= %(start)s AND r.arrived_at < %(end)s
""")
_IN_SLOT = sql.SQL(
    "abs(extract(epoch FROM r.arrived_at - (c.first_fit - way.dock_to_car_s * interval '1 s')))"
    " <= %(window_s)s"
)
_PERFECT = sql.SQL("""
{in_slot} AND c.as_called AND
NOT EXISTS (SELECT FROM shipment_slot s WHERE s.plant = r.plant AND s.line = r.line
    AND s.rack = r.rack AND s.problem IS NOT NULL)
AND NOT EXISTS (SELECT FROM exception x WHERE x.plant = r.plant AND x.line = r.line
    AND x.kind IN ('rack_turned', 'shipment_mismatch') AND x.detail ->> 'rack' = r.rack)
""").format(in_slot=_IN_SLOT)
_STOPS = sql.SQL("""
SELECT s.id, s.cause AS thing, s.line, s.partner AS supplier, greatest(s.began_at, %(start)s) AS at,
    extract(epoch FROM least(coalesce(s.ended_at, now()), %(end)s)
        - greatest(s.began_at, %(start)s))::float8 / 60 AS value,
    NULL::boolean AS good, false AS excluded
FROM line_stop s
WHERE s.plant = %(plant)s AND s.began_at < %(end)s
    AND coalesce(s.ended_at, 'infinity') > %(start)s
""")
# A decision counts when it is taken.
_FREIGHT = sql.SQL("""
SELECT x.id, x.subject AS thing, x.line, x.partner AS supplier, x.decided_at AS at,
    NULL::float8 AS value, NULL::boolean AS good, false AS excluded
FROM exception x
WHERE x.plant = %(plant)s AND x.decision IN ('express', 'second_truck')
    AND x.decided_at >= %(start)s AND x.decided_at < %(end)s
""")
_SHIPPED = sql.SQL("""
JOIN LATERAL (SELECT received_at FROM call_event e WHERE e.call = c.id AND e.kind = 'shipped'
    AND e.applied ORDER BY e.id LIMIT 1) shipped ON true
""")


_NOTHING = sql.SQL("")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its rows, and how they are read."""

    title: str
    title_zh: str
    unit: str
    """Of a row's value."""
    what: str
    """What is counted: calls, racks, stops or exceptions."""
    rows: sql.Composable
    by_cause: bool = False


def _calls(
    value: LiteralString,
    good: LiteralString = "NULL::boolean",
    join: sql.SQL = _NOTHING,
    where: LiteralString = "",
) -> sql.Composable:
    return _CALLS.format(
        key=_CALL,
        value=sql.SQL(value),
        good=sql.SQL(good),
        join=join,
        where=sql.SQL(where),
        excluded=EXCLUDED,
    )


def _racks(good: sql.Composable) -> sql.Composable:
    return _RACKS.format(good=good, excluded=EXCLUDED)


FIGURES: Mapping[str, Figure] = {
    "call_to_acknowledge": Figure(
        "Call to acknowledgement",
        "要货到确认",
        "s",
        "calls",
        _calls(
            "extract(epoch FROM c.acknowledged_at - c.released_at)::float8",
            where="AND c.acknowledged_at IS NOT NULL",
        ),
    ),
    "call_to_ship": Figure(
        "Call to shipment",
        "要货到发运",
        "s",
        "calls",
        _calls("extract(epoch FROM shipped.received_at - c.released_at)::float8", join=_SHIPPED),
    ),
    "first_time": Figure(
        "Calls without a reorder",
        "无补单率",
        "",
        "calls",
        _calls("c.reorder_index::float8", "c.reorder_index = 0"),
    ),
    "delivery_precision": Figure(
        "Racks within their slot",
        "料架准时率",
        "s",
        "racks",
        _racks(_IN_SLOT),
    ),
    "perfect_racks": Figure(
        "Perfect racks",
        "完美料架率",
        "s",
        "racks",
        _racks(_PERFECT),
    ),
    "emergency_freight": Figure("Emergency freight", "紧急运输", "", "exceptions", _FREIGHT),
    "line_stops": Figure("Line stops", "停线", "min", "stops", _STOPS, by_cause=True),
}
"""By name. The reorder rate is one less the share of `first_time`."""


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """What a group of rows comes to. Null where there is nothing to go by."""

    supplier: str | None
    line: str | None
    shift: str | None
    shift_start: datetime | None
    cause: str | None
    counted: int
    excluded: int
    good: int | None
    share: float | None
    """Of those counted, that are good."""
    p50: float | None
    p99: float | None
    max: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing behind a figure."""

    id: int
    thing: str
    """Key of the call, name of the rack, cause of the stop, subject of the exception."""
    line: str | None
    supplier: str | None
    at: datetime
    value: float | None
    good: bool | None
    excluded: bool


_WITHIN = sql.SQL("""
WITH thing AS (
    SELECT * FROM ({rows}) found
    WHERE (%(line)s::text IS NULL OR line = %(line)s)
        AND (%(supplier)s::text IS NULL OR supplier = %(supplier)s)
)
""")
_GROUPS = sql.SQL("""
SELECT CASE WHEN %(by_supplier)s THEN supplier END AS supplier,
    CASE WHEN %(by_line)s THEN line END AS line,
    CASE WHEN %(by_shift)s THEN shift.name END AS shift,
    CASE WHEN %(by_shift)s THEN shift.starts END AS shift_start,
    CASE WHEN %(by_cause)s THEN thing END AS cause,
    count(*) FILTER (WHERE NOT excluded) AS counted,
    count(*) FILTER (WHERE excluded) AS excluded,
    sum(good::int) FILTER (WHERE NOT excluded) AS good,
    avg(good::int) FILTER (WHERE NOT excluded)::float8 AS share,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FILTER (WHERE NOT excluded) AS p50,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY value) FILTER (WHERE NOT excluded) AS p99,
    max(value) FILTER (WHERE NOT excluded) AS max,
    sum(value) FILTER (WHERE NOT excluded) AS total
FROM thing LEFT JOIN {shifts}
    ON %(by_shift)s AND thing.at >= shift.starts AND thing.at < shift.ends
GROUP BY 1, 2, 3, 4, 5 ORDER BY 4 NULLS FIRST, 1, 2, 5
""").format(shifts=SHIFTS)
_PAGE = sql.SQL("SELECT * FROM thing WHERE id > %(after)s ORDER BY id LIMIT %(limit)s")


def compute(connection: psycopg.Connection, name: str, scope: Scope) -> list[FigureGroup]:
    """A figure of a scope, a group for each of what it is told apart by. Raises `KeyError`."""
    figure = FIGURES[name]
    query = _WITHIN.format(rows=figure.rows) + _GROUPS
    values = parameters(connection, scope) | {"by_cause": figure.by_cause}
    with connection.cursor(row_factory=class_row(FigureGroup)) as cursor:
        return cursor.execute(query, values).fetchall()


def rows_behind(
    connection: psycopg.Connection, name: str, scope: Scope, after: int, limit: int
) -> list[Row]:
    """The things behind a figure, by id, those after `after`. Raises `KeyError`."""
    query = _WITHIN.format(rows=FIGURES[name].rows) + _PAGE
    values = parameters(connection, scope) | {"after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(Row)) as cursor:
        return cursor.execute(query, values).fetchall()
