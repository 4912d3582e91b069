"""Calls are made: content by bill of material, numbers and place by their line, time by the plant's
clock; stored with their records in the gateways' streams. One that comes too late is called all the
same, and said to be late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Json
from pydantic import ValidationError

from hub.calls.clock import PlantClock
from hub.calls.exceptions import open_exception
from hub.calls.notify import CHANGES, calls_changed
from hub.orders.profile import stored_profile
from hub.sequencing.model import Car
from hub.sequencing.numbering import LoadOrder, rack_and_slot, rack_name, sequence_number
from protocols.jis.messages import Call, CallKey
from protocols.streams import draw_epoch

_GROUPS = """
SELECT g.id AS part_group, g.line, l.gateway, l.partner, l.unloading_point, l.lead_s,
    l.rack_slots, l.load_order, l.sequence_wrap, l.next_call_no, l.next_place, l.profile
FROM part_group g JOIN supplier_line l ON l.plant = g.plant AND l.id = g.line
WHERE g.plant = %(plant)s AND g.control_point = %(control_point)s AND (
    %(plant_locked)s OR NOT EXISTS (SELECT FROM supplier_line WHERE plant = %(plant)s
        AND profile -> 'control_points' ->> %(control_point)s IN ('forecast', 'preview')))
ORDER BY g.line, g.id FOR NO KEY UPDATE OF l
"""
_TAKE_NUMBERS = """
UPDATE supplier_line l
SET next_call_no = l.next_call_no + n.count, next_place = l.next_place + n.count
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS n (plant, line, count)
WHERE l.plant = n.plant AND l.id = n.line
"""
# The columns of a call are the fields of its record, and some that only the hub knows.
_WRITE = """
WITH new AS MATERIALIZED (
    SELECT c.*, n.gateway, n.nth, n.from_end, n.record
    FROM json_to_recordset(%(calls)s)
        AS n (gateway integer, nth integer, from_end integer, columns jsonb, record jsonb),
        jsonb_populate_record(NULL::jis_call, n.record || (n.record -> 'key') || n.columns) AS c
), stream AS (
    INSERT INTO call_stream AS s (gateway, epoch, owner, partner, next_offset)
    SELECT gateway, %(epoch)s, owner, partner, count(*) FROM new
    GROUP BY gateway, owner, partner ORDER BY gateway
    ON CONFLICT (gateway) WHERE NOT closed
        DO UPDATE SET next_offset = s.next_offset + excluded.next_offset
    RETURNING s.gateway, s.epoch, s.next_offset
), call AS (
    INSERT INTO jis_call
        (owner, partner, plant, line, production_no, part_group, reorder_index, call_no,
         sequence_no, part_no, quantity, colour, unloading_point, rack, slot, control_point,
         called_at, required_at, revision, priority, pre_series, vin, model, place, timed_from,
         lead_s, reorder_of)
    SELECT owner, partner, plant, line, production_no, part_group, reorder_index, call_no,
        sequence_no, part_no, quantity, colour, unloading_point, rack, slot, control_point,
        called_at, required_at, revision, priority, pre_series, vin, model, place, timed_from,
        lead_s, reorder_of
    FROM new ORDER BY nth
    RETURNING id, plant, line, call_no
), called AS (
    -- What was ahead is no longer ahead.
    DELETE FROM demand d USING new n WHERE d.plant = n.plant
        AND d.production_no = n.production_no AND d.part_group = n.part_group
), told AS (
    INSERT INTO call_outbox (gateway, epoch, record_offset, owner, partner, call, record)
    SELECT n.gateway, s.epoch, s.next_offset - n.from_end, n.owner, n.partner, c.id, n.record
    FROM new n JOIN stream s USING (gateway) JOIN call c USING (plant, line, call_no)
)
SELECT line, call_no, id FROM call
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
    next_call_no: int
    next_place: int
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
    """The part groups that a control point fixes, by line and name, of a plant that is locked."""
    return ask_groups(connection, plant, control_point, plant_locked=True)()


def ask_groups(
    connection: psycopg.Connection, plant: str, control_point: str, *, plant_locked: bool
) -> Callable[[], list[CallGroup]]:
    """The same, to be called when they are needed; until then nobody waits for the answer. Their
    lines are locked. Of a plant that is not, there are none where lines are told the demand ahead:
    that locks the plant, which comes before its lines."""
    at = {"plant": plant, "control_point": control_point, "plant_locked": plant_locked}
    return connection.cursor(row_factory=class_row(CallGroup)).execute(_GROUPS, at).fetchall


def number_calls(
    plant: str,
    control_point: str,
    car: CalledCar,
    passed_at: datetime,
    groups: Iterable[CallGroup],
    parts: Mapping[str, tuple[str, int]],
    clock: PlantClock,
    timed_from: datetime,
) -> list[NewCall]:
    """The calls of this car for these groups, as far as it has parts of them, with the next numbers
    and places of their lines, which are locked. Leads run from `timed_from`. Raises `UnfitError`.
    """
    number = car.car.production_no
    numbered = []
    for _, members in groupby((g for g in groups if g.part_group in parts), attrgetter("line")):
        for after, group in enumerate(members):
            place = group.next_place + after
            try:
                call = _call(
                    *(plant, control_point, passed_at, timed_from),
                    *(car, group, parts[group.part_group]),
                    *(clock, group.next_call_no + after, place),
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
                NewCall(call, group.gateway, group.partner, needed_s, place, timed_from)
            )
    return numbered


def take_numbers(connection: psycopg.Connection, calls: Iterable[NewCall]) -> None:
    """Let the lines count on by these calls."""
    counts = Counter((new.call.key.plant, new.call.key.line) for new in calls)
    lines = sorted(counts)
    connection.execute(
        _TAKE_NUMBERS,
        ([plant for plant, _ in lines], [line for _, line in lines], [counts[at] for at in lines]),
    )


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
) -> None:
    """Store the calls, each into its gateway's stream too, and tell who listens. Their lines are
    locked. now: what cannot be there in time from now on is flagged late."""
    if not numbered:
        return
    by_gateway = sorted(numbered, key=lambda n: n.gateway)  # stable: by line and number in it
    rows: list[dict[str, Any]] = []
    for gateway, members in groupby(by_gateway, lambda n: n.gateway):
        called = list(members)
        for before, item in enumerate(called):
            rows.append(
                {
                    "gateway": gateway,
                    "nth": len(rows),
                    "from_end": len(called) - before,
                    "columns": {
                        "owner": owner,
                        "partner": item.partner,
                        "place": item.place,
                        "timed_from": item.timed_from.isoformat(),
                        "lead_s": item.lead_s,
                        "reorder_of": item.reorder_of,
                    },
                    "record": item.call.model_dump(mode="json"),
                }
            )
    written = connection.execute(_WRITE, {"calls": Json(rows), "epoch": draw_epoch()})
    told = calls_changed((n.call.key.plant, n.call.key.line, owner, n.partner) for n in numbered)
    notify(connection, [(CHANGES, payload) for payload in told])
    late = [item for item in numbered if is_late(item.call, item.needed_s, now)]
    if late:
        ids = {(line, call_no): call for line, call_no, call in written.fetchall()}
        for item in late:
            flag_late(
                connection,
                item.call,
                ids[item.call.key.line, item.call.call_no],
                owner=owner,
                partner=item.partner,
                needed_s=item.needed_s,
                now=now,
            )


def is_late(call: Call, needed_s: float, now: datetime) -> bool:
    """Whether it is required before it can be there if work on it begins now."""
    return call.required_at < now + timedelta(seconds=needed_s)


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
    """Whether the call is late. Then it is said so, with the earliest that it can be there."""
    if not is_late(call, needed_s, now):
        return False
    earliest = now + timedelta(seconds=needed_s)
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
