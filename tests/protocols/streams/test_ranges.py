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


def test_an_order_for_each_device_would_need_a_range_for_each_record() -> None:
    """What `Drain` says of it: two devices' records alternate, one's leave oldest first and the
    other's newest first. Half of them are sent at some moment, by whatever way it was reached."""
    n = 50
    for oldest_first in range(n + 1):
        newest_first = n - oldest_first
        sent = [2 * i for i in range(oldest_first)]
        sent += [2 * i + 1 for i in range(n - newest_first, n)]
        above = [r for r in merged((offset, offset + 1) for offset in sent) if r[0] > 0]
        assert len(above) >= n - 1
