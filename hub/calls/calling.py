"""Calls are made: content by bill of material, numbers and place by their line, time by the plant's
clock; stored with their records in the gateways' streams. One that comes too late is called all the
same, and said to be late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from hub.calls.clock import PlantClock, load_clock
from hub.calls.exceptions import open_exception
from hub.calls.notify import CALL_STREAM, CHANGES, calls_changed
from hub.calls.outbox import take_offsets
from hub.calls.parts import load_parts, position_of
from hub.orders.profile import stored_profile
from hub.sequencing.model import Car
from hub.sequencing.numbering import LoadOrder, rack_and_slot, rack_name, sequence_number
from protocols.jis.messages import Call, CallKey

_GROUPS = """
SELECT g.id AS part_group, g.line, l.gateway, l.partner, l.unloading_point, l.lead_s,
    l.rack_slots, l.load_order, l.sequence_wrap, l.profile
FROM part_group g JOIN supplier_line l ON l.plant = g.plant AND l.id = g.line
WHERE g.plant = %s AND g.control_point = %s ORDER BY g.line, g.id
"""
_TAKE_NUMBERS = """
UPDATE supplier_line
SET next_call_no = next_call_no + %(count)s, next_place = next_place + %(count)s
WHERE plant = %(plant)s AND id = %(line)s
RETURNING next_call_no - %(count)s, next_place - %(count)s
"""
_ADD_CALL = """
WITH call AS (
    INSERT INTO jis_call
        (owner, partner, plant, line, production_no, part_group, reorder_index, call_no,
         sequence_no, part_no, quantity, colour, unloading_point, rack, slot, control_point,
         called_at, required_at, revision, priority, pre_series, vin, model, place, timed_from,
         lead_s, reorder_of)
    VALUES (%(owner)s, %(partner)s, %(plant)s, %(line)s, %(production_no)s, %(part_group)s,
        %(reorder_index)s, %(call_no)s, %(sequence_no)s, %(part_no)s, %(quantity)s, %(colour)s,
        %(unloading_point)s, %(rack)s, %(slot)s, %(control_point)s, %(called_at)s, %(required_at)s,
        %(revision)s, %(priority)s, %(pre_series)s, %(vin)s, %(model)s, %(place)s, %(timed_from)s,
        %(lead_s)s, %(reorder_of)s)
    RETURNING id
), called AS (
    -- What was ahead is no longer ahead.
    DELETE FROM demand WHERE plant = %(plant)s AND production_no = %(production_no)s
        AND part_group = %(part_group)s
)
INSERT INTO call_outbox (gateway, epoch, record_offset, owner, partner, call, record)
SELECT %(gateway)s, %(epoch)s, %(offset)s, %(owner)s, %(partner)s, id, %(record)s FROM call
RETURNING call
"""
NOTIFY = (
    "SELECT pg_notify(channel, payload) FROM unnest(%s::text[], %s::text[]) AS n (channel, payload)"
)


class UnfitError(ValueError):
    """A part of this car cannot be called as the plant's data stand; the text names part and field.
    Nothing was recorded."""


@dataclass(frozen=True, slots=True)
class CalledCar:
    """What a car's calls say of it."""

    car: Car
    vin: str | None
    model: str | None
    pre_series: bool


@dataclass(frozen=True, slots=True)
class CallGroup:
    """A part group of a control point, with its supplier's line."""

    part_group: str
    line: str
    gateway: int
    partner: str
    unloading_point: str
    lead_s: float
    rack_slots: int
    load_order: LoadOrder
    sequence_wrap: int
    profile: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to be written."""

    call: Call
    gateway: int
    partner: str
    needed_s: float
    """What it takes from the call to the part at its station."""
    place: int | None
    timed_from: datetime
    lead_s: float | None = None
    """None: its line's."""
    reorder_of: int | None = None


def groups_at(connection: psycopg.Connection, plant: str, control_point: str) -> list[CallGroup]:
    """The part groups that a control point fixes, by line and name."""
    with connection.cursor(row_factory=class_row(CallGroup)) as cursor:
        return cursor.execute(_GROUPS, (plant, control_point)).fetchall()


def number_calls(
    connection: psycopg.Connection,
    plant: str,
    control_point: str,
    car: CalledCar,
    passed_at: datetime,
    groups: Sequence[CallGroup],
    timed_from: datetime,
) -> list[NewCall]:
    """The calls of this car for these groups, as far as it has parts of them, with the next numbers
    and places of their lines. Leads run from `timed_from`. Raises `UnfitError`."""
    number = car.car.production_no
    parts = load_parts(connection, plant, [group.part_group for group in groups]).of(
        car.car, position_of(connection, plant, number), passed_at
    )
    clock = load_clock(connection, plant, passed_at)
    numbered = []
    # Lines in one order always, so that two control points never wait for one another in a ring.
    for line, members in groupby((g for g in groups if g.part_group in parts), attrgetter("line")):
        called = list(members)
        row = connection.execute(
            _TAKE_NUMBERS, {"count": len(called), "plant": plant, "line": line}
        ).fetchone()
        call_no, place = row or (0, 0)
        for after, group in enumerate(called):
            try:
                call = _call(
                    *(plant, control_point, passed_at, timed_from),
                    *(car, group, parts[group.part_group]),
                    *(clock, call_no + after, place + after),
                )
            except OverflowError:
                raise UnfitError(
                    f"{group.part_group} of car {number} cannot be called: required_at lies beyond "
                    f"any calendar, {group.lead_s:g} s after {timed_from}"
                ) from None
            except ValidationError as error:
                first_error = error.errors(include_url=False)[0]
                raise UnfitError(
                    f"{group.part_group} of car {number} cannot be called: "
                    f"{first_error['loc'][-1]} {first_error['input']!r}: {first_error['msg']}"
                ) from None
            needed_s = stored_profile(group.profile).needed_s
            numbered.append(
                NewCall(call, group.gateway, group.partner, needed_s, place + after, timed_from)
            )
    return numbered


def _call(
    plant: str,
    control_point: str,
    passed_at: datetime,
    timed_from: datetime,
    car: CalledCar,
    group: CallGroup,
    part: tuple[str, int],
    clock: PlantClock,
    call_no: int,
    place: int,
) -> Call:
    """Raises `ValidationError` or `OverflowError` where the plant's data do not make a call."""
    part_no, quantity = part
    rack, slot = rack_and_slot(place, group.rack_slots, group.load_order)
    return Call(
        key=CallKey(
            plant=plant,
            line=group.line,
            production_no=car.car.production_no,
            part_group=group.part_group,
        ),
        call_no=call_no,
        sequence_no=sequence_number(place, group.sequence_wrap),
        part_no=part_no,
        quantity=quantity,
        colour=car.car.colour,
        unloading_point=group.unloading_point,
        rack=rack_name(group.line, rack),
        slot=slot,
        control_point=control_point,
        called_at=passed_at,
        required_at=clock.after(timed_from, group.lead_s),
        vin=car.vin,
        model=car.model,
        pre_series=car.pre_series,
    )


def write_calls(
    connection: psycopg.Connection, owner: str, numbered: Sequence[NewCall], now: datetime
) -> list[int]:
    """Store the calls, each into its gateway's stream too, and tell who listens. Their ids, in the
    order given. now: what cannot be there in time from now on is flagged late."""
    by_gateway = sorted(numbered, key=lambda n: n.gateway)  # stable: by line and number in it
    rows = []
    told = []
    for gateway, members in groupby(by_gateway, lambda n: n.gateway):
        called = list(members)
        partner = called[0].partner
        epoch, after = take_offsets(connection, gateway, owner, partner, len(called))
        told.append((CALL_STREAM, f"{gateway} {epoch} {after}"))
        for offset, item in enumerate(called, after - len(called)):
            rows.append(
                item.call.model_dump(exclude={"kind", "key"})
                | item.call.key.model_dump()
                | {
                    "gateway": gateway,
                    "epoch": epoch,
                    "offset": offset,
                    "owner": owner,
                    "partner": partner,
                    "place": item.place,
                    "timed_from": item.timed_from,
                    "lead_s": item.lead_s,
                    "reorder_of": item.reorder_of,
                    "record": Jsonb(item.call.model_dump(mode="json")),
                }
            )
    ids = _insert(connection, rows)
    told += [
        (CHANGES, payload)
        for payload in calls_changed(
            (n.call.key.plant, n.call.key.line, owner, n.partner) for n in numbered
        )
    ]
    notify(connection, told)
    found = {str(item.call.key): call for item, call in zip(by_gateway, ids, strict=True)}
    for item in numbered:
        flag_late(
            connection,
            item.call,
            found[str(item.call.key)],
            owner=owner,
            partner=item.partner,
            needed_s=item.needed_s,
            now=now,
        )
    return [found[str(item.call.key)] for item in numbered]


def flag_late(
    connection: psycopg.Connection,
    call: Call,
    call_id: int,
    *,
    owner: str,
    partner: str,
    needed_s: float,
    now: datetime,
) -> bool:
    """Whether the call is late: required before it can be there if work on it begins now. Then it
    is said so, with the earliest that it can."""
    earliest = now + timedelta(seconds=needed_s)
    if call.required_at >= earliest:
        return False
    open_exception(
        connection,
        LATE,
        str(call.key),
        owner=owner,
        partner=partner,
        plant=call.key.plant,
        line=call.key.line,
        call=call_id,
        severity="critical",
        at=now,
        detail={
            "required_at": call.required_at.isoformat(),
            "earliest_at": earliest.isoformat(),
            "late_s": (earliest - call.required_at).total_seconds(),
        },
    )
    return True


LATE = "late_call"
"""Kind of the exception of a call that comes too late to be built in time."""


def notify(connection: psycopg.Connection, told: Iterable[tuple[str, str]]) -> None:
    """Send (channel, payload) with the commit."""
    pairs = list(told)
    if pairs:
        connection.execute(NOTIFY, tuple(map(list, zip(*pairs, strict=True))))


def _insert(connection: psycopg.Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    if not rows:
        return []
    ids = []
    with connection.cursor() as cursor:
        cursor.executemany(_ADD_CALL, rows, returning=True)
        while True:
            row = cursor.fetchone()
            if row is not None:
                ids.append(int(row[0]))
            if not cursor.nextset():
                return ids
