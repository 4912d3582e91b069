"""Gaps by a clock that people set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.journal import Gap


@given(st.none() | st.integers(0, 9), st.integers(0, 9))
def test_a_gap_that_is_over_ends_no_earlier_than_it_begins(
    since_us: int | None, until_us: int
) -> None:
    gap = Gap.ended("press", since_us, until_us, "away")
    assert (gap.device, gap.cause) == ("press", "away")
    assert {gap.from_us, gap.to_us} == {since_us, until_us}
    assert gap.to_us is not None
    assert gap.from_us is None or gap.from_us <= gap.to_us
