"""A sequence becomes calls: what each supplier line is asked for, under which number, by when, and
in which slot of which rack.

A day is some ten thousands of calls, so they are held as columns and made into records only where
somebody reads them.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import add
from typing import NamedTuple, get_args

from hub.orders.problems import did_you_mean
from hub.sequencing import kernels
from hub.sequencing.calendar import ShiftCalendar, instant_of
from hub.sequencing.explode import BillOfMaterial
from hub.sequencing.model import Car, InstanceError
from hub.sequencing.numbering import (
    MOVED,
    RENUMBERED,
    REPLACED,
    RETIMED,
    CallColumns,
    LoadOrder,
    rack_name,
)

INT32_MAX = (1 << 31) - 1
FIRST_NUMBER_AT_MOST = 10**15
"""From there a day counts on within 64 bits, and in whole numbers that every reader of JSON has."""


@dataclass(frozen=True, slots=True)
class SupplyLine:
    """A supplier's line, as far as calls depend on it."""

    id: str
    lead_s: float
    """Working time from the control point to the station where its parts are fitted."""
    rack_slots: int
    part_groups: tuple[str, ...]
    load_order: LoadOrder = "forward"
    unloading_point: str = ""
    sequence_wrap: int = 9999
    """Sequence numbers run from 1 to this."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lead_s) and self.lead_s >= 0):
            raise InstanceError(
                f"supplier line {self.id}: lead of {self.lead_s:g} s: a number from 0 up"
            )
        orders = get_args(LoadOrder)
        if self.load_order not in orders:
            raise InstanceError(
                f"supplier line {self.id}: load order {self.load_order!r}"
                f"{did_you_mean(self.load_order, orders)}"
            )
        for what, number in (
            ("rack slots", self.rack_slots),
            ("sequence wrap", self.sequence_wrap),
        ):
            if not 1 <= number <= INT32_MAX:
                raise InstanceError(
                    f"supplier line {self.id}: {what} of {number:,}: from 1 to {INT32_MAX:,}"
                )


class PlannedCall(NamedTuple):
    """One call, for reading."""

    production_no: str
    line: str
    part_group: str
    part_no: str
    quantity: int
    colour: str
    unloading_point: str
    call_no: int
    sequence_no: int
    rack: str
    slot: int
    required_at: datetime


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The calls of a sequence, in order of the cars, then of the part groups' names."""

    cars: tuple[Car, ...]
    bill: BillOfMaterial = field(repr=False)
    lines: tuple[SupplyLine, ...]
    calendar: ShiftCalendar
    start: datetime
    """When the first car passes the control point."""
    first_numbers: tuple[int, ...]
    """Of each line, the number of its first call."""
    columns: CallColumns = field(repr=False)

    def __len__(self) -> int:
        return len(self.columns.car)

    def __iter__(self) -> Iterator[PlannedCall]:
        return map(self.call, range(len(self)))

    def call(self, index: int) -> PlannedCall:
        """The call at this place of the columns."""
        columns = self.columns
        car, rule = self.cars[columns.car[index]], self.bill.rules[columns.rule[index]]
        line = self.lines[columns.line[index]]
        return PlannedCall(
            car.production_no,
            line.id,
            rule.part_group,
            rule.part_for(car.colour),
            rule.quantity,
            car.colour,
            line.unloading_point,
            columns.call_no[index],
            columns.sequence_no[index],
            rack_name(line.id, columns.rack[index]),
            columns.slot[index],
            instant_of(columns.required_us[index]),
        )


class CallChange(NamedTuple):
    """A call in two plans; its identity is the car and the part group."""

    before: PlannedCall | None
    """None: it is new."""
    after: PlannedCall | None
    """None: it is gone."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The calls that differ between two plans of one plant; as columns of one length.

    Calls of the new plan come in its order, then those that are gone in the order of the old one.
    """

    old: CallPlan
    new: CallPlan
    before: array[int]
    """Place in the old plan's columns, -1 for a call that is new: int32."""
    after: array[int]
    """Place in the new plan's columns, -1 for a call that is gone: int32."""
    what: array[int]
    """Sum of RENUMBERED, RETIMED, MOVED and REPLACED; 0 for calls new or gone: uint8."""

    def __len__(self) -> int:
        return len(self.what)

    def __iter__(self) -> Iterator[CallChange]:
        for before, after in zip(self.before, self.after, strict=True):
            yield CallChange(
                self.old.call(before) if before >= 0 else None,
                self.new.call(after) if after >= 0 else None,
            )

    def counts(self) -> dict[str, int]:
        """How many calls are new, gone, renumbered, retimed, in another rack or slot (moved), and
        for another part or colour (replaced)."""
        whats = bytes(self.what)
        times = [(what, whats.count(what)) for what in range(1, 16)]

        def having(flag: int) -> int:
            return sum(count for what, count in times if what & flag)

        return {
            "new": self.before.count(-1),
            "gone": self.after.count(-1),
            "renumbered": having(RENUMBERED),
            "retimed": having(RETIMED),
            "moved": having(MOVED),
            "replaced": having(REPLACED),
        }


def plan_calls(
    cars: Sequence[Car],
    bill: BillOfMaterial,
    lines: Sequence[SupplyLine],
    calendar: ShiftCalendar,
    start: datetime,
    first_numbers: Mapping[str, int] | None = None,
) -> CallPlan:
    """The calls that these cars need if they pass the control point from `start` on, at the takt.

    first_numbers: by line, the number of its next call; 1 for those not named. A call is required
    when the car is fitted: its start at the control point, and the lead in working time. Raises
    `InstanceError` if lines and bill of material do not fit, and its kind `CalendarError` if the
    calendar is too short.
    """
    given = first_numbers or {}
    names = [line.id for line in lines]
    for name, number in given.items():
        if name not in names:
            raise InstanceError(f"first number of {name}: no such line{did_you_mean(name, names)}")
        if not 1 <= number <= FIRST_NUMBER_AT_MOST:
            raise InstanceError(
                f"first number of line {name}: {number:,}; calls count from 1, and a day begins at "
                f"{FIRST_NUMBER_AT_MOST:,} at most"
            )
    firsts = tuple(given.get(name, 1) for name in names)
    frame = _Frame(bill, tuple(lines), calendar, start, len(cars))
    columns = frame.columns(_each_once(cars), 0, firsts)
    return CallPlan(tuple(cars), bill, tuple(lines), calendar, start, firsts, columns)


def replan(plan: CallPlan, cars: Sequence[Car]) -> tuple[CallPlan, Changes]:
    """The plan for other cars or another order, and what it changes; equal to one made anew.

    Worked out is only what lies behind the first difference, and only until the cars agree again,
    if by then each line has had as many calls as before; else the numbers differ to the end.
    """
    old, new, was = plan.cars, _each_once(cars), plan.columns
    first = _first_difference(old, new)
    last = len(new)
    if len(old) == last:
        last -= _first_difference(old[first:][::-1], new[first:][::-1])
    frame = _Frame(plan.bill, plan.lines, plan.calendar, plan.start, len(new))
    lines = len(plan.lines)
    begin = bisect_left(was.car, first)
    end = bisect_left(was.car, last) if last < len(new) else len(plan)
    had = kernels.calls_by_line(was.line, 0, begin, lines)
    numbers = tuple(map(add, plan.first_numbers, had))
    now = frame.columns(new[first:last], first, numbers)
    if last < len(new):
        calls = kernels.calls_by_line(now.line, 0, len(now.line), lines)
        if calls != kernels.calls_by_line(was.line, begin, end, lines):
            rest = frame.columns(new[last:], last, tuple(map(add, numbers, calls)))
            now = CallColumns(*map(add, now, rest))
            last, end = len(new), len(plan)
    columns = CallColumns(*(column[:] for column in was))
    for column, part in zip(columns, now, strict=True):
        column[begin:end] = part
    planned = replace(plan, cars=new, columns=columns)
    old_last = last if last < len(new) else len(old)
    return planned, _changes(plan, planned, (first, old_last, last), begin, end)


def _changes(
    old: CallPlan, new: CallPlan, window: tuple[int, int, int], begin: int, end: int
) -> Changes:
    """What differs. window: first position, and those behind the last of the old and the new plan,
    that may differ; begin, end: the same of the old plan's calls."""
    first, old_last, new_last = window
    was = {car.production_no: at for at, car in enumerate(old.cars[first:old_last], first)}
    cars = new.cars[first:new_last]
    came_from = array("i", [was.get(car.production_no, -1) for car in cars])
    recoloured = array(
        "B",
        [
            at >= 0 and old.cars[at].colour != car.colour
            for at, car in zip(came_from, cars, strict=True)
        ],
    )
    found = kernels.changed_calls(
        old.columns,
        new.columns,
        begin,
        end,
        first,
        came_from,
        recoloured,
        new.bill.group_of_rule,
    )
    return Changes(old, new, *found)


def consumption(
    cars: Sequence[Car], bill: BillOfMaterial, lines: Sequence[SupplyLine]
) -> dict[str, frozenset[str]]:
    """The parts each car takes, by production number, as `line/part group/part`: what `levelling`
    evens out (`Instance.consumption`)."""
    line_of_rule = _line_of_rule(bill, lines)
    names: dict[tuple[int, str], str] = {}
    taken: list[list[str]] = [[] for _ in cars]
    for at, number in zip(*bill.columns(cars), strict=True):
        key = number, cars[at].colour
        name = names.get(key)
        if name is None:
            rule = bill.rules[number]
            line = lines[line_of_rule[number]].id
            name = names[key] = f"{line}/{rule.part_group}/{rule.part_for(cars[at].colour)}"
        taken[at].append(name)
    return {car.production_no: frozenset(t) for car, t in zip(cars, taken, strict=True)}


class _Frame:
    """What the columns of a plan are worked out from, beside the order of the cars."""

    def __init__(
        self,
        bill: BillOfMaterial,
        lines: tuple[SupplyLine, ...],
        calendar: ShiftCalendar,
        start: datetime,
        cars: int,
    ) -> None:
        self._bill = bill
        self._line_of_rule = _line_of_rule(bill, lines)
        self._wrap = array("i", [line.sequence_wrap for line in lines])
        self._rack_slots = array("i", [line.rack_slots for line in lines])
        self._reverse = array("B", [line.load_order == "reversed" for line in lines])
        leads = sorted({line.lead_s for line in lines})
        self._required = array("q")
        for lead in leads:
            self._required += calendar.times(start, cars, lead)
        self._required_of_line = array("i", [cars * leads.index(line.lead_s) for line in lines])

    def columns(self, cars: Sequence[Car], first: int, next_call_no: Sequence[int]) -> CallColumns:
        """The calls of cars that stand from position `first` on, with the lines' next numbers."""
        car, rule = self._bill.columns(cars, first)
        numbered = kernels.number_calls(
            car,
            rule,
            self._line_of_rule,
            array("q", next_call_no),
            self._wrap,
            self._rack_slots,
            self._reverse,
            self._required_of_line,
            self._required,
        )
        return CallColumns(car, rule, *numbered)


def _line_of_rule(bill: BillOfMaterial, lines: Sequence[SupplyLine]) -> array[int]:
    """Index of the supplier line of each rule's part group."""
    ids = [line.id for line in lines]
    for line in ids:
        if ids.count(line) > 1:
            raise InstanceError(f"supplier line {line} is given twice")
    at: dict[str, int] = {}
    for i, supply in enumerate(lines):
        for group in supply.part_groups:
            if at.setdefault(group, i) != i:
                raise InstanceError(
                    f"part group {group} is called from two lines, {ids[at[group]]} and {supply.id}"
                )
    for rule in bill.rules:
        if rule.part_group not in at:
            raise InstanceError(
                f"part group {rule.part_group} of the bill of material is called from no supplier "
                f"line{did_you_mean(rule.part_group, at)}"
            )
    return array("i", [at[rule.part_group] for rule in bill.rules])


def _each_once(cars: Sequence[Car]) -> tuple[Car, ...]:
    numbers = Counter([car.production_no for car in cars])
    if len(numbers) != len(cars):
        twice = next(number for number, count in numbers.items() if count > 1)
        raise InstanceError(f"production number {twice} is given to {numbers[twice]} cars")
    return tuple(cars)


def _first_difference(one: Sequence[Car], other: Sequence[Car]) -> int:
    """The first position at which the two differ, or the length of the shorter."""
    pairs = enumerate(zip(one, other, strict=False))
    # Most are the same object, and the field-by-field comparison is then spared.
    return next((i for i, (a, b) in pairs if a is not b and a != b), min(len(one), len(other)))
