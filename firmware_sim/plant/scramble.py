"""Disorder between the planned sequence and a control point: some cars fall back on the way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


def scramble(cars: Sequence[_T], share: float, window: int, seed: int) -> list[_T]:
    """The cars in the order in which they arrive. A `share` of them falls back by 1, 2, 3 … places,
    each further place half as likely, `window` at most; the others close up, so that no car is more
    than `window` places from its own. The same seed gives the same order."""
    chance = random.Random(f"scramble/{seed}")  # noqa: S311  a simulation
    arrivals = [place + _fall_back(chance, share, window) for place in range(len(cars))]
    return [cars[place] for place in sorted(range(len(cars)), key=lambda place: arrivals[place])]


def _fall_back(chance: random.Random, share: float, window: int) -> float:
    if chance.random() >= share:
        return 0.0
    places = 1
    while places < window and chance.random() < 0.5:
        places += 1
    # The half puts the car behind the one whose place it takes.
    return places + 0.5
