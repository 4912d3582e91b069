"""Cars and rules that make no instance are refused, and the text names what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from hub.sequencing.model import (
    DUE_WITHIN,
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

CARS = (Car("A", "red"), Car("B", "red"), Car("C", "blue"))
OPTION = frozenset({"roof"})


def limited(limits: Limits) -> Instance:
    return Instance(CARS, limits=limits)


def placed(earliest: int | None = None, latest: int | None = None) -> Instance:
    return limited(Limits({"B": Place(earliest, latest)}))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ratio("roof", 3, 2, high_priority=True), "ratio 3/2 of option roof"),
        (lambda: Ratio("roof", 0, 0, high_priority=True), "ratio 0/0 of option roof"),
        (lambda: Ratio("roof", -1, 2, high_priority=True), "ratio -1/2 of option roof"),
        (lambda: Capacity("seats", OPTION, 5, 4), "capacity 5/4 of supplier line seats"),
        (lambda: Capacity("seats", frozenset(), 1, 4), "supplier line seats: no option"),
        (lambda: Capacity.per_hour("seats", OPTION, -1, 60), "capacity -1/60 of supplier line"),
        (lambda: Capacity.per_hour("seats", OPTION, 9, 0), "takt of 0 s for supplier line seats"),
        (lambda: Capacity.per_hour("seats", OPTION, 9, -60), "takt of -60 s"),
        (lambda: Capacity.per_hour("seats", OPTION, 9, math.nan), "takt of nan s"),
        (lambda: Capacity.per_hour("seats", OPTION, 9, 5e-324), "windows of at most 1,000,000"),
        (lambda: Rules(batch_limit=0), "paint batch limit of 0: at least 1"),
        (lambda: Rules(batch_limit=-2), "paint batch limit of -2"),
        (lambda: Rules(batch_limit=2**31), "at least 1, at most 2,147,483,647"),
        (lambda: Ratio("roof", 1, 2**31, True), "of option roof: windows of at most 1,000,000"),
        (lambda: Capacity("seats", OPTION, 1, 2**63), "seats: windows of at most 1,000,000 cars"),
        (
            lambda: Rules((Ratio("roof", 1, 2, True), Ratio("roof", 1, 3, False))),
            "option roof is given twice",
        ),
        (
            lambda: Rules(objectives=("lateness", "lateness")),
            "objective lateness is given twice",
        ),
        (
            lambda: Rules(capacities=(Capacity("seats", OPTION, 1, 2),) * 2),
            "capacity of line seats is given twice",
        ),
        (
            lambda: Rules(objectives=("colours",)),  # type: ignore[arg-type]  # from a file
            "unknown objective colours; known: high_priority, ",
        ),
        (
            lambda: Rules(objectives=("levelling",), weights=(math.nan,)),
            "weight nan of objective levelling: 0, or a number from 1e-12 to 1e\\+12",
        ),
        (lambda: Rules(objectives=("levelling",), weights=(math.inf,)), "weight inf"),
        (lambda: Rules(objectives=("levelling",), weights=(1e13,)), "weight 10{13}"),
        (lambda: Rules(objectives=("levelling",), weights=(-1.0,)), r"weight -1\.0"),
        (lambda: Rules(objectives=("levelling",), weights=(5e-324,)), "weight 5e-324"),
        (lambda: Rules(objectives=("levelling",), weights=()), "0 weights for 1 objectives"),
        (
            lambda: Rules(
                objectives=(
                    "high_priority",
                    "low_priority",
                    "colour_changes",
                    "capacity",
                    "levelling",
                    "lateness",
                )
            ),
            "6 objectives in order; at most 5: give weights",
        ),
        (lambda: Instance((*CARS, CARS[1], CARS[1])), "number B is given to 3 cars"),
        (lambda: placed(3, 2), "car B shall stand from 3 to 2: no position"),
        (lambda: placed(earliest=0), "car B at position 0: the day has 1 to 3"),
        (lambda: placed(earliest=4), "car B at position 4: the day has 1 to 3"),
        (lambda: placed(latest=4), "car B at position 4: the day has 1 to 3"),
        (
            lambda: limited(Limits({"B": Place(due_from=3, due_until=1)})),
            "car B shall be due from 3 to 1",
        ),
        (
            lambda: limited(Limits({"B": Place(due_from=DUE_WITHIN + 1)})),
            f"car B is due at {DUE_WITHIN + 1}",
        ),
        (lambda: limited(Limits({"X": Place(9, 9)})), "car X is not one of the day"),
        (lambda: limited(Limits(pairs=(Pair("apart", "A", "X"),))), "car X is not one"),
        (lambda: limited(Limits(pairs=(Pair("apart", "A", "A"),))), "two cars"),
        (lambda: limited(Limits(pairs=(Pair("in_order", "A", "B", 0),))), "at least one place"),
        (lambda: limited(Limits(frozen=4)), "4 frozen positions, but 3 cars"),
        (lambda: limited(Limits(frozen=-1)), "frozen of -1"),
        (lambda: limited(Limits(forward=-1)), "forward of -1"),
        (lambda: limited(Limits(back=-1)), "back of -1"),
        (
            lambda: Instance(CARS, consumption={"X": frozenset({"seats/left/1"})}),
            "car X is not one of the day",
        ),
    ],
)
def test_what_makes_no_instance_is_refused_by_name(make: Callable[[], object], text: str) -> None:
    with pytest.raises(InstanceError, match=text):
        make()


def test_objectives_in_order_weigh_a_thousand_of_the_next() -> None:
    three = Rules().weight_of()
    assert list(three.values()) == [1e6, 1e3, 1]
    assert list(Rules(objectives=("colour_changes", "high_priority")).weight_of().values()) == [
        1e6,
        1e3,
    ]
    assert Rules(objectives=("lateness", "levelling"), weights=(0.5, 0)).weight_of() == {
        "lateness": 0.5,
        "levelling": 0,
    }


def test_a_capacity_per_hour_counts_whole_cars_of_the_takt() -> None:
    assert Capacity.per_hour("seats", OPTION, 30, 57) == Capacity("seats", OPTION, 30, 63)
    assert Capacity.per_hour("seats", OPTION, 100, 60).most == 60
    assert Capacity.per_hour("seats", OPTION, 1, 7200) == Capacity("seats", OPTION, 1, 1)


def test_a_car_may_be_due_when_the_day_is_over() -> None:
    limited(Limits({"A": Place(due_from=7), "B": Place(due_until=0)}))
