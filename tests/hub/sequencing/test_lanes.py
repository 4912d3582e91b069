"""A mix bank: plans cost what the scorer says, none is cheaper on tiny banks, and looking pays."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from hub.sequencing.lanes import LaneError, next_lane, store_lane
from hub.sequencing.model import Capacity, Car, Instance, Ratio, Rules
from hub.sequencing.scoring import score

RULES = Rules(
    (Ratio("roof", 1, 3, True), Ratio("hook", 2, 5, False), Ratio("tow", 0, 2, False)),
    ("high_priority", "capacity", "colour_changes", "low_priority"),
    capacities=(Capacity("seats", frozenset({"roof", "air"}), 2, 4),),
)


def car(draw: random.Random, number: str) -> Car:
    shares = {"roof": 0.35, "hook": 0.4, "air": 0.3, "tow": 0.1}
    options = frozenset(name for name, share in shares.items() if draw.random() < share)
    return Car(number, draw.choice(["red", "blue", "grey"]), options)


def bank(seed: int, lanes: int, depth: int) -> tuple[list[list[Car]], list[Car]]:
    draw = random.Random(seed)
    return (
        [
            [car(draw, f"{lane}/{n}") for n in range(draw.randint(0, depth))]
            for lane in range(lanes)
        ],
        [car(draw, f"line {n}") for n in range(draw.randint(0, 9))],
    )


def added(line: Sequence[Car], following: Sequence[Car], rules: Rules) -> float:
    """Mark of the line with the cars, less that of the line; windows cut by its end count."""

    def mark(cars: Sequence[Car]) -> float:
        return score(Instance(tuple(cars), replace(rules, batch_limit=None))).mark

    return mark([*line, *following]) - mark(line)


def interleavings(lanes: Sequence[Sequence[Car]], length: int) -> Iterator[list[Car]]:
    if length == 0:
        yield []
        return
    for lane, cars in enumerate(lanes):
        if cars:
            rest = [*lanes[:lane], cars[1:], *lanes[lane + 1 :]]
            for following in interleavings(rest, length - 1):
                yield [cars[0], *following]


def keeps_batches(line: Sequence[Car], following: Sequence[Car], limit: int) -> bool:
    run, last = 0, None
    for n, each in enumerate([*line, *following]):
        run = run + 1 if each.colour == last else 1
        last = each.colour
        if n >= len(line) and run > limit:
            return False
    return True


@pytest.mark.parametrize("seed", range(60))
def test_a_plan_costs_what_the_scorer_says_and_takes_cars_from_the_heads(seed: int) -> None:
    lanes, line = bank(seed, 4, 6)
    if not any(lanes):
        return
    choice = next_lane(lanes, line, RULES, look_ahead=1 + seed % 12, width=1 + seed % 7)
    cars = [release.car for release in choice.plan]
    assert choice.cost == added(line, cars, RULES)
    assert len(cars) == min(1 + seed % 12, sum(map(len, lanes)))
    assert choice.lane == choice.plan[0].lane
    for lane, waiting in enumerate(lanes):
        taken = [release.car for release in choice.plan if release.lane == lane]
        assert taken == waiting[: len(taken)]


@pytest.mark.parametrize("limit", [None, 2])
@pytest.mark.parametrize("seed", range(40))
def test_on_a_tiny_bank_no_plan_is_cheaper(seed: int, limit: int | None) -> None:
    lanes, line = bank(seed, 3, 3)
    rules = replace(RULES, batch_limit=limit)
    for length in range(sum(map(len, lanes)), 0, -1):
        costs = [
            added(line, cars, rules)
            for cars in interleavings(lanes, length)
            if limit is None or keeps_batches(line, cars, limit)
        ]
        if costs:
            choice = next_lane(lanes, line, rules, look_ahead=9, width=10_000)
            assert (len(choice.plan), choice.cost) == (length, min(costs))
            return
    with pytest.raises(LaneError):
        next_lane(lanes, line, rules)


def emptied(lanes: Sequence[Sequence[Car]], line: Sequence[Car], look_ahead: int) -> float:
    """Mark that a bank adds when it is emptied, planned anew for each car."""
    left, released = [list(cars) for cars in lanes], list(line)
    while any(left):
        lane = next_lane(left, released, RULES, look_ahead=look_ahead).lane
        released.append(left[lane].pop(0))
    return added(line, released[len(line) :], RULES)


def test_looking_ahead_beats_the_cheapest_head() -> None:
    banks = [bank(seed, 5, 6) for seed in range(12)]
    greedy = sum(emptied(lanes, line, 1) for lanes, line in banks)
    ahead = sum(emptied(lanes, line, 10) for lanes, line in banks)
    assert ahead < 0.8 * greedy


def test_a_line_longer_than_windows_reach_changes_nothing() -> None:
    lanes, _ = bank(3, 4, 6)
    draw = random.Random(1)
    line = [car(draw, str(n)) for n in range(40)]
    assert next_lane(lanes, line, RULES) == next_lane(lanes, line[-5:], RULES)


def test_blocked_and_empty_lanes_release_nothing() -> None:
    red, blue, grey = (Car(colour, colour) for colour in ("red", "blue", "grey"))
    rules = Rules((), ("colour_changes",))
    assert next_lane([[red], [blue]], [red], rules).lane == 0
    choice = next_lane([[red], [], [blue, grey]], [red], rules, blocked={0})
    assert [tuple(release) for release in choice.plan] == [(2, blue), (2, grey)]
    with pytest.raises(LaneError, match="no lane can release: lane 0 is blocked; lane 1 is empty"):
        next_lane([[red], []], [], rules, blocked={0})
    with pytest.raises(LaneError, match="there is none"):
        next_lane([], [], rules)


def test_the_batch_limit_is_hard_and_looked_at_ahead() -> None:
    reds, blue = [Car(f"r{n}", "red") for n in range(4)], Car("b", "blue")
    rules = Rules((), ("colour_changes",), batch_limit=2)
    # Two reds first would be cheaper by one change, but leave none to part the others.
    choice = next_lane([reds[:2], [blue, *reds[2:]]], reds[:1], rules)
    assert [release.car.colour for release in choice.plan] == ["red", "blue", "red", "red"]
    with pytest.raises(LaneError, match=r"car r2 at the head of lane 0 is red too, and 2 cars of"):
        next_lane([reds[2:]], reds[:2], rules)


def test_of_two_ways_to_the_same_cars_the_dearer_may_leave_the_shorter_batch() -> None:
    red, blues = Car("r", "red"), [Car(f"b{n}", "blue") for n in range(3)]
    rules = Rules((), ("colour_changes",), batch_limit=2)
    # After three cars red, blue, blue has cost less than blue, red, blue; but it ends there.
    choice = next_lane([blues[:1], [red, *blues[1:]]], [], rules)
    assert [release.car for release in choice.plan] == [blues[0], red, *blues[1:]]


@pytest.mark.parametrize(("look_ahead", "width"), [(0, 1), (1, 0)])
def test_a_plan_of_nothing_is_refused(look_ahead: int, width: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next_lane([[Car("A", "red")]], [], RULES, look_ahead=look_ahead, width=width)


def test_a_car_goes_where_it_does_not_hold_others_up() -> None:
    """Behind the reds a blue one has to wait for all of them, in the other lane it may go first."""
    rules = Rules((), ("colour_changes",))
    reds, blue = [Car(f"r{n}", "red") for n in range(4)], Car("b", "blue")
    lanes = [reds[:2], reds[2:]]
    line = [Car("l", "blue")]
    assert store_lane([reds[:3], []], blue, rules, line=line, places=4) == 1
    assert store_lane(lanes, blue, rules, line=line, places=4, blocked={0}) == 1
    assert store_lane([reds[:3], reds[3:]], blue, rules, line=line, places=3) == 1


def test_a_full_bank_takes_in_nothing() -> None:
    lanes = [[Car("A", "red")], [Car("B", "red")]]
    with pytest.raises(LaneError, match="car C: lane 0 is blocked; lane 1 holds 1; each has 1"):
        store_lane(lanes, Car("C", "red"), RULES, places=1, blocked={0})


def through_a_bank(
    cars: Sequence[Car], rules: Rules, *, lanes: int, places: int, look_ahead: int
) -> list[Car]:
    """A day through a bank between paint and trim: it is kept two thirds full, then emptied."""
    bank: list[list[Car]] = [[] for _ in range(lanes)]
    coming, trim = list(cars), list[Car]()
    while coming or any(bank):
        while coming and 3 * sum(map(len, bank)) < 2 * lanes * places:
            lane = store_lane(bank, coming[0], rules, places=places, line=trim)
            bank[lane].append(coming.pop(0))
        lane = next_lane(bank, trim, rules, look_ahead=look_ahead).lane
        trim.append(bank[lane].pop(0))
    return trim


def test_a_bank_of_six_lanes_between_paint_and_trim_mends_a_day_of_200_cars() -> None:
    draw = random.Random(5)
    cars = tuple(car(draw, f"{n:03}") for n in range(200))
    day = Instance(cars, RULES)
    trim = through_a_bank(cars, RULES, lanes=6, places=4, look_ahead=6)
    assert sorted(c.production_no for c in trim) == [c.production_no for c in cars]
    assert score(day, trim).mark < 0.5 * score(day).mark
