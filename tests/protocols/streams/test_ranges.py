"""Ranges against plain sets of offsets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocols.streams import Ranges, contains, count, merged, without

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def offsets(ranges: list[tuple[int, int]] | Ranges) -> set[int]:
    return {offset for first, after in ranges for offset in range(first, after)}


@given(RANGES)
def test_merged_keeps_the_offsets_in_canonical_form(ranges: list[tuple[int, int]]) -> None:
    result = merged(ranges)
    assert offsets(result) == offsets(ranges)
    assert all(first < after for first, after in result)
    assert all(a[1] < b[0] for a, b in pairwise(result))
    assert count(result) == len(offsets(ranges))


@given(RANGES, RANGES)
def test_without_is_set_difference(
    ranges: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    result = without(ranges, merged(taken))
    assert offsets(result) == offsets(ranges) - offsets(taken)
    assert merged(result) == result


@given(RANGES, st.integers(0, 40))
def test_contains_is_membership(ranges: list[tuple[int, int]], offset: int) -> None:
    assert contains(merged(ranges), offset) == (offset in offsets(ranges))
