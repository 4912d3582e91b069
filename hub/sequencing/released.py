"""What a new order changes of the calls already released, and which cars it moves."""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, NamedTuple

from hub.sequencing import kernels

Change = Literal["withdrawn", "reordered", "retimed", "new"]


class ChangedCall(NamedTuple):
    """The calls of one car, and what becomes of them."""

    production_no: str
    change: Change
    """withdrawn: the car leaves the released horizon. reordered: it stands no longer in the same
    order to the other released cars; those named are as few as can be. retimed: its position, and
    so its required time, moves by more than the tolerance. new: it enters the horizon."""


class Moved(NamedTuple):
    """A car that stands elsewhere than planned, or has passed others. Positions count from 1."""

    production_no: str
    before: int | None
    """None: it was not in the sequence."""
    after: int | None
    """None: it is no longer in it."""
    shifted: bool
    """It kept its order among the cars that stay: others left or came before it."""


class Horizon:
    """The released horizon: the first `released` positions, before and after alike.

    before: the planned sequence. tolerance: places a released call may move without being retimed.
    """

    def __init__(self, before: Sequence[str], released: int, tolerance: int) -> None:
        self.released = released
        self.tolerance = tolerance
        self.before = before
        self._was = {number: place for place, number in enumerate(before[:released])}

    def places(self, cars: Sequence[str]) -> list[int]:
        """Where each car stood in the horizon, from 0; -1 if it has no released call."""
        return [self._was.get(number, -1) for number in cars]

    def count(self, was: Sequence[int]) -> int:
        """How many calls change. was: `places` of the new order, of its horizon at least."""
        called = [place for place in was[: self.released] if place >= 0]
        horizon = min(self.released, len(was))
        changed = self.released - len(called) + horizon - len(called)
        reach = range(-self.tolerance, self.tolerance + 1)
        late = any(place >= 0 and place - at not in reach for at, place in enumerate(was[:horizon]))
        if late:
            kept = set(longest_run(called))
            return changed + sum(
                place >= 0 and (place not in kept or place - at not in reach)
                for at, place in enumerate(was[:horizon])
            )
        return changed + len(called) - kernels.longest_increasing(array("i", called))

    def changes(self, after: Sequence[str]) -> tuple[ChangedCall, ...]:
        """Every call that the new order changes: those withdrawn first, then by position."""
        head = after[: self.released]
        here = set(head)
        was = self.places(head)
        kept = set(longest_run([place for place in was if place >= 0]))
        found = [ChangedCall(n, "withdrawn") for n in self._was if n not in here]
        for at, (number, place) in enumerate(zip(head, was, strict=True)):
            if place < 0:
                found.append(ChangedCall(number, "new"))
            elif place not in kept:
                found.append(ChangedCall(number, "reordered"))
            elif abs(place - at) > self.tolerance:
                found.append(ChangedCall(number, "retimed"))
        return tuple(found)


def moved_cars(before: Sequence[str], after: Sequence[str]) -> tuple[Moved, ...]:
    """Every car that stands elsewhere: those that left first, then in their new order."""
    planned = {number: place for place, number in enumerate(before)}
    staying = set(after)
    found = [
        Moved(number, place + 1, None, shifted=False)
        for number, place in planned.items()
        if number not in staying
    ]
    was = [planned.get(number, -1) for number in after]
    kept = set(longest_run([place for place in was if place >= 0]))
    found += (
        Moved(number, place + 1 if place >= 0 else None, at + 1, shifted=place in kept)
        for at, (number, place) in enumerate(zip(after, was, strict=True))
        if place != at or place not in kept
    )
    return tuple(found)


def longest_run(ranks: Sequence[int]) -> list[int]:
    """A longest increasing subsequence, always the same of several; O(n log n)."""
    if all(map(operator.lt, ranks, ranks[1:])):
        return list(ranks)  # the common case, and many times faster
    ends: list[int] = []
    """The least rank that a run of each length can end with."""
    at_end: list[int] = []
    """Where it stands."""
    previous: list[int] = []
    for at, rank in enumerate(ranks):
        length = bisect_left(ends, rank)
        previous.append(at_end[length - 1] if length else -1)
        ends[length : length + 1] = [rank]
        at_end[length : length + 1] = [at]
    run = []
    at = at_end[-1] if at_end else -1
    while at >= 0:
        run.append(ranks[at])
        at = previous[at]
    return run[::-1]
