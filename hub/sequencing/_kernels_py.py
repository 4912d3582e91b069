"""The inner loops of sequencing in plain Python: the twin of `_kernels.pyx`, and its definition."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise


def window_excess(flags: Sequence[int], tail: int, most: int, window: int, cut: bool = True) -> int:
    """Sum over windows of what the count of set flags exceeds `most` by.

    `flags`: 1 where a car has the option, `tail` cars of yesterday first. A window begins at every
    car and counts if it holds a car of today; at the end of the day it is cut and, if `cut`, still
    counts.
    """
    total = 0
    inside = end = 0
    start = max(0, tail - window + 1)
    end = start
    for s in range(start, len(flags) if cut else len(flags) - window + 1):
        while end < len(flags) and end < s + window:
            inside += flags[end]
            end += 1
        total += max(0, inside - most)
        inside -= flags[s]
    return total


def colour_runs(colours: Sequence[int], tail: int, limit: int) -> tuple[int, list[tuple[int, int]]]:
    """(changes of colour, runs longer than `limit` as (position from 0, length)).

    `tail` cars of yesterday come first: the first car of today may change against the last of them,
    but runs are counted from the first car of today. Limit 0: none.
    """
    changes = sum(colours[i] != colours[i - 1] for i in range(max(tail, 1), len(colours)))
    borders = [i for i in range(tail + 1, len(colours)) if colours[i] != colours[i - 1]]
    starts = [tail, *borders, len(colours)] if len(colours) > tail else []
    over = [(a - tail, b - a) for a, b in pairwise(starts) if 0 < limit < b - a]
    return changes, over


def explode(
    options: Sequence[int],
    colours: Sequence[int],
    words: int,
    group_starts: Sequence[int],
    requires: Sequence[int],
    excludes: Sequence[int],
    colour_fits: Sequence[int],
    colour_count: int,
) -> tuple[array[int], array[int]]:
    """For each car and part group the first rule that fits: columns (car, rule), in that order.

    Options of a car, and those a rule requires and excludes, are bit sets of `words` 64-bit words.
    The rules of group g are group_starts[g] … group_starts[g + 1] - 1, in order of rank.
    `colour_fits[rule * colour_count + colour]` is 1 where the rule takes the colour.
    """
    car_column, rule_column = array("i"), array("i")
    for car, colour in enumerate(colours):
        has = options[car * words : (car + 1) * words]
        for first, after in pairwise(group_starts):
            for rule in range(first, after):
                need = requires[rule * words : (rule + 1) * words]
                bar = excludes[rule * words : (rule + 1) * words]
                if colour_fits[rule * colour_count + colour] and all(
                    h & n == n and h & b == 0 for h, n, b in zip(has, need, bar, strict=True)
                ):
                    car_column.append(car)
                    rule_column.append(rule)
                    break
    return car_column, rule_column


def longest_increasing(ranks: Sequence[int]) -> int:
    """Length of the longest strictly increasing subsequence; O(n log n)."""
    tails: list[int] = []
    for rank in ranks:
        at = bisect_left(tails, rank)
        tails[at : at + 1] = [rank]
    return len(tails)


def inversions(ranks: Sequence[int]) -> int:
    """Pairs that stand the wrong way round, of a permutation of 0 … n - 1; O(n log n)."""
    tree = [0] * (len(ranks) + 1)
    total = 0
    for rank in reversed(ranks):
        at = rank
        while at > 0:
            total += tree[at]
            at -= at & -at
        at = rank + 1
        while at < len(tree):
            tree[at] += 1
            at += at & -at
    return total
