"""What is sequenced: a day's cars, the rules that judge their order, and yesterday's last cars."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Objective = Literal["high_priority", "low_priority", "colour_changes"]
"""Excess over ratios of high or of low priority, or changes of colour."""

WEIGHTS = (1_000_000, 1_000, 1)
"""Weight of the first, second and third objective in the mark, as in the ROADEF 2005 final."""


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
        if not 0 <= self.most <= self.window or self.window < 1:
            raise InstanceError(
                f"ratio {self.most}/{self.window} of option {self.option}: 0 <= n <= p"
            )


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

    def __post_init__(self) -> None:
        if self.batch_limit is not None and self.batch_limit < 1:
            raise InstanceError(f"paint batch limit of {self.batch_limit}: at least 1")
        for what, names in (
            ("option", [ratio.option for ratio in self.ratios]),
            ("objective", list(self.objectives)),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise InstanceError(f"{what} {twice[0]} is given twice")


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Instance:
    """A day to be sequenced. `cars` stand in the order they were given in."""

    cars: tuple[Car, ...]
    rules: Rules = NO_RULES
    yesterday: tuple[Car, ...] = ()
    """The last cars of the day before, in order: fixed, but windows reach back into them."""

    def __post_init__(self) -> None:
        counts = Counter(car.production_no for car in self.cars)
        twice = [number for number, count in counts.items() if count > 1]
        if twice:
            raise InstanceError(f"production number {twice[0]} is given to {counts[twice[0]]} cars")
