"""S7 types there and back, and whatever bytes there are."""

from __future__ import annotations

import contextlib
import struct
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.plc import UnreadableError
from protocols.s7 import parse
from protocols.s7.types import TEXTS, TYPES, decode_text, encode_text, text_size

MS = st.integers(0, 999).map(lambda ms: timedelta(milliseconds=ms))
SECONDS = st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31)).map(
    lambda at: at.replace(microsecond=0)
)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "S5TIME": st.tuples(st.integers(100, 999), st.sampled_from([10, 100, 1000, 10_000])).map(
        lambda parts: parts[0] * parts[1]
    ),
    "DATE": st.dates(datetime(1990, 1, 1).date(), datetime(2168, 12, 31).date()).map(str),
    "DT": st.builds(lambda at, ms: at + ms, SECONDS, MS),
    "DTL": st.datetimes(datetime(1970, 1, 1), datetime(2262, 4, 11)),
    "LDT": st.datetimes(datetime(1970, 1, 1), datetime(2262, 4, 11)),
    "REAL": st.floats(width=32, allow_nan=False),
    "LREAL": st.floats(allow_nan=False),
}


def values(name: str) -> st.SearchStrategy[Any]:
    if name in SPECIAL:
        return SPECIAL[name]
    size, signed = TYPES[name].size, TYPES[name].code.islower()
    bits = 8 * size - signed
    return st.integers(-(2**bits) if signed else 0, 2**bits - 1)


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
def test_what_is_written_is_read(name: str, data: st.DataObject) -> None:
    s7_type = TYPES[name]
    value = data.draw(values(name))
    raw = s7_type.write(value)
    assert len(raw) == s7_type.size
    assert s7_type.read(raw) == value


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
def test_whatever_the_bytes_are_there_is_a_value_or_a_reason(
    name: str, data: st.DataObject
) -> None:
    raw = data.draw(st.binary(min_size=TYPES[name].size, max_size=TYPES[name].size))
    with contextlib.suppress(UnreadableError):
        TYPES[name].read(raw)


@given(st.sampled_from(TEXTS), st.integers(1, 254), st.data())
def test_text_there_and_back(name: str, chars: int, data: st.DataObject) -> None:
    letters = st.characters(min_codepoint=1, max_codepoint=255)
    if name.startswith("W"):
        letters = st.characters(min_codepoint=1, max_codepoint=0xFFFF, exclude_categories=["Cs"])
    text = data.draw(st.text(letters, max_size=chars))
    raw = encode_text(name, chars, text)
    assert len(raw) == text_size(name, chars)
    assert decode_text(name, chars, raw) == text


@given(st.sampled_from(TEXTS), st.integers(1, 40), st.data())
def test_any_bytes_are_text_or_a_reason(name: str, chars: int, data: st.DataObject) -> None:
    size = text_size(name, chars)
    raw = data.draw(st.binary(min_size=size, max_size=size))
    with contextlib.suppress(UnreadableError):
        assert len(decode_text(name, chars, raw)) <= chars


def test_known_bytes() -> None:
    """From "SIMATIC Programming with STEP 7", appendix on data types."""
    assert TYPES["DT"].read(bytes.fromhex("9312250812345670")) == datetime(
        1993, 12, 25, 8, 12, 34, 567_000
    )
    assert TYPES["S5TIME"].read(bytes.fromhex("2127")) == 127_000
    assert TYPES["DATE"].read(struct.pack(">H", 0)) == "1990-01-01"
    assert encode_text("STRING", 4, "AB") == b"\x04\x02AB\0\0"


@pytest.mark.parametrize(
    ("name", "value"),
    [("INT", 40_000), ("S5TIME", 15), ("S5TIME", -1), ("DT", datetime(1980, 1, 1)),
     ("DATE", "2300-01-01"), ("DATE", "never"), ("REAL", "x"), ("BYTE", -1)],
)  # fmt: skip
def test_what_a_type_cannot_hold_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        TYPES[name].write(value)


def test_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="5 characters in a STRING of 4"):
        encode_text("STRING", 4, "ABCDE")


def test_arrays_and_bits() -> None:
    field = parse("DB1.DBB0:INT[2]").field()
    assert field.decode(b"\x00\x01\xff\xff") == [1, -1]
    bits = parse("DB1.DBX0.6:BOOL[4]").field()
    assert bits.size == 2
    assert bits.decode(b"\x40\x02") == [True, False, False, True]
