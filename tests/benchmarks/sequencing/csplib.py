"""CSPLib problem 001: the satisfiable to no violation, the others to the fewest known."""

from __future__ import annotations

import time
from pathlib import Path

from hub.orders.csplib import read_csplib
from hub.sequencing.optimise import optimise
from tests.benchmarks.report import AtLeast, AtMost, Goal, Row, report
from tests.benchmarks.sequencing.instances import KNOWN_BEST, judged_excess
from tests.fixtures.instances import csplib_files

SECONDS = 5.0
"""Allowed to an instance that can be satisfied; the search ends at no violation."""


def measure(seconds: float, seed: int) -> bool:
    """Search all instances at hand, one after the other on one core; `seconds` bounds those that
    cannot be satisfied. True if none is worse than known."""
    files = csplib_files()
    if not files:
        print("csplib: no instances at hand; left out")
        return True
    times = []
    unsolved = []
    rows = []
    for file in files:
        known = KNOWN_BEST.get(file.stem, 0)
        excess, taken = search(file, SECONDS if known == 0 else seconds, seed, known)
        if known:
            rows.append(Row(file.stem, excess, known, "excess", f"found after {taken:.2f} s"))
        elif excess:
            unsolved.append(f"{file.stem} ({excess})")
        else:
            times.append(taken)
    goals: dict[str, Goal] = {row.name: AtMost(1) for row in rows}
    times.sort()
    satisfied = Row(
        "satisfied",
        len(times),
        len(times) + len(unsolved),
        "instances",
        (f"left: {', '.join(unsolved)}; " if unsolved else "")
        + f"one core, seed {seed}; half of them after {times[len(times) // 2]:.3f} s, "
        f"the last after {times[-1]:.2f} s"
        if times
        else "",
    )
    goals[satisfied.name] = AtLeast(1)
    return report("sequencing-csplib", [satisfied, *rows], goals)


def search(file: Path, seconds: float, seed: int, known: int) -> tuple[float, float]:
    """(excess, seconds until it was found), judged where the judge is at hand.

    Ends as soon as the fewest `known` are reached.
    """
    day = read_csplib(file)
    best = float("inf")

    def reached() -> bool:
        return best <= known

    def look(mark: float) -> None:
        nonlocal best
        best = mark

    found = optimise(
        day.instance,
        time_limit_s=seconds,
        seed=seed,
        on_progress=lambda progress: look(progress.mark),
        stop=reached,
        clock=time.process_time,
    )
    judged = judged_excess(file, day.class_of(found.cars))
    if judged is not None and judged != found.mark:
        raise ValueError(f"{file.stem}: excess {found.mark}, but the judge says {judged}")
    return found.mark, found.to_best_s
