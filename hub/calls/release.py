"""A car passes a control point: the pass, the calls it releases, their numbers and their records in
the gateways' streams, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from hub.calls.notify import CALL_STREAM, CHANGES, Change, calls_changed
from hub.calls.outbox import take_offsets
from hub.orders.problems import did_you_mean
from hub.orders.store import load_rules
from hub.sequencing.explode import BillOfMaterial
from hub.sequencing.model import Car
from hub.sequencing.numbering import rack_and_slot, rack_name, sequence_number
from protocols.jis.messages import Call, CallKey

# Passes of one control point take turns, so that their numbers have no gap and a repeat finds what
# the first one did.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('pass ' || %s || ' ' || %s, 0))"
_CAR = """
SELECT p.owner, c.id, o.production_no, o.colour, o.options, x.pass_no, o.vin, o.model
FROM plant p
LEFT JOIN control_point c ON c.plant = p.id AND c.id = %(control_point)s
LEFT JOIN vehicle_order o ON o.plant = p.id AND o.production_no = %(production_no)s
LEFT JOIN control_point_pass x ON x.plant = p.id AND x.control_point = %(control_point)s
    AND x.production_no = %(production_no)s
WHERE p.id = %(plant)s
"""
_CONTROL_POINTS = "SELECT id FROM control_point WHERE plant = %s ORDER BY rank"
_FIND_CALLS = """
SELECT line, part_group, reorder_index, call_no FROM jis_call
WHERE plant = %s AND control_point = %s AND production_no = %s AND reorder_index = 0
ORDER BY line, call_no
"""
_RECORD = """
INSERT INTO control_point_pass
    (plant, control_point, production_no, owner, passed_at, pass_no)
SELECT %(plant)s, %(control_point)s, %(production_no)s, %(owner)s, %(passed_at)s,
    coalesce(max(pass_no), 0) + 1
FROM control_point_pass WHERE plant = %(plant)s AND control_point = %(control_point)s
RETURNING pass_no
"""
_GROUPS = """
SELECT g.id AS part_group, g.line, l.gateway, l.partner, l.unloading_point, l.lead_s,
    l.rack_slots, l.sequence_wrap
FROM part_group g JOIN supplier_line l ON l.plant = g.plant AND l.id = g.line
WHERE g.plant = %s AND g.control_point = %s ORDER BY g.line, g.id
"""
_TAKE_NUMBERS = """
UPDATE supplier_line SET next_call_no = next_call_no + %s WHERE plant = %s AND id = %s
RETURNING next_call_no - %s
"""
_ADD_CALL = """
WITH call AS (
    INSERT INTO jis_call
        (owner, partner, plant, line, production_no, part_group, reorder_index, call_no,
         sequence_no, part_no, quantity, colour, unloading_point, rack, slot, control_point,
         called_at, required_at, revision, priority, pre_series, vin, model)
    VALUES (%(owner)s, %(partner)s, %(plant)s, %(line)s, %(production_no)s, %(part_group)s,
        %(reorder_index)s, %(call_no)s, %(sequence_no)s, %(part_no)s, %(quantity)s, %(colour)s,
        %(unloading_point)s, %(rack)s, %(slot)s, %(control_point)s, %(called_at)s, %(required_at)s,
        %(revision)s, %(priority)s, %(pre_series)s, %(vin)s, %(model)s)
    RETURNING id
)
INSERT INTO call_outbox (gateway, epoch, record_offset, owner, partner, call, record)
SELECT %(gateway)s, %(epoch)s, %(offset)s, %(owner)s, %(partner)s, id, %(record)s FROM call
"""
_NOTIFY = (
    "SELECT pg_notify(channel, payload) FROM unnest(%s::text[], %s::text[]) AS n (channel, payload)"
)


class UnknownError(LookupError):
    """The plant, the control point or the order does not exist for this tenant; the text says
    which."""


class UnfitError(ValueError):
    """A part of this car cannot be called as the plant's data stand; the text names part and field.
    Nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Released:
    """A call as the pass that released it tells of it."""

    key: CallKey
    call_no: int


@dataclass(frozen=True, slots=True)
class Release:
    """What came of a pass."""

    pass_no: int
    calls: tuple[Released, ...]
    repeated: bool
    """The pass had been recorded before; nothing was written."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A part group of the control point, with its supplier's line."""

    part_group: str
    line: str
    gateway: int
    partner: str
    unloading_point: str
    lead_s: float
    rack_slots: int
    sequence_wrap: int


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A call with its numbers, not yet written."""

    group: _Group
    call: Call


def release(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    control_point: str,
    production_no: str,
    passed_at: datetime,
) -> Release:
    """Record that a car of `tenant`'s plant passed a control point, and release its calls.

    `connection` is of the role `lineside_ingest`. A repeated pass changes nothing and gives what
    the first gave. Raises `UnknownError` or `UnfitError`.
    """
    with connection.transaction():
        connection.execute(_TAKE_TURN, (plant, control_point))
        row = connection.execute(
            _CAR,
            {"plant": plant, "control_point": control_point, "production_no": production_no},
        ).fetchone()
        if row is None or row[0] != tenant:
            raise UnknownError(f"no plant {plant}")
        _, known_point, ordered, colour, options, passed_before, vin, model = row
        if known_point is None:
            names = connection.execute(_CONTROL_POINTS, (plant,)).fetchall()
            hint = did_you_mean(control_point, [name for (name,) in names])
            raise UnknownError(f"no control point {control_point} in plant {plant}{hint}")
        if passed_before is not None:
            return _as_before(connection, plant, control_point, production_no, passed_before)
        if ordered is None:
            raise UnknownError(f"no order {production_no} in plant {plant}")
        pass_no = _add_pass(connection, tenant, plant, control_point, production_no, passed_at)
        numbered = _number(
            connection,
            plant,
            control_point,
            Car(production_no, colour, frozenset(options)),
            passed_at,
            {"vin": vin, "model": model},
        )
        told = _write(connection, tenant, numbered)
        told.append((CHANGES, Change("sequence", plant, None, (tenant,)).dump()))
        connection.execute(_NOTIFY, tuple(map(list, zip(*told, strict=True))))
        return Release(
            pass_no, tuple(Released(n.call.key, n.call.call_no) for n in numbered), repeated=False
        )


def _as_before(
    connection: psycopg.Connection, plant: str, control_point: str, production_no: str, pass_no: int
) -> Release:
    rows = connection.execute(_FIND_CALLS, (plant, control_point, production_no)).fetchall()
    calls = tuple(
        Released(
            CallKey(
                plant=plant,
                line=line,
                production_no=production_no,
                part_group=group,
                reorder_index=reorder_index,
            ),
            call_no,
        )
        for line, group, reorder_index, call_no in rows
    )
    return Release(pass_no, calls, repeated=True)


def _add_pass(
    connection: psycopg.Connection,
    owner: str,
    plant: str,
    control_point: str,
    production_no: str,
    passed_at: datetime,
) -> int:
    row = connection.execute(
        _RECORD,
        {
            "plant": plant,
            "control_point": control_point,
            "production_no": production_no,
            "owner": owner,
            "passed_at": passed_at,
        },
    ).fetchone()
    return int(row[0]) if row else 0


def _number(
    connection: psycopg.Connection,
    plant: str,
    control_point: str,
    car: Car,
    passed_at: datetime,
    of_car: Mapping[str, str | None],
) -> list[_Numbered]:
    """The calls of this car, with the next numbers of their lines. `of_car`: its VIN and model.

    Racks are filled in the order of the calls: slot 1 holds what is fitted first.
    """
    with connection.cursor(row_factory=class_row(_Group)) as cursor:
        groups = cursor.execute(_GROUPS, (plant, control_point)).fetchall()
    parts = _parts(connection, plant, [group.part_group for group in groups], car)
    numbered = []
    # Lines in one order always, so that two control points never wait for one another in a ring.
    for line, members in groupby((g for g in groups if g.part_group in parts), attrgetter("line")):
        called = list(members)
        row = connection.execute(_TAKE_NUMBERS, (len(called), plant, line, len(called))).fetchone()
        first = int(row[0]) if row else 0
        for call_no, group in enumerate(called, first):
            part = parts[group.part_group]
            try:
                call = _call(plant, control_point, passed_at, car, group, part, call_no)
                call = call.model_copy(update=of_car)
            except OverflowError:
                raise UnfitError(
                    f"{group.part_group} of car {car.production_no} cannot be called: required_at "
                    f"lies beyond any calendar, {group.lead_s:g} s after {passed_at}"
                ) from None
            except ValidationError as error:
                first_error = error.errors(include_url=False)[0]
                raise UnfitError(
                    f"{group.part_group} of car {car.production_no} cannot be called: "
                    f"{first_error['loc'][-1]} {first_error['input']!r}: {first_error['msg']}"
                ) from None
            numbered.append(_Numbered(group, call))
    return numbered


def _call(
    plant: str,
    control_point: str,
    passed_at: datetime,
    car: Car,
    group: _Group,
    part: tuple[str, int],
    call_no: int,
) -> Call:
    """Raises `ValidationError` or `OverflowError` where the plant's data do not make a call."""
    part_no, quantity = part
    rack, slot = rack_and_slot(call_no, group.rack_slots)
    return Call(
        key=CallKey(
            plant=plant,
            line=group.line,
            production_no=car.production_no,
            part_group=group.part_group,
        ),
        call_no=call_no,
        sequence_no=sequence_number(call_no, group.sequence_wrap),
        part_no=part_no,
        quantity=quantity,
        colour=car.colour,
        unloading_point=group.unloading_point,
        rack=rack_name(group.line, rack),
        slot=slot,
        control_point=control_point,
        called_at=passed_at,
        required_at=passed_at + timedelta(seconds=group.lead_s),
    )


def _parts(
    connection: psycopg.Connection,
    plant: str,
    groups: Sequence[str],
    car: Car,
) -> dict[str, tuple[str, int]]:
    """Part number and quantity by part group, for the groups of which this car has a part."""
    material = BillOfMaterial(load_rules(connection, plant, groups))
    return {line.part_group: (line.part_no, line.quantity) for line in material.call_lines([car])}


def _write(
    connection: psycopg.Connection, owner: str, numbered: Sequence[_Numbered]
) -> list[tuple[str, str]]:
    """Store the calls, each into its gateway's stream too. Returns (channel, payload) to notify."""
    by_gateway = sorted(numbered, key=lambda n: n.group.gateway)  # stable: by line and number in it
    rows = []
    told = []
    for gateway, members in groupby(by_gateway, lambda n: n.group.gateway):
        called = list(members)
        partner = called[0].group.partner
        epoch, after = take_offsets(connection, gateway, owner, partner, len(called))
        told.append((CALL_STREAM, f"{gateway} {epoch} {after}"))
        for offset, item in enumerate(called, after - len(called)):
            fields = item.call.model_dump(exclude={"kind", "key"}) | item.call.key.model_dump()
            stream = {"gateway": gateway, "epoch": epoch, "offset": offset}
            record = Jsonb(item.call.model_dump(mode="json"))
            rows.append(fields | stream | {"owner": owner, "partner": partner, "record": record})
    with connection.cursor() as cursor:
        cursor.executemany(_ADD_CALL, rows)
    changed = calls_changed(
        (n.call.key.plant, n.group.line, owner, n.group.partner) for n in numbered
    )
    return told + [(CHANGES, payload) for payload in changed]
