"""An anytime search for a better sequence: annealing over all objectives at once.

The objectives of the mark lie a factor of a thousand apart, so one geometric fall of the
temperature, from below the first weight to below the last, settles them one after the other: while
it is hot only the first objective resists, at the end only moves that cost nothing are made. A
valid sequence stands at every moment; no hard limit is ever broken.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from hub.sequencing.arrays import goal_chased, line_of
from hub.sequencing.conflicts import ConflictError
from hub.sequencing.construct import valid_start
from hub.sequencing.model import Car, Instance
from hub.sequencing.scoring import score

if TYPE_CHECKING:
    from hub.sequencing._search import Line

SAMPLE = 2_000
"""Exchanges that are priced to see by how much they change the cost."""
STEP_MOVES = 20_000
"""Moves between two looks at the clock, the temperature and the stop request."""
SWAPS, INSERTIONS = 60, 25
"""Shares of the moves in percent; the rest are reversals."""
HOT, COLD = 0.3, 0.1
"""First temperature as a part of the largest weight, last one as a part of the smallest."""
HOT_OF_SWAP = 0.07
"""First temperature where it is higher, as a part of what exchanging two cars changes: the mean of
the changes, each weighed by itself. It sees that a plant has long windows, whose cost a single
exchange changes by dozens (they need ten times the heat of CSPLib's short ones, which lose time by
it), and costs that do not change by ones, such as levelling."""
HOT_OF_NEAR = 3.0
"""Where levelling counts: least first temperature, as a part of what an exchange of neighbours
changes."""
QUENCH = 0.03
"""Part of the effort that goes, at the end, into moves from the best that cost nothing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stands."""

    mark: float
    """Of the best sequence so far."""
    moves: int
    elapsed_s: float
    done: float
    """Part of the effort spent, 0 … 1."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best sequence of a search, and how it came about."""

    cars: tuple[Car, ...]
    mark: int | float
    moves: int
    """Moves priced on all objectives."""
    elapsed_s: float
    to_best_s: float
    """When the best was found."""
    course: tuple[tuple[float, float], ...]
    """Best mark over time: (seconds, mark) at each look that found a better one."""


def optimise(
    instance: Instance,
    *,
    time_limit_s: float | None = None,
    max_moves: int | None = None,
    seed: int = 1,
    start: Sequence[Car] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Found:
    """The best sequence found within the effort allowed; at least one bound must be given.

    With `max_moves` alone the result depends only on the instance, the start and the seed. `start`
    is the sequence to begin with, by default the order given or, if that is better, one built for
    levelling; where it breaks a hard limit it is mended first. `stop` is asked every few
    milliseconds and ends the search with the best so far.

    Raises `InstanceError` if there are no cars, and `ConflictError` if no sequence that keeps the
    hard limits was found.
    """
    if time_limit_s is None and max_moves is None:
        raise ValueError("a search needs a time limit or a number of moves")
    began = time.monotonic()
    cars = valid_start(instance, start) if start is not None else _beginning(instance)
    line = line_of(instance, cars, seed)
    hot, cold = _temperatures(instance, line, seed)
    course = [(0.0, line.best_cost)]
    quenching = False
    while line.best_cost > 0:
        elapsed = time.monotonic() - began
        done = max(
            elapsed / time_limit_s if time_limit_s else 0.0,
            line.priced / max_moves if max_moves else 0.0,
        )
        if on_progress is not None:
            on_progress(Progress(line.best_cost, line.priced, elapsed, min(done, 1.0)))
        if done >= 1 or (stop is not None and stop()):
            break
        if done >= 1 - QUENCH and not quenching:
            quenching = True
            line.back_to_best()
        temperature = 0.0 if quenching else hot * (cold / hot) ** (done / (1 - QUENCH))
        before = line.priced
        left = max_moves - before if max_moves is not None else STEP_MOVES
        line.anneal(min(STEP_MOVES, left), temperature, SWAPS, INSERTIONS)
        if line.best_cost < course[-1][1]:
            course.append((time.monotonic() - began, line.best_cost))
        if line.priced == before:
            break  # one car: there is nothing to move
    order = tuple(cars[i] for i in line.best_order())
    return Found(
        order,
        score(instance, order).mark,
        line.priced,
        time.monotonic() - began,
        course[-1][0],
        tuple(course),
    )


def _beginning(instance: Instance) -> tuple[Car, ...]:
    """The order given, or one built for levelling where that is the better one to begin with."""
    given = valid_start(instance, instance.cars)
    if not instance.rules.weight_of().get("levelling"):
        return given
    try:
        levelled = valid_start(instance, goal_chased(instance))
    except ConflictError:  # only that no order was found near this one: the one given stands
        return given
    return min(given, levelled, key=lambda cars: score(instance, cars).mark)


def _temperatures(instance: Instance, line: Line, seed: int) -> tuple[float, float]:
    """The first and the last."""
    weight_of = instance.rules.weight_of()
    weights = [weight for weight in weight_of.values() if weight]
    last = len(instance.cars) - 1
    draw = random.Random(seed)  # noqa: S311  no secret
    changes = [
        line.price("swap", draw.randint(0, last), draw.randint(0, last)) for _ in range(SAMPLE)
    ]
    total = sum(map(abs, changes))
    hot = HOT_OF_SWAP * sum(c * c for c in changes) / total if total else 0.0
    if weight_of.get("levelling"):
        # A start that is level already would be lost in such heat.
        near = [line.price("swap", at, at + 1) for at in range(last)]
        least = HOT_OF_NEAR * median(map(abs, near)) if near else 0.0
        hot = max(least, min(hot, 2 * _balance([*changes, *near])))
    return max(HOT * max(weights, default=1), hot), COLD * min(weights, default=1)


def _balance(changes: Sequence[float]) -> float:
    """The temperature at which such moves would, on average, leave the cost as it is.

    It is low for a good start, and without bound for one at random.
    """
    low, high = 1e-9, 2 * max(map(abs, changes)) + 1e-9
    for _ in range(30):
        middle = math.sqrt(low * high)
        if sum(c * math.exp(-max(c, 0) / middle) for c in changes) < 0:
            low = middle
        else:
            high = middle
    return high
