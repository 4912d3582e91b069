"""What is sequenced: a day's cars, the rules that judge their order, and yesterday's last cars."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Objective = Literal[
    "high_priority", "low_priority", "colour_changes", "capacity", "levelling", "lateness"
]
"""What a sequence can be judged by; each is a sum, and less is better.

high_priority, low_priority: excess over the ratios of that priority, over all windows.
colour_changes: changes of colour between neighbours.
capacity: excess over what supplier lines can make, over all windows.
levelling: squared distance of each part's consumption from its even rate (goal chasing).
lateness: places by which cars stand before or after the span they are due in.
"""

ORDERED_AT_MOST = 5
"""Objectives that can stand in order, each a thousand times the next, and be summed exactly in
double precision, as a search does: up to 9,007 of the first."""
WEIGHT_AT_MOST = 1000.0 ** (ORDERED_AT_MOST - 1)
"""That of the first of so many."""
WEIGHT_AT_LEAST = 1 / WEIGHT_AT_MOST
"""Of one that is not 0: far from where numbers lose their digits and can no longer divide."""
WINDOW_AT_MOST = 1_000_000
"""Cars in a window; one that reaches over more than a day and its yesterday says no more."""
BATCH_AT_MOST = (1 << 31) - 1
"""A paint batch limit that the kernels can hold; files write large ones for none."""
DUE_WITHIN = 1_000_000
"""Positions that a car may at most be due before or after the day begins."""


class InstanceError(ValueError):
    """Cars and rules do not make an instance; the text names the car or the rule."""


@dataclass(frozen=True, slots=True)
class Car:
    """One car to be built."""

    production_no: str
    colour: str
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ratio:
    """At most `most` cars with the option in any `window` cars in a row."""

    option: str
    most: int
    window: int
    high_priority: bool

    def __post_init__(self) -> None:
        _check_window(f"ratio {self.most}/{self.window} of option {self.option}", self)


@dataclass(frozen=True, slots=True)
class Capacity:
    """A supplier line makes parts for at most `most` of any `window` cars in a row."""

    line: str
    options: frozenset[str]
    """A car with any of them needs a part of this line."""
    most: int
    window: int

    def __post_init__(self) -> None:
        _check_window(f"capacity {self.most}/{self.window} of supplier line {self.line}", self)
        if not self.options:
            raise InstanceError(f"capacity of supplier line {self.line}: no option asks for it")

    @classmethod
    def per_hour(
        cls, line: str, options: frozenset[str], cars_per_hour: int, takt_s: float
    ) -> Capacity:
        """A line that can serve so many cars an hour, at the plant's takt in seconds.

        The window is the cars that the plant builds in an hour, whole ones.
        """
        if not (math.isfinite(takt_s) and takt_s > 0):
            raise InstanceError(f"takt of {takt_s} s for supplier line {line}: more than 0 s")
        window = max(1, math.floor(min(3600 / takt_s, WINDOW_AT_MOST + 1)))
        return cls(line, options, min(cars_per_hour, window), window)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a sequence is judged by."""

    ratios: tuple[Ratio, ...] = ()
    objectives: tuple[Objective, ...] = ("high_priority", "colour_changes", "low_priority")
    """Most important first; what is not listed does not enter the mark."""
    batch_limit: int | None = None
    """Longest run of one colour that the paint shop allows; a hard limit."""
    cut_windows: bool = True
    """Windows that the end of the day cuts short count too, as Renault scores them; False: only
    whole windows, as CSPLib does."""
    capacities: tuple[Capacity, ...] = ()
    weights: tuple[float, ...] | None = None
    """Of each objective; None: in order, each worth a thousand of the next."""

    def __post_init__(self) -> None:
        if self.batch_limit is not None and not 1 <= self.batch_limit <= BATCH_AT_MOST:
            raise InstanceError(
                f"paint batch limit of {self.batch_limit}: at least 1, at most {BATCH_AT_MOST:,}"
            )
        for what, names in (
            ("option", [ratio.option for ratio in self.ratios]),
            ("objective", list(self.objectives)),
            ("capacity of line", [capacity.line for capacity in self.capacities]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise InstanceError(f"{what} {twice[0]} is given twice")
        for objective in self.objectives:
            if objective not in get_args(Objective):
                raise InstanceError(
                    f"unknown objective {objective}; known: {', '.join(get_args(Objective))}"
                )
        if self.weights is None:
            if len(self.objectives) > ORDERED_AT_MOST:
                raise InstanceError(
                    f"{len(self.objectives)} objectives in order; at most {ORDERED_AT_MOST}: "
                    "give weights instead"
                )
        elif len(self.weights) != len(self.objectives):
            raise InstanceError(
                f"{len(self.weights)} weights for {len(self.objectives)} objectives"
            )
        else:
            for objective, weight in zip(self.objectives, self.weights, strict=True):
                if weight and not WEIGHT_AT_LEAST <= weight <= WEIGHT_AT_MOST:
                    raise InstanceError(
                        f"weight {weight} of objective {objective}: "
                        f"0, or a number from {WEIGHT_AT_LEAST:.0e} to {WEIGHT_AT_MOST:.0e}"
                    )

    def weight_of(self) -> dict[Objective, float]:
        """The weight of each objective in the mark, most important first."""
        if self.weights is not None:
            return dict(zip(self.objectives, self.weights, strict=True))
        highest = max(2, len(self.objectives) - 1)
        return {o: 1000.0 ** (highest - rank) for rank, o in enumerate(self.objectives)}


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Place:
    """Where one car may stand. Positions count from 1, the first car of the day."""

    earliest: int | None = None
    latest: int | None = None
    """Hard limits, both included; the same number twice fixes the car."""
    due_from: int | None = None
    due_until: int | None = None
    """When it is wanted, both included; each place outside costs one under `lateness`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cars that must keep a distance; a hard limit."""

    kind: Literal["apart", "in_order"]
    """apart: in either order. in_order: `first` stands before `second`."""
    first: str
    second: str
    places: int = 1
    """Least difference of their positions."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What no sequence may break, beside the paint shop's limit; and when cars are due."""

    places: Mapping[str, Place] = field(default_factory=dict)
    """By production number; a car not named may stand anywhere."""
    pairs: tuple[Pair, ...] = ()
    frozen: int = 0
    """So many first cars of the given order keep their positions."""
    forward: int | None = None
    back: int | None = None
    """Places that any car may at most move to the front or to the back of the given order."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Instance:
    """A day to be sequenced. `cars` stand in the order they were given in."""

    cars: tuple[Car, ...]
    rules: Rules = NO_RULES
    yesterday: tuple[Car, ...] = ()
    """The last cars of the day before, in order: fixed, but windows reach back into them."""
    limits: Limits = NO_LIMITS
    consumption: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The parts a car takes, by production number, each as `supplier line/part group/part`; what
    `levelling` evens out. Cars of yesterday do not count."""

    def __post_init__(self) -> None:
        counts = Counter(car.production_no for car in self.cars)
        twice = [number for number, count in counts.items() if count > 1]
        if twice:
            raise InstanceError(f"production number {twice[0]} is given to {counts[twice[0]]} cars")
        self._check_limits(counts)

    def _check_limits(self, cars: Mapping[str, int]) -> None:
        """Each limit by itself; whether they can be kept together is for `conflicts.py`."""
        limits = self.limits
        for pair in limits.pairs:
            if pair.first == pair.second or pair.places < 1:
                raise InstanceError(
                    f"cars {pair.first} and {pair.second} {pair.kind} by {pair.places}: "
                    "two cars and at least one place"
                )
        named = [*limits.places, *(n for p in limits.pairs for n in (p.first, p.second))]
        for number in (*named, *self.consumption):
            if number not in cars:
                raise InstanceError(f"car {number} is not one of the day")
        for number, place in limits.places.items():
            _check_place(number, place, len(self.cars))
        for what, value in (
            ("frozen", limits.frozen),
            ("forward", limits.forward),
            ("back", limits.back),
        ):
            if value is not None and value < 0:
                raise InstanceError(f"{what} of {value}: a number from 0 up")
        if limits.frozen > len(self.cars):
            raise InstanceError(f"{limits.frozen} frozen positions, but {len(self.cars)} cars")


def _check_window(what: str, rule: Ratio | Capacity) -> None:
    if not 0 <= rule.most <= rule.window or rule.window < 1:
        raise InstanceError(f"{what}: 0 <= n <= p")
    if rule.window > WINDOW_AT_MOST:
        raise InstanceError(f"{what}: windows of at most {WINDOW_AT_MOST:,} cars")


def _check_place(number: str, place: Place, cars: int) -> None:
    for position in (place.earliest, place.latest):
        if position is not None and not 1 <= position <= cars:
            raise InstanceError(f"car {number} at position {position}: the day has 1 to {cars}")
    for position in (place.due_from, place.due_until):
        if position is not None and abs(position) > DUE_WITHIN:
            raise InstanceError(f"car {number} is due at {position}: {-DUE_WITHIN} to {DUE_WITHIN}")
    for what, first, last in (
        ("stand", place.earliest, place.latest),
        ("be due", place.due_from, place.due_until),
    ):
        if first is not None and last is not None and first > last:
            raise InstanceError(f"car {number} shall {what} from {first} to {last}: no position")
