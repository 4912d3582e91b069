"""The history behind what the control tower shows: of a car, and of a call on both its axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from protocols.jis.messages import CallKey
from protocols.jis.net import Axis, Pair, Situation, status_net

_CAR = """
SELECT o.production_no, o.vin, o.model, o.colour, o.options, o.pre_series, o.blocked_at,
    o.blocked_reason, o.cancelled_at, q.position
FROM vehicle_order o
LEFT JOIN sequence_position q ON q.production_no = o.production_no
    AND q.sequence = (SELECT max(id) FROM production_sequence WHERE plant = o.plant)
WHERE o.plant = %s AND o.production_no = %s
"""
_PASSES = """
SELECT c.id, x.passed_at, x.pass_no FROM control_point c
LEFT JOIN control_point_pass x ON x.plant = c.plant AND x.control_point = c.id
    AND x.production_no = %(car)s
WHERE c.plant = %(plant)s ORDER BY c.rank
"""
_CALLS = """
SELECT concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key, line, partner,
    production_no, part_group, part_no, quantity, colour, model, vin, call_no, sequence_no, rack,
    slot, control_point, car, status AS part, serial, revision, acknowledged_revision, asked,
    priority, pre_series, called_at, required_at, released_at, acknowledged_at, eta, fitted_at,
    part_since
FROM jis_call WHERE plant = %(plant)s AND production_no = %(car)s
    AND (%(line)s::text IS NULL OR line = %(line)s)
    AND (%(group)s::text IS NULL OR part_group = %(group)s)
    AND (%(index)s::int IS NULL OR reorder_index = %(index)s)
ORDER BY line, call_no
"""
_EVENTS = """
SELECT e.kind, e.source, e.actor, e.serial, e.body, e.source_at, e.received_at, e.car_before,
    e.part_before, e.car_after, e.part_after, e.applied,
    coalesce(e.message_id, e.epoch || ' / ' || e.record_offset) AS message
FROM call_event e JOIN jis_call c ON c.id = e.call
WHERE c.plant = %s AND c.line = %s AND c.production_no = %s AND c.part_group = %s
    AND c.reorder_index = %s
ORDER BY e.id LIMIT 1000
"""
_SIDE = {
    "blocked", "pulled_out", "cancelled", "replaced", "refused", "unclear", "missing", "rework",
    "parked", "mismatched", "rejected", "returned", "dropped", "scrapped", "stocked",
}  # fmt: skip
"""Statuses beside the straight way."""
_TOLD = ("reason", "verdict", "rack", "slot", "shipment", "eta", "revision", "changed")


@dataclass(frozen=True, slots=True)
class Car:
    """A car on order."""

    production_no: str
    vin: str | None
    model: str
    colour: str
    options: list[str]
    pre_series: bool
    blocked_at: datetime | None
    blocked_reason: str | None
    cancelled_at: datetime | None
    position: int | None


@dataclass(frozen=True, slots=True)
class CallCard:
    """A call as it stands."""

    key: str
    line: str
    partner: str
    production_no: str
    part_group: str
    part_no: str
    quantity: int
    colour: str
    model: str | None
    vin: str | None
    call_no: int
    sequence_no: int
    rack: str
    slot: int
    control_point: str
    car: str
    part: str
    serial: str | None
    revision: int
    acknowledged_revision: int | None
    asked: str | None
    priority: str
    pre_series: bool
    called_at: datetime
    required_at: datetime
    released_at: datetime
    acknowledged_at: datetime | None
    eta: datetime | None
    fitted_at: datetime | None
    part_since: datetime

    @property
    def means(self) -> str:
        """What its two statuses mean together."""
        return self._situation.text

    @property
    def means_zh(self) -> str:
        """The same in Chinese."""
        return self._situation.text_zh

    @property
    def _situation(self) -> Situation:
        return status_net().situation(Pair(self.car, self.part))


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a call's history."""

    kind: str
    source: str
    actor: str | None
    serial: str | None
    body: dict[str, Any]
    source_at: datetime
    received_at: datetime
    car_before: str | None
    part_before: str | None
    car_after: str | None
    part_after: str | None
    applied: bool
    message: str

    @property
    def net_event(self) -> str:
        """Its name in the status net, which knows two ends of an inspection."""
        if self.kind == "inspected":
            return f"inspected_{self.body.get('verdict', 'ok')}"
        return self.kind

    def said(self, words: Mapping[str, str]) -> str:
        """What it said besides its kind."""
        told = [
            f"{words.get(name, name)}: {_text(self.body[name], words)}"
            for name in _TOLD
            if self.body.get(name) not in (None, "")
        ]
        return "; ".join([*([self.serial] if self.serial else []), *told])


@dataclass(frozen=True, slots=True)
class Step:
    """A status of an axis: been through, here, or still to come."""

    id: str
    title: str
    title_zh: str
    state: str
    """done, here, side (here, beside the straight way) or ahead"""


def read_car(
    connection: psycopg.Connection, plant: str, car: str
) -> tuple[Car, list[tuple[str, datetime | None, int | None]], list[CallCard]] | None:
    """(the car, its control points, its calls)."""
    with connection.cursor(row_factory=class_row(Car)) as cursor:
        found = cursor.execute(_CAR, (plant, car)).fetchone()
    if found is None:
        return None
    passes = connection.execute(_PASSES, {"plant": plant, "car": car}).fetchall()
    calls = _calls(connection, plant=plant, car=car, line=None, group=None, index=None)
    return found, [(point, at, number) for point, at, number in passes], calls


def read_call(
    connection: psycopg.Connection, key: CallKey
) -> tuple[CallCard, list[Happened]] | None:
    """(the call, its history)."""
    found = _calls(
        connection,
        plant=key.plant,
        car=key.production_no,
        line=key.line,
        group=key.part_group,
        index=key.reorder_index,
    )
    if not found:
        return None
    with connection.cursor(row_factory=class_row(Happened)) as cursor:
        events = cursor.execute(
            _EVENTS, (key.plant, key.line, key.production_no, key.part_group, key.reorder_index)
        ).fetchall()
    return found[0], events


def steps(axis: Axis, here: str, been: Iterable[str | None]) -> list[Step]:
    """The straight way of an axis with where it is; a status beside it stands in at its place, and
    the way is done as far as the statuses that were `been` through lie on it."""
    shown = [
        status
        for status in status_net().statuses
        if status.axis == axis and (status.id not in _SIDE or status.id == here)
    ]
    passed = {here} if here not in _SIDE else set(been)
    straight = [at for at, status in enumerate(shown) if status.id in passed - _SIDE]
    done = max(straight, default=-1)
    found = []
    for at, status in enumerate(shown):
        state = "done" if at <= done else "ahead"
        if status.id == here:
            state = "side" if here in _SIDE else "here"
        found.append(Step(status.id, status.title, status.title_zh, state))
    return found


def _calls(connection: psycopg.Connection, **values: Any) -> list[CallCard]:
    with connection.cursor(row_factory=class_row(CallCard)) as cursor:
        return cursor.execute(_CALLS, values).fetchall()


def _text(value: Any, words: Mapping[str, str]) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{words.get(name, name)} {change.get('from')} → {change.get('to')}"
            if isinstance(change, dict)
            else f"{words.get(name, name)} {change}"
            for name, change in value.items()
        )
    if isinstance(value, list):
        return ", ".join(words.get(str(each), str(each)) for each in value)
    return str(value)
