"""What a sequence costs, by the rules of the ROADEF 2005 challenge and by those a plant adds.

Ratio windows reach back into yesterday, and those cut by the end of the day count too (unless the
rules ask for whole windows only); colour changes count against yesterday's last car; paint batches
are counted from the first car of today. The windows of supplier lines count as those of ratios do.
Levelling, lateness and the limits of places and pairs look at the day alone.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hub.sequencing import kernels
from hub.sequencing.model import Car, Instance, InstanceError, Objective, Pair, Place

LimitKind = Literal["earliest", "latest", "frozen", "forward", "back", "apart", "in_order"]
"""The hard limits of `Limits`, by the names of their fields."""


@dataclass(frozen=True, slots=True)
class LongBatch:
    """A run of one colour that the paint shop does not allow."""

    position: int
    """Of its first car; 1 is the first car of the day."""
    length: int
    colour: str


@dataclass(frozen=True, slots=True)
class BrokenLimit:
    """A hard limit of `Limits` that a sequence does not keep."""

    kind: LimitKind
    cars: tuple[str, ...]
    """Production numbers: one, or the two of a pair."""
    text: str


@dataclass(frozen=True, slots=True)
class Score:
    """The cost of one sequence; less is better."""

    high_priority: int
    low_priority: int
    colour_changes: int
    by_option: dict[str, int]
    """Excess over each ratio, summed over its windows."""
    objectives: tuple[Objective, ...]
    long_batches: tuple[LongBatch, ...]
    capacity: int
    levelling: float
    lateness: int
    by_line: dict[str, int]
    """Excess over what each supplier line can make, summed over its windows."""
    broken: tuple[BrokenLimit, ...]
    weights: dict[Objective, float]
    """Of each objective that enters the mark."""

    @property
    def feasible(self) -> bool:
        """No paint batch is longer than its limit, and no other hard limit is broken."""
        return not self.long_batches and not self.broken

    @property
    def values(self) -> dict[Objective, float]:
        """Every objective there is, whether it enters the mark or not."""
        return {
            "high_priority": self.high_priority,
            "low_priority": self.low_priority,
            "colour_changes": self.colour_changes,
            "capacity": self.capacity,
            "levelling": self.levelling,
            "lateness": self.lateness,
        }

    @property
    def mark(self) -> int | float:
        """Sum of weight times value over the objectives.

        Where each weight and each value is whole, the mark is, and is exact.
        """
        values = self.values
        return sum(_product(weight, values[o]) for o, weight in self.weights.items())


def _product(weight: float, value: float) -> int | float:
    if float(weight).is_integer() and float(value).is_integer():
        return int(weight) * int(value)
    return weight * value


def score(instance: Instance, sequence: Sequence[Car] | None = None) -> Score:
    """The cost of building the instance's cars in this order; without one, in the order given.

    Raises `InstanceError` if the sequence does not hold each car of the day once.
    """
    sequence = instance.cars if sequence is None else sequence
    _check_complete(instance, sequence)
    rules = instance.rules
    line = [*instance.yesterday, *sequence]
    tail = len(instance.yesterday)

    def excess(counted: Iterator[bool], most: int, window: int) -> int:
        return kernels.window_excess(array("B", counted), tail, most, window, rules.cut_windows)

    by_option = {
        ratio.option: excess(
            (ratio.option in car.options for car in line), ratio.most, ratio.window
        )
        for ratio in rules.ratios
    }
    by_line = {
        capacity.line: excess(
            (not capacity.options.isdisjoint(car.options) for car in line),
            capacity.most,
            capacity.window,
        )
        for capacity in rules.capacities
    }
    names = sorted({car.colour for car in line})
    number = {name: i for i, name in enumerate(names)}
    changes, over = kernels.colour_runs(
        array("i", [number[car.colour] for car in line]), tail, rules.batch_limit or 0
    )
    high = sum(by_option[ratio.option] for ratio in rules.ratios if ratio.high_priority)
    places = {car.production_no: place for place, car in enumerate(sequence, 1)}
    return Score(
        high_priority=high,
        low_priority=sum(by_option.values()) - high,
        colour_changes=changes,
        by_option=by_option,
        objectives=rules.objectives,
        long_batches=tuple(
            LongBatch(start + 1, length, sequence[start].colour) for start, length in over
        ),
        capacity=sum(by_line.values()),
        levelling=_levelling(instance.consumption, places),
        lateness=sum(
            _outside(place, places[number]) for number, place in instance.limits.places.items()
        ),
        by_line=by_line,
        broken=tuple(_broken(instance, places)),
        weights=rules.weight_of(),
    )


def _levelling(consumption: Mapping[str, frozenset[str]], places: Mapping[str, int]) -> float:
    """Sum over parts and over k = 1 … n of (X_k - k T / n)^2.

    X_k of the first k cars take the part, T of all n. This is what Monden's goal chasing (Toyota
    Production System, 1983) goes for, summed over the day. Multiplied by n^2 it is whole, and with
    the takers at p_1 < … < p_T both sums over k have a closed form: sum of X_k^2 is that of
    (2 j - 1)(n - p_j + 1) over j, sum of k X_k that of (n (n + 1) - p_j (p_j - 1)) / 2.
    """
    n = len(places)
    takers: dict[str, list[int]] = defaultdict(list)
    for number, parts in consumption.items():
        for part in parts:
            takers[part].append(places[number])
    total = 0
    for at in takers.values():
        at.sort()
        squares = sum((2 * j - 1) * (n - p + 1) for j, p in enumerate(at, 1))
        doubled = sum(n * (n + 1) - p * (p - 1) for p in at)
        even = n * (n + 1) * (2 * n + 1) // 6
        total += n * n * squares - n * len(at) * doubled + len(at) ** 2 * even
    return total / (n * n) if n else 0.0


def _outside(place: Place, position: int) -> int:
    """Places by which the position lies outside the span in which the car is due."""
    early = 0 if place.due_from is None else place.due_from - position
    late = 0 if place.due_until is None else position - place.due_until
    return max(0, early, late)


def _broken(instance: Instance, places: Mapping[str, int]) -> Iterator[BrokenLimit]:
    limits = instance.limits
    for number, place in limits.places.items():
        at = places[number]
        if place.earliest is not None and at < place.earliest:
            text = f"car {number} stands at {at}, its earliest place is {place.earliest}"
            yield BrokenLimit("earliest", (number,), text)
        if place.latest is not None and at > place.latest:
            text = f"car {number} stands at {at}, its latest place is {place.latest}"
            yield BrokenLimit("latest", (number,), text)
    for given, car in enumerate(instance.cars, 1):
        number, at = car.production_no, places[car.production_no]
        if given <= limits.frozen and at != given:
            yield BrokenLimit("frozen", (number,), f"car {number} is frozen at {given}, not {at}")
        if limits.forward is not None and given - at > limits.forward:
            text = f"car {number} moves {given - at} places forward, {limits.forward} are allowed"
            yield BrokenLimit("forward", (number,), text)
        if limits.back is not None and at - given > limits.back:
            text = f"car {number} moves {at - given} places back, {limits.back} are allowed"
            yield BrokenLimit("back", (number,), text)
    for pair in limits.pairs:
        if not _keeps(pair, places[pair.first], places[pair.second]):
            yield _broken_pair(pair, places[pair.first], places[pair.second])


def _keeps(pair: Pair, first: int, second: int) -> bool:
    distance = second - first if pair.kind == "in_order" else abs(second - first)
    return distance >= pair.places


def _broken_pair(pair: Pair, first: int, second: int) -> BrokenLimit:
    asked = "before" if pair.kind == "in_order" else "apart from"
    text = (
        f"car {pair.first} at {first} shall stand {pair.places} places {asked} "
        f"car {pair.second} at {second}"
    )
    return BrokenLimit(pair.kind, (pair.first, pair.second), text)


def _check_complete(instance: Instance, sequence: Sequence[Car]) -> None:
    if sequence is instance.cars:
        return
    wanted = {car.production_no for car in instance.cars}
    found = {car.production_no for car in sequence}
    if unknown := found - wanted:
        raise InstanceError(f"car {min(unknown)} is not one of the day")
    if missing := wanted - found:
        raise InstanceError(f"{len(missing)} cars of the day are missing: {min(missing)} …")
    if len(sequence) != len(found):
        raise InstanceError(f"{len(sequence) - len(found)} cars stand in the sequence twice")
