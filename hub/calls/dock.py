"""What the plant's dock and line say of delivered parts: arrived, unloaded, scanned, fitted, back.

Each is an event of the call's history (source `dock`, by the key of its message) and a record to
the supplier's gateway, in one transaction. A message said again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from hub.calls.emergency_stock import fill_up
from hub.calls.exceptions import open_exception
from hub.calls.history import FoundCall, add, find_call
from hub.calls.notify import CHANGES, calls_changed
from hub.calls.outbox import Outgoing, hold, send
from hub.calls.racks import ENDED
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.shipments import Line, find_line, shipped_racks
from protocols.jis.messages import CallKey, Delivery, DeliveryKind

FOREIGN_PART = "foreign_part"
AT_DOCK = ("arrived", "mismatched", "confirmed", "consumed")
"""Statuses of a part that the dock has."""

_KNOWN_AT_DOCK = """
INSERT INTO shipment (plant, line, id, owner, partner, body) VALUES (%s, %s, %s, %s, %s, '{}')
ON CONFLICT DO NOTHING
"""
_ARRIVED = """
UPDATE shipment SET arrived_at = %s WHERE plant = %s AND line = %s AND id = %s
    AND arrived_at IS NULL
RETURNING id
"""
_UNLOADED = """
UPDATE shipment SET unloaded_at = %(at)s, arrived_at = coalesce(arrived_at, %(at)s)
WHERE plant = %(plant)s AND line = %(line)s AND id = %(shipment)s AND unloaded_at IS NULL
RETURNING id
"""
_RACKS_ARRIVED = """
UPDATE rack SET status = 'arrived', arrived_at = %(at)s, shipment = %(shipment)s
WHERE plant = %(plant)s AND line = %(line)s AND (shipment = %(shipment)s OR rack = ANY (%(racks)s))
    AND status IN ('open', 'closed', 'shipped')
"""
_RACKS_UNLOADED = """
UPDATE rack SET status = 'unloaded', unloaded_at = %(at)s,
    arrived_at = coalesce(arrived_at, %(at)s)
WHERE plant = %(plant)s AND line = %(line)s AND shipment = %(shipment)s
    AND status IN ('open', 'closed', 'shipped', 'arrived')
"""
_RACK_RETURNED = """
UPDATE rack SET status = 'returned', returned_at = %(at)s
WHERE plant = %(plant)s AND line = %(line)s AND rack = %(rack)s AND status = 'unloaded'
RETURNING rack
"""
# What the advice names of a rack, and where no advice came, what belongs into it.
_CARRIED = """
SELECT DISTINCT c.line, c.production_no, c.part_group, c.reorder_index, c.call_no FROM jis_call c
WHERE c.plant = %(plant)s AND c.line = %(line)s AND (
    c.id IN (SELECT call FROM shipment_slot WHERE plant = %(plant)s AND line = %(line)s
        AND shipment = %(shipment)s)
    OR c.packed_rack IN (SELECT rack FROM rack r WHERE plant = %(plant)s AND line = %(line)s
        AND shipment = %(shipment)s AND NOT EXISTS (SELECT FROM shipment_slot s
            WHERE (s.plant, s.line, s.shipment, s.rack)
                = (r.plant, r.line, r.shipment, r.rack))))
ORDER BY c.call_no
"""
_BELONGS = """
SELECT production_no, part_group, reorder_index, serial, part_no FROM jis_call
WHERE plant = %s AND line = %s AND rack = %s AND slot = %s
    AND car IN ('released', 'fitted') AND NOT status = ANY (%s)
ORDER BY call_no DESC LIMIT 1
"""
# Its car is out, or will not be built, and its truck had left: it comes all the same.
_COMES_WITHOUT_CAR = """
SELECT production_no, part_group, reorder_index, serial, part_no FROM jis_call
WHERE plant = %s AND line = %s AND rack = %s AND slot = %s AND serial = %s
    AND car IN ('pulled_out', 'cancelled', 'replaced') AND NOT status = ANY (%s)
ORDER BY call_no DESC LIMIT 1
"""
_ADVISED_SERIAL = """
SELECT serial FROM shipment_slot WHERE plant = %s AND line = %s AND shipment = %s AND call = %s
"""
_BY_SERIAL = """
SELECT concat_ws('/', plant, line, production_no, part_group, reorder_index) FROM jis_call
WHERE plant = %s AND line = %s AND id IN (SELECT call FROM call_event
    WHERE serial = %s AND source = 'supplier') LIMIT 1
"""
_LAST_RECEIPT = """
SELECT serial, reason FROM receipt WHERE plant = %s AND line = %s AND shipment = %s AND rack = %s
    AND slot = %s
ORDER BY id DESC LIMIT 1
"""
_RECEIPT = """
INSERT INTO receipt (plant, line, shipment, rack, slot, owner, partner, call, expected_serial,
    serial, verdict, reason, scanned_by, message_id, source_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (plant, line, message_id) DO NOTHING
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Scan:
    """One slot as the scanner at the dock found it."""

    rack: str
    slot: int
    at: datetime
    serial: str | None = None
    """None: the slot was empty, or its part has no serial."""
    part_no: str | None = None
    """Of a part without a serial of its own."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a scan."""

    rack: str
    slot: int
    matched: bool
    key: str | None
    reason: str | None


def tell(
    connection: psycopg.Connection,
    call: FoundCall,
    what: DeliveryKind,
    at: datetime,
    *,
    message_id: str,
    by: str,
    serial: str | None = None,
    reason: str | None = None,
) -> bool:
    """Note what became of a part, and tell its supplier; False: said before."""
    body = {"serial": serial, "reason": reason}
    moved = add(
        connection,
        call,
        "dock",
        what,
        at,
        body={name: value for name, value in body.items() if value is not None},
        serial=serial,
        message_id=message_id,
        actor=by,
    )
    if moved is None:
        return False
    if what == moved.after.part == "confirmed":
        fill_up(connection, call, at, by)
    record = Delivery(key=call.key, what=what, at=at, serial=serial, reason=reason)
    send(
        connection,
        call.gateway,
        call.owner,
        call.partner,
        [Outgoing(record, call.id, call.revision)],
    )
    for payload in calls_changed([(call.plant, call.line, call.owner, call.partner)]):
        connection.execute("SELECT pg_notify(%s, %s)", (CHANGES, payload))
    return True


def arrive(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    line: str,
    shipment: str,
    at: datetime,
    by: str,
    racks: Sequence[str] = (),
) -> list[str]:
    """The truck is at the dock; returns the keys of the calls it brought.

    `racks` are what stands on it, where no dispatch advice has come. Raises `UnknownError`.
    """
    with connection.transaction():
        found = _line(connection, tenant, plant, line)
        known = connection.execute(
            "SELECT FROM shipment WHERE plant = %s AND line = %s AND id = %s FOR UPDATE",
            (plant, line, shipment),
        ).fetchone()
        if known is None and not racks:
            raise UnknownError(
                f"no shipment {shipment} of line {line}: its dispatch advice has not come yet; "
                "name the racks that stand on the truck"
            )
        _check_racks(connection, found, racks)
        connection.execute(_KNOWN_AT_DOCK, (plant, line, shipment, found.owner, found.partner))
        connection.execute(_ARRIVED, (at, plant, line, shipment))
        connection.execute(
            _RACKS_ARRIVED,
            {
                "plant": plant,
                "line": line,
                "shipment": shipment,
                "at": at,
                "racks": list(racks),
            },
        )
        keys = []
        for call in _carried(connection, found, shipment):
            keys.append(str(call.key))
            tell(connection, call, "arrived", at, message_id=f"arrived {shipment}", by=by)
        return keys


def unload(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    line: str,
    shipment: str,
    at: datetime,
) -> list[str]:
    """The racks stand beside the truck; returns them. Raises `UnknownError`."""
    with connection.transaction():
        found = _line(connection, tenant, plant, line)
        _require_shipment(connection, found, shipment)
        values = {"plant": plant, "line": line, "shipment": shipment, "at": at}
        connection.execute(_UNLOADED, values)
        connection.execute(_RACKS_UNLOADED, values)
        return shipped_racks(connection, found, shipment)


def receive(
    connection: psycopg.Connection,
    tenant: str,
    plant: str,
    line: str,
    shipment: str,
    scans: Sequence[Scan],
    by: str,
) -> list[Receipt]:
    """Goods receipt: each slot as scanned against the call it is for. Raises `UnknownError`."""
    with connection.transaction():
        found = _line(connection, tenant, plant, line)
        _require_shipment(connection, found, shipment)
        return [_receive(connection, found, shipment, scan, by) for scan in scans]


def report(
    connection: psycopg.Connection,
    tenant: str,
    key: CallKey,
    what: DeliveryKind,
    at: datetime,
    by: str,
    serial: str | None = None,
    reason: str | None = None,
) -> FoundCall:
    """A part was taken at the line, found not in order there, or sent back. Raises
    `UnknownError`, and `RefusedError` for a serial that is not that of the part packed."""
    with connection.transaction():
        _line(connection, tenant, key.plant, key.line)
        call = find_call(connection, key)
        if call is None:
            raise UnknownError(f"no call {key}")
        delivered = _delivered_serial(call)
        if what == "consumed" and serial and delivered and serial != delivered:
            raise RefusedError(
                f"serial {serial} is not the part of {key}, which has {delivered}: "
                "take that one, or reject this"
            )
        tell(connection, call, what, at, message_id=what, by=by, serial=serial, reason=reason)
        return find_call(connection, key) or call


def send_rack_back(
    connection: psycopg.Connection, tenant: str, plant: str, line: str, rack: str, at: datetime
) -> None:
    """The empty rack is on its way back. Raises `UnknownError`, `RefusedError`."""
    with connection.transaction():
        found = _line(connection, tenant, plant, line)
        row = connection.execute(
            "SELECT status FROM rack WHERE plant = %s AND line = %s AND rack = %s FOR UPDATE",
            (found.plant, found.id, rack),
        ).fetchone()
        if row is None:
            raise UnknownError(f"no rack {rack} of line {line}")
        if row[0] not in ("unloaded", "returned"):
            raise RefusedError(f"rack {rack} is {row[0]}: it can go back once it is unloaded")
        connection.execute(_RACK_RETURNED, {"plant": plant, "line": line, "rack": rack, "at": at})


def _delivered_serial(call: FoundCall) -> str | None:
    """Of the part that was packed. A truck may be quicker than the supplier's line to the hub: as
    long as nothing was heard of packing, another may have been built since the last that was."""
    return call.serial if call.packed_rack is not None else None


def _line(connection: psycopg.Connection, tenant: str, plant: str, line: str) -> Line:
    found = find_line(connection, plant, line)
    if found is None or found.owner != tenant:
        raise UnknownError(f"no line {line} in plant {plant}")
    hold(connection, found.gateway)
    return found


def _require_shipment(connection: psycopg.Connection, line: Line, shipment: str) -> None:
    known = connection.execute(
        "SELECT FROM shipment WHERE plant = %s AND line = %s AND id = %s FOR UPDATE",
        (line.plant, line.id, shipment),
    ).fetchone()
    if known is None:
        raise UnknownError(f"no shipment {shipment} of line {line.id}; report its arrival first")


def _check_racks(connection: psycopg.Connection, line: Line, racks: Sequence[str]) -> None:
    known = {
        rack
        for (rack,) in connection.execute(
            "SELECT rack FROM rack WHERE plant = %s AND line = %s AND rack = ANY (%s)",
            (line.plant, line.id, list(racks)),
        ).fetchall()
    }
    strange = [rack for rack in racks if rack not in known]
    if strange:
        raise UnknownError(f"no rack {strange[0]} of line {line.id}")


def _carried(connection: psycopg.Connection, line: Line, shipment: str) -> list[FoundCall]:
    rows = connection.execute(
        _CARRIED, {"plant": line.plant, "line": line.id, "shipment": shipment}
    ).fetchall()
    found = []
    for _, production_no, part_group, reorder_index, _ in rows:
        call = find_call(connection, _key(line, production_no, part_group, reorder_index))
        if call is not None:
            found.append(call)
    return found


def _key(line: Line, production_no: str, part_group: str, reorder_index: int) -> CallKey:
    return CallKey(
        plant=line.plant,
        line=line.id,
        production_no=production_no,
        part_group=part_group,
        reorder_index=reorder_index,
    )


def _receive(
    connection: psycopg.Connection, line: Line, shipment: str, scan: Scan, by: str
) -> Receipt:
    row = connection.execute(
        _BELONGS, (line.plant, line.id, scan.rack, scan.slot, list(ENDED))
    ).fetchone()
    if row is None and scan.serial is not None:
        row = connection.execute(
            _COMES_WITHOUT_CAR,
            (line.plant, line.id, scan.rack, scan.slot, scan.serial, list(ENDED)),
        ).fetchone()
    call = find_call(connection, _key(line, *row[:3])) if row is not None else None
    expected = None
    if call is not None:
        expected = call.serial if call.serial == scan.serial else _delivered_serial(call)
    if call is not None and expected is None:
        advised = connection.execute(
            _ADVISED_SERIAL, (line.plant, line.id, shipment, call.id)
        ).fetchone()
        expected = advised[0] if advised else None
    called_part = row[4] if row is not None else None
    reason = _difference(connection, line, scan, call, expected, called_part)
    receipt = Receipt(scan.rack, scan.slot, reason is None, str(call.key) if call else None, reason)
    last = connection.execute(
        _LAST_RECEIPT, (line.plant, line.id, shipment, scan.rack, scan.slot)
    ).fetchone()
    if last == (scan.serial, reason):
        return receipt
    verdict = "unmatched" if reason else "matched"
    # The same part scanned again may match by now: its part number too was scanned, or was built.
    found = (scan.serial or "-", scan.part_no or "-", verdict, scan.at.isoformat())
    message_id = " ".join(("scan", shipment, scan.rack, str(scan.slot), *found))
    stored = connection.execute(
        _RECEIPT,
        (
            line.plant,
            line.id,
            shipment,
            scan.rack,
            scan.slot,
            line.owner,
            line.partner,
            call.id if call else None,
            expected,
            scan.serial,
            verdict,
            reason,
            by,
            message_id,
            scan.at,
        ),
    ).fetchone()
    if stored is None:
        return receipt
    if call is not None:
        tell(
            connection,
            call,
            "mismatched" if reason else "confirmed",
            scan.at,
            message_id=message_id,
            by=by,
            serial=scan.serial,
            reason=reason,
        )
    elif reason:
        open_exception(
            connection,
            FOREIGN_PART,
            f"{line.plant}/{line.id}/{shipment}/{scan.rack}/{scan.slot}",
            owner=line.owner,
            partner=line.partner,
            plant=line.plant,
            line=line.id,
            at=scan.at,
            detail={
                "shipment": shipment,
                "rack": scan.rack,
                "slot": scan.slot,
                "serial": scan.serial,
                "what": reason,
            },
        )
    return receipt


def _difference(
    connection: psycopg.Connection,
    line: Line,
    scan: Scan,
    call: FoundCall | None,
    expected: str | None,
    called_part: str | None,
) -> str | None:
    """What is other than called; None: all is as called, a slot that is to be empty too."""
    if scan.serial is None and scan.part_no is None:
        return f"the slot is empty; {call.key} belongs here" if call else None
    if call is None:
        owner = _owner_of(connection, line, scan.serial)
        return f"nothing is called for this slot{owner}"
    if scan.part_no and called_part and scan.part_no != called_part:
        return f"part {scan.part_no} was scanned; {called_part} is called"
    if scan.serial is None or scan.serial == expected:
        return None
    if expected is None and scan.part_no:
        return None
    if expected is None:
        return f"no serial of {call.key} is known: scan the part number too"
    owner = _owner_of(connection, line, scan.serial)
    return f"serial {scan.serial} was scanned; {expected} was built for {call.key}{owner}"


def _owner_of(connection: psycopg.Connection, line: Line, serial: str | None) -> str:
    row = (
        connection.execute(_BY_SERIAL, (line.plant, line.id, serial)).fetchone() if serial else None
    )
    return f"; the part is that of {row[0]}" if row else ""
