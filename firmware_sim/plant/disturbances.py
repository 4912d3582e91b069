"""What goes wrong in a simulated plant, and when: drawn from a seed before the day begins."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DisturbanceKind = Literal[
    "block", "pull_out", "cancel_before", "cancel_after", "swap", "nok_at_line", "line_stop"
]
PER_HUNDRED_CARS: Mapping[DisturbanceKind, float] = {
    "block": 1.5,
    "pull_out": 2.0,
    "cancel_before": 0.5,
    "cancel_after": 1.0,
    "swap": 1.0,
    "nok_at_line": 2.0,
    "line_stop": 0.5,
}
"""How often each kind happens; once at least."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that is to go wrong once the line has made so many steps, or as soon after that as
    a car is there that it can hit. `draw` in [0, 1) decides which, and for how long."""

    step: int
    kind: DisturbanceKind
    draw: float


def draw_disturbances(cars: int, seed: int) -> list[Disturbance]:
    """The disturbances of a day with so many cars, by step. The same seed gives the same ones."""
    chance = random.Random(f"disturbances/{seed}")  # noqa: S311  a simulation
    found = [
        Disturbance(chance.randrange(1, max(2, cars * 4 // 5)), kind, chance.random())
        for kind, rate in PER_HUNDRED_CARS.items()
        for _ in range(max(1, round(rate * cars / 100)))
    ]
    return sorted(found, key=lambda one: one.step)
