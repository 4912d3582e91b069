"""How calls are numbered and where their parts stand: one rule for calls planned and released.

The call number counts the calls of a supplier line without a gap, from 1. The short sequence
number, the rack and the slot follow from it alone.
"""

from __future__ import annotations

from typing import Literal

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
