"""ROADEF 2005, sets A and B: marks beside the bounds.

One search per instance, on one core, by processor time and with a fixed seed, so that neighbours on
the machine cost it nothing but patience. Where there are more cores, so many instances are searched
side by side, each in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from hub.orders.problems import InputError
from hub.orders.roadef import read_folder
from hub.sequencing.optimise import optimise
from hub.sequencing.scoring import score
from tests.benchmarks.report import AtLeast, AtMost, Goal, Row, report
from tests.benchmarks.sequencing.instances import bounds, judged_mark, roadef_folders


@dataclass(frozen=True, slots=True)
class Searched:
    """One search of one instance."""

    instance: str
    set: str
    mark: float
    as_given: float
    moves_per_second: float
    """Of processor time; with those given up once nothing left could make up for their cost."""
    to_best_s: float


def search(folder: Path, seconds: float, seed: int) -> Searched:
    """Search, and have the result judged where the judge is at hand.

    Raises `ValueError` if judge and score disagree.
    """
    instance = read_folder(folder).instance()
    cpu = time.process_time()
    found = optimise(instance, time_limit_s=seconds, seed=seed, clock=time.process_time)
    cpu = time.process_time() - cpu
    mark = score(instance, found.cars).mark
    judged = judged_mark(folder, (car.production_no for car in found.cars))
    if judged is not None and judged != mark:
        raise ValueError(f"{folder.name}: mark {mark}, but the judge says {judged}")
    return Searched(
        folder.name,
        folder.parent.name,
        mark,
        score(instance).mark,
        found.moves / cpu if cpu else 0.0,
        found.to_best_s,
    )


def measure(
    seconds: float, seed: int, jobs: int, only: Sequence[str], marks: dict[str, float]
) -> bool:
    """Search all instances at hand and report; True if no mark is worse.

    The marks reached are put into `marks`, by `set/instance`.
    """
    folders = roadef_folders(only)
    if not folders:
        print("roadef: no instances at hand; left out")
        return True
    found: list[Searched] = []
    bound = bounds()
    # Spawned and used once, so that each begins in a process that nothing has warmed or filled.
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        tasks = [pool.submit(search, folder, seconds, seed) for folder in folders]
        for done, task in enumerate(as_completed(tasks), 1):
            try:
                one = task.result()
            except InputError as error:  # the others shall not be lost by it
                print(f"  [{done}/{len(tasks)}] left out: {error}")
                continue
            found.append(one)
            print(
                f"  [{done}/{len(tasks)}] {one.set}/{one.instance}: {one.mark:,.0f} "
                f"(bound {bound[one.instance]:,}; as given {one.as_given:,.0f}), "
                f"{one.moves_per_second / 1e6:.1f} M moves/s",
                flush=True,
            )
    found.sort(key=lambda one: (one.set, one.instance))
    rows = [
        Row(f"{one.set}/{one.instance}", one.mark, bound[one.instance], "mark") for one in found
    ]
    marks |= {row.name: row.ours for row in rows}
    goals: dict[str, Goal] = {row.name: AtMost(1) for row in rows}
    better = sum(one.mark < bound[one.instance] for one in found)
    equal = sum(one.mark == bound[one.instance] for one in found)
    rows.append(
        Row(
            "better than the bound",
            better,
            len(found),
            "instances",
            f"{equal} equal, {len(found) - better - equal} worse; "
            f"{seconds:g} s of one core each, seed {seed}, {jobs} at a time",
        )
    )
    goals["better than the bound"] = AtLeast(0.5)
    return report("sequencing-roadef", rows, goals) and len(found) == len(folders)
