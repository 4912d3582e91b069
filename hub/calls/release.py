"""A car passes a control point: the pass, the calls it releases, their numbers and their records in
the gateways' streams, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from hub.calls.notify import CALL_STREAM, CHANGES, Change, calls_changed
from hub.sequencing.explode import BillOfMaterial, BomRule
from hub.sequencing.model import Car
from protocols.jis.messages import Call, CallKey
from protocols.streams import draw_epoch

# Passes of one control point take turns, so that their numbers have no gap and a repeat finds what
# the first one did.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('pass ' || %s || ' ' || %s, 0))"
_PLANT = "SELECT owner FROM plant WHERE id = %s"
_PASSED_BEFORE = """
SELECT pass_no FROM control_point_pass
WHERE plant = %s AND control_point = %s AND production_no = %s
"""
_FIND_CALLS = """
SELECT line, part_group, reorder_index, call_no FROM jis_call
WHERE plant = %s AND control_point = %s AND production_no = %s AND reorder_index = 0
ORDER BY line, call_no
"""
_ORDER = "SELECT colour, options FROM vehicle_order WHERE plant = %s AND production_no = %s"
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
_RULES = """
SELECT part_group, rank, part_no, quantity, requires, excludes, colours FROM bom_rule
WHERE plant = %s AND part_group = ANY (%s)
"""
_TAKE_NUMBERS = """
UPDATE supplier_line SET next_call_no = next_call_no + %s WHERE plant = %s AND id = %s
RETURNING next_call_no - %s
"""
_TAKE_OFFSETS = """
UPDATE call_stream SET next_offset = next_offset + %s WHERE gateway = %s AND NOT closed
RETURNING epoch, next_offset
"""
_OPEN_STREAM = """
INSERT INTO call_stream (gateway, epoch, owner, partner) VALUES (%s, %s, %s, %s)
ON CONFLICT (gateway) WHERE NOT closed DO NOTHING
"""
_ADD_CALL = """
INSERT INTO jis_call
    (owner, partner, plant, line, production_no, part_group, reorder_index, call_no, sequence_no,
     part_no, quantity, colour, unloading_point, rack, slot, control_point, called_at, required_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_ADD_OUTBOX = """
INSERT INTO call_outbox (gateway, epoch, record_offset, owner, partner, call, record)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


class UnknownError(LookupError):
    """The plant or the order does not exist for this tenant; the text names it."""


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
    the first gave. Raises `UnknownError`.
    """
    with connection.transaction():
        connection.execute(_TAKE_TURN, (plant, control_point))
        owner = connection.execute(_PLANT, (plant,)).fetchone()
        if owner is None or owner[0] != tenant:
            raise UnknownError(f"no plant {plant}")
        passed = connection.execute(
            _PASSED_BEFORE, (plant, control_point, production_no)
        ).fetchone()
        if passed is not None:
            return _as_before(connection, plant, control_point, production_no, passed[0])
        order = connection.execute(_ORDER, (plant, production_no)).fetchone()
        if order is None:
            raise UnknownError(f"no order {production_no} in plant {plant}")
        pass_no = _add_pass(connection, tenant, plant, control_point, production_no, passed_at)
        numbered = _number(
            connection,
            plant,
            control_point,
            Car(production_no, order[0], frozenset(order[1])),
            passed_at,
        )
        _write(connection, tenant, numbered)
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
    connection.execute(
        "SELECT pg_notify(%s, %s)", (CHANGES, Change("sequence", plant, None, (owner,)).dump())
    )
    return int(row[0]) if row else 0


def _number(
    connection: psycopg.Connection,
    plant: str,
    control_point: str,
    car: Car,
    passed_at: datetime,
) -> list[_Numbered]:
    """The calls of this car, with the next numbers of their lines.

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
            part_no, quantity = parts[group.part_group]
            call = Call(
                key=CallKey(
                    plant=plant,
                    line=line,
                    production_no=car.production_no,
                    part_group=group.part_group,
                ),
                call_no=call_no,
                sequence_no=(call_no - 1) % group.sequence_wrap + 1,
                part_no=part_no,
                quantity=quantity,
                colour=car.colour,
                unloading_point=group.unloading_point,
                rack=f"{line}-{(call_no - 1) // group.rack_slots + 1:05d}",
                slot=(call_no - 1) % group.rack_slots + 1,
                control_point=control_point,
                called_at=passed_at,
                required_at=passed_at + timedelta(seconds=group.lead_s),
            )
            numbered.append(_Numbered(group, call))
    return numbered


def _parts(
    connection: psycopg.Connection,
    plant: str,
    groups: Sequence[str],
    car: Car,
) -> dict[str, tuple[str, int]]:
    """Part number and quantity by part group, for the groups of which this car has a part."""
    rules = [
        BomRule(
            part_group,
            rank,
            part_no,
            quantity,
            frozenset(requires),
            frozenset(excludes),
            frozenset(colours) if colours is not None else None,
        )
        for part_group, rank, part_no, quantity, requires, excludes, colours in connection.execute(
            _RULES, (plant, list(groups))
        ).fetchall()
    ]
    return {
        line.part_group: (line.part_no, line.quantity)
        for line in BillOfMaterial(rules).call_lines([car])
    }


def _write(connection: psycopg.Connection, owner: str, numbered: Sequence[_Numbered]) -> None:
    """Store the calls and put each into its gateway's stream."""
    if not numbered:
        return
    by_gateway = sorted(numbered, key=lambda n: n.group.gateway)  # stable: by line and number in it
    payloads = []
    for gateway, members in groupby(by_gateway, lambda n: n.group.gateway):
        called = list(members)
        partner = called[0].group.partner
        epoch, after = _take_offsets(connection, gateway, owner, partner, len(called))
        for offset, item in enumerate(called, after - len(called)):
            identity = _add_call(connection, owner, item)
            connection.execute(
                _ADD_OUTBOX,
                (
                    gateway,
                    epoch,
                    offset,
                    owner,
                    item.group.partner,
                    identity,
                    Jsonb(item.call.model_dump(mode="json")),
                ),
            )
        payloads.append((CALL_STREAM, f"{gateway} {epoch} {after}"))
    changed = calls_changed(
        (n.call.key.plant, n.group.line, owner, n.group.partner) for n in numbered
    )
    payloads += [(CHANGES, payload) for payload in changed]
    for channel, payload in payloads:
        connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))


def _add_call(connection: psycopg.Connection, owner: str, item: _Numbered) -> int:
    call = item.call
    row = connection.execute(
        _ADD_CALL,
        (
            owner,
            item.group.partner,
            call.key.plant,
            call.key.line,
            call.key.production_no,
            call.key.part_group,
            call.key.reorder_index,
            call.call_no,
            call.sequence_no,
            call.part_no,
            call.quantity,
            call.colour,
            call.unloading_point,
            call.rack,
            call.slot,
            call.control_point,
            call.called_at,
            call.required_at,
        ),
    ).fetchone()
    return int(row[0]) if row else 0


def _take_offsets(
    connection: psycopg.Connection, gateway: int, owner: str, partner: str, count: int
) -> tuple[int, int]:
    """(epoch, next offset) of the gateway's open stream, grown by `count`; opened if there is none.

    Taking them locks the stream until the end of the transaction: offsets are committed in order.
    """
    while True:
        row = connection.execute(_TAKE_OFFSETS, (count, gateway)).fetchone()
        if row is not None:
            return int(row[0]), int(row[1])
        # None yet, or the publisher has just closed one and opened the next.
        connection.execute(_OPEN_STREAM, (gateway, draw_epoch(), owner, partner))
