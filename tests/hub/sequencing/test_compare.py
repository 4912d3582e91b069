"""Two sequences side by side: which is better, why, and what moved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sequencing import Car, Instance, InstanceError, Ratio, Rules, adherence_of
from hub.sequencing.compare import compare
from hub.sequencing.model import Capacity, Limits, Place

RULES = Rules(
    (Ratio("X", 1, 2, high_priority=True), Ratio("Y", 1, 2, high_priority=False)),
    capacities=(Capacity("SEAT1", frozenset("X"), 1, 2),),
    batch_limit=2,
)


def day(text: str) -> tuple[Car, ...]:
    """`1AX 2B`: car 1 of colour A with option X, then car 2 of colour B without."""
    return tuple(Car(word[0], word[1], frozenset(word[2:])) for word in text.split())


def order(cars: tuple[Car, ...], numbers: str) -> list[Car]:
    return [next(car for car in cars if car.production_no == number) for number in numbers]


CARS = day("1AX 2AX 3B 4BY")


def test_figures_stand_side_by_side() -> None:
    found = compare(Instance(CARS, RULES), CARS, order(CARS, "1324"))
    assert [(d.name, d.one, d.other, d.change) for d in found.objectives[:3]] == [
        ("high_priority", 1, 0, -1),
        ("colour_changes", 1, 3, 2),
        ("low_priority", 0, 0, 0),
    ]
    assert [(d.name, d.change) for d in found.options] == [("X", -1), ("Y", 0)]
    assert [(d.name, d.change) for d in found.lines] == [("SEAT1", -1)]
    assert (found.better, found.decided_by) == ("other", "high_priority")
    assert found.adherence == adherence_of("1234", "1324")


def test_the_other_way_round_the_first_is_better() -> None:
    found = compare(Instance(CARS, RULES), order(CARS, "1324"), CARS)
    assert (found.better, found.decided_by) == ("one", "high_priority")


def test_a_sequence_is_worth_the_same_as_itself() -> None:
    found = compare(Instance(CARS, RULES), CARS, CARS)
    assert (found.better, found.decided_by, found.moved) == (None, None, ())
    assert found.as_text().startswith("both are worth the same")


def test_hard_limits_come_before_any_mark() -> None:
    strict = Instance(CARS, replace(RULES, batch_limit=1))
    found = compare(strict, CARS, order(CARS, "1324"))
    assert (found.better, found.decided_by) == ("other", "hard limits")
    assert (found.hard_limits.one, found.hard_limits.other) == (2, 0)


def test_at_equal_marks_fewer_broken_limits_are_better() -> None:
    limits = Limits({"1": Place(latest=1), "2": Place(latest=1)})
    same = Instance(day("1A 2A 3A"), limits=limits)
    found = compare(same, order(same.cars, "312"), order(same.cars, "132"))
    assert (found.one.mark, found.hard_limits.one, found.hard_limits.other) == (0, 2, 1)
    assert (found.better, found.decided_by) == ("other", "hard limits")


def test_many_of_a_lower_objective_can_outweigh_the_first() -> None:
    weighted = replace(RULES, weights=(1.0, 5.0, 1.0))
    found = compare(Instance(CARS, weighted), CARS, order(CARS, "1324"))
    assert (found.better, found.decided_by) == ("one", "colour_changes")
    # The heaviest stands first, whatever the order they were named in.
    assert found.objectives[0].name == "colour_changes"


def test_a_car_pulled_forward_moved_and_the_others_made_room() -> None:
    found = compare(Instance(CARS, RULES), CARS, order(CARS, "4123"))
    assert [(c.production_no, c.before, c.after, c.shifted) for c in found.moved] == [
        ("4", 4, 1, False),
        ("1", 1, 2, True),
        ("2", 2, 3, True),
        ("3", 3, 4, True),
    ]
    text = found.as_text()
    assert "cars moved: 1, made room: 3\n  4 from 4 to 1" in text


def test_top_keeps_the_cars_that_moved_furthest() -> None:
    found = compare(Instance(CARS, RULES), CARS, order(CARS, "4123"))
    written = json.loads(json.dumps(found.as_json(top=1), allow_nan=False))
    assert [car["production_no"] for car in written["moved"]] == ["4"]
    assert written["moved_cars"] == 4
    assert written["mark"] == {"one": found.one.mark, "other": found.other.mark}
    assert written["objectives"][0] == {
        "name": "high_priority",
        "one": 1,
        "other": 1,
        "change": 0,
    }


def test_long_names_and_figures_do_not_run_into_one_another() -> None:
    name = "an option with a name of its own"
    heavy = Rules((Ratio(name, 0, 2, high_priority=True),), weights=(1e12, 1.0, 1.0))
    cars = [Car(str(i), "A", frozenset({name} if i < 100 else ())) for i in range(200)]
    lines = compare(Instance(tuple(cars), heavy), cars, cars[::-1]).as_text().splitlines()
    (mark,) = [line.split() for line in lines if line.startswith("mark")]
    assert mark == ["mark", "199,000,000,000,000", "200,000,000,000,000", "+1,000,000,000,000"]
    assert f"{name} {'199':>16} {'200':>16} {'+1':>16}" in lines


def test_a_foreign_car_is_refused() -> None:
    with pytest.raises(InstanceError, match="9 is not one of the day"):
        compare(Instance(CARS, RULES), CARS, [*CARS[1:], Car("9", "A")])


@settings(deadline=None)
@given(permutation=st.permutations(range(12)))
def test_cars_that_made_room_kept_the_longest_order(permutation: list[int]) -> None:
    cars = tuple(Car(f"{i:02d}", "A") for i in range(12))
    found = compare(Instance(cars), cars, [cars[i] for i in permutation])
    assert {(c.production_no, c.before, c.after) for c in found.moved} == {
        (f"{i:02d}", i + 1, place) for place, i in enumerate(permutation, 1) if place != i + 1
    }
    befores = [car.before for car in found.moved if car.shifted]
    assert befores == sorted(befores)
    taken_out = sum(not car.shifted for car in found.moved)
    stayed = 12 - len(found.moved)
    # A car may be taken out and come back to its place, and such a one is not listed.
    assert taken_out <= 12 - round(found.adherence.in_order * 12) <= taken_out + stayed
