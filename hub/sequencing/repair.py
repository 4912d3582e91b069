"""Repair of an order that breaks hard limits: cars that are in a broken one change places.

Min-conflicts (Minton and others, 1992) with a short memory: a car of a broken limit is drawn, and
changes places with the car with which fewest limits stay broken, even if that is no fewer than now;
it may not come back for a while. Random by a fixed seed: the same order is repaired the same way.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from hub.sequencing.hard_limits import HardLimits, both_ways, neighbours

STEPS = 3_000
PLACES = 40
"""Positions tried for a car in a step."""
MEMORY = 15
"""Steps in which a car may not come back to where it stood."""


def repair(limits: HardLimits, order: Sequence[int], *, seed: int = 1) -> list[int]:
    """The order with the fewest broken limits that was found; where it has none, it is valid.

    `order` holds each car's number once.
    """
    draw = random.Random(seed)  # noqa: S311  # no secret: chance that can be repeated
    arranged = Arrangement(limits, order)
    best, fewest = arranged.order[:], arranged.broken
    suspects = list(order)
    barred_until: dict[tuple[int, int], int] = {}
    for step in range(STEPS):
        if not fewest:
            break
        car = _culprit(limits, arranged, suspects, draw)
        if car is None:
            break
        here = arranged.at[car]
        low, high = limits.spans[car]
        tried: Sequence[int] = range(low, high + 1)
        if len(tried) > PLACES:
            tried = draw.sample(tried, PLACES)
        choices = []
        for there in tried:
            if there == here:
                continue
            more = arranged.price(here, there)
            barred = max(
                barred_until.get((car, there), 0),
                barred_until.get((arranged.order[there], here), 0),
            )
            if barred <= step or arranged.broken + more < fewest:
                choices.append((more, draw.random(), there))
        if not choices:
            suspects.append(car)
            continue
        there = min(choices)[2]
        for moved, left in ((car, here), (arranged.order[there], there)):
            barred_until[moved, left] = step + MEMORY
        arranged.exchange(here, there)
        suspects.extend(arranged.near(here, there))
        suspects.append(car)
        if arranged.broken < fewest:
            best, fewest = arranged.order[:], arranged.broken
    return best


def _culprit(
    limits: HardLimits, arranged: Arrangement, suspects: list[int], draw: random.Random
) -> int | None:
    """A car of a broken limit that can move, taken from the suspects; those that are none go."""
    while suspects:
        chosen = draw.randrange(len(suspects))
        suspects[chosen], suspects[-1] = suspects[-1], suspects[chosen]
        car = suspects.pop()
        low, high = limits.spans[car]
        if (low < high or arranged.at[car] != low) and arranged.breaks(car):
            return car
    return None


class Arrangement:
    """An order, where each car stands in it, and how many limits it breaks.

    A span or a pair that is not kept counts one, a batch as many as its cars exceed the limit.
    """

    def __init__(self, limits: HardLimits, order: Sequence[int]) -> None:
        cars = len(order)
        self.order = list(order)
        self.at = [0] * cars
        for position, car in enumerate(order):
            self.at[car] = position
        self._limits = limits
        self._spans = limits.spans
        self._colours = limits.colours
        self._limit = limits.batch_limit or cars
        self._behind = neighbours(cars, limits.orders)
        """Of each car those that have to stand behind it, and how far."""
        self._ahead = neighbours(cars, [(behind, car, far) for car, behind, far in limits.orders])
        self._apart = neighbours(cars, both_ways(limits.apart))
        self.broken = self.count()

    def count(self) -> int:
        """Broken limits, counted anew."""
        at = self.at
        broken = sum(self._outside(car, position) for position, car in enumerate(self.order))
        for first, second, places in self._limits.orders:
            broken += at[second] - at[first] < places
        for first, second, places in self._limits.apart:
            broken += abs(at[second] - at[first]) < places
        return broken + self._excess(self._starts())

    def _starts(self) -> list[int]:
        """First positions of the batches."""
        colours = [self._colours[car] for car in self.order]
        return [p for p, colour in enumerate(colours) if not p or colours[p - 1] != colour]

    def breaks(self, car: int) -> bool:
        """Whether the car is in a broken limit."""
        here = self.at[car]
        return bool(self._outside(car, here) or self._pairs(car) or self._excess((here,)))

    def price(self, here: int, there: int) -> int:
        """How many more limits are broken when the cars at two positions change places."""
        before = self._around(here, there)
        self._exchange(here, there)
        after = self._around(here, there)
        self._exchange(here, there)
        return after - before

    def exchange(self, here: int, there: int) -> None:
        """Let the cars at two positions change places."""
        before = self._around(here, there)
        self._exchange(here, there)
        self.broken += self._around(here, there) - before

    def near(self, here: int, there: int) -> Iterator[int]:
        """The cars whose limits an exchange may have touched."""
        for position in (here, there):
            car = self.order[position]
            for others in (self._behind[car], self._ahead[car], self._apart[car]):
                yield from (other for other, _ in others)
        for start, end in sorted(self._batches(_beside(here, there))):
            if end - start > self._limit:
                yield from self.order[start:end]
        yield self.order[here]
        yield self.order[there]

    def _exchange(self, here: int, there: int) -> None:
        one, other = self.order[here], self.order[there]
        self.order[here], self.order[there] = other, one
        self.at[one], self.at[other] = there, here

    def _around(self, here: int, there: int) -> int:
        """Broken limits of the two cars and of the batches that their exchange may touch."""
        one, other = self.order[here], self.order[there]
        broken = self._outside(one, here) + self._outside(other, there)
        broken += self._pairs(one) + self._pairs(other, but=one)
        if self._colours[one] != self._colours[other]:
            broken += self._excess(_beside(here, there))
        return broken

    def _outside(self, car: int, position: int) -> int:
        low, high = self._spans[car]
        return not low <= position <= high

    def _pairs(self, car: int, but: int = -1) -> int:
        """Broken pairs of the car; not those with `but`."""
        at = self.at
        here = at[car]
        broken = 0
        for other, places in self._behind[car]:
            broken += other != but and at[other] - here < places
        for other, places in self._ahead[car]:
            broken += other != but and here - at[other] < places
        for other, places in self._apart[car]:
            broken += other != but and abs(here - at[other]) < places
        return broken

    def _excess(self, positions: Iterable[int]) -> int:
        """Cars beyond the limit in the batches that hold the positions."""
        return sum(max(0, end - start - self._limit) for start, end in self._batches(positions))

    def _batches(self, positions: Iterable[int]) -> set[tuple[int, int]]:
        """Start and end of the batches that hold the positions; those outside the day hold none."""
        order, colours = self.order, self._colours
        found = set()
        for position in positions:
            if not 0 <= position < len(order):
                continue
            colour = colours[order[position]]
            start, end = position, position + 1
            while start and colours[order[start - 1]] == colour:
                start -= 1
            while end < len(order) and colours[order[end]] == colour:
                end += 1
            found.add((start, end))
        return found


def _beside(here: int, there: int) -> tuple[int, ...]:
    """The positions whose batches change when the cars at the two change places."""
    return (here - 1, here, here + 1, there - 1, there, there + 1)
