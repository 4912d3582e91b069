"""Modbus addresses: what is understood, and what is said of what is not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus import Address, AddressError, parse
from protocols.modbus.values import NUMBERS

GOOD = {
    "40001": Address("holding", 0, None, "uint16", 0),
    "400123:float32": Address("holding", 122, None, "float32", 0),
    "30010 : int16": Address("input", 9, None, "int16", 0),
    "00017": Address("coil", 16, None, "bool", 0),
    "10001": Address("discrete", 0, None, "bool", 0),
    "holding:65535": Address("holding", 65_535, None, "uint16", 0),
    "HR:0:REAL": Address("holding", 0, None, "float32", 0),
    "ir:3:dint": Address("input", 3, None, "int32", 0),
    "co:5": Address("coil", 5, None, "bool", 0),
    "coil:5:bool[16]": Address("coil", 5, None, "bool", 16),
    "40010.3": Address("holding", 9, 3, "bool", 0),
    "holding:20:string[12]": Address("holding", 20, None, "string", 12),
    "holding:20:int16[4]": Address("holding", 20, None, "int16", 4),
}
BAD = {
    "123": "did you mean holding:123?",
    "hr4": "did you mean hr:4?",
    "holdng:4": "did you mean holding?",
    "40000": "begin at 40001",
    "20001": "begin with 0 (coils)",
    "40001:flot32": "did you mean float32?",
    "coil:5:int16": "a coil is one bit and no int16; write coil:5",
    "coil:5.1": "a coil has no bits",
    "holding:3:bool": "Write holding:3.0",
    "holding:3.16": "bits are 0 to 15",
    "holding:3.1:int16": "a bit of a register is a single bool",
    "holding:65535:float32": "ends beyond number 65535",
    "holding:3:string": "Write string[12]",
    "holding:3:int16[0]": "1 or more",
    "DB1.DBW0": "write it like",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_manuals_write(text: str) -> None:
    assert parse(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_said_of_mistakes(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert BAD[text] in str(caught.value)


ADDRESSES = st.builds(
    lambda table, number, name: f"{table}:{number}:{name}",
    st.sampled_from(["holding", "input"]),
    st.integers(0, 65_000),
    st.sampled_from([*NUMBERS, "string[9]", "int16[3]"]),
) | st.builds(lambda t, n: f"{t}:{n}", st.sampled_from(["coil", "discrete"]),
              st.integers(0, 65_535))  # fmt: skip


@given(ADDRESSES)
def test_the_canonical_form_means_the_same(text: str) -> None:
    address = parse(text)
    assert parse(str(address)) == address
    size = address.field().size
    assert size == address.size * (1 if address.in_bits else 2)


@given(st.text(max_size=40) | st.text("holdingcutrep0123456789.:[]", max_size=30))
def test_any_text_is_an_address_or_a_reason(text: str) -> None:
    with contextlib.suppress(AddressError):
        assert parse(text).field().size >= 1


@given(ADDRESSES, st.integers(0, 30), st.characters())
def test_one_wrong_letter_never_ends_otherwise(text: str, at: int, letter: str) -> None:
    with contextlib.suppress(AddressError):
        assert str(parse(text[:at] + letter + text[at + 1 :]))
