"""What the kernel's line tells a repair, against counting by hand."""

from __future__ import annotations

import random

import pytest

from hub.sequencing.arrays import line_of
from hub.sequencing.model import Capacity, Car, Instance, Limits, Place, Ratio, Rules


def day(seed: int, *, tail: int, cut_windows: bool) -> Instance:
    draw = random.Random(seed)

    def car(number: str) -> Car:
        return Car(number, draw.choice("rg"), frozenset(o for o in "ab" if draw.random() < 0.5))

    rules = Rules(
        (Ratio("a", 1, 3, True), Ratio("b", 2, 6, False)),
        ("high_priority", "low_priority", "capacity"),
        cut_windows=cut_windows,
        capacities=(Capacity("seats", frozenset("ab"), 3, 5),),
    )
    return Instance(
        tuple(car(f"{n:02}") for n in range(30)), rules, tuple(car(f"y{n}") for n in range(tail))
    )


def over_full(of: Instance, place: int) -> dict[int, float]:
    """By position: weight of the over-full windows that hold the place and count the car there."""
    line = [*of.yesterday, *of.cars]
    tail, weights = len(of.yesterday), of.rules.weight_of()
    counted = [
        (r.most, r.window, weights["high_priority" if r.high_priority else "low_priority"],
         frozenset({r.option})) for r in of.rules.ratios
    ]  # fmt: skip
    counted += [(c.most, c.window, weights["capacity"], c.options) for c in of.rules.capacities]
    costs: dict[int, float] = {}
    for most, window, weight, options in counted:
        for start in range(len(line)):
            inside = range(start, min(start + window, len(line)))
            whole = len(inside) == window
            takers = [at for at in inside if line[at].options & options]
            if place + tail in inside and len(takers) > most and (whole or of.rules.cut_windows):
                for at in takers:
                    if at >= tail:
                        costs[at - tail] = costs.get(at - tail, 0.0) + weight
    return costs


@pytest.mark.parametrize("seed", range(20))
def test_trouble_is_what_over_full_windows_weigh(seed: int) -> None:
    of = day(seed, tail=seed % 8, cut_windows=seed % 2 == 0)
    line = line_of(of, of.cars, seed=1)
    for place in (0, 3, 15, 29):
        assert dict(line.trouble(place)) == over_full(of, place)


@pytest.mark.parametrize("limits", [Limits(), Limits({"20": Place(latest=25)})])
def test_cars_that_are_held_stay_and_the_others_are_searched_from_here(limits: Limits) -> None:
    of = day(1, tail=3, cut_windows=True)
    of = Instance(of.cars, of.rules, of.yesterday, limits)
    line = line_of(of, of.cars, seed=1)
    line.anneal(2_000, 1e6, 60, 25)
    line.hold(12)
    standing, cost = line.order(), line.cost
    assert line.best_cost == cost
    line.anneal(5_000, 0.3, 60, 25)
    assert line.order()[:12] == standing[:12]
    assert line.best_order()[:12] == standing[:12]
    assert line.order()[12:] != standing[12:]
    assert line.best_cost <= cost
