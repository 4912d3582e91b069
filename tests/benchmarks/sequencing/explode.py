"""1,000 cars × 60 part groups become a call plan: beside the same work on the plain-Python kernels.

`explode` is the bill of material alone, car by car and group by group; `whole plan` adds numbers,
racks, slots and the times at which each call is due; `planned anew` is what a car put 100 places
back costs once the plan stands.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time

from hub.orders.generate import generate
from hub.sequencing import _kernels_py, call_plan, explode
from hub.sequencing import calendar as calendar_module
from hub.sequencing.calendar import Break, Shift, ShiftCalendar
from hub.sequencing.call_plan import SupplyLine, plan_calls, replan
from hub.sequencing.explode import BillOfMaterial, BomRule
from tests.benchmarks.report import AtLeast, Goal, Row, interleaved, report

CARS, GROUPS, LINES, VARIANTS = 1_000, 60, 6, 4
USERS = (explode, call_plan, calendar_module)
"""Modules that call the kernels."""
START = datetime(2026, 11, 23, 6, tzinfo=UTC)
CALENDAR = ShiftCalendar(
    "UTC",
    60,
    START.date(),
    date(2026, 11, 27),
    (
        Shift(
            "day",
            time(6),
            time(22),
            frozenset({"mon", "tue", "wed", "thu", "fri"}),
            breaks=(Break(time(9), time(9, 20)), Break(time(13), time(13, 40))),
        ),
    ),
)


def measure() -> bool:
    """Measure and report."""
    cars = generate(CARS, 1).instance().cars
    bill = BillOfMaterial(_rules())
    lines = [
        SupplyLine(
            f"LINE{n}",
            3600.0 * (n + 1),
            12,
            tuple(_group(g) for g in range(GROUPS) if g % LINES == n),
        )
        for n in range(LINES)
    ]
    plan = plan_calls(cars, bill, lines, CALENDAR, START)
    order = list(cars)
    order.insert(500, order.pop(400))
    work: dict[str, Callable[[], object]] = {
        "explode": lambda: bill.columns(cars),
        "whole plan": lambda: plan_calls(cars, bill, lines, CALENDAR, START),
        "planned anew": lambda: replan(plan, order),
    }
    plain = {f"{name} in Python": _on_twins(run) for name, run in work.items()}
    taken = interleaved(work | plain, rounds=5, seconds_per_turn=0.2)
    calls = len(plan)
    rows = [
        Row(
            name,
            calls / taken[name],
            calls / taken[f"{name} in Python"],
            "calls/s",
            f"{1000 * taken[name]:.2f} ms against {1000 * taken[f'{name} in Python']:.0f} ms, "
            f"{calls:,} calls",
        )
        for name in work
    ]
    goals: dict[str, Goal] = {row.name: AtLeast(1) for row in rows}
    return report("sequencing-explode", rows, goals)


def _group(number: int) -> str:
    return f"GROUP{number:02d}"


def _rules() -> list[BomRule]:
    """Each group has variants by option, and one for all others; every third comes in colours."""
    options = sorted(generate(1, 1).option_names)
    draw = random.Random(1)
    return [
        BomRule(
            _group(group),
            rank,
            f"P{group:02d}{rank}" + ("-{colour}" if group % 3 == 0 else ""),
            requires=frozenset(draw.sample(options, 2)) if rank < VARIANTS else frozenset(),
        )
        for group in range(GROUPS)
        for rank in range(1, VARIANTS + 1)
    ]


def _on_twins(run: Callable[[], object]) -> Callable[[], object]:
    def work() -> object:
        with _twins():
            return run()

    return work


@contextmanager
def _twins() -> Iterator[None]:
    """The plain-Python kernels in use."""
    compiled = {module: vars(module)["kernels"] for module in USERS}
    for module in USERS:
        vars(module)["kernels"] = _kernels_py
    try:
        yield
    finally:
        for module, kernels in compiled.items():
            vars(module)["kernels"] = kernels
