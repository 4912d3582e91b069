"""Numbers, racks and slots follow from the call number alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.sequencing.numbering import rack_and_slot, rack_name, sequence_number


def test_the_sequence_number_begins_anew_at_its_wrap() -> None:
    assert [sequence_number(call_no, 3) for call_no in range(1, 8)] == [1, 2, 3, 1, 2, 3, 1]
    assert sequence_number(9999, 9999) == 9999
    assert sequence_number(10_000, 9999) == 1


def test_racks_are_filled_one_by_one_from_either_end() -> None:
    assert [rack_and_slot(call_no, 3) for call_no in range(1, 6)] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 1),
        (2, 2),
    ]
    assert [rack_and_slot(call_no, 3, "reversed") for call_no in range(1, 6)] == [
        (1, 3),
        (1, 2),
        (1, 1),
        (2, 3),
        (2, 2),
    ]
    assert rack_name("SEAT1", 42) == "SEAT1-00042"


@given(first=st.integers(1, 10**12), slots=st.integers(1, 50))
def test_no_slot_holds_two_calls_and_both_orders_use_the_same_racks(first: int, slots: int) -> None:
    numbers = range(first, first + 3 * slots)
    forward = [rack_and_slot(call_no, slots) for call_no in numbers]
    reverse = [rack_and_slot(call_no, slots, "reversed") for call_no in numbers]
    assert forward == sorted(set(forward))
    assert len(set(reverse)) == len(reverse)
    assert [(rack, slots + 1 - slot) for rack, slot in reverse] == forward
