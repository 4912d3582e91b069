"""The label of a rack, as its calls have it: what is printed when it is closed, or before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from pydantic import ValidationError

from hub.calls.racks import ENDED
from hub.calls.refused import RefusedError, UnknownError
from hub.orders.profile import stored_profile
from protocols.labels.rack import MOST_SLOTS, LoadOrder, RackLabel, RackSlot
from protocols.refusal import first_problem

_RACK = """
SELECT r.slots, r.load_order, r.shipment, r.partner, t.name, l.unloading_point, l.profile,
    l.sequence_wrap
FROM rack r JOIN supplier_line l ON l.plant = r.plant AND l.id = r.line
JOIN tenant t ON t.id = r.partner
WHERE r.plant = %s AND r.line = %s AND r.rack = %s
"""
# A slot may have been given to another car: the call that counts is the one still wanted.
_SLOTS = """
SELECT DISTINCT ON (slot) slot, sequence_no, part_no, part_group,
    car IN ('released', 'fitted') AND status <> ALL (%(ended)s) AS filled
FROM jis_call WHERE plant = %(plant)s AND line = %(line)s AND rack = %(rack)s
ORDER BY slot, filled DESC, call_no DESC
"""
_NO_CODE = re.compile(r"[^\x21-\x7e]")


class _Slot(NamedTuple):
    slot: int
    sequence_no: int
    part_no: str
    part_group: str
    filled: bool


def rack_labels(
    connection: psycopg.Connection, plant: str, line: str, rack: str
) -> list[RackLabel]:
    """A rack's labels: one, or of a rack with more slots than one label shows as many as it takes.

    Slots without a call, or whose car has left the line, are shown as empty. Raises `UnknownError`
    for a rack that the connection does not see, `RefusedError` if its names make no licence plate.
    """
    row = connection.execute(_RACK, (plant, line, rack)).fetchone()
    if row is None:
        raise UnknownError(f"no rack {rack} of line {line} in plant {plant}")
    slots, load_order, shipment, partner, name, unloading_point, profile, wrap = row
    agreed = stored_profile(profile)
    called = {
        slot.slot: slot
        for slot in map(
            _Slot._make,
            connection.execute(
                _SLOTS, {"ended": sorted(ENDED), "plant": plant, "line": line, "rack": rack}
            ).fetchall(),
        )
    }
    digits = len(str(wrap))
    drawn = [_slot(number, called.get(number), digits) for number in range(1, slots + 1)]
    try:
        return [
            RackLabel(
                plant=_code(plant),
                supplier=agreed.supplier_no or _code(partner),
                supplier_name=_short(name),
                unloading_point=_short(unloading_point),
                line=_short(line),
                part_group=_short(", ".join(sorted({s.part_group for s in called.values()}))),
                rack_no=_short(rack),
                licence_plate=_plate(agreed.licence_plate, plant, rack),
                shipment=_short(shipment or ""),
                load_order=LoadOrder(load_order),
                slots=tuple(part),
            )
            for part in _parts(drawn)
        ]
    except ValidationError as error:
        raise RefusedError(f"rack {rack}: {first_problem(error, 'label')}") from None


def _slot(number: int, call: _Slot | None, digits: int) -> RackSlot:
    if call is None or not call.filled:
        return RackSlot(slot=number, sequence_no="", part_no="", is_empty=True)
    return RackSlot(
        slot=number, sequence_no=str(call.sequence_no).zfill(digits), part_no=_short(call.part_no)
    )


def _parts(slots: Sequence[RackSlot]) -> list[Sequence[RackSlot]]:
    return [slots[first : first + MOST_SLOTS] for first in range(0, len(slots), MOST_SLOTS)]


def _plate(prefix: str, plant: str, rack: str) -> str:
    """Without a company's prefix it is unique among the racks of the plant alone."""
    return f"{prefix}{rack}".upper() if prefix else f"{plant}-{rack}".upper()


def _code(text: str) -> str:
    """What does not fit a data identifier is left out of the code, never cut."""
    return "" if len(text) > 20 or _NO_CODE.search(text) else text


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
