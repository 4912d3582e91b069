"""How well the cars kept to their plan. The usual figures disagree, so here are all of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hub.sequencing import kernels


@dataclass(frozen=True, slots=True)
class Adherence:
    """Planned order against actual order. Shares are of the cars that occur in both."""

    cars: int
    missing: int
    """Planned, but not seen."""
    extra: int
    """Seen, but not planned."""
    exact: float
    """Share of cars in their planned place."""
    within: float
    """Share of cars at most `tolerance` places off."""
    tolerance: int
    in_order: float
    """Longest increasing subsequence, as a share: cars that need not move to restore the plan."""
    not_overtaken: float
    """Share of cars that no later planned car has passed; one less the back-runners."""
    successors: float
    """Share of neighbours that are neighbours by plan."""
    inversions: int
    """Pairs that stand the wrong way round."""
    scrambling_max: int
    """Places the worst car is off."""
    scrambling_sigma: float
    """Standard deviation of the places off."""


def adherence_of(planned: Sequence[str], actual: Sequence[str], tolerance: int = 1) -> Adherence:
    """Compare by production number; O(n log n). Each number stands at most once in each sequence.

    Cars in one of the two only are counted, then left out: places are ranks among the rest. With no
    car in both, the plan is kept as far as there is one: shares are 1.
    """
    for name, cars in (("planned", planned), ("actual", actual)):
        if len(set(cars)) != len(cars):
            raise ValueError(f"a car stands twice in the {name} sequence")
    seen = set(actual)
    common = [car for car in planned if car in seen]
    rank = {car: i for i, car in enumerate(common)}
    ranks = array("i", [rank[car] for car in actual if car in rank])
    n = len(ranks)
    off = [abs(place - planned_place) for place, planned_place in enumerate(ranks)]
    highest = -1
    overtaken = 0
    for planned_place in ranks:
        overtaken += planned_place < highest
        highest = max(highest, planned_place)

    def share(count: int, of: int) -> float:
        return count / of if of > 0 else 1.0

    return Adherence(
        cars=n,
        missing=len(planned) - n,
        extra=len(actual) - n,
        exact=share(off.count(0), n),
        within=share(sum(places <= tolerance for places in off), n),
        tolerance=tolerance,
        in_order=share(kernels.longest_increasing(ranks), n),
        not_overtaken=share(n - overtaken, n),
        successors=share(sum(b == a + 1 for a, b in pairwise(ranks)), n - 1),
        inversions=kernels.inversions(ranks),
        scrambling_max=max(off, default=0),
        scrambling_sigma=math.sqrt(sum(places**2 for places in off) / n) if n else 0.0,
    )
