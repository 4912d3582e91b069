"""How every benchmark reports: one JSON file, one table, and the machine it was measured on.

    rows = [Row("encode", ours=1.2e7, bare=1.5e6, unit="metrics/s")]
    met = report("sparkplug", rows, goals={"encode": AtLeast(5)})

A row holds two figures of the same run, ours and the bare thing beside it, so that what counts is
their ratio and not the machine. `bare` None is a figure that stands alone.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "bench-results"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured. `ours` and `bare` in `unit`; `note` says what both did."""

    name: str
    ours: float
    bare: float | None
    unit: str
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """ours / bare, or None where there is nothing to compare with."""
        return self.ours / self.bare if self.bare else None


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A goal: ours / bare is this or more (rates)."""

    ratio: float


@dataclass(frozen=True, slots=True)
class AtMost:
    """A goal: ours / bare is this or less (costs)."""

    ratio: float


@dataclass(frozen=True, slots=True)
class NoMoreThan:
    """A goal: ours by itself is this or less, in the row's unit."""

    figure: float


@dataclass(frozen=True, slots=True)
class NoLessThan:
    """A goal: ours by itself is this or more, in the row's unit."""

    figure: float


Goal = AtLeast | AtMost | NoMoreThan | NoLessThan


def report(name: str, rows: Sequence[Row], goals: Mapping[str, Goal]) -> bool:
    """Write bench-results/<name>.json, print the table; True if every goal was met.

    `goals` names rows by `Row.name`; a row without a goal is only shown.
    """
    machine = machine_info()
    verdicts = {row.name: _verdict(row, goals.get(row.name)) for row in rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(
        json.dumps(
            {
                "name": name,
                "machine": machine,
                "rows": [
                    {
                        **asdict(row),
                        "ratio": row.ratio,
                        "goal": _goal_text(goals.get(row.name)),
                        "met": verdicts[row.name],
                    }
                    for row in rows
                ],
            },
            indent=2,
        )
        + "\n"
    )
    _print_table(name, rows, goals, verdicts, machine)
    return all(verdict is not False for verdict in verdicts.values())


def interleaved(
    work: Mapping[str, Callable[[], object]], *, rounds: int, seconds_per_turn: float
) -> dict[str, float]:
    """Median CPU seconds per call of each piece of work, taken in turns.

    In every round each piece runs for about `seconds_per_turn`, one after the other, so that a busy
    neighbour or a changing clock rate touches all of them alike. CPU time of this process, since
    the machine may be shared.
    """
    calls = {name: _calls_for(run, seconds_per_turn) for name, run in work.items()}
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            count = calls[name]
            started = time.process_time()
            for _ in range(count):
                run()
            taken[name].append((time.process_time() - started) / count)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def machine_info() -> dict[str, Any]:
    """The machine, its load at this moment, and the versions that matter."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "system": platform.platform(),
        "lineside": version("lineside"),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _calls_for(run: Callable[[], object], seconds: float) -> int:
    """How many calls take about `seconds`; warms the code up on the way."""
    count = 1
    while True:
        started = time.process_time()
        for _ in range(count):
            run()
        taken = time.process_time() - started
        if taken > seconds / 10:
            return max(1, round(count * seconds / taken))
        count *= 4


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _goal_text(goal: Goal | None) -> str:
    if goal is None:
        return ""
    if isinstance(goal, NoMoreThan):
        return f"<= {goal.figure:,g} by itself"
    if isinstance(goal, NoLessThan):
        return f">= {goal.figure:,g} by itself"
    return f">= {goal.ratio:g}" if isinstance(goal, AtLeast) else f"<= {goal.ratio:g}"


def _verdict(row: Row, goal: Goal | None) -> bool | None:
    if isinstance(goal, NoMoreThan):
        return row.ours <= goal.figure
    if isinstance(goal, NoLessThan):
        return row.ours >= goal.figure
    if goal is None or row.ratio is None:
        return None
    return row.ratio >= goal.ratio if isinstance(goal, AtLeast) else row.ratio <= goal.ratio


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def _print_table(
    name: str,
    rows: Sequence[Row],
    goals: Mapping[str, Goal],
    verdicts: Mapping[str, bool | None],
    machine: Mapping[str, Any],
) -> None:
    cpu, cores, load, python = (machine[key] for key in ("cpu", "cores", "load", "python"))
    print(f"\n{name}: {cpu}, {cores} cores, load {load[0]}, Python {python}")
    lines = [("", "ours", "bare", "unit", "ratio", "goal", "")]
    for row in rows:
        met = verdicts[row.name]
        lines.append(
            (
                row.name,
                _figure(row.ours),
                _figure(row.bare),
                row.unit,
                "" if row.ratio is None else f"{row.ratio:.2f}",
                _goal_text(goals.get(row.name)),
                "" if met is None else "met" if met else "MISSED",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = (
            cell.ljust(width) if column in (0, 3, 6) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  " + "  ".join(cells).rstrip())
    for row in rows:
        if row.note:
            print(f"  {row.name}: {row.note}")
