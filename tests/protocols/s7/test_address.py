"""S7 addresses: what is understood, and what is said of what is not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.s7 import Address, AddressError, parse
from protocols.s7.types import TEXTS, TYPES

GOOD = {
    "DB10.DBD4:REAL": Address("DB", 10, 4, 0, "REAL", 0),
    "db10 . dbx2.7": Address("DB", 10, 2, 7, "BOOL", 0),
    "%DB1.DBW6": Address("DB", 1, 6, 0, "WORD", 0),
    "DB1.DBB8:STRING[20]": Address("DB", 1, 8, 0, "STRING", 20),
    "DB1.DBB8:STRING": Address("DB", 1, 8, 0, "STRING", 254),
    "DB1.DBB8:DATE_AND_TIME": Address("DB", 1, 8, 0, "DT", 0),
    "DB1.DBW0:INT[10]": Address("DB", 1, 0, 0, "INT", 10),
    "DB1.DBX0.0:BOOL[16]": Address("DB", 1, 0, 0, "BOOL", 16),
    "M10.3": Address("M", 0, 10, 3, "BOOL", 0),
    "E0.1": Address("I", 0, 0, 1, "BOOL", 0),
    "AW4": Address("Q", 0, 4, 0, "WORD", 0),
    "ML8:LREAL": Address("M", 0, 8, 0, "LREAL", 0),
}
BAD = {
    "DB1,R4": "did you mean DB1.DBD4:REAL?",
    "DB1,X0.3": "did you mean DB1.DBX0.3?",
    "DB1.D4:REAL": "did you mean DB1.DBD4:REAL?",
    "DB3.0.1": "did you mean DB3.DBX0.1?",
    "DB1.DBW4:REAL": "REAL has 4 bytes, W says 2; write DB1.DBD4:REAL",
    "DB1.DBD4:RAEL": "did you mean REAL?",
    "DB1.DBX4": "names no bit",
    "DB1.DBX4.8": "bits are 0 to 7",
    "DB1.DBX4.0:INT": "for a INT write DB1.DBB4:INT",
    "DB1.DBB4:BOOL": "write DB1.DBX4.0",
    "DB1.DBW4.1": "only a bit has a number after the point",
    "DB1.DBD0:STRING[4]": "write DB1.DBB0:STRING[4]",
    "DB0.DBX0.0": "numbered 1 to 65535",
    "DB1.DBB65535:INT": "ends beyond byte 65535",
    "DB1.DBB0:STRING[255]": "at most 254 characters",
    "DB1.DBB0:INT[0]": "1 or more",
    "DB1.DBB0:DTL[3]": "give each its own tag",
    "Motor.Speed": "write it like",
    "": "write it like",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_engineers_write(text: str) -> None:
    assert parse(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_said_of_mistakes(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert BAD[text] in str(caught.value)


ADDRESSES = st.one_of(
    st.builds(
        lambda db, byte, name: f"DB{db}.DBB{byte}:{name}",
        st.integers(1, 65_535),
        st.integers(0, 60_000),
        st.sampled_from([*TYPES, *(f"{t}[7]" for t in TEXTS)]),
    ),
    st.builds(lambda a, byte, bit: f"{a}{byte}.{bit}", st.sampled_from("MIQ"),
              st.integers(0, 65_535), st.integers(0, 7)),
)  # fmt: skip


@given(ADDRESSES)
def test_the_canonical_form_means_the_same(text: str) -> None:
    address = parse(text)
    assert parse(str(address)) == address
    assert str(parse(str(address))) == str(address)


@given(st.one_of(st.text(max_size=40), st.text("DBXWL0123456789.:[]%,REALINTSG ", max_size=30)))
def test_any_text_is_an_address_or_a_reason(text: str) -> None:
    with contextlib.suppress(AddressError):
        assert parse(text).field().size >= 1


@given(ADDRESSES, st.integers(0, 30), st.characters())
def test_one_wrong_letter_never_ends_otherwise(text: str, at: int, letter: str) -> None:
    spoilt = text[:at] + letter + text[at + 1 :]
    with contextlib.suppress(AddressError):
        assert str(parse(spoilt))
