"""How calls are numbered and where their parts stand: one rule for calls planned and released.

The call number counts the calls of a supplier line without a gap, from 1. The short sequence
number, the rack and the slot follow from it alone.
"""

from __future__ import annotations

from array import array
from typing import Literal, NamedTuple

LoadOrder = Literal["forward", "reversed"]
"""forward: slot 1 holds what is fitted first. reversed: the last slot does, for docks where what
was loaded last comes out first."""


def sequence_number(call_no: int, wrap: int) -> int:
    """The number on the label, which runs from 1 to `wrap` and begins anew."""
    return (call_no - 1) % wrap + 1


def rack_and_slot(
    call_no: int, rack_slots: int, load_order: LoadOrder = "forward"
) -> tuple[int, int]:
    """(number of the rack, number of the slot in it), both from 1; racks are filled one by one."""
    before, place = divmod(call_no - 1, rack_slots)
    return before + 1, place + 1 if load_order == "forward" else rack_slots - place


def rack_name(line: str, rack: int) -> str:
    """As calls and events name a rack of this line."""
    return f"{line}-{rack:05d}"


class CallColumns(NamedTuple):
    """The calls of a plan, by car, then by part group: an array each, all of one length."""

    car: array[int]
    """Position of the car, from 0: int32."""
    rule: array[int]
    """Index in `BillOfMaterial.rules` of the rule that names the part: int32."""
    line: array[int]
    """Index of the supplier line: int32."""
    call_no: array[int]
    """int64, without a gap per supplier line."""
    sequence_no: array[int]
    """int32"""
    required_us: array[int]
    """When the part is fitted, in microseconds since 1970: int64."""
    rack: array[int]
    """Number of the rack, from 1 per supplier line: int64."""
    slot: array[int]
    """int32, from 1."""


RENUMBERED, RETIMED, MOVED, REPLACED = 1, 2, 4, 8
"""What can change of a call that stays: its number, its required time, its rack or slot, its part
or colour."""
