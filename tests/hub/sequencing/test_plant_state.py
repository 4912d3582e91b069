"""The day from its next car on, and the order when the plant only closes up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hub.sequencing.conflicts import ConflictError, spans
from hub.sequencing.model import (
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
from hub.sequencing.plant_state import PlantState, close_up, remaining
from hub.sequencing.scoring import score


def day(numbers: str, limits: Limits | None = None) -> Instance:
    return Instance(tuple(Car(n, "red") for n in numbers), limits=limits or Limits())


def numbers(of: Instance) -> str:
    return "".join(car.production_no for car in of.cars)


def closed(of: Instance, state: PlantState) -> str:
    return numbers(close_up(of, state).instance)


def random_day(seed: int) -> Instance:
    draw = random.Random(seed)
    cars = tuple(
        Car(f"{n:02}", draw.choice("rgb"), frozenset(o for o in "ABC" if draw.random() < 0.4))
        for n in range(14)
    )
    rules = Rules(
        (Ratio("A", 1, 3, True), Ratio("B", 2, 5, False)),
        ("high_priority", "capacity", "colour_changes", "low_priority", "lateness"),
        capacities=(Capacity("seats", frozenset("BC"), 2, 4),),
        cut_windows=draw.random() < 0.5,
    )
    places = {
        car.production_no: Place(
            due_from=draw.choice([None, draw.randint(1, 7)]),
            due_until=draw.choice([None, draw.randint(8, 14)]),
        )
        for car in cars
        if draw.random() < 0.5
    }
    yesterday = tuple(replace(car, production_no=f"y{car.production_no}") for car in cars[:4])
    return Instance(cars, rules, yesterday, Limits(places))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_left_is_judged_as_in_the_whole_day(seed: int) -> None:
    of, draw = random_day(seed), random.Random(seed)
    cars = list(of.cars)
    draw.shuffle(cars)
    cut = draw.randint(0, 14)
    passed, one = tuple(cars[:cut]), cars[cut:]
    other = draw.sample(one, len(one))
    left = remaining(of, [car.production_no for car in passed])
    assert score(left, one).mark - score(left, other).mark == (
        score(of, (*passed, *one)).mark - score(of, (*passed, *other)).mark
    )


def _two(draw: random.Random, of: Sequence[str]) -> tuple[str, str]:
    first, second = draw.sample(of, 2)
    return first, second


@pytest.mark.parametrize("seed", range(60))
def test_limits_of_what_is_left_are_those_of_the_day(seed: int) -> None:
    draw = random.Random(seed)
    letters = draw.sample("ABCDEFG", 7)
    limits = Limits(
        {n: Place(earliest=draw.randint(1, 4), latest=draw.randint(4, 7)) for n in letters[:3]},
        tuple(
            Pair(draw.choice(["apart", "in_order"]), *_two(draw, letters), draw.randint(1, 3))
            for _ in range(2)
        ),
    )
    of = day("ABCDEFG", limits)
    cars = {car.production_no: car for car in of.cars}
    broken = {limit.text for limit in score(of, [cars[n] for n in letters]).broken}
    passed, rest = letters[:3], letters[3:]
    settled = {*passed}
    for pair in limits.pairs:  # a pair the wrong way round can be mended by no place to come
        if pair.kind == "in_order" and pair.second in passed and pair.first not in passed:
            return
    try:
        left = remaining(of, passed)
    except ConflictError:
        assert broken
        return
    kept = score(left, [cars[n] for n in rest]).feasible
    to_come = [
        limit
        for limit in score(of, [cars[n] for n in letters]).broken
        if not settled.issuperset(limit.cars)
    ]
    assert kept == (not to_come)


def test_the_tail_is_as_long_as_windows_reach() -> None:
    of = random_day(1)
    passed = [car.production_no for car in of.cars[:9]]
    assert [car.production_no for car in remaining(of, passed).yesterday] == passed[-4:]
    assert len(remaining(of, passed[:1]).yesterday) == 4


def test_frozen_cars_that_have_passed_are_frozen_no_more() -> None:
    assert remaining(day("ABCDE", Limits(frozen=3)), ["A", "C"]).limits.frozen == 1


def test_a_car_whose_last_place_has_passed_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="car C was to stand at 2 at the latest, but 2 cars"):
        remaining(day("ABCD", Limits({"C": Place(latest=2)})), ["A", "B"])


def test_a_car_too_near_behind_one_that_has_passed_is_a_conflict() -> None:
    limits = Limits({"B": Place(latest=2)}, (Pair("apart", "A", "B", 3),))
    with pytest.raises(ConflictError, match="car B must keep its distance"):
        remaining(day("ABCD", limits), ["A"])


def test_who_has_passed_must_be_of_the_day_and_once() -> None:
    with pytest.raises(InstanceError, match="car X is not one of the day"):
        remaining(day("ABC"), ["X"])
    with pytest.raises(InstanceError, match="twice"):
        remaining(day("ABC"), ["A", "A"])


def test_the_others_close_up_frozen_ones_too() -> None:
    state = PlantState(tuple("ABCDEF"), 3, 4, frozenset("B"), frozenset("E"))
    left = close_up(day("ABCDEF"), state)
    assert numbers(left.instance) == "ACDF"
    assert left.instance.limits.frozen == 2
    assert left.gaps == (1, 3)


def test_a_car_comes_back_behind_the_released_or_at_its_place() -> None:
    of = day("ABCDEF")
    assert closed(of, PlantState(tuple("ABCD"), 1, 2, reinsert={"F": None})) == "ABFCD"
    assert closed(of, PlantState(tuple("ABCD"), 1, 2, reinsert={"F": 4})) == "ABCFD"
    assert closed(of, PlantState(tuple("ABCD"), 3, 0, reinsert={"F": 1, "E": None})) == "ABCEFD"


def test_late_parts_send_a_car_back_and_others_with_late_parts_that_close_up_by_it() -> None:
    of = day("ABCDEF")
    assert closed(of, PlantState(tuple("ABCDEF"), late_parts={"B": 4})) == "ACDBEF"
    assert closed(of, PlantState(tuple("ABCDEF"), late_parts={"B": 5, "D": 4})) == "ACEDBF"
    assert closed(of, PlantState(tuple("ABCDEF"), late_parts={"D": 2})) == "ABCDEF"


def test_late_parts_of_a_held_car_are_no_matter() -> None:
    state = PlantState(tuple("ABC"), blocked=frozenset("B"), late_parts={"B": 99})
    assert closed(day("ABC"), state) == "AC"


def test_late_parts_of_a_frozen_car_are_a_conflict() -> None:
    with pytest.raises(ConflictError, match="parts of car B are late until position 3, but it is"):
        close_up(day("ABCD"), PlantState(tuple("ABCD"), 2, late_parts={"B": 3}))


def test_late_parts_behind_the_end_are_a_conflict() -> None:
    with pytest.raises(ConflictError, match="car B may come at 9 at the earliest, but the sequenc"):
        close_up(day("ABCD"), PlantState(tuple("ABCD"), late_parts={"B": 9}))
    with pytest.raises(ConflictError, match="no place is left for it up to 4"):
        close_up(day("ABCD"), PlantState(tuple("ABCD"), late_parts={"A": 4, "B": 4}))


def test_limits_bind_whom_they_can() -> None:
    limits = Limits(
        {"A": Place(1, 1), "C": Place(2, 4), "D": Place(earliest=3)},
        (Pair("apart", "A", "B"), Pair("apart", "B", "C"), Pair("in_order", "A", "F")),
    )
    left = close_up(day("ABCDEF", limits), PlantState(tuple("BACDE"), frozen=2)).instance.limits
    assert left.places["A"] == Place()
    assert left.places["C"] == Place(3, 4)
    assert left.places["D"] == Place(3, 5)
    assert left.pairs == (Pair("apart", "B", "C"),)


def test_reach_counts_from_the_closed_up_order_and_spares_whom_the_disturbance_moves() -> None:
    of = day("ABCDEF", Limits(forward=1, back=0))
    left = close_up(of, PlantState(tuple("ABCDE"), 1, blocked=frozenset("C"), reinsert={"F": 2}))
    assert numbers(left.instance) == "AFBDE"
    assert left.spans == ((0, 0), (1, 4), (1, 2), (2, 3), (3, 4))
    assert list(left.spans) == spans(left.instance)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda: PlantState(("A", "A")), "car A stands in the sequence 2 times"),
        (lambda: PlantState(("A",), frozen=2), "2 frozen cars: the sequence has 1"),
        (lambda: PlantState(("A",), released=-1), "-1 released cars"),
        (lambda: PlantState(("A",), 0, 0, frozenset("A"), frozenset("A")), "both blocked and"),
        (lambda: PlantState(("A",), reinsert={"A": None}), "has never left"),
        (lambda: PlantState((), 0, 0, frozenset("A"), reinsert={"A": None}), "but is blocked"),
        (lambda: PlantState((), reinsert={"A": 0}), "car A at position 0 at the earliest"),
        (lambda: PlantState(("A",), late_parts={"A": 0}), "car A at position 0 at the earliest"),
    ],
)
def test_a_state_that_contradicts_itself_is_refused(state: object, message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        state()  # type: ignore[operator]


@pytest.mark.parametrize("field", ["blocked", "pulled_out", "reinsert", "late_parts"])
def test_a_car_that_is_not_there_is_named(field: str) -> None:
    value: object = {"X": 1} if field in ("reinsert", "late_parts") else frozenset("X")
    state = PlantState(("A",), **{field: value})  # type: ignore[arg-type]
    with pytest.raises(InstanceError, match="car X is not one of the day"):
        close_up(day("AB"), state)
