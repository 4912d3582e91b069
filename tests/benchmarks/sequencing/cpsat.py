"""OR-Tools CP-SAT beside the engine, on the same day, from the same order, in the same time.

The model is the natural one, made as small as it can be: cars of the same options and colour are
one class; `at[k, c]` says that position k holds a car of class c. For each ratio and position a
linear sum says whether the option stands there, and each sliding window has its excess over the
limit. A colour's presence at a position is a sum too; a change is a colour that was not at the
position before. The paint shop's limit is a sliding window over each colour that could break it.
The objective is the mark. The order given is the hint, for every variable: with a part left open
the solver was seen to lose it, and to end with a worse order than it was given.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from ortools.sat.python import cp_model

from hub.orders.roadef import read_folder
from hub.sequencing.construct import valid_start
from hub.sequencing.model import Car, Instance
from hub.sequencing.optimise import optimise
from hub.sequencing.scoring import score
from tests.benchmarks.report import AtMost, Goal, Row, report
from tests.benchmarks.sequencing.instances import roadef_folders

VERSION = version("ortools")
WORKERS = 2
INSTANCES = (
    "A/022_3_4_EP_RAF_ENP",
    "A/022_3_4_RAF_EP_ENP",
    "A/024_38_3_EP_RAF_ENP",
    "A/039_38_4_EP_RAF_ch1",
    "A/039_38_4_RAF_EP_ch1",
    "A/048_39_1_EP_RAF_ENP",
    "A/064_38_2_EP_RAF_ENP_ch2",
    "A/064_38_2_RAF_EP_ENP_ch2",
)
"""Of set A, small ones first of all: the solver is given its best chance."""

Sum: TypeAlias = "cp_model.LinearExpr | int"
"""A linear expression over the model's variables."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the solver made of a day."""

    cars: tuple[Car, ...]
    status: str
    bound: float
    build_s: float


Classes: TypeAlias = "Sequence[tuple[str, frozenset[str]]]"
"""Cars of one colour and the same options, each."""


class Model:
    """The day as CP-SAT takes it."""

    def __init__(self, instance: Instance, start: Sequence[Car]) -> None:
        """`start`: an order that keeps the paint shop's limit; the hint."""
        self.instance = instance
        self._model = cp_model.CpModel()
        self._classes: dict[tuple[str, frozenset[str]], list[Car]] = defaultdict(list)
        for car in instance.cars:
            self._classes[car.colour, car.options].append(car)
        self._start = [(car.colour, car.options) for car in start]
        self._at = self._positions()
        weights = instance.rules.weight_of()
        cost: list[Sum] = []
        for ratio in instance.rules.ratios:
            weight = weights.get("high_priority" if ratio.high_priority else "low_priority", 0)
            if weight:
                excess = self._excess(ratio.option, ratio.most, ratio.window)
                cost.extend(int(weight) * over for over in excess)
        colour = int(weights.get("colour_changes", 0))
        cost.extend(colour * change for change in self._changes())
        self._model.minimize(cp_model.LinearExpr.sum(cost))

    def solve(self, seconds: float) -> tuple[list[Car] | None, str, float]:
        """(the best order found, status, lower bound of the mark).

        Raises `ValueError` if the model takes the order for better than the score does.
        """
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = WORKERS
        status = solver.solve(self._model)
        name = solver.status_name(status)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None, name, solver.best_objective_bound
        left = {key: list(cars) for key, cars in self._classes.items()}
        cars = [
            next(left[key].pop() for key, here in row.items() if solver.boolean_value(here))
            for row in self._at
        ]
        mark = score(self.instance, cars).mark
        if mark > solver.objective_value + 0.5:
            raise ValueError(f"the model prices at {solver.objective_value:,.0f} what costs {mark}")
        return cars, name, solver.best_objective_bound

    def _bool(self, hint: bool) -> cp_model.IntVar:
        variable = self._model.new_bool_var("")
        self._model.add_hint(variable, hint)
        return variable

    def _positions(self) -> list[dict[tuple[str, frozenset[str]], cp_model.IntVar]]:
        at = [{key: self._bool(key == there) for key in self._classes} for there in self._start]
        for row in at:
            self._model.add_exactly_one(row.values())
        for key, cars in self._classes.items():
            self._model.add(cp_model.LinearExpr.sum([row[key] for row in at]) == len(cars))
        return at

    def _presence(self, classes: Classes) -> tuple[list[Sum], list[int]]:
        """By position of the day: 1 if a car of these classes stands there, as its own variable;
        and what it is in the start."""
        hints = [int(there in classes) for there in self._start]
        found: list[Sum] = []
        for row, hint in zip(self._at, hints, strict=True):
            here = self._bool(bool(hint))
            self._model.add(cp_model.LinearExpr.sum([row[key] for key in classes]) == here)
            found.append(here)
        return found, hints

    def _excess(self, option: str, most: int, window: int) -> list[cp_model.IntVar]:
        """One variable for each window that could hold too many."""
        yesterday = [int(option in car.options) for car in self.instance.yesterday]
        today, hints = self._presence([key for key in self._classes if option in key[1]])
        line: list[Sum] = [*yesterday, *today]
        known = [*yesterday, *hints]
        over = []
        for first in range(max(0, len(yesterday) - window + 1), len(line)):
            inside = line[first : first + window]
            if len(inside) > most:
                excess = self._model.new_int_var(0, len(inside) - most, "")
                self._model.add_hint(excess, max(0, sum(known[first : first + window]) - most))
                self._model.add(excess >= cp_model.LinearExpr.sum(inside) - most)
                over.append(excess)
        return over

    def _changes(self) -> list[cp_model.IntVar]:
        """1 at each position and colour where that colour begins; and the limit of its batches."""
        limit = self.instance.rules.batch_limit
        colours = {colour for colour, _ in self._classes}
        begins = []
        for colour in sorted(colours):
            classes = [key for key in self._classes if key[0] == colour]
            here, hints = self._presence(classes)
            before = [int(car.colour == colour) for car in self.instance.yesterday[-1:]] or [1]
            then: list[Sum] = [*before, *here[:-1]]
            known = [*before, *hints[:-1]]
            for now, last, now_hint, last_hint in zip(here, then, hints, known, strict=True):
                begin = self._bool(now_hint > last_hint)
                self._model.add(begin >= now - last)
                begins.append(begin)
            count = sum(len(self._classes[key]) for key in classes)
            if limit is not None and count > limit:
                for first in range(len(here) - limit):
                    run = here[first : first + limit + 1]
                    self._model.add(cp_model.LinearExpr.sum(run) <= limit)
        return begins


def ask(instance: Instance, start: Sequence[Car], seconds: float) -> Answer:
    """What CP-SAT finds in this time, the building of its model not counted."""
    began = time.monotonic()
    model = Model(instance, start)
    built = time.monotonic() - began
    cars, status, bound = model.solve(seconds)
    return Answer(tuple(cars or start), status, bound, built)


def measure(seconds: float, seed: int, only: Sequence[str], marks: Mapping[str, float]) -> bool:
    """Marks side by side; True if the engine's is nowhere worse.

    `marks` are those that the engine has reached in this run already, by `set/instance`.
    """
    rows: list[Row] = []
    for folder in roadef_folders(only or INSTANCES):
        rows.append(_side_by_side(folder, seconds, seed, marks))
    if not rows:
        print("cpsat: no instances at hand; left out")
        return True
    goals: dict[str, Goal] = {row.name: AtMost(1) for row in rows}
    print(f"  ours on one core; CP-SAT of OR-Tools {VERSION} with {WORKERS} workers")
    return report("sequencing-cpsat", rows, goals)


def _side_by_side(folder: Path, seconds: float, seed: int, marks: Mapping[str, float]) -> Row:
    name = f"{folder.parent.name}/{folder.name}"
    instance = read_folder(folder).instance()
    start = valid_start(instance, instance.cars)
    known = marks.get(name)
    ours = optimise(instance, time_limit_s=seconds, seed=seed).mark if known is None else known
    answer = ask(instance, start, seconds)
    # What it was given to begin with stands where it found no better.
    theirs = min((score(instance, cars) for cars in (start, answer.cars)), key=lambda s: s.mark)
    if not theirs.feasible:
        raise ValueError(f"{folder.name}: the model lets batches grow too long")
    note = (
        f"start {score(instance, start).mark:,.0f}; CP-SAT {VERSION} says "
        f"{answer.status.lower()}, bound {answer.bound:,.0f}, model built in {answer.build_s:.0f} s"
    )
    row = Row(name, ours, theirs.mark, "mark", note)
    print(f"  {row.name}: {row.ours:,.0f} against {theirs.mark:,.0f}; {note}", flush=True)
    return row
