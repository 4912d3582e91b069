"""Trucks: what they carry against what was called, and when they are there.

A shipment comes by the event stream as its dispatch advice (ASN), or is first heard of at the dock,
where a truck may be before the supplier's line to the hub is back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from hub.calls.exceptions import open_exception
from hub.calls.history import Place
from hub.calls.loop import eta_of
from hub.calls.racks import RackCall, content
from hub.calls.unfit import UnfitError
from hub.orders.profile import Profile, stored_profile
from protocols.jis.messages import Delay, Shipment, ShippedRack

SHIPMENT_MISMATCH = "shipment_mismatch"
RACK_TURNED = "rack_turned"

_LEFT = frozenset({"shipped", "arrived", "mismatched", "confirmed", "consumed"})
"""Parts that went with an earlier truck: the rest of their rack comes after them."""

_FIND_LINE = """
SELECT owner, partner, gateway, profile FROM supplier_line WHERE plant = %s AND id = %s
"""
_STORE = """
INSERT INTO line_event
    (owner, partner, plant, line, gateway, epoch, record_offset, kind, body, source_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
# A shipment that the dock knew first gets its advice afterwards; one that has its advice keeps it.
_SHIP = """
INSERT INTO shipment
    (plant, line, id, owner, partner, departed_at, eta, carrier, vehicle, body)
VALUES (%(plant)s, %(line)s, %(id)s, %(owner)s, %(partner)s, %(departed_at)s, %(eta)s, %(carrier)s,
    %(vehicle)s, %(body)s)
ON CONFLICT (plant, line, id) DO UPDATE SET departed_at = excluded.departed_at, eta = excluded.eta,
    carrier = excluded.carrier, vehicle = excluded.vehicle, body = excluded.body
WHERE shipment.body = '{}'
RETURNING id
"""
# How far ahead the supplier's clock is, where the watch has found it to be off.
_CLOCK_OFF = """
SELECT (x.detail ->> 'offset_s')::float8 FROM exception x
WHERE x.plant = %s AND x.kind = 'clock_skew' AND x.closed_at IS NULL AND x.subject = (
    SELECT %s || '/' || group_id || '/' || node_id FROM gateway WHERE id = %s)
"""
_DELAY = "UPDATE shipment SET eta = %s WHERE plant = %s AND line = %s AND id = %s"
_CALL_IDS = """
SELECT concat_ws('/', plant, line, production_no, part_group, reorder_index), id FROM jis_call
WHERE plant = %s AND line = %s
    AND concat_ws('/', plant, line, production_no, part_group, reorder_index) = ANY (%s)
    AND production_no = ANY (%s)
"""
_PUT_SLOT = """
INSERT INTO shipment_slot
    (plant, line, shipment, rack, slot, owner, partner, key, call, serial, problem)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_RACK_LEFT = """
UPDATE rack SET shipment = %(shipment)s, shipped_at = %(at)s,
    closed_at = coalesce(closed_at, %(at)s),
    status = CASE WHEN status IN ('open', 'closed') THEN 'shipped' ELSE status END
WHERE plant = %(plant)s AND line = %(line)s AND rack = %(rack)s
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A supplier's line, as far as its trucks need it."""

    plant: str
    id: str
    owner: str
    partner: str
    gateway: int
    profile: Profile


@dataclass(frozen=True, slots=True)
class SlotProblem:
    """What is not as called in one slot of a shipped rack."""

    slot: int
    problem: str
    """foreign, missing, doubled, wrong_slot or wrong_serial"""
    key: str | None
    text: str


def find_line(connection: psycopg.Connection, plant: str, line: str) -> Line | None:
    """The line, or None."""
    row = connection.execute(_FIND_LINE, (plant, line)).fetchone()
    if row is None:
        return None
    owner, partner, gateway, profile = row
    return Line(plant, line, owner, partner, gateway, stored_profile(profile))


def store_line_event(
    connection: psycopg.Connection, event: Shipment | Delay, record: Any, place: Place
) -> tuple[str, str, str, str]:
    """Store one; returns (plant, line, owner, partner). Raises `UnfitError`."""
    line = find_line(connection, event.plant, event.line)
    if line is None or line.gateway != place.gateway:
        raise UnfitError(f"this gateway serves no line {event.plant}/{event.line}")
    at = event.departed_at if isinstance(event, Shipment) else event.at
    connection.execute(
        _STORE,
        (
            line.owner,
            line.partner,
            event.plant,
            event.line,
            place.gateway,
            place.epoch,
            place.offset,
            event.kind,
            Jsonb(record),
            at,
        ),
    )
    if isinstance(event, Shipment):
        ship(connection, line, event, record)
    else:
        eta = event.eta - _clock_off(connection, line)
        connection.execute(_DELAY, (eta, event.plant, event.line, event.shipment))
    return event.plant, event.line, line.owner, line.partner


def ship(connection: psycopg.Connection, line: Line, event: Shipment, record: Any) -> bool:
    """A truck has left: note it, and compare each rack with its calls. False: known already.

    Its times are the supplier's; what its clock is known to be off is taken from when it arrives.
    """
    off = _clock_off(connection, line)
    known = connection.execute(
        _SHIP,
        {
            "plant": line.plant,
            "line": line.id,
            "id": event.shipment,
            "owner": line.owner,
            "partner": line.partner,
            "departed_at": event.departed_at,
            "eta": (event.eta or eta_of(event.departed_at, line.profile)) - off,
            "carrier": event.carrier,
            "vehicle": event.vehicle,
            "body": Jsonb(record),
        },
    ).fetchone()
    if known is None:
        return False
    ids = _call_ids(connection, line, event)
    doubled = _doubled(event.racks)
    for rack in event.racks:
        calls = content(connection, line.plant, line.id, rack.rack)
        problems = _compare(rack, calls, ids, doubled)
        _put_slots(connection, line, event.shipment, rack, ids, problems)
        _tell(connection, line, event, rack, calls, problems)
        connection.execute(
            _RACK_LEFT,
            {
                "plant": line.plant,
                "line": line.id,
                "rack": rack.rack,
                "shipment": event.shipment,
                "at": event.departed_at,
            },
        )
    return True


def compare(rack: ShippedRack, calls: Sequence[RackCall]) -> list[SlotProblem]:
    """What is not as called in a shipped rack, by slot; `calls` are those of this rack."""
    return _compare(rack, calls, {call.key: call.id for call in calls}, _doubled([rack]))


def is_turned(rack: ShippedRack, calls: Sequence[RackCall], slots: int) -> bool:
    """Whether the rack holds what it should in the reverse of the order that its dock needs."""
    own = {call.key: call.slot for call in calls if call.rack == rack.rack and call.wanted}
    stands = [(own[str(s.key)], s.slot) for s in rack.slots if s.key and str(s.key) in own]
    astray = sum(1 for belongs, at in stands if belongs != at)
    return astray > 1 and all(belongs == slots + 1 - at for belongs, at in stands)


def _compare(
    rack: ShippedRack,
    calls: Sequence[RackCall],
    ids: Mapping[str, int],
    doubled: frozenset[str],
) -> list[SlotProblem]:
    own = {call.key: call for call in calls}
    found = []
    shipped = set()
    for slot in rack.slots:
        if slot.key is None:
            continue
        key = str(slot.key)
        shipped.add(key)
        call = own.get(key)
        if key not in ids:
            found.append(SlotProblem(slot.slot, "foreign", key, f"{key}: no call of this line"))
        elif key in doubled or (slot.serial and slot.serial in doubled):
            what = f"{key}, serial {slot.serial or 'unknown'}: more than once in the shipment"
            found.append(SlotProblem(slot.slot, "doubled", key, what))
        elif call is None or (call.rack, call.slot) != (rack.rack, slot.slot):
            where = f"{call.rack}, slot {call.slot}" if call else "another rack"
            found.append(SlotProblem(slot.slot, "wrong_slot", key, f"{key}: belongs into {where}"))
        elif call.serial and slot.serial and call.serial != slot.serial:
            what = f"{key}: serial {slot.serial}, but {call.serial} was built for it"
            found.append(SlotProblem(slot.slot, "wrong_serial", key, what))
        elif not call.wanted:
            what = f"{key}: its car is {call.car.replace('_', ' ')}"
            found.append(SlotProblem(slot.slot, "foreign", key, what))
    found += [
        SlotProblem(call.slot, "missing", call.key, f"{call.key}: not in the rack")
        for call in calls
        if call.rack == rack.rack
        and call.wanted
        and call.part not in _LEFT
        and call.key not in shipped
    ]
    return sorted(found, key=lambda problem: problem.slot)


def _doubled(racks: Iterable[ShippedRack]) -> frozenset[str]:
    """Keys and serials that stand in more than one slot."""
    slots = [slot for rack in racks for slot in rack.slots]
    keys = Counter(str(slot.key) for slot in slots if slot.key)
    serials = Counter(slot.serial for slot in slots if slot.serial)
    return frozenset(name for name, times in (*keys.items(), *serials.items()) if times > 1)


def _clock_off(connection: psycopg.Connection, line: Line) -> timedelta:
    row = connection.execute(_CLOCK_OFF, (line.plant, line.plant, line.gateway)).fetchone()
    return timedelta(seconds=row[0] if row else 0)


def _call_ids(connection: psycopg.Connection, line: Line, event: Shipment) -> dict[str, int]:
    keys = [slot.key for rack in event.racks for slot in rack.slots if slot.key]
    rows = connection.execute(
        _CALL_IDS,
        (line.plant, line.id, [str(key) for key in keys], [key.production_no for key in keys]),
    ).fetchall()
    return dict(rows)


def _put_slots(
    connection: psycopg.Connection,
    line: Line,
    shipment: str,
    rack: ShippedRack,
    ids: Mapping[str, int],
    problems: Iterable[SlotProblem],
) -> None:
    wrong = {problem.slot: problem.problem for problem in problems if problem.problem != "missing"}
    with connection.cursor() as cursor:
        cursor.executemany(
            _PUT_SLOT,
            [
                (
                    line.plant,
                    line.id,
                    shipment,
                    rack.rack,
                    slot.slot,
                    line.owner,
                    line.partner,
                    str(slot.key) if slot.key else None,
                    ids.get(str(slot.key)) if slot.key else None,
                    slot.serial,
                    wrong.get(slot.slot),
                )
                for slot in rack.slots
            ],
        )


def _tell(
    connection: psycopg.Connection,
    line: Line,
    event: Shipment,
    rack: ShippedRack,
    calls: Sequence[RackCall],
    problems: Sequence[SlotProblem],
) -> None:
    if not problems:
        return
    row = connection.execute(
        "SELECT slots, load_order FROM rack WHERE plant = %s AND line = %s AND rack = %s",
        (line.plant, line.id, rack.rack),
    ).fetchone()
    turned = row is not None and is_turned(rack, calls, row[0])
    rest = [p for p in problems if not (turned and p.problem == "wrong_slot")]
    place = f"{line.plant}/{line.id}/{event.shipment}/{rack.rack}"
    known = {"shipment": event.shipment, "rack": rack.rack}
    if turned and row is not None:
        open_exception(
            connection,
            RACK_TURNED,
            place,
            owner=line.owner,
            partner=line.partner,
            plant=line.plant,
            line=line.id,
            at=event.departed_at,
            detail=known | {"needs": row[1]},
        )
    if rest:
        by_problem: dict[str, list[str]] = defaultdict(list)
        for problem in rest:
            by_problem[problem.problem].append(f"slot {problem.slot}: {problem.text}")
        open_exception(
            connection,
            SHIPMENT_MISMATCH,
            place,
            owner=line.owner,
            partner=line.partner,
            plant=line.plant,
            line=line.id,
            at=event.departed_at,
            detail=known | {"problems": dict(by_problem)},
        )


def shipped_racks(connection: psycopg.Connection, line: Line, shipment: str) -> list[str]:
    """The racks of a shipment."""
    rows = connection.execute(
        "SELECT rack FROM rack WHERE plant = %s AND line = %s AND shipment = %s ORDER BY rack",
        (line.plant, line.id, shipment),
    ).fetchall()
    return [rack for (rack,) in rows]


@dataclass(frozen=True, slots=True)
class AdvisedSlot:
    """One slot of a shipment, as its dispatch advice (ASN) has it."""

    rack: str
    slot: int
    key: str | None
    part_no: str | None
    quantity: int | None
    sequence_no: int | None
    serial: str | None
    problem: str | None


def advice(connection: psycopg.Connection, line: Line, shipment: str) -> list[AdvisedSlot]:
    """The content of a shipment, by rack and slot: what its dispatch advice says of each."""
    with connection.cursor(row_factory=class_row(AdvisedSlot)) as cursor:
        return cursor.execute(
            """
            SELECT s.rack, s.slot, s.key, c.part_no, c.quantity, c.sequence_no, s.serial, s.problem
            FROM shipment_slot s LEFT JOIN jis_call c ON c.id = s.call
            WHERE s.plant = %s AND s.line = %s AND s.shipment = %s ORDER BY s.rack, s.slot
            """,
            (line.plant, line.id, shipment),
        ).fetchall()
