"""Half-open ranges of offsets: sorted, disjoint, never touching, never empty."""

from __future__ import annotations

from collections.abc import Iterable

Range = tuple[int, int]
"""(first, next): the offsets first, first + 1, … next - 1."""
Ranges = tuple[Range, ...]


def merged(ranges: Iterable[Range]) -> Ranges:
    """The same offsets in canonical form: overlapping and touching ranges become one."""
    result: list[Range] = []
    for first, after in sorted(r for r in ranges if r[0] < r[1]):
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], after))
        else:
            result.append((first, after))
    return tuple(result)


def without(ranges: Iterable[Range], taken: Ranges) -> Ranges:
    """The offsets of `ranges` that are not in `taken` (which is canonical)."""
    result: list[Range] = []
    for first, after in merged(ranges):
        at = first
        for taken_first, taken_after in taken:
            if taken_after <= at:
                continue
            if taken_first >= after:
                break
            if at < taken_first:
                result.append((at, taken_first))
            at = taken_after
        if at < after:
            result.append((at, after))
    return tuple(result)


def contains(ranges: Ranges, offset: int) -> bool:
    """Whether one offset lies in canonical ranges."""
    return any(first <= offset < after for first, after in ranges)


def count(ranges: Ranges) -> int:
    """How many offsets canonical ranges hold."""
    return sum(after - first for first, after in ranges)
