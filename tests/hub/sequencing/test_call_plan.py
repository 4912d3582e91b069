"""Call plans: numbers, racks and times by definition; planning anew only what differs; refusals."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing.calendar import CalendarError, Shift, ShiftCalendar
from hub.sequencing.call_plan import (
    INT32_MAX,
    CallChange,
    CallPlan,
    PlannedCall,
    SupplyLine,
    consumption,
    plan_calls,
    replan,
)
from hub.sequencing.explode import BillOfMaterial, BomRule
from hub.sequencing.model import Car, InstanceError
from hub.sequencing.numbering import rack_and_slot, rack_name

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
CALENDAR = ShiftCalendar(
    "UTC",
    60,
    START.date(),
    date(2026, 11, 24),
    (Shift("early", time(6), time(14), frozenset({"mon", "tue"})),),
)
BILL = BillOfMaterial(
    [
        BomRule("DOOR", 1, "D-{colour}"),
        BomRule("HOOK", 1, "H", requires=frozenset({"tow"})),
        BomRule("SEAT", 1, "S-HEAT", requires=frozenset({"heat"})),
        BomRule("SEAT", 2, "S", quantity=2),
    ]
)
SEATS = SupplyLine("SEATS", 3600, 3, ("SEAT", "HOOK"), unloading_point="D7", sequence_wrap=4)
DOORS = SupplyLine("DOORS", 7200, 2, ("DOOR",), "reversed")
LINES = (SEATS, DOORS)
TOW, HEAT = frozenset({"tow"}), frozenset({"heat"})
CARS = (Car("a", "red", TOW), Car("b", "blue"), Car("c", "red", HEAT | TOW), Car("d", "red"))


def plan(cars: tuple[Car, ...], **numbers: int) -> CallPlan:
    return plan_calls(cars, BILL, LINES, CALENDAR, START, numbers)


def test_numbers_racks_and_times(kernels: ModuleType) -> None:
    calls = list(plan(CARS, SEATS=3))
    assert [
        (c.production_no, c.line, c.part_no, c.call_no, c.sequence_no, c.rack, c.slot)
        for c in calls
    ] == [
        ("a", "DOORS", "D-red", 1, 1, "DOORS-00001", 2),
        ("a", "SEATS", "H", 3, 3, "SEATS-00001", 3),
        ("a", "SEATS", "S", 4, 4, "SEATS-00002", 1),
        ("b", "DOORS", "D-blue", 2, 2, "DOORS-00001", 1),
        ("b", "SEATS", "S", 5, 1, "SEATS-00002", 2),
        ("c", "DOORS", "D-red", 3, 3, "DOORS-00002", 2),
        ("c", "SEATS", "H", 6, 2, "SEATS-00002", 3),
        ("c", "SEATS", "S-HEAT", 7, 3, "SEATS-00003", 1),
        ("d", "DOORS", "D-red", 4, 4, "DOORS-00002", 1),
        ("d", "SEATS", "S", 8, 4, "SEATS-00003", 2),
    ]
    assert calls[2] == PlannedCall(
        "a", "SEATS", "SEAT", "S", 2, "red", "D7", 4, 4, "SEATS-00002", 1, START.replace(hour=7)
    )
    assert calls[-2].required_at == START.replace(hour=8, minute=3)


def test_a_part_fitted_after_the_shift_is_required_on_the_next_day(kernels: ModuleType) -> None:
    late = plan_calls(CARS, BILL, LINES, CALENDAR, START.replace(hour=12, minute=58))
    required = [c.required_at for c in late if c.line == "SEATS" and c.part_group == "SEAT"]
    assert required == [
        START.replace(hour=13, minute=58),
        START.replace(hour=13, minute=59),
        START.replace(day=24),
        START.replace(day=24, minute=1),
    ]


def test_what_changes_when_a_car_is_taken_out(kernels: ModuleType) -> None:
    before = plan(CARS)
    after, changes = replan(before, CARS[:1] + CARS[2:])
    assert list(after) == list(plan(CARS[:1] + CARS[2:]))
    assert changes.counts() == {
        "new": 0,
        "gone": 2,
        "renumbered": 5,
        "retimed": 5,
        "moved": 5,
        "replaced": 0,
    }
    first, *_, last = changes
    assert first.before is not None
    assert first.after is not None
    assert (first.before.production_no, first.before.part_group) == ("c", "DOOR")
    assert (first.before.call_no, first.after.call_no) == (3, 2)
    assert (first.before.rack, first.after.rack) == ("DOORS-00002", "DOORS-00001")
    assert last == CallChange(before.call(4), None)


def test_cars_that_need_as_many_parts_leave_the_rest_as_it_is(kernels: ModuleType) -> None:
    _, changes = replan(plan(CARS), (CARS[0], CARS[3], CARS[2], CARS[1]))
    assert {c.after.production_no for c in changes if c.after} == {"b", "d"}
    _, changes = replan(plan(CARS), (CARS[1], CARS[0], *CARS[2:]))
    assert {c.after.production_no for c in changes if c.after} == {"a", "b"}


def test_a_car_of_another_colour_keeps_its_numbers(kernels: ModuleType) -> None:
    repainted = replace(CARS[1], colour="red")
    _, changes = replan(plan(CARS), (CARS[0], repainted, *CARS[2:]))
    assert changes.counts() == {
        "new": 0,
        "gone": 0,
        "renumbered": 0,
        "retimed": 0,
        "moved": 0,
        "replaced": 2,
    }


def test_nothing_changes(kernels: ModuleType) -> None:
    before = plan(CARS)
    after, changes = replan(before, CARS)
    assert after == before
    assert len(changes) == 0
    assert len(replan(plan(()), ())[1]) == 0


names = st.frozensets(st.sampled_from("vwxyz"), max_size=3)
bills = st.builds(
    BillOfMaterial,
    st.lists(
        st.builds(
            BomRule,
            part_group=st.sampled_from("ABCD"),
            rank=st.integers(0, 9),
            part_no=st.sampled_from(("p", "q-{colour}")),
            requires=names,
            excludes=names,
            colours=st.none() | st.frozensets(st.sampled_from("rg")),
        ),
        unique_by=lambda rule: (rule.part_group, rule.rank),
        max_size=12,
    ),
)
some_cars = st.lists(
    st.builds(Car, st.integers(0, 14).map(str), st.sampled_from("rgb"), names),
    unique_by=lambda car: car.production_no,
    max_size=12,
).map(tuple)


@st.composite
def lines_and_numbers(draw: st.DrawFn) -> tuple[tuple[SupplyLine, ...], dict[str, int]]:
    lines = tuple(
        SupplyLine(
            name,
            draw(st.sampled_from((0.0, 0.5, 3600.0))),
            draw(st.integers(1, 4)),
            groups,
            draw(st.sampled_from(("forward", "reversed"))),
            sequence_wrap=draw(st.integers(1, 9)),
        )
        for name, groups in (("one", ("A", "C")), ("two", ("B",)), ("three", ("D",)))
    )
    return lines, draw(st.dictionaries(st.sampled_from(("one", "two")), st.integers(1, 10**12)))


every_kernel = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=150,
)


@every_kernel
@given(cars=some_cars, bill=bills, supply=lines_and_numbers())
def test_a_plan_is_what_its_definition_says(
    kernels: ModuleType,
    cars: tuple[Car, ...],
    bill: BillOfMaterial,
    supply: tuple[tuple[SupplyLine, ...], dict[str, int]],
) -> None:
    lines, numbers = supply
    expected = []
    taken = Counter({line.id: numbers.get(line.id, 1) - 1 for line in lines})
    at = {car.production_no: i for i, car in enumerate(cars)}
    for need in bill.call_lines(cars):
        (line,) = (line for line in lines if need.part_group in line.part_groups)
        taken[line.id] += 1
        call_no = taken[line.id]
        slot = (call_no - 1) % line.rack_slots
        expected.append(
            PlannedCall(
                need.production_no,
                line.id,
                need.part_group,
                need.part_no,
                need.quantity,
                cars[at[need.production_no]].colour,
                line.unloading_point,
                call_no,
                (call_no - 1) % line.sequence_wrap + 1,
                f"{line.id}-{(call_no - 1) // line.rack_slots + 1:05d}",
                slot + 1 if line.load_order == "forward" else line.rack_slots - slot,
                CALENDAR.after(CALENDAR.start_of(START, at[need.production_no] + 1), line.lead_s),
            )
        )
    assert list(plan_calls(cars, bill, lines, CALENDAR, START, numbers)) == expected


@st.composite
def two_sequences(draw: st.DrawFn) -> tuple[tuple[Car, ...], tuple[Car, ...]]:
    """Any two, or two that differ by a few swaps, cars left out, or cars of other options."""
    one: tuple[Car, ...] = draw(some_cars)
    if draw(st.booleans()):
        return one, draw(some_cars)
    other = list(one)
    for _ in range(draw(st.integers(0, 3)) if one else 0):
        i, k = (draw(st.integers(0, len(one) - 1)) for _ in range(2))
        other[i], other[k] = other[k], other[i]
    if draw(st.booleans()) and other:
        i = draw(st.integers(0, len(other) - 1))
        repainted = Car(other[i].production_no, "g")
        other[i : i + 1] = [repainted] if draw(st.booleans()) else []
    return one, tuple(other)


@every_kernel
@given(pair=two_sequences(), bill=bills, supply=lines_and_numbers())
def test_planning_anew_what_differs_is_planning_anew(
    kernels: ModuleType,
    pair: tuple[tuple[Car, ...], tuple[Car, ...]],
    bill: BillOfMaterial,
    supply: tuple[tuple[SupplyLine, ...], dict[str, int]],
) -> None:
    lines, numbers = supply
    before = plan_calls(pair[0], bill, lines, CALENDAR, START, numbers)
    expected = plan_calls(pair[1], bill, lines, CALENDAR, START, numbers)
    after, changes = replan(before, pair[1])
    assert after == expected

    def by_key(calls: CallPlan) -> dict[tuple[str, str], PlannedCall]:
        return {(call.production_no, call.part_group): call for call in calls}

    # A rule may be another and name the same part; that too counts as replaced.
    old, new = by_key(before), by_key(expected)
    rules = [
        {
            (made.cars[car].production_no, bill.rules[rule].part_group): rule
            for car, rule in zip(made.columns.car, made.columns.rule, strict=True)
        }
        for made in (before, expected)
    ]
    keys = [key for key in new if old.get(key) != new[key] or rules[0][key] != rules[1][key]]
    keys += [key for key in old if key not in new]
    assert list(changes) == [CallChange(old.get(key), new.get(key)) for key in keys]
    both = [(old[key], new[key]) for key in keys if key in old and key in new]
    assert changes.counts() == {
        "new": sum(key not in old for key in keys),
        "gone": sum(key not in new for key in keys),
        "renumbered": sum(a.call_no != b.call_no for a, b in both),
        "retimed": sum(a.required_at != b.required_at for a, b in both),
        "moved": sum((a.rack, a.slot) != (b.rack, b.slot) for a, b in both),
        "replaced": sum(
            rules[0][key] != rules[1][key] or old[key].colour != new[key].colour
            for key in keys
            if key in old and key in new
        ),
    }


def test_numbers_at_their_limits(kernels: ModuleType) -> None:
    wide = replace(SEATS, sequence_wrap=1, rack_slots=INT32_MAX, load_order="reversed")
    found = plan_calls(CARS, BILL, (wide, DOORS), CALENDAR, START, {"SEATS": 10**15})
    numbers = [call.call_no for call in found if call.line == "SEATS"]
    assert numbers == list(range(10**15, 10**15 + 6))
    for call in found:
        if call.line == "SEATS":
            rack, slot = rack_and_slot(call.call_no, INT32_MAX, "reversed")
            assert (call.rack, call.slot) == (rack_name("SEATS", rack), slot)
            assert call.sequence_no == 1


def test_a_plan_of_no_cars_needs_no_calendar(kernels: ModuleType) -> None:
    assert not list(plan_calls((), BILL, LINES, replace(CALENDAR, shifts=()), START))


def test_a_day_of_many_cars_keeps_its_numbers_without_a_gap(kernels: ModuleType) -> None:
    chance = random.Random(3)
    cars = tuple(
        Car(str(n), chance.choice(("red", "blue")), frozenset(chance.sample(("tow", "heat"), 1)))
        for n in range(400)
    )
    found = plan(cars, DOORS=7)
    for line, first in (("SEATS", 1), ("DOORS", 7)):
        numbers = [call.call_no for call in found if call.line == line]
        assert numbers == list(range(first, first + len(numbers)))
    racks = Counter((call.line, call.rack, call.slot) for call in found)
    assert set(racks.values()) == {1}


def test_what_a_car_takes_for_levelling(kernels: ModuleType) -> None:
    assert consumption(CARS[:2], BILL, LINES) == {
        "a": {"DOORS/DOOR/D-red", "SEATS/HOOK/H", "SEATS/SEAT/S"},
        "b": {"DOORS/DOOR/D-blue", "SEATS/SEAT/S"},
    }


def test_a_plan_longer_than_the_calendar_is_refused() -> None:
    cars = tuple(Car(str(n), "red") for n in range(1200))
    with pytest.raises(CalendarError, match="1,200 cars, but the calendar holds 960 from"):
        plan(cars)
    with pytest.raises(CalendarError, match="a lead of 3,600 s of working time after car 960"):
        replan(plan(CARS), cars[:960])


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((SEATS,), "part group DOOR of the bill .* from no supplier line; known: SEAT, HOOK"),
        (
            (SEATS, replace(DOORS, part_groups=("DOORS",))),
            r"part group DOOR .* no supplier line; did you mean DOORS\?",
        ),
        ((*LINES, replace(DOORS, id="X")), "DOOR is called from two lines, DOORS and X"),
        ((*LINES, DOORS), "supplier line DOORS is given twice"),
    ],
)
def test_lines_that_do_not_fit_the_bill(lines: tuple[SupplyLine, ...], says: str) -> None:
    with pytest.raises(InstanceError, match=says):
        plan_calls(CARS, BILL, lines, CALENDAR, START)


def test_bad_lines_numbers_and_cars() -> None:
    with pytest.raises(InstanceError, match="SEATS: rack slots of 0: from 1 to"):
        replace(SEATS, rack_slots=0)
    with pytest.raises(InstanceError, match="SEATS: lead of nan s"):
        replace(SEATS, lead_s=float("nan"))
    with pytest.raises(InstanceError, match=r"load order 'reverse'; did you mean reversed\?"):
        replace(SEATS, load_order="reverse")  # type: ignore[arg-type]
    with pytest.raises(InstanceError, match=r"first number of SEAT: .*did you mean SEATS\?"):
        plan(CARS, SEAT=1)
    for number in (0, 10**15 + 1, 2**63 - 1, 2**64):
        with pytest.raises(InstanceError, match=f"line SEATS: {number:,}; calls count from 1"):
            plan(CARS, SEATS=number)
    with pytest.raises(InstanceError, match="production number a is given to 2 cars"):
        plan((*CARS, CARS[0]))
    with pytest.raises(InstanceError, match="production number b is given to 2 cars"):
        replan(plan(CARS), (CARS[1], CARS[1]))
