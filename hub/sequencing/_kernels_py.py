"""The inner loops of sequencing in plain Python: the twin of `_kernels.pyx`, and its definition."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from hub.sequencing.numbering import (
    MOVED,
    RENUMBERED,
    REPLACED,
    RETIMED,
    CallColumns,
    LoadOrder,
    rack_and_slot,
    sequence_number,
)


def window_excess(flags: Sequence[int], tail: int, most: int, window: int, cut: bool = True) -> int:
    """Sum over windows of what the count of set flags exceeds `most` by.

    `flags`: 1 where a car has the option, `tail` cars of yesterday first. A window begins at every
    car and counts if it holds a car of today; at the end of the day it is cut and, if `cut`, still
    counts.
    """
    if len(flags) <= tail:
        return 0
    total = inside = 0
    start = end = max(0, tail - window + 1)
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
    has: Sequence[int],
    words: int,
    group_starts: Sequence[int],
    care: Sequence[int],
    want: Sequence[int],
    first_car: int,
) -> tuple[array[int], array[int]]:
    """For each car and part group the first rule that fits: columns (car, rule), in that order.
    Cars are numbered from `first_car` on.

    What a car has, and what a rule cares about and wants, are bit sets of `words` 64-bit words. A
    rule fits if the bits it cares about are in the car as it wants them. The rules of group g are
    group_starts[g] … group_starts[g + 1] - 1, in order of rank.
    """
    car_column, rule_column = array("i"), array("i")
    for car in range(len(has) // words):
        bits = has[car * words : (car + 1) * words]
        for first, after in pairwise(group_starts):
            for rule in range(first, after):
                cared = care[rule * words : (rule + 1) * words]
                wanted = want[rule * words : (rule + 1) * words]
                if all(h & c == w for h, c, w in zip(bits, cared, wanted, strict=True)):
                    car_column.append(first_car + car)
                    rule_column.append(rule)
                    break
    return car_column, rule_column


def working_instants(
    opens: Sequence[int], worked: Sequence[int], first: int, step: int, count: int
) -> array[int]:
    """When first, first + step, … (`count` of them) of working time have passed.

    Interval k of working time begins at opens[k], with worked[k] passed before it, and ends when
    worked[k + 1] has; the last of the amounts lies before the end of the last interval. What ends
    with an interval falls on the beginning of the next. All in one unit.
    """
    instants = array("q", bytes(8 * count))
    interval = 0
    for i in range(count):
        passed = first + i * step
        while passed >= worked[interval + 1]:
            interval += 1
        instants[i] = opens[interval] + passed - worked[interval]
    return instants


def number_calls(
    car: Sequence[int],
    rule: Sequence[int],
    line_of_rule: Sequence[int],
    next_call_no: Sequence[int],
    wrap: Sequence[int],
    rack_slots: Sequence[int],
    reverse: Sequence[int],
    required_of_line: Sequence[int],
    required: Sequence[int],
) -> tuple[array[int], array[int], array[int], array[int], array[int], array[int]]:
    """Columns (line, call number, sequence number, required, rack, slot) of these call lines.

    Of each line: its next call number, the wrap of its sequence number, the slots of its racks,
    whether those are filled from the last slot on, and where in `required` the times begin by which
    its calls of the first car, the second car and so on are required.
    """
    count = len(rule)
    line_column, sequence_column = array("i", bytes(4 * count)), array("i", bytes(4 * count))
    number_column, required_column = array("q", bytes(8 * count)), array("q", bytes(8 * count))
    rack_column, slot_column = array("q", bytes(8 * count)), array("i", bytes(4 * count))
    numbers = list(next_call_no)
    orders: list[LoadOrder] = ["reversed" if flag else "forward" for flag in reverse]
    for i in range(count):
        line = line_of_rule[rule[i]]
        call_no = numbers[line]
        numbers[line] += 1
        line_column[i] = line
        number_column[i] = call_no
        sequence_column[i] = sequence_number(call_no, wrap[line])
        required_column[i] = required[required_of_line[line] + car[i]]
        rack_column[i], slot_column[i] = rack_and_slot(call_no, rack_slots[line], orders[line])
    return line_column, number_column, sequence_column, required_column, rack_column, slot_column


def calls_by_line(line: Sequence[int], begin: int, end: int, lines: int) -> array[int]:
    """How many of the calls begin … end - 1 are of each line; `line` is their column."""
    counts = array("q", bytes(8 * lines))
    for i in range(begin, end):
        counts[line[i]] += 1
    return counts


def changed_calls(
    before: CallColumns,
    after: CallColumns,
    begin: int,
    end: int,
    first_car: int,
    came_from: Sequence[int],
    recoloured: Sequence[int],
    group_of_rule: Sequence[int],
) -> tuple[array[int], array[int], array[int]]:
    """The calls that differ: columns (index before, index after, what), as in `Changes`.

    Only the calls begin … end - 1 of `before` may, which begin with those of the car at
    `first_car`, and the calls of the cars that stand there from `first_car` on after. came_from: of
    each of these, its position before, or -1. recoloured: whether its colour differs.
    """
    old_column, new_column, what_column = array("i"), array("i"), array("B")
    stays = bytearray(end - begin)
    old_of_car: dict[int, list[int]] = {}
    for old in range(begin, end):
        old_of_car.setdefault(before.car[old], []).append(old)
    new = begin
    for i, place in enumerate(came_from):
        by_group = {group_of_rule[before.rule[old]]: old for old in old_of_car.get(place, ())}
        while new < len(after.car) and after.car[new] == first_car + i:
            old_call = by_group.get(group_of_rule[after.rule[new]])
            if old_call is None:
                what = 0
            else:
                stays[old_call - begin] = 1
                what = difference(before, after, old_call, new, recoloured[i])
            if old_call is None or what:
                old_column.append(-1 if old_call is None else old_call)
                new_column.append(new)
                what_column.append(what)
            new += 1
    for old in range(begin, end):
        if not stays[old - begin]:
            old_column.append(old)
            new_column.append(-1)
            what_column.append(0)
    return old_column, new_column, what_column


def difference(before: CallColumns, after: CallColumns, old: int, new: int, recoloured: int) -> int:
    """What differs between a call before and after: a sum of flags, 0 if nothing does."""
    what = RENUMBERED if before.call_no[old] != after.call_no[new] else 0
    if before.required_us[old] != after.required_us[new]:
        what |= RETIMED
    if before.rack[old] != after.rack[new] or before.slot[old] != after.slot[new]:
        what |= MOVED
    if before.rule[old] != after.rule[new] or recoloured:
        what |= REPLACED
    return what


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
        if rank < 0:
            raise ValueError("a rank below 0")
        at = rank
        while at > 0:
            total += tree[at]
            at -= at & -at
        at = rank + 1
        while at < len(tree):
            tree[at] += 1
            at += at & -at
    return total
