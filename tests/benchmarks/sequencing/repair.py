"""A car is blocked in a day of 1,000: how soon the next sequence stands, and what it changes.

Two days, well sequenced: a generated one, and a hard one of the challenge where it is at hand. The
first 100 cars are frozen, the first 300 have released calls. Each of 200 cars, drawn by seed from
those released, is blocked in turn. Beside it, the same day without the car, searched from scratch:
the frozen cars stay, the rest is free.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from dataclasses import replace

from hub.orders.generate import generate
from hub.orders.roadef import read_folder
from hub.sequencing.model import Instance, Limits
from hub.sequencing.optimise import optimise
from hub.sequencing.released import Horizon
from hub.sequencing.resequence import TOLERANCE, PlantState, resequence
from hub.sequencing.scoring import score
from tests.benchmarks.report import Row, report
from tests.benchmarks.sequencing.instances import roadef_folders

CARS, FROZEN, RELEASED = 1_000, 100, 300
BLOCKED = 200
SCRATCH = 5
"""Of the blocked cars, so many are also solved from scratch."""
SEARCH_S = 10.0
HARD = "A/025_38_1_EP_RAF_ENP"
"""1,004 cars under 22 ratios, the longest over 229."""


def measure(seed: int) -> bool:
    """Measure and report; there is no goal but what a planner would bear."""
    rows = [row for name, day in _days(seed) for row in _measure_day(name, day, seed)]
    return report("sequencing-repair", rows, {})


def _days(seed: int) -> Iterator[tuple[str, Instance]]:
    yield "generated", generate(CARS, seed).instance()
    for folder in roadef_folders([HARD]):
        yield folder.name, read_folder(folder).instance()


def _measure_day(name: str, day: Instance, seed: int) -> list[Row]:
    day = replace(day, cars=optimise(day, time_limit_s=SEARCH_S, seed=seed).cars)
    sequence = tuple(car.production_no for car in day.cars)
    blocked = random.Random(seed).sample(sequence[:RELEASED], BLOCKED)
    taken_ms, changed, marks = [], [], []
    for number in blocked:
        state = PlantState(sequence, frozen=FROZEN, released=RELEASED, blocked=frozenset({number}))
        found = resequence(day, state)
        taken_ms.append(1000 * found.elapsed_s)
        changed.append(len(found.calls))
        marks.append(found.score_after.mark - found.score_before.mark)
    anew = [_from_scratch(day, sequence, number, seed) for number in blocked[:SCRATCH]]
    cut = statistics.quantiles(taken_ms, n=100)
    return [
        Row(f"{name}: p50", cut[49], None, "ms", f"{len(sequence)} cars"),
        Row(f"{name}: p99", cut[98], None, "ms", f"slowest {max(taken_ms):.1f} ms"),
        Row(
            f"{name}: cars whose released calls change",
            statistics.mean(changed),
            statistics.mean(calls for calls, _ in anew),
            "cars",
            f"at most {max(changed)}, the blocked one and the one that enters the horizon among "
            f"them; beside it, from scratch in {SEARCH_S:g} s each ({SCRATCH} of the cars)",
        ),
        Row(
            f"{name}: change of the mark, median",
            statistics.median(marks),
            None,
            "mark",
            f"from scratch {statistics.median(mark for _, mark in anew):,.0f}; "
            f"the day's mark is {score(day).mark:,.0f}",
        ),
    ]


def _from_scratch(
    day: Instance, sequence: tuple[str, ...], blocked: str, seed: int
) -> tuple[int, float]:
    """(cars whose released calls change, change of the mark)."""
    cars = tuple(car for car in day.cars if car.production_no != blocked)
    frozen = FROZEN - (blocked in sequence[:FROZEN])
    left = replace(day, cars=cars, limits=Limits(frozen=frozen))
    found = optimise(left, time_limit_s=SEARCH_S, seed=seed)
    after = [car.production_no for car in found.cars]
    return len(Horizon(sequence, RELEASED, TOLERANCE).changes(after)), found.mark - score(day).mark
