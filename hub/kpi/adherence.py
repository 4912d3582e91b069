"""How well the cars kept to the sequence that was in force when the time began, by every definition
of the trade (`hub/sequencing/adherence.py`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from hub.kpi.scope import EXCLUDED, SHIFTS, Scope, parameters
from hub.sequencing.adherence import Adherence, adherence_of

# The order in which cars pass the point that calls a line's parts, or another one that is named.
_CARS = sql.SQL("""
SELECT c.partner, c.line, shift.name, shift.starts, c.production_no, min(q.position),
    min(x.passed_at), bool_or({excluded}),
    array_agg(DISTINCT concat_ws('/', c.plant, c.line, c.production_no, c.part_group,
        c.reorder_index))
FROM jis_call c
JOIN control_point_pass x ON x.plant = c.plant AND x.production_no = c.production_no
    AND x.control_point = coalesce(%(control_point)s, c.control_point)
JOIN sequence_position q ON q.sequence = %(sequence)s AND q.production_no = c.production_no
LEFT JOIN {shifts} ON %(by_shift)s AND x.passed_at >= shift.starts AND x.passed_at < shift.ends
WHERE c.plant = %(plant)s AND x.passed_at >= %(start)s AND x.passed_at < %(end)s
    AND c.reorder_index = 0
    AND (%(line)s::text IS NULL OR c.line = %(line)s)
    AND (%(supplier)s::text IS NULL OR c.partner = %(supplier)s)
GROUP BY 1, 2, 3, 4, 5 ORDER BY min(x.pass_no)
""").format(excluded=EXCLUDED, shifts=SHIFTS)
_IN_FORCE = """
SELECT coalesce(
    (SELECT max(id) FROM production_sequence WHERE plant = %(plant)s AND made_at <= %(start)s),
    (SELECT min(id) FROM production_sequence WHERE plant = %(plant)s))
"""


@dataclass(frozen=True, slots=True)
class AdherenceGroup:
    """Adherence of one group of cars."""

    supplier: str | None
    line: str | None
    shift: str | None
    shift_start: datetime | None
    excluded: int
    """Cars left out."""
    adherence: Adherence


@dataclass(frozen=True, slots=True)
class CarBehind:
    """A car behind the adherence of a scope, as it passed."""

    number: int
    """1, 2, 3 … as the cars passed, those left out too."""
    production_no: str
    passed_at: datetime
    planned: int | None
    """Its place by plan among the cars that count, 1 being the first; null: it is left out."""
    actual: int | None
    """Its place as they passed."""
    overtaken: bool | None
    """A later planned car has passed it."""
    excluded: bool
    calls: list[str]

    @property
    def places_off(self) -> int | None:
        """Below 0: earlier than planned."""
        return None if self.planned is None or self.actual is None else self.actual - self.planned


def cars_behind(
    connection: psycopg.Connection, scope: Scope, control_point: str | None = None
) -> list[CarBehind]:
    """The cars of a scope, whatever it is told apart by, in the order they passed."""
    values = parameters(connection, replace(scope, by=frozenset()))
    values |= {"sequence": _in_force(connection, values), "control_point": control_point}
    cars: dict[str, tuple[int, datetime, list[str]]] = {}
    left_out = set()
    for _, _, _, _, car, position, passed_at, excluded, calls in connection.execute(_CARS, values):
        known = cars.setdefault(car, (position, passed_at, []))
        known[2].extend(calls)
        if excluded:
            left_out.add(car)
    counted = [car for car in cars if car not in left_out]
    rank = {car: n for n, car in enumerate(sorted(counted, key=lambda c: cars[c][0]), 1)}
    place = {car: n for n, car in enumerate(counted, 1)}
    found, highest = [], 0
    for number, (car, (_, passed_at, calls)) in enumerate(cars.items(), 1):
        planned = rank.get(car)
        overtaken = None if planned is None else planned < highest
        highest = max(highest, planned or 0)
        found.append(
            CarBehind(
                *(number, car, passed_at, planned, place.get(car), overtaken),
                car in left_out,
                sorted(calls),
            )
        )
    return found


def _in_force(connection: psycopg.Connection, values: Mapping[str, Any]) -> int | None:
    row = connection.execute(_IN_FORCE, values).fetchone()
    return row[0] if row else None


def adherence(
    connection: psycopg.Connection,
    scope: Scope,
    control_point: str | None = None,
    tolerance: int = 1,
) -> tuple[int | None, list[AdherenceGroup]]:
    """(the sequence kept to, adherence by group). Cars of pre-series and emergency are left out."""
    values = parameters(connection, scope)
    sequence = _in_force(connection, values)
    planned: dict[tuple[str, str, str, datetime | None], dict[str, int]] = defaultdict(dict)
    left_out: dict[tuple[str, str, str, datetime | None], set[str]] = defaultdict(set)
    for partner, line, shift, starts, car, position, _, excluded, _ in connection.execute(
        _CARS, values | {"sequence": sequence, "control_point": control_point}
    ):
        group = (
            partner if "supplier" in scope.by else "",
            line if "line" in scope.by else "",
            shift or "",
            starts,
        )
        if excluded:
            left_out[group].add(car)
        else:
            planned[group].setdefault(car, position)  # in the order of the passes
    groups = []
    for group in sorted(planned.keys() | left_out.keys(), key=lambda g: (str(g[3]), *g[:3])):
        cars = {car: at for car, at in planned[group].items() if car not in left_out[group]}
        supplier, line, shift, starts = group
        groups.append(
            AdherenceGroup(
                supplier or None,
                line or None,
                shift or None,
                starts,
                len(left_out[group]),
                adherence_of(sorted(cars, key=cars.__getitem__), list(cars), tolerance),
            )
        )
    return sequence, groups
