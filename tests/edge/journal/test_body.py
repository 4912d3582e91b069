"""How rows are laid out: what is written is read back, and what earlier releases wrote too."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.journal import Origin, SampleBatch, SampleClass
from edge.journal.body import pack_samples, unpack_samples

TIMES_US = st.integers(0, 2**55)


@st.composite
def batches(draw: st.DrawFn) -> SampleBatch:
    count = draw(st.integers(0, 5))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=count, max_size=count))

    times_us = column(TIMES_US)
    server_us = column(st.just(0) | TIMES_US) if draw(st.booleans()) else []
    positions = st.integers(0, max(0, count - 1))
    values = st.none() | st.integers() | st.text(st.characters(codec="utf-8"))
    numbers = draw(
        st.lists(st.floats(allow_nan=False), min_size=count, max_size=count)  # NaN is not itself
    )
    return SampleBatch(
        "press",
        draw(st.sampled_from(SampleClass)),
        array("I", column(st.integers(1, 2**32 - 1))),
        array("q", times_us),
        array("d", numbers),
        draw(st.dictionaries(positions, values)) if count else {},
        draw(st.dictionaries(positions, st.integers(0, 255))) if count else {},
        array("q", [s if s != t else 0 for s, t in zip(server_us, times_us, strict=False)]),
        draw(st.sampled_from(Origin)),
    )


@given(batches())
def test_what_is_packed_is_read_back(batch: SampleBatch) -> None:
    assert unpack_samples("press", batch.sample_class, pack_samples(batch)) == batch


V1 = (
    bytes.fromhex(
        "03000000010000000200000002000000"
        "40e025dafe5b060041e025dafe5b060028bc26dafe5b0600"
        "000000000000f83f00000000000000000000000000000000"
    )
    + b'[{"1":"0042","2":null},{"2":0}]'
)
"""A row as the first release wrote it."""


def test_a_row_of_the_first_release_is_read() -> None:
    batch = unpack_samples("press", 2, V1)
    assert batch == SampleBatch(
        "press",
        SampleClass.HIGH,
        array("I", [1, 2, 2]),
        array("q", [1_790_000_000_000_064, 1_790_000_000_000_065, 1_790_000_000_056_360]),
        array("d", [1.5, 0.0, 0.0]),
        {1: "0042", 2: None},
        {2: 0},
    )
    assert pack_samples(batch) == V1, "what says nothing new is written as ever"


@given(batches(), st.data())
def test_a_body_cut_short_is_refused_or_says_less(batch: SampleBatch, draw: st.DataObject) -> None:
    """The row's checksum notices; here only that nothing but `ValueError` comes of it."""
    body = pack_samples(batch)
    cut = body[: draw.draw(st.integers(4, len(body)))]
    try:
        unpack_samples("press", 1, cut)
    except ValueError:
        pass
    else:
        columns = 4 + 20 * len(batch)
        assert len(cut) >= columns


def test_a_later_layout_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="later layout"):
        unpack_samples("press", 1, b"\0\0\0\x80")
