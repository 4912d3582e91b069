"""What a day says, put together: an instance to be sequenced, a calendar, and what is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from hub.orders.calendar_entry import shift_calendar
from hub.orders.day_model import (
    MAX_RULES,
    CarEntry,
    DayModel,
    PairEntry,
    PlainCarEntry,
    SupplyLineEntry,
    When,
)
from hub.orders.problems import MAX_SHOWN, nearest
from hub.orders.yaml_file import Location, where
from hub.sequencing.calendar import ShiftCalendar
from hub.sequencing.call_plan import SupplyLine, consumption
from hub.sequencing.explode import BillOfMaterial
from hub.sequencing.model import (
    NO_RULES,
    Capacity,
    Car,
    Instance,
    InstanceError,
    Limits,
    Pair,
    Place,
    Ratio,
    Rules,
)

PRE_SERIES = "PRE-SERIES"
"""The option that cars of the pre-series have beside their own, so that a ratio spreads them."""

Problem = tuple[Location, str]


class DayError(ValueError):
    """A day contradicts itself: where and why, for each problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{where(loc)}: {reason}" for loc, reason in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class DayCalendar:
    """The plant's calendar, and where in it the day begins."""

    shifts: ShiftCalendar
    start: datetime
    """When the first car starts."""


@dataclass(frozen=True, slots=True)
class Day:
    """All that a day says."""

    instance: Instance
    calendar: DayCalendar | None
    bill: BillOfMaterial
    lines: tuple[SupplyLine, ...]
    first_calls: Mapping[str, int]
    """Number of each line's first call of the day."""


def make_day(model: DayModel) -> Day:
    """Put a day together. Raises `DayError` with every contradiction."""
    return _Maker(model).day()


class _Maker:
    """One day in the making. What is wrong is noted, and the rest still looked at."""

    def __init__(self, model: DayModel) -> None:
        self.model = model
        self.problems: list[Problem] = []
        self._numbers = [entry.production_no for entry in model.cars]
        self._cars = frozenset(self._numbers)
        self._calendar: DayCalendar | None = None

    def day(self) -> Day:
        self._check_names()
        self._calendar = self._read_calendar()
        rules, limits, bill = self._rules(), self._limits(), self._bill()
        if self.problems:
            raise DayError(self.problems)
        pre_series = set(self.model.pre_series.cars) if self.model.pre_series else set()
        cars = tuple(_car(entry, entry.production_no in pre_series) for entry in self.model.cars)
        yesterday = tuple(_car(entry, False) for entry in self.model.yesterday)
        delivering = [line for line in self.model.lines if line.part_groups]
        lines = tuple(_supply_line(line) for line in delivering)
        try:
            taken = consumption(cars, bill, lines)
            instance = Instance(cars, rules, yesterday, limits, taken)
        except InstanceError as error:
            raise DayError([((), str(error))]) from None
        first_calls = {line.id: line.first_call for line in delivering}
        return Day(instance, self._calendar, bill, lines, first_calls)

    @contextmanager
    def _noting(self, loc: Location) -> Iterator[None]:
        """Notes what the sequencing model refuses, as a problem of this place."""
        try:
            yield
        except InstanceError as error:
            self.problems.append((loc, str(error)))

    def _check_names(self) -> None:
        """What stands twice, and what is named and not there."""
        model = self.model
        self._once("car", ((("cars", i), number) for i, number in enumerate(self._numbers)))
        self._once("line", ((("lines", i, "id"), line.id) for i, line in enumerate(model.lines)))
        groups = [
            (("lines", i, "part_groups", k), group)
            for i, line in enumerate(model.lines)
            for k, group in enumerate(line.part_groups)
        ]
        self._once("part group", (((*loc, "id"), group.id) for loc, group in groups))
        if sum(len(group.bom) for _, group in groups) > MAX_RULES:
            self.problems.append((("lines",), f"more than {MAX_RULES} rules of bills of material"))
        if PRE_SERIES in model.options:
            self.problems.append(
                (("options", PRE_SERIES), "is the name of cars under pre_series; choose another")
            )
        for key, cars in (("cars", model.cars), ("yesterday", model.yesterday)):
            for i, car in enumerate(cars):
                self._known_options((key, i, "options"), car.options)
        for i, line in enumerate(model.lines):
            if line.capacity is not None:
                self._known_options(("lines", i, "capacity", "options"), line.capacity.options)
        for loc, group in groups:
            for r, rule in enumerate(group.bom):
                self._known_options((*loc, "bom", r, "requires"), rule.requires)
                self._known_options((*loc, "bom", r, "excludes"), rule.excludes)
        for i, pair in enumerate(model.pairs):
            self._known_cars(("pairs", i), (pair.first, pair.second))
        if model.pre_series is not None:
            self._known_cars(("pre_series", "cars"), model.pre_series.cars)

    def _once(self, what: str, names: Iterable[tuple[Location, str]]) -> None:
        first: dict[str, Location] = {}
        for loc, name in names:
            if first.setdefault(name, loc) != loc:
                self.problems.append((loc, f"{what} {name} stands at {where(first[name])} already"))

    def _known_options(self, loc: Location, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.model.options:
                hint = self._near(name, self.model.options) or "; list it under options"
                self.problems.append((loc, f"no option {name!r}{hint}"))

    def _known_cars(self, loc: Location, numbers: Iterable[str]) -> None:
        for number in numbers:
            if number not in self._cars:
                hint = self._near(number, self._numbers)
                self.problems.append((loc, f"no car {number!r}{hint}"))

    def _near(self, word: str, known: Iterable[str]) -> str:
        """What may be meant; not sought where so much is wrong that nobody reads it."""
        if len(self.problems) >= MAX_SHOWN:
            return ""
        return nearest(word, known)

    def _read_calendar(self) -> DayCalendar | None:
        entry = self.model.calendar
        if entry is None:
            return None
        with self._noting(("calendar",)):
            shifts = shift_calendar(entry, entry.takt_s)
            shifts.times(entry.start, len(self._numbers))  # refused if it cannot hold them all
            return DayCalendar(shifts, entry.start)
        return None

    def _rules(self) -> Rules:
        ratios = []
        for name, option in self.model.options.items():
            if option.ratio is not None:
                with self._noting(("options", name, "ratio")):
                    ratios.append(_ratio(name, option.ratio, option.priority))
        if self.model.pre_series is not None:
            with self._noting(("pre_series", "ratio")):
                ratio = self.model.pre_series.ratio
                ratios.append(_ratio(PRE_SERIES, ratio, self.model.pre_series.priority))
        capacities = tuple(self._capacities())
        objectives = self.model.objectives
        with self._noting(("objectives",)):
            return Rules(
                ratios=tuple(ratios),
                objectives=tuple(objectives),
                batch_limit=self.model.batch_limit,
                cut_windows=not self.model.whole_windows,
                capacities=capacities,
                weights=tuple(objectives.values()) if isinstance(objectives, dict) else None,
            )
        return NO_RULES

    def _capacities(self) -> Iterator[Capacity]:
        for i, line in enumerate(self.model.lines):
            if (entry := line.capacity) is None:
                continue
            loc = ("lines", i, "capacity")
            options = frozenset(entry.options)
            with self._noting(loc):
                if entry.ratio is not None:
                    most, window = _numbers(entry.ratio)
                    yield Capacity(line.id, options, most, window)
                elif self.model.calendar is None:
                    self.problems.append((loc, "per_hour needs a calendar, for its takt"))
                elif entry.per_hour is not None:
                    takt_s = self.model.calendar.takt_s
                    yield Capacity.per_hour(line.id, options, entry.per_hour, takt_s)

    def _limits(self) -> Limits:
        model = self.model
        pre = model.pre_series
        span = Place()
        if pre is not None:
            loc: Location = ("pre_series",)
            span = Place(
                self._earliest((*loc, "earliest"), pre.earliest),
                self._latest((*loc, "latest"), pre.latest),
            )
        pre_series = set(pre.cars) if pre is not None else set()
        places = {}
        for i, entry in enumerate(model.cars):
            place = self._place(("cars", i), entry)
            if entry.production_no in pre_series:
                place = _within(place, span)
            self._check_span(("cars", i), "stand", place.earliest, place.latest)
            self._check_span(("cars", i), "be due", place.due_from, place.due_until)
            if place != Place():
                places[entry.production_no] = place
        if model.frozen > len(model.cars):
            reason = f"{model.frozen} frozen positions, but {len(model.cars)} cars"
            self.problems.append((("frozen",), reason))
        return Limits(
            places,
            tuple(Pair(p.kind, p.first, p.second, p.places) for p in self._two_cars()),
            model.frozen,
            model.forward,
            model.back,
        )

    def _two_cars(self) -> Iterator[PairEntry]:
        for i, pair in enumerate(self.model.pairs):
            if pair.first == pair.second:
                self.problems.append((("pairs", i), f"car {pair.first} twice; a pair has two cars"))
            else:
                yield pair

    def _place(self, loc: Location, entry: CarEntry) -> Place:
        if entry.fixed is not None:
            first = last = self._hard((*loc, "fixed"), entry.fixed, entry.fixed)
        else:
            first = self._earliest((*loc, "earliest"), entry.earliest)
            last = self._latest((*loc, "latest"), entry.latest)
        return Place(
            first,
            last,
            self._from((*loc, "due_from"), entry.due_from),
            self._until((*loc, "due_until"), entry.due_until),
        )

    def _earliest(self, loc: Location, when: When | None) -> int | None:
        return self._hard(loc, when, self._from(loc, when))

    def _latest(self, loc: Location, when: When | None) -> int | None:
        position = self._until(loc, when)
        if isinstance(when, datetime) and position is not None:
            position = min(position, len(self._numbers))
        return self._hard(loc, when, position)

    def _hard(self, loc: Location, when: When | None, position: int | None) -> int | None:
        """A position that a car must keep to, and so one of the day."""
        if position is None or 1 <= position <= len(self._numbers):
            return position
        said = f"{when:%Y-%m-%d %H:%M} is " if isinstance(when, datetime) else ""
        reason = f"{said}position {position}, but the day has 1 to {len(self._numbers)}"
        self.problems.append((loc, reason))
        return None

    def _from(self, loc: Location, when: When | None) -> int | None:
        """The first position that starts at `when` or later; it may lie behind the day."""
        if not isinstance(when, datetime):
            return when
        with self._noting(loc):
            if (day := self._calendar_for(loc)) is not None:
                return day.shifts.capacity(day.start, when) + 1
        return None

    def _until(self, loc: Location, when: When | None) -> int | None:
        """The last position that has started at `when`; 0 if none has."""
        if not isinstance(when, datetime):
            return when
        with self._noting(loc):
            if (day := self._calendar_for(loc)) is not None:
                return day.shifts.position_at(day.start, when)
        return None

    def _calendar_for(self, loc: Location) -> DayCalendar | None:
        """The calendar; none is a problem of what needs it, unless it is wrong itself."""
        if self.model.calendar is None:
            self.problems.append((loc, "a time needs a calendar; add one, or give a position"))
        return self._calendar

    def _check_span(self, loc: Location, what: str, first: int | None, last: int | None) -> None:
        if first is not None and last is not None and first > last:
            number = self.model.cars[int(loc[1])].production_no
            reason = f"car {number} shall {what} from {first} to {last}: no position"
            self.problems.append((loc, reason))

    def _bill(self) -> BillOfMaterial:
        return BillOfMaterial(
            [
                rule.rule(group.id, rank)
                for group in {
                    g.id: g for line in self.model.lines for g in line.part_groups
                }.values()
                for rank, rule in enumerate(group.bom, 1)
            ]
        )


def _car(entry: PlainCarEntry, pre_series: bool) -> Car:
    options = {*entry.options, PRE_SERIES} if pre_series else entry.options
    return Car(entry.production_no, entry.colour, frozenset(options))


def _supply_line(entry: SupplyLineEntry) -> SupplyLine:
    return SupplyLine(
        id=entry.id,
        lead_s=entry.lead_s,
        rack_slots=entry.rack_slots,
        part_groups=tuple(group.id for group in entry.part_groups),
        load_order=entry.load_order,
        unloading_point=entry.unloading_point,
        sequence_wrap=entry.sequence_wrap,
    )


def _within(place: Place, span: Place) -> Place:
    """The place, no wider than the span."""
    firsts = [first for first in (place.earliest, span.earliest) if first is not None]
    lasts = [last for last in (place.latest, span.latest) if last is not None]
    return replace(place, earliest=max(firsts, default=None), latest=min(lasts, default=None))


def _ratio(option: str, text: str, priority: str) -> Ratio:
    return Ratio(option, *_numbers(text), high_priority=priority == "high")


def _numbers(ratio: str) -> tuple[int, int]:
    most, window = ratio.split("/")
    return int(most), int(window)
