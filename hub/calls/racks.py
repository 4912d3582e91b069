"""Racks: which part stands where, by the supplier's scans, against where the calls say it should.

A rack opens with its first call (a trigger of the database). It closes by itself once every part
that is to be in it has been scanned into its own slot, with the serial that was built for it; until
then it stays open, and what is wrong is an exception of its slot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import class_row

from hub.calls.exceptions import close_exception, open_exception

if TYPE_CHECKING:
    from hub.calls.history import FoundCall

ENDED = frozenset({"rejected", "returned", "dropped", "scrapped", "stocked"})
"""Parts that come no more."""
IN_RACK = frozenset({"packed", "loaded", "shipped", "arrived", "mismatched", "confirmed"})
_TAKEN_OUT = frozenset({"unpacked", "parked", "scrapped", "stocked"})
WRONG_PART = "wrong_part_in_slot"

_PUT_IN = """
UPDATE jis_call SET packed_rack = %s, packed_slot = %s, packed_serial = %s, packed_at = %s
WHERE id = %s
"""
_TAKE_OUT = """
UPDATE jis_call SET packed_rack = NULL, packed_slot = NULL, packed_serial = NULL, packed_at = NULL
WHERE id = %s AND packed_rack IS NOT NULL
"""
_LOCK = """
SELECT r.status, r.slots, r.kind, r.owner, r.partner, r.kind = 'regular' AND EXISTS (
    SELECT FROM rack later WHERE later.plant = r.plant AND later.line = r.line
        AND later.kind = 'regular'
        AND (length(later.rack), later.rack) > (length(r.rack), r.rack)) AS followed
FROM rack r WHERE r.plant = %s AND r.line = %s AND r.rack = %s FOR UPDATE OF r
"""
_CONTENT = """
SELECT id, concat_ws('/', plant, line, production_no, part_group, reorder_index) AS key,
    production_no, car, status AS part, serial, rack, slot, packed_rack, packed_slot,
    packed_serial
FROM jis_call
WHERE plant = %(plant)s AND line = %(line)s
    AND (rack = %(rack)s OR packed_rack = %(rack)s)
ORDER BY call_no
"""
_OPEN_SLOTS = """
SELECT subject FROM exception
WHERE plant = %s AND kind = %s AND starts_with(subject, %s) AND closed_at IS NULL
"""
_CLOSE = """
UPDATE rack SET status = 'closed', closed_at = %s
WHERE plant = %s AND line = %s AND rack = %s
"""
_REOPEN = """
UPDATE rack SET status = 'open', closed_at = NULL WHERE plant = %s AND line = %s AND rack = %s
"""
_EMERGENCY = """
SELECT r.rack, r.slots, coalesce(max(c.slot), 0) AS last_slot
FROM rack r LEFT JOIN jis_call c ON c.plant = r.plant AND c.line = r.line AND c.rack = r.rack
WHERE r.plant = %s AND r.line = %s AND r.kind = 'emergency' AND r.status = 'open'
GROUP BY r.rack, r.slots ORDER BY length(r.rack) DESC, r.rack DESC LIMIT 1
"""
_OPEN_EMERGENCY = """
INSERT INTO rack (plant, line, rack, owner, partner, slots, load_order, kind)
SELECT l.plant, l.id, l.id || '-E' || lpad(next.n, greatest(4, length(next.n)), '0'),
    l.owner, l.partner, l.rack_slots, l.load_order, 'emergency'
FROM supplier_line l, LATERAL (SELECT (count(*) + 1)::text AS n FROM rack
    WHERE plant = l.plant AND line = l.id AND kind = 'emergency') AS next
WHERE l.plant = %s AND l.id = %s
RETURNING rack
"""


@dataclass(frozen=True, slots=True)
class RackCall:
    """A call that belongs into a rack, or whose part stands in it."""

    id: int
    key: str
    production_no: str
    car: str
    part: str
    serial: str | None
    rack: str
    slot: int
    packed_rack: str | None
    packed_slot: int | None
    packed_serial: str | None

    @property
    def wanted(self) -> bool:
        """Whether a part is to come for it."""
        return self.car in ("released", "fitted") and self.part not in ENDED


def wrong_in(rack: str, calls: Iterable[RackCall]) -> dict[int, str]:
    """What is wrong in each slot of a rack, by the scans.

    Of a slot that is right, or empty as it should be, nothing is said; a part whose car has left
    the line is not wrong, it is to be taken out (see `is_complete`).
    """
    standing = [c for c in calls if c.packed_rack == rack and c.packed_slot is not None]
    times = Counter(c.packed_slot for c in standing)
    found: dict[int, str] = {}
    for call in standing:
        slot = call.packed_slot or 0
        if times[slot] > 1:
            parts = " and ".join(c.key for c in standing if c.packed_slot == slot)
            found[slot] = f"two parts are scanned into it: {parts}"
        elif (call.rack, call.slot) != (rack, slot):
            found[slot] = f"the part of {call.key} belongs into {call.rack}, slot {call.slot}"
        elif call.serial and call.packed_serial and call.serial != call.packed_serial:
            found[slot] = (
                f"serial {call.packed_serial} was scanned; {call.serial} was built for {call.key}"
            )
    return found


def is_complete(rack: str, slots: int, calls: Iterable[RackCall], followed: bool) -> bool:
    """Whether nothing more is to come into the rack, and nothing is to be taken out of it.

    `followed`: the line's calls go into a later rack already, so that slots without a call stay
    empty.
    """
    calls = list(calls)
    own = [call for call in calls if call.rack == rack]
    if any(c.packed_rack == rack and not c.wanted and c.part == "packed" for c in calls):
        return False
    wanted = [call for call in own if call.wanted]
    if not wanted or any(call.part not in IN_RACK for call in wanted):
        return False
    return followed or len({call.slot for call in own}) >= slots


def follow(
    connection: psycopg.Connection,
    call: FoundCall,
    kind: str,
    at: datetime,
    body: Mapping[str, Any],
    serial: str | None,
    *,
    car_moved: bool,
) -> None:
    """Bring the racks in line with an event that has moved this call."""
    racks = {call.rack}
    if kind == "packed":
        rack, slot = body.get("rack") or call.rack, body.get("slot") or call.slot
        connection.execute(_PUT_IN, (rack, slot, serial, at, call.id))
        racks.add(rack)
    elif kind in _TAKEN_OUT or body.get("verdict") == "nok":
        connection.execute(_TAKE_OUT, (call.id,))
        if call.packed_rack is not None:
            racks.add(call.packed_rack)
    elif kind != "dropped" and not car_moved:
        return
    for rack in sorted(racks):
        review(connection, call.plant, call.line, rack, at)


def review(connection: psycopg.Connection, plant: str, line: str, rack: str, at: datetime) -> None:
    """Look at a rack that has not left: name what is wrong in it, close it if it is complete."""
    row = connection.execute(_LOCK, (plant, line, rack)).fetchone()
    if row is None or row[0] not in ("open", "closed"):
        return
    status, slots, kind, owner, partner, followed = row
    calls = content(connection, plant, line, rack)
    wrong = wrong_in(rack, calls)
    place = f"{plant}/{line}/{rack}/"
    open_before = {
        subject
        for (subject,) in connection.execute(_OPEN_SLOTS, (plant, WRONG_PART, place)).fetchall()
    }
    for slot, what in wrong.items():
        open_exception(
            connection,
            WRONG_PART,
            f"{place}{slot}",
            owner=owner,
            partner=partner,
            plant=plant,
            line=line,
            at=at,
            detail={"rack": rack, "slot": slot, "what": what},
            renew=True,
        )
    for subject in sorted(open_before - {f"{place}{slot}" for slot in wrong}):
        close_exception(connection, plant, WRONG_PART, subject, "rack")
    complete = not wrong and kind == "regular" and is_complete(rack, slots, calls, followed)
    if complete and status == "open":
        connection.execute(_CLOSE, (at, plant, line, rack))
    elif not complete and status == "closed":
        connection.execute(_REOPEN, (plant, line, rack))


def content(connection: psycopg.Connection, plant: str, line: str, rack: str) -> list[RackCall]:
    """The calls that belong into a rack or whose part stands in it, by number."""
    with connection.cursor(row_factory=class_row(RackCall)) as cursor:
        return cursor.execute(_CONTENT, {"plant": plant, "line": line, "rack": rack}).fetchall()


def emergency_place(connection: psycopg.Connection, plant: str, line: str) -> tuple[str, int]:
    """(rack, slot) for a part that follows out of its order; opens a rack if none has room."""
    row = connection.execute(_EMERGENCY, (plant, line)).fetchone()
    if row is not None and row[2] < row[1]:
        return row[0], row[2] + 1
    opened = connection.execute(_OPEN_EMERGENCY, (plant, line)).fetchone()
    if opened is None:
        raise LookupError(f"no line {line} in plant {plant}")
    return opened[0], 1
