"""The demand ahead of each supplier line, worked out from orders and sequence, told in versions.

A car is forecast while it has no place, or one too far away to be told; it is planned from the
profile's `preview_days` on. What is called leaves the demand with its call (`calling.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.rows import class_row

from hub.calls.called import LineRow, lines_of
from hub.calls.clock import load_clock
from hub.calls.exceptions import open_exception
from hub.calls.outbox import Outgoing, send
from hub.calls.parts import Parts, load_parts
from hub.orders.profile import Profile, Step
from hub.sequencing.model import Car
from protocols.jis.messages import Demand, Preview

TELLING_STEPS: tuple[Step, ...] = ("forecast", "preview")
"""What a profile says of control points where the demand is told anew."""
WHOLE_EVERY = 20
"""Of a line that is told what differs, so many versions come to one that tells all: a gateway that
could not use one, because it did not serve the line yet, is right again without anybody's help."""
DEMANDS_PER_RECORD = 80
WITHDRAWN_PER_RECORD = 100
"""So that one record of the longest names there may be is carried by a message."""

_ORDERS = """
SELECT o.production_no, o.colour, o.options, o.model, o.day, o.blocked_at IS NOT NULL AS blocked,
    q.position
FROM vehicle_order o LEFT JOIN sequence_position q ON q.production_no = o.production_no
    AND q.sequence = (SELECT max(id) FROM production_sequence WHERE plant = %(plant)s)
WHERE o.plant = %(plant)s AND o.cancelled_at IS NULL
    AND (q.position IS NOT NULL OR NOT EXISTS (
        SELECT FROM control_point_pass x JOIN control_point c ON c.plant = x.plant
            AND c.id = x.control_point AND c.rank >= (
                SELECT max(p.rank) FROM part_group g
                JOIN control_point p ON p.plant = g.plant AND p.id = g.control_point
                WHERE g.plant = %(plant)s)
        WHERE x.plant = o.plant AND x.production_no = o.production_no))
ORDER BY q.position, o.given_rank, o.production_no
"""
_PASSED = """
SELECT production_no FROM control_point_pass WHERE plant = %s AND control_point = %s
"""
_LAST_AT = """
SELECT passed_at FROM control_point_pass WHERE plant = %s AND control_point = %s
ORDER BY pass_no DESC LIMIT 1
"""
_CALLED = """
SELECT production_no, part_group FROM jis_call
WHERE plant = %s AND line = %s AND production_no = ANY (%s)
"""
_GROUPS = """
SELECT id, control_point FROM part_group WHERE plant = %s AND line = %s ORDER BY id
"""
_KNOWN = """
SELECT production_no, part_group, car, part_no, quantity, colour, model, place, required_at, day
FROM demand WHERE plant = %s AND line = %s ORDER BY place, production_no, part_group
"""
_NEXT_VERSION = """
UPDATE supplier_line SET preview_version = preview_version + 1 WHERE plant = %s AND id = %s
RETURNING preview_version
"""
_STORE = """
INSERT INTO demand (plant, production_no, part_group, line, owner, partner, car, part_no, quantity,
    colour, model, place, required_at, day, version)
VALUES (%(plant)s, %(production_no)s, %(part_group)s, %(line)s, %(owner)s, %(partner)s, %(car)s,
    %(part_no)s, %(quantity)s, %(colour)s, %(model)s, %(place)s, %(required_at)s, %(day)s,
    %(version)s)
ON CONFLICT (plant, production_no, part_group) DO UPDATE SET line = excluded.line,
    partner = excluded.partner, car = excluded.car, part_no = excluded.part_no,
    quantity = excluded.quantity, colour = excluded.colour, model = excluded.model,
    place = excluded.place, required_at = excluded.required_at, day = excluded.day,
    version = excluded.version
"""
_DELETE = """
DELETE FROM demand WHERE plant = %s AND line = %s AND production_no = %s AND part_group = %s
"""
# A car that leaves the sequence, comes back and leaves again has the same part built once.
_CLAIM = """
INSERT INTO claim
    (plant, line, owner, partner, kind, by_whom, part_no, quantity, reason, source_at)
SELECT %(plant)s, %(line)s, %(owner)s, %(partner)s, 'preview_broken', 'plant', %(part_no)s,
    %(quantity)s, %(reason)s, %(at)s
WHERE NOT EXISTS (SELECT FROM claim WHERE plant = %(plant)s AND line = %(line)s
    AND kind = 'preview_broken' AND part_no = %(part_no)s AND reason = %(reason)s)
"""


class _Order(NamedTuple):
    production_no: str
    colour: str
    options: list[str]
    model: str
    day: date | None
    blocked: bool
    position: int | None

    @property
    def car(self) -> Car:
        return Car(self.production_no, self.colour, frozenset(self.options))


@dataclass(frozen=True, slots=True)
class _Row:
    """One part of one car that is ahead of a line."""

    production_no: str
    part_group: str
    car: Literal["forecast", "planned", "blocked"]
    part_no: str
    quantity: int
    colour: str
    model: str | None
    place: int | None = None
    required_at: datetime | None = None
    day: date | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.production_no, self.part_group

    def demand(self) -> Demand:
        return Demand(
            production_no=self.production_no,
            part_group=self.part_group,
            part_no=self.part_no,
            quantity=self.quantity,
            colour=self.colour,
            model=self.model,
            place=self.place,
            required_at=self.required_at,
            day=self.day,
            blocked=self.car == "blocked",
        )


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A car that has not passed a control point yet."""

    order: _Order
    place: int | None
    """Among the cars of the sequence in force that are neither blocked nor cancelled."""
    takts: int
    """How many it is away from the control point, by that sequence."""


def refresh_demand(
    connection: psycopg.Connection,
    plant: str,
    now: datetime,
    lines: Iterable[str] | None = None,
    *,
    whole: bool = False,
) -> dict[str, int]:
    """Work out the demand ahead of these lines, by default of all, and tell what is other than it
    was. whole: tell all of it, whatever the profile says. Returns the new versions by line.

    The plant's lines are to be locked (`lock_plant`). A line whose profile asks for no forecast and
    no preview has no demand.
    """
    wanted = None if lines is None else set(lines)
    told = {}
    plan = None
    for line in lines_of(connection, plant).values():
        profile = line.agreed
        if wanted is not None and line.id not in wanted:
            continue
        if not (profile.forecast_days or profile.preview_days):
            continue
        plan = plan or _Plan(connection, plant, now)
        version = _tell(connection, line, list(plan.rows(line)), now, whole)
        if version is not None:
            told[line.id] = version
    return told


def tell_demand_at(
    connection: psycopg.Connection, plant: str, control_point: str, now: datetime
) -> None:
    """Tell the demand anew to those lines that are told when a car passes this control point."""
    telling = [
        line.id
        for line in lines_of(connection, plant).values()
        if line.agreed.control_points.get(control_point) in TELLING_STEPS
    ]
    if telling:
        refresh_demand(connection, plant, now, telling)


class _Plan:
    """When the cars of a plant will come to its control points."""

    def __init__(self, connection: psycopg.Connection, plant: str, now: datetime) -> None:
        self._connection = connection
        self._plant = plant
        self._now = now
        self._clock = load_clock(connection, plant, now)
        with connection.cursor() as cursor:
            rows = cursor.execute(_ORDERS, {"plant": plant}).fetchall()
        self._orders = [_Order(*row) for row in rows]
        self._ahead: dict[str, tuple[datetime, list[_Ahead]]] = {}

    def rows(self, line: LineRow) -> Iterator[_Row]:
        """What is ahead of a line, within the days that it is told of."""
        groups = self._connection.execute(_GROUPS, (self._plant, line.id)).fetchall()
        parts = load_parts(self._connection, self._plant, [group for group, _ in groups])
        numbers = [order.production_no for order in self._orders]
        called = set(self._connection.execute(_CALLED, (self._plant, line.id, numbers)).fetchall())
        for point in sorted({point for _, point in groups}):
            here = {group for group, at in groups if at == point}
            start, ahead = self._coming(point)
            for car in ahead:
                for row in self._rows_of(line, car, start, parts):
                    if row.part_group in here and row.key not in called:
                        yield row

    def _rows_of(
        self, line: LineRow, ahead: _Ahead, start: datetime, parts: Parts
    ) -> Iterator[_Row]:
        profile, order = line.agreed, ahead.order
        told = self._when(line, profile, ahead, start)
        if told is None:
            return
        at = told["required_at"] or self._now
        for group, (part_no, quantity) in parts.of(order.car, order.position, at).items():
            place = {name: value for name, value in told.items() if name != "car"}
            yield _Row(
                order.production_no,
                group,
                told["car"],
                part_no,
                quantity,
                order.colour,
                order.model,
                **place,
            )

    def _when(
        self, line: LineRow, profile: Profile, ahead: _Ahead, start: datetime
    ) -> dict[str, Any] | None:
        """How certain the car is, and when it is required; None: too far away to be told."""
        order = ahead.order
        if order.blocked:
            return {"car": "blocked", "place": None, "required_at": None, "day": None}
        horizon = self._now + timedelta(days=profile.forecast_days)
        if ahead.place is not None:
            clock = self._clock
            required_at = clock.after(start, ahead.takts * clock.takt_s + line.lead_s)
            if required_at <= self._now + timedelta(days=profile.preview_days):
                return {
                    "car": "planned",
                    "place": ahead.place,
                    "required_at": required_at,
                    "day": None,
                }
            day: date | None = required_at.date()
            within = required_at <= horizon
        else:
            day = order.day
            within = profile.forecast_days > 0 and (day is None or day <= horizon.date())
        if not within:
            return None
        return {"car": "forecast", "place": None, "required_at": None, "day": day}

    def _coming(self, point: str) -> tuple[datetime, list[_Ahead]]:
        """When the next car passes a control point, and all cars that have not passed it."""
        known = self._ahead.get(point)
        if known is not None:
            return known
        passed = {number for (number,) in self._connection.execute(_PASSED, (self._plant, point))}
        (last,) = self._connection.execute(_LAST_AT, (self._plant, point)).fetchone() or (None,)
        start = self._now
        if last is not None:
            start = max(start, self._clock.after(last, self._clock.takt_s))
        ahead = []
        place = takts = 0
        for order in self._orders:
            placed = order.position is not None and not order.blocked
            place += placed
            if order.production_no in passed:
                continue
            ahead.append(_Ahead(order, place if placed else None, takts))
            takts += placed
        self._ahead[point] = start, ahead
        return start, ahead


def _tell(
    connection: psycopg.Connection, line: LineRow, rows: list[_Row], now: datetime, whole: bool
) -> int | None:
    """Store the demand of a line, and tell it if anything differs. Returns the version told."""
    profile = line.agreed
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        known = {row.key: row for row in cursor.execute(_KNOWN, (line.plant, line.id)).fetchall()}
    tolerance = timedelta(seconds=profile.retime_tolerance_s)
    fresh = {row.key: _kept(row, known.get(row.key), tolerance) for row in rows}
    changed = [row for key, row in fresh.items() if known.get(key) != row]
    withdrawn = [key for key in known if key not in fresh]
    if not (changed or withdrawn or whole):
        return None
    (version,) = connection.execute(_NEXT_VERSION, (line.plant, line.id)).fetchone() or (1,)
    whole = whole or version % WHOLE_EVERY == 1
    delta = profile.delivery == "delta" and not whole
    told = changed if delta else list(fresh.values())
    with connection.cursor() as cursor:
        cursor.executemany(_DELETE, [(line.plant, line.id, *key) for key in withdrawn])
        cursor.executemany(_STORE, [_stored(line, row, version) for row in told])
    send(
        connection,
        line.gateway,
        line.owner,
        line.partner,
        [
            Outgoing(record)
            for record in records(
                line.plant,
                line.id,
                version,
                version - 1 if delta else None,
                [row.demand() for row in told],
                withdrawn if delta else [],
            )
        ],
    )
    if profile.order_to_build == "preview":
        _note_broken(connection, line, known, fresh, now)
    return int(version)


def _kept(row: _Row, before: _Row | None, tolerance: timedelta) -> _Row:
    """The row as it was told, if it differs by no more than a little time."""
    if before is None or row.required_at is None or before.required_at is None:
        return row
    near = abs(row.required_at - before.required_at) <= tolerance
    return before if near and _without_time(row) == _without_time(before) else row


def _without_time(row: _Row) -> tuple[object, ...]:
    return (row.car, row.part_no, row.quantity, row.colour, row.model, row.place, row.day)


def _stored(line: LineRow, row: _Row, version: int) -> dict[str, Any]:
    return {
        "plant": line.plant,
        "line": line.id,
        "owner": line.owner,
        "partner": line.partner,
        "version": version,
        **{name: getattr(row, name) for name in _Row.__slots__},
    }


def records(
    plant: str,
    line: str,
    version: int,
    based_on: int | None,
    demands: Sequence[Demand],
    withdrawn: Sequence[tuple[str, str]],
) -> list[Preview]:
    """A version in as many records as it needs."""
    parts = max(
        1,
        -(-len(demands) // DEMANDS_PER_RECORD),
        -(-len(withdrawn) // WITHDRAWN_PER_RECORD),
    )
    return [
        Preview(
            plant=plant,
            line=line,
            version=version,
            based_on=based_on,
            part=part + 1,
            parts=parts,
            demands=list(demands[part * DEMANDS_PER_RECORD : (part + 1) * DEMANDS_PER_RECORD]),
            withdrawn=list(
                withdrawn[part * WITHDRAWN_PER_RECORD : (part + 1) * WITHDRAWN_PER_RECORD]
            ),
        )
        for part in range(parts)
    ]


def _note_broken(
    connection: psycopg.Connection,
    line: LineRow,
    known: Mapping[tuple[str, str], _Row],
    fresh: Mapping[tuple[str, str], _Row],
    now: datetime,
) -> None:
    """Who builds by previews has built what leaves one within the frozen horizon: it is noted, and
    claimed of the plant, once for each part of a car."""
    frozen = now + timedelta(seconds=line.agreed.frozen_s)
    for key, before in known.items():
        after = fresh.get(key)
        same = after is not None and (after.car, after.part_no) == (before.car, before.part_no)
        if before.required_at is None or before.required_at >= frozen or same:
            continue
        open_exception(
            connection,
            "preview_broken",
            f"{line.plant}/{line.id}/{'/'.join(key)}",
            owner=line.owner,
            partner=line.partner,
            plant=line.plant,
            line=line.id,
            severity="warning",
            at=now,
            detail={
                "part_no": before.part_no,
                "required_at": before.required_at.isoformat(),
                "instead": None if after is None else after.part_no,
            },
        )
        connection.execute(
            _CLAIM,
            {
                "plant": line.plant,
                "line": line.id,
                "owner": line.owner,
                "partner": line.partner,
                "part_no": before.part_no,
                "quantity": before.quantity,
                "reason": f"car {before.production_no}, {before.part_group}: built by a preview "
                "that no longer holds",
                "at": now,
            },
        )
