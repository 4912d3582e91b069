"""The table at the end of a run, out of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from deploy.local.verify import Verdict
from hub.sequencing.adherence import adherence_of

_LINES = """
SELECT c.line, count(*) AS calls,
    count(c.acknowledged_at) AS acknowledged,
    count(*) FILTER (WHERE e.built > 0) AS built,
    sum(e.nok)::bigint AS nok,
    count(*) FILTER (WHERE e.nok > 0 AND e.ok > 0) AS rebuilt,
    count(*) FILTER (WHERE c.status = 'shipped') AS shipped
FROM lineside.jis_call c
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE kind = 'produced') AS built,
        count(*) FILTER (WHERE body->>'verdict' = 'nok') AS nok,
        count(*) FILTER (WHERE body->>'verdict' = 'ok') AS ok
    FROM lineside.call_event WHERE call = c.id
) e
GROUP BY c.line ORDER BY c.line
"""
_LATENCY = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
    ORDER BY extract(epoch FROM acknowledged_at - released_at) * 1000
)
FROM lineside.jis_call
WHERE acknowledged_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM unnest(%(from)s::timestamptz[], %(to)s::timestamptz[]) AS disturbed (a, b)
        WHERE released_at <= b AND acknowledged_at >= a
    )
"""
# A part that was taken out of its rack again counts where it was packed last.
_PACKED = """
SELECT line, array_agg(call_no::text ORDER BY record_offset)
FROM (
    SELECT DISTINCT ON (c.id) c.line, c.call_no, e.record_offset
    FROM lineside.call_event e JOIN lineside.jis_call c ON c.id = e.call
    WHERE e.kind = 'packed' ORDER BY c.id, e.record_offset DESC
) last
GROUP BY line
"""
_PASSED = """
SELECT array_agg(p.production_no ORDER BY s.position), array_agg(p.production_no ORDER BY p.pass_no)
FROM lineside.control_point_pass p
JOIN lineside.sequence_position s ON s.plant = p.plant AND s.production_no = p.production_no
WHERE s.sequence = (SELECT max(id) FROM lineside.production_sequence)
"""
_CARS = "SELECT count(*) FROM lineside.control_point_pass"

Period = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class LineFigures:
    """Calls of one supplier line and what became of them."""

    line: str
    calls: int
    acknowledged: int
    built: int
    nok: int
    rebuilt: int
    shipped: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the table shows beside the verdict. Latencies in milliseconds, None without calls;
    `undisturbed` leaves out the calls under way while a fault was made. Adherence is the share of
    cars, or over all lines of parts, that need not move to restore the order planned or called."""

    cars: int
    lines: tuple[LineFigures, ...]
    latency_ms: tuple[float, float] | None
    undisturbed_ms: tuple[float, float] | None
    cars_in_order: float | None
    parts_in_order: float | None


def figures(database: psycopg.Connection[Any], disturbed: Sequence[Period]) -> Figures:
    """Ask the database. `disturbed` are the periods in which faults were made."""
    (cars,) = _one(database, _CARS)
    return Figures(
        cars=cars,
        lines=tuple(LineFigures(*row) for row in database.execute(_LINES)),
        latency_ms=_latency(database, ()),
        undisturbed_ms=_latency(database, disturbed),
        cars_in_order=_cars_in_order(database),
        parts_in_order=_parts_in_order(database),
    )


def render(found: Figures, verdict: Verdict) -> str:
    """The table, ready to print."""
    head = ("line", "calls", "acknowledged", "built", "NOK", "rebuilt", "shipped")
    rows = [
        tuple(
            str(v) for v in (f.line, f.calls, f.acknowledged, f.built, f.nok, f.rebuilt, f.shipped)
        )
        for f in found.lines
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    table = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    named = {
        "cars": f"{found.cars}",
        "samples the PLCs counted": f"{verdict.samples_produced}",
        "samples committed": f"{verdict.samples_committed}",
        "gaps, samples in them": f"{verdict.gaps}, {verdict.samples_in_gaps}",
        "duplicates": f"{verdict.duplicates}",
        "call latency p50 / p99": f"{_milliseconds(found.undisturbed_ms)} undisturbed, "
        f"{_milliseconds(found.latency_ms)} with the faults",
        "sequence adherence": f"{_share(found.cars_in_order)} of the cars passed as planned, "
        f"{_share(found.parts_in_order)} of the parts were packed as called",
    }
    return "\n".join([*(f"{name:<25} {value}" for name, value in named.items()), "", *table])


def _cars_in_order(database: psycopg.Connection[Any]) -> float | None:
    planned, actual = _one(database, _PASSED)
    return adherence_of(planned, actual).in_order if actual else None


def _parts_in_order(database: psycopg.Connection[Any]) -> float | None:
    kept, packed = 0.0, 0
    for _line, numbers in database.execute(_PACKED):
        found = adherence_of(sorted(numbers, key=int), numbers)
        kept, packed = kept + found.in_order * found.cars, packed + found.cars
    return kept / packed if packed else None


def _latency(
    database: psycopg.Connection[Any], disturbed: Sequence[Period]
) -> tuple[float, float] | None:
    (found,) = _one(
        database, _LATENCY, {"from": [a for a, _ in disturbed], "to": [b for _, b in disturbed]}
    )
    return None if found is None else (found[0], found[1])


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _one(
    database: psycopg.Connection[Any], query: str, parameters: dict[str, object] | None = None
) -> tuple[Any, ...]:
    row = database.execute(query.encode(), parameters).fetchone()
    if row is None:
        raise RuntimeError(f"no row from: {query}")
    return tuple(row)


def _milliseconds(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"{pair[0]:.0f} / {pair[1]:.0f} ms"
