"""Making a production sequence out of an instance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hub.sequencing.model import Car, Instance
from hub.sequencing.optimise import optimise
from hub.sequencing.scoring import Score, score

RESEQUENCE = "resequence"
"""Method of a sequence that was made from the one in force before, for a disturbance."""


class Method(StrEnum):
    """How a sequence is made of a day's orders."""

    GIVEN = "given"
    """The order the cars were given in."""
    SEARCH = "search"
    """The best that a search finds."""


@dataclass(frozen=True, slots=True)
class PearlChain:
    """A production sequence: the order in which the cars are to be built, and what it costs."""

    cars: tuple[Car, ...]
    method: str
    """A `Method`, or `RESEQUENCE`."""
    score: Score


def make_sequence(
    instance: Instance, method: Method = Method.GIVEN, *, time_limit_s: float = 10.0
) -> PearlChain:
    """The cars in the order this method finds; `time_limit_s` bounds a search."""
    cars = instance.cars
    if method is Method.SEARCH:
        cars = optimise(instance, time_limit_s=time_limit_s).cars
    return PearlChain(cars, method, score(instance, cars))
