"""The column of server times: small, and read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sparkplug.server_times import pack_offsets, unpack_offsets


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200), max_size=20))
def test_offsets_are_read_back(offsets: list[int]) -> None:
    data = pack_offsets(offsets)
    assert list(unpack_offsets(data, len(offsets))) == offsets
    width = data[0]
    assert len(data) == 1 + width * len(offsets)
    if width > 1:
        half = 1 << (4 * width - 1)
        assert not all(-half <= offset < half for offset in offsets), "half the width would do"


def test_the_bytes_are_as_described() -> None:
    assert pack_offsets([1, -1, 127, -128]).hex() == "0101ff7f80"
    assert pack_offsets([0, 128]).hex() == "0200008000"
    assert pack_offsets([]).hex() == "01"


@given(st.binary(max_size=40), st.integers(0, 10))
def test_any_bytes_are_a_column_or_a_value_error(data: bytes, count: int) -> None:
    try:
        column = unpack_offsets(data, count)
    except ValueError:
        return
    assert len(column) == count
    assert column.typecode == "q"


def test_a_time_beyond_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        pack_offsets([2**63])
