"""Making a production sequence out of an instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.sequencing.model import Car, Instance
from hub.sequencing.scoring import Score, score


@dataclass(frozen=True, slots=True)
class PearlChain:
    """A production sequence: the order in which the cars are to be built, and what it costs."""

    cars: tuple[Car, ...]
    method: str
    score: Score


def _given(instance: Instance) -> tuple[Car, ...]:
    return instance.cars


METHODS: dict[str, Callable[[Instance], tuple[Car, ...]]] = {"given": _given}
"""Ways to make a sequence, by name. An optimiser joins here."""


def make_sequence(instance: Instance, method: str = "given") -> PearlChain:
    """The cars in the order this method finds. Raises `ValueError` for an unknown method."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    cars = METHODS[method](instance)
    return PearlChain(cars, method, score(instance, cars))
