"""Moves a second and core, instance by instance, over a whole fall of the temperature.

Ours: every move is priced on all objectives, whatever it costs. Beside it, as the search works: a
move is given up as soon as what has not been priced yet cannot make up for what has. By processor
time, since the machine may be shared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from hub.orders.roadef import read_folder
from hub.sequencing.arrays import line_of
from hub.sequencing.cooling import Cooling
from hub.sequencing.model import Instance
from hub.sequencing.optimise import COLD, HOT, STEP_MOVES, shares
from tests.benchmarks.report import AtLeast, Row, report
from tests.benchmarks.sequencing.instances import roadef_folders

ASKED = 2_000_000
"""Moves a second, of the median instance of set B."""
SECONDS = 2.0


def measure(seed: int, only: Sequence[str]) -> bool:
    """Measure and report; True if the median of set B is what was asked."""
    folders = roadef_folders(only)
    if not folders:
        print("speed: no instances at hand; left out")
        return True
    rows = [_measure_instance(folder, seed) for folder in folders]
    set_b = [row.ours for row in rows if row.name.startswith("B/")]
    if set_b:
        rows.append(
            Row("set B: median", statistics.median(set_b), ASKED, "moves/s", "of 2,000,000")
        )
    return report("sequencing-speed", rows, {"set B: median": AtLeast(1)})


def _measure_instance(folder: Path, seed: int) -> Row:
    instance = read_folder(folder).instance()
    return Row(
        f"{folder.parent.name}/{folder.name}",
        _rate(instance, seed, to_the_end=True),
        _rate(instance, seed, to_the_end=False),
        "moves/s",
    )


def _rate(instance: Instance, seed: int, *, to_the_end: bool) -> float:
    line = line_of(instance, instance.cars, seed)
    line.to_the_end = to_the_end
    weights = [weight for weight in instance.rules.weight_of().values() if weight]
    cooling = Cooling(HOT * max(weights), COLD * min(weights))
    began = time.process_time()
    while (taken := time.process_time() - began) < SECONDS:
        done = taken / SECONDS
        line.anneal(STEP_MOVES, cooling.temperature(done), *shares(instance))
        cooling.saw(done, line.cost)
    return line.priced / taken
