"""How well the cars kept to their plan. The usual figures disagree, so here are all of them."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from hub.sequencing import kernels


@dataclass(frozen=True, slots=True)
class Adherence:
    """Planned order against actual order, with places and ranks among the cars that occur in both.

    Shares are of those cars. Where the usual names differ: `exact` is also called sequence accuracy
    (built in the planned slot), `in_order` sequence quality (built in the planned order).
    """

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
    places_off: tuple[int, ...]
    """How many cars are 0, 1, 2 … places off, up to the worst; see `within_places`."""
    in_order: float
    """Longest increasing subsequence, as a share: cars that need not move to restore the plan."""
    not_overtaken: float
    """Share of cars that no later planned car has passed; one less the back-runners."""
    back_runners: int
    """Cars that a later planned car has passed."""
    back_runner_max: int
    """Places, by plan, between the worst back-runner and the last planned car that is before it."""
    successors: float
    """Share of neighbours that are neighbours by plan."""
    inversions: int
    """Pairs that stand the wrong way round."""
    scrambling_max: int
    """Places the worst car is off."""
    scrambling_sigma: float
    """Standard deviation of the places off: of the signed ones, whose mean is always 0."""

    def within_places(self, places: int) -> float:
        """Share of cars at most so many places off."""
        return sum(self.places_off[: max(0, places + 1)]) / self.cars if self.cars else 1.0


def adherence_of(planned: Sequence[str], actual: Sequence[str], tolerance: int = 1) -> Adherence:
    """Compare by production number; O(n log n). Each number stands at most once in each sequence.

    Cars in one of the two only are counted, then left out: places are ranks among the rest. With no
    car in both, the plan is kept as far as there is one: shares are 1.
    """
    for name, cars in (("planned", planned), ("actual", actual)):
        twice = next((car for car, count in Counter(cars).items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"car {twice} stands twice in the {name} sequence")
    seen = set(actual)
    common = [car for car in planned if car in seen]
    rank = {car: i for i, car in enumerate(common)}
    ranks = array("i", [rank[car] for car in actual if car in rank])
    n = len(ranks)
    off = [abs(place - planned_place) for place, planned_place in enumerate(ranks)]
    behind = [
        highest - planned_place
        for planned_place, highest in zip(ranks, accumulate(ranks, max), strict=True)
    ]
    back_runners = n - behind.count(0)
    counts = Counter(off)
    places_off = tuple(counts[places] for places in range(max(off, default=-1) + 1))

    def share(count: int, of: int) -> float:
        return count / of if of > 0 else 1.0

    return Adherence(
        cars=n,
        missing=len(planned) - n,
        extra=len(actual) - n,
        exact=share(off.count(0), n),
        within=share(sum(places_off[: max(0, tolerance + 1)]), n),
        tolerance=tolerance,
        places_off=places_off,
        in_order=share(kernels.longest_increasing(ranks), n),
        not_overtaken=share(n - back_runners, n),
        back_runners=back_runners,
        back_runner_max=max(behind, default=0),
        successors=share(sum(b == a + 1 for a, b in pairwise(ranks)), n - 1),
        inversions=kernels.inversions(ranks),
        scrambling_max=max(off, default=0),
        scrambling_sigma=math.sqrt(sum(places**2 for places in off) / n) if n else 0.0,
    )
