"""DESADV of a supplier by EDI: its truck has left, and what the calls on it have become.

Such a supplier reports nothing else, so what must have happened before a part leaves is noted with
it, each once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.calls.history import add, find_call
from hub.calls.notify import CHANGES, calls_changed
from hub.calls.shipments import find_line, ship
from hub.edi.taking import Taking
from protocols.edifact.content import Function, Package, PackedPart, ShipNotice
from protocols.jis.messages import CallKey, Shipment, ShippedRack, ShippedSlot

# Of several calls for the same part of a car the one that belongs into this rack counts, then the
# newest: what was ordered again is what is delivered.
_CALL = """
SELECT plant, line, production_no, part_group, reorder_index, rack, slot FROM jis_call
WHERE plant = %(plant)s AND owner = %(owner)s AND partner = %(partner)s
    AND production_no = %(production_no)s AND part_no = %(part_no)s
ORDER BY rack = %(rack)s DESC, reorder_index DESC LIMIT 1
"""
_BEFORE = ("accepted", "produced", "inspected", "packed")
_BEGUN = frozenset({"released", "received", "refused", "unclear", "missing", "started"})
"""Statuses of parts of which nothing else was reported."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part on the truck, and its call."""

    key: CallKey
    rack: str
    slot: int
    serial: str | None


def take_shipment(taking: Taking, notice: ShipNotice) -> None:
    """Carry out a dispatch advice; what is wrong with it is noted with `taking`."""
    if notice.function is Function.DUPLICATE:
        return
    if notice.function is not Function.ORIGINAL:
        taking.wrong("BGM", reason=f"a notice to {notice.function} is not taken: tell the dock")
        return
    parts = list(_parts(taking, notice.packages))
    if not parts:
        taking.wrong("BGM", reason="holds no part that was called")
        return
    by_line: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        by_line[part.key.line].append(part)
    taking.refuse_if_wrong()
    for line, members in sorted(by_line.items()):
        _take_line(taking, notice, line, members)


def _parts(taking: Taking, packages: Iterable[Package], rack: str = "") -> Iterator[_Part]:
    for package in packages:
        label = package.label or rack
        yield from (p for part in package.parts if (p := _part(taking, part, label)) is not None)
        yield from _parts(taking, package.packages, label)


def _part(taking: Taking, part: PackedPart, rack: str) -> _Part | None:
    row = taking.connection.execute(
        _CALL,
        {
            "plant": taking.partner.plant,
            "owner": taking.partner.owner,
            "partner": taking.partner.partner,
            "production_no": part.production_no,
            "part_no": part.part_no,
            "rack": rack,
        },
    ).fetchone()
    if row is None:
        car = f"car {part.production_no}" if part.production_no else "a car that is not named"
        taking.wrong("LIN", part.part_no, reason=f"part {part.part_no} was not called for {car}")
        return None
    plant, line, production_no, part_group, reorder_index, called_rack, slot = row
    key = CallKey(
        plant=plant,
        line=line,
        production_no=production_no,
        part_group=part_group,
        reorder_index=reorder_index,
    )
    return _Part(key, rack or called_rack, part.slot or slot, part.serial_no or None)


def _take_line(taking: Taking, notice: ShipNotice, line: str, parts: list[_Part]) -> None:
    connection, partner = taking.connection, taking.partner
    found = find_line(connection, partner.plant, line)
    if found is None:
        taking.wrong("BGM", reason=f"no line {line} in plant {partner.plant}")
        return
    left_at = notice.shipped_at or notice.issued_at
    racks: dict[str, list[ShippedSlot]] = defaultdict(list)
    for part in parts:
        racks[part.rack].append(ShippedSlot(slot=part.slot, key=part.key, serial=part.serial))
    shipment = Shipment(
        plant=partner.plant,
        line=line,
        shipment=notice.document_no,
        departed_at=left_at,
        eta=notice.expected_at,
        vehicle=notice.vehicle or None,
        racks=[ShippedRack(rack=rack, slots=slots) for rack, slots in racks.items()],
    )
    for part in parts:
        _report(taking, part, notice)
    if not ship(connection, found, shipment, shipment.model_dump(mode="json")):
        taking.wrong(
            "BGM", notice.document_no, reason=f"shipment {notice.document_no} is known already"
        )
    for payload in calls_changed([(partner.plant, line, partner.owner, partner.partner)]):
        connection.execute("SELECT pg_notify(%s, %s)", (CHANGES, payload))


def _report(taking: Taking, part: _Part, notice: ShipNotice) -> None:
    call = find_call(taking.connection, part.key)
    if call is None:
        return
    kinds = (*(_BEFORE if call.part in _BEGUN else ()), "shipped")
    body = {"shipment": notice.document_no, "rack": part.rack, "slot": part.slot, "verdict": "ok"}
    for kind in kinds:
        current = find_call(taking.connection, part.key)
        if current is not None:
            add(
                taking.connection,
                current,
                "supplier",
                kind,
                notice.shipped_at or notice.issued_at,
                body=body,
                serial=part.serial,
                message_id=f"{taking.message_id} {kind}",
                actor=f"edi {taking.partner.partner}",
            )
