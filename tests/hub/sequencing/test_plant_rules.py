"""The search under a plant's rules: priced as the scorer prices, no hard limit ever broken."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest

from hub.sequencing.arrays import goal_chased, line_of
from hub.sequencing.model import (
    Capacity,
    Car,
    Instance,
    InstanceError,
    Limits,
    Objective,
    Pair,
    Place,
    Ratio,
    Rules,
)
from hub.sequencing.optimise import optimise
from hub.sequencing.scoring import score

EVERY: tuple[Objective, ...] = (
    "high_priority",
    "colour_changes",
    "low_priority",
    "capacity",
    "levelling",
    "lateness",
)
OPTIONS = "ABCDE"


def instance(
    seed: int,
    cars: int,
    *,
    tail: int = 5,
    parts: int = 12,
    limit: int | None = None,
    limits: Limits | None = None,
) -> Instance:
    """A random day with something to say for each objective; without `limits` with dues alone."""
    draw = random.Random(seed)

    def car(number: str) -> Car:
        options = frozenset(option for option in OPTIONS if draw.random() < 0.4)
        return Car(number, f"c{draw.randrange(4)}", options)

    today = tuple(car(f"{n:04d}") for n in range(cars))
    rules = Rules(
        tuple(
            Ratio(option, draw.randint(0, 2), draw.choice([2, 3, 5, 40]), n % 2 == 0)
            for n, option in enumerate(OPTIONS)
        ),
        EVERY,
        limit,
        draw.random() < 0.5,
        (
            Capacity("seats", frozenset("AB"), 1, 4),
            Capacity("doors", frozenset("CE"), draw.randint(0, 3), draw.choice([3, 30])),
        ),
        tuple(draw.choice([0, 0.5, 1, 7, 1000]) for _ in EVERY),
    )
    consumption = {
        c.production_no: frozenset(
            f"seats/g/{draw.randrange(parts)}" for _ in range(draw.randint(0, 6))
        )
        for c in today
    }
    if limits is None:
        limits = Limits({c.production_no: due(draw, cars) for c in today if draw.random() < 0.6})
    return Instance(today, rules, tuple(car(f"y{n}") for n in range(tail)), limits, consumption)


def due(draw: random.Random, cars: int) -> Place:
    """A random span; it may begin before the day or end after it."""
    start, end = draw.randint(-3, cars), draw.randint(1, cars + 4)
    return Place(
        due_from=min(start, end) if draw.random() < 0.7 else None,
        due_until=max(start, end) if draw.random() < 0.7 else None,
    )


def any_move(draw: random.Random, cars: int) -> tuple[str, int, int] | tuple[str, int, int, int]:
    """A kind of move and its positions."""
    if cars > 1 and draw.random() < 0.25:
        a, b, end = sorted(draw.sample(range(cars + 1), 3))
        return "exchange", a, b, end - 1
    return draw.choice(["swap", "insert", "reverse"]), draw.randrange(cars), draw.randrange(cars)


@pytest.mark.parametrize("cars", [1, 2, 7, 8, 9, 40, 65, 100])
@pytest.mark.parametrize("parts", [0, 3, 70])
def test_a_move_changes_the_mark_by_its_price(cars: int, parts: int) -> None:
    for seed, tail in enumerate((0, 1, 7, 50)):
        of = instance(seed, cars, tail=tail, parts=max(parts, 1))
        if parts == 0:
            of = replace(of, consumption={})
        line = line_of(of, of.cars, seed)
        draw = random.Random(seed)
        assert line.cost == pytest.approx(score(of).mark, rel=1e-12)
        for _ in range(20):
            move = any_move(draw, cars)
            before = line.order()
            price = line.price(*move)
            assert line.order() == before
            assert line.move(*move) == price
            now = score(of, [of.cars[i] for i in line.order()]).mark
            assert line.cost == pytest.approx(now, rel=1e-11, abs=1e-8), (seed, move)


@pytest.mark.parametrize("objective", EVERY)
def test_each_objective_is_priced_by_itself_and_exactly_where_it_is_whole(
    objective: Objective,
) -> None:
    of = instance(11, 64)  # its square is a power of two, so that levelling is exact too
    of = replace(of, rules=replace(of.rules, objectives=(objective,), weights=None))
    line = line_of(of, of.cars, 1)
    draw = random.Random(3)
    changed = 0
    for _ in range(60):
        delta = line.move(*any_move(draw, 64))
        changed += delta != 0
        assert line.cost == score(of, [of.cars[i] for i in line.order()]).mark
    assert changed > 5


def test_a_long_search_leaves_no_drift() -> None:
    for seed in range(4):
        of = instance(seed, 150, tail=seed * 10, parts=30)
        line = line_of(of, of.cars, seed)
        for temperature in (1e6, 1e3, 10.0, 0.0):
            line.anneal(10_000, temperature, 30, 30, 20)
            assert line.cost == pytest.approx(line.evaluate(), rel=1e-9)
            order = [of.cars[i] for i in line.order()]
            assert line.cost == pytest.approx(score(of, order).mark, rel=1e-12)


def limited(seed: int, cars: int) -> Instance:
    """A day whose given order keeps all of its many limits."""
    draw = random.Random(seed)
    numbers = [f"{n:04d}" for n in range(cars)]
    places = {}
    for position, number in enumerate(numbers, 1):
        if draw.random() < 0.5:
            places[number] = Place(
                earliest=draw.randint(1, position) if draw.random() < 0.7 else None,
                latest=draw.randint(position, cars) if draw.random() < 0.7 else None,
            )
    fixed = draw.randrange(cars)
    places[numbers[fixed]] = Place(fixed + 1, fixed + 1)
    pairs = []
    for _ in range(cars // 5):
        a, b = sorted(draw.sample(range(cars), 2))
        if draw.random() < 0.5:
            pairs.append(Pair("in_order", numbers[a], numbers[b], draw.randint(1, b - a)))
        else:
            pairs.append(Pair("apart", numbers[b], numbers[a], draw.randint(1, b - a)))
    reach = [None, 10, 40]
    return instance(
        seed,
        cars,
        limit=12,
        limits=Limits(
            places, tuple(pairs), draw.choice([0, 7]), draw.choice(reach), draw.choice(reach)
        ),
    )


@pytest.mark.parametrize("seed", range(12))
def test_no_limit_is_broken_at_any_moment_of_a_search(seed: int) -> None:
    of = limited(seed, 80)
    assert score(of).feasible
    line = line_of(of, of.cars, seed)
    seen = set()
    for temperature in (1e9, 1e3, 10.0, 0.0):
        for _ in range(8):
            line.anneal(60, temperature, 30, 20, 30)
            order = tuple(line.order())
            found = score(of, [of.cars[i] for i in order])
            assert found.broken == ()
            assert found.long_batches == ()
            seen.add(order)
    assert len(seen) > 12  # it did search


@pytest.mark.parametrize("seed", range(4))
def test_what_is_found_from_any_start_keeps_every_limit(seed: int) -> None:
    of = limited(seed, 60)
    shuffled = random.Random(seed).sample(of.cars, len(of.cars))
    for start in (None, of.cars, shuffled):
        found = optimise(of, max_moves=20_000, start=start)
        assert score(of, found.cars).feasible
        assert found.mark == score(of, found.cars).mark


def test_frozen_positions_are_not_even_tried() -> None:
    cars = tuple(Car(str(n), str(n % 2)) for n in range(100))
    of = Instance(cars, Rules((), ("colour_changes",)), (), Limits(frozen=98))
    line = line_of(of, cars, 1)
    line.anneal(500, 1e9, 60, 20)
    assert line.priced == 500  # nearly all draws would miss the two cars that may move
    assert line.order()[:98] == list(range(98))


def test_a_day_whose_cars_all_have_their_place_stays_as_it_is() -> None:
    of = instance(5, 30, limits=Limits(frozen=30))
    found = optimise(of, max_moves=1_000)
    assert found.cars == of.cars
    assert found.moves == 0


@pytest.mark.parametrize("seed", range(4))
def test_small_days_are_solved_to_the_best_that_there_is(seed: int) -> None:
    """Against every order of six cars, with soft and hard rules together."""
    draw = random.Random(seed)
    numbers = [f"{n:04d}" for n in range(6)]
    limits = Limits(
        {numbers[1]: Place(latest=4), numbers[2]: Place(2, 6), numbers[5]: due(draw, 6)},
        (Pair("apart", numbers[0], numbers[3], 2), Pair("in_order", numbers[4], numbers[5])),
        forward=4,
        back=4,
    )
    of = instance(seed, 6, tail=3, parts=4, limit=3, limits=limits)
    scores = [score(of, order) for order in itertools.permutations(of.cars)]
    marks = [each.mark for each in scores if each.feasible]
    assert 1 < len(marks) < 720
    found = optimise(of, max_moves=20_000, start=of.cars)
    assert score(of, found.cars).feasible
    assert found.mark == min(marks)


def by_goal_chasing(of: Instance) -> list[Car]:
    """Monden's: at each position the car that leaves consumption nearest to its even rate."""
    parts = sorted({part for taken in of.consumption.values() for part in taken})
    total = {part: sum(part in t for t in of.consumption.values()) for part in parts}
    so_far = dict.fromkeys(parts, 0)
    left, order = list(of.cars), list[Car]()
    for k in range(1, len(of.cars) + 1):

        def distance(car: Car, k: int = k) -> int:
            taken = of.consumption[car.production_no]
            return sum(
                ((so_far[part] + (part in taken)) * len(of.cars) - k * total[part]) ** 2
                for part in parts
            )

        car = min(left, key=distance)
        left.remove(car)
        order.append(car)
        for part in of.consumption[car.production_no]:
            so_far[part] += 1
    return order


@pytest.mark.parametrize("seed", range(3))
def test_levelling_beats_goal_chasing(seed: int) -> None:
    draw = random.Random(seed)
    cars = tuple(Car(f"{n:03d}", "white") for n in range(60))
    consumption = {
        car.production_no: frozenset(
            f"{line}/g/{min(int(draw.expovariate(0.8)), 4)}" for line in ("seats", "doors", "axles")
        )
        for car in cars
    }
    of = Instance(cars, Rules((), ("levelling",)), consumption=consumption)
    greedy = score(of, by_goal_chasing(of))
    assert greedy.levelling < score(of).levelling
    assert list(goal_chased(of)) == by_goal_chasing(of)
    assert optimise(of, max_moves=500_000).mark < greedy.mark - 1


def test_cars_stand_when_they_are_due_where_nothing_speaks_against_it() -> None:
    draw = random.Random(1)
    wanted = list(range(50))
    draw.shuffle(wanted)
    cars = tuple(Car(str(n), "white") for n in range(50))
    places = {
        car.production_no: Place(due_from=at - 1, due_until=at + 3)
        for car, at in zip(cars, wanted, strict=True)
    }
    of = Instance(cars, Rules((), ("lateness",)), limits=Limits(places))
    assert score(of).lateness > 300
    assert optimise(of, max_moves=200_000).mark == 0


def test_what_is_given_up_for_what_is_said_by_order_or_by_weight() -> None:
    # Two colours and a ratio of 1/2: one change of colour or no violation, not both.
    cars = tuple(
        Car(str(n), "white" if n % 2 else "black", frozenset("A" if n % 2 else ""))
        for n in range(8)
    )
    objectives: tuple[Objective, ...] = ("high_priority", "colour_changes")
    ratios = (Ratio("A", 1, 2, high_priority=True),)

    def values(weights: tuple[float, ...] | None) -> tuple[int, int]:
        of = Instance(cars, Rules(ratios, objectives, weights=weights))
        found = score(of, optimise(of, max_moves=20_000).cars)
        return found.high_priority, found.colour_changes

    assert values(None) == (0, 6)
    assert values((1, 100)) == (3, 1)
    assert values((1000, 1)) == (0, 6)


def test_what_the_kernel_cannot_hold_is_refused() -> None:
    cars = tuple(Car(str(n), "white") for n in range(3))
    ratios = tuple(Ratio(f"O{n}", 1, 2, high_priority=True) for n in range(64))
    lines = (Capacity("seats", frozenset({"O1"}), 1, 2),)
    with pytest.raises(InstanceError, match="65 ratios and supplier lines enter the mark"):
        line_of(
            Instance(cars, Rules(ratios, ("high_priority", "capacity"), capacities=lines)), cars, 1
        )
    # What does not enter the mark takes no room.
    line_of(Instance(cars, Rules(ratios, ("high_priority",), capacities=lines)), cars, 1)

    crowd = tuple(Car(str(n), "white", frozenset({"O"})) for n in range(20_001))
    for window, whole in ((20_000, True), (20_001, False), (1_000_000, False)):
        of = Instance(crowd, Rules((Ratio("O", 7, window, high_priority=True),)))
        if whole:
            assert line_of(of, crowd, 1).cost == score(of).mark
        else:
            with pytest.raises(InstanceError, match="a window over 20,001 cars"):
                line_of(of, crowd, 1)

    many = tuple(Car(str(n), "white") for n in range(9_000))
    half = {car.production_no: frozenset({"a/b/c"}) for car in many[:4_500]}
    with pytest.raises(InstanceError, match="levelling of 1 parts over 9000 cars"):
        line_of(Instance(many, Rules((), ("levelling",)), consumption=half), many, 1)


def test_levelling_of_a_large_day_stays_within_its_numbers() -> None:
    """2,000 cars and 300 parts, each taken by the first half: as uneven as can be."""
    cars = tuple(Car(str(n), "white") for n in range(2_000))
    parts = frozenset(f"a/b/{n}" for n in range(300))
    consumption = {car.production_no: parts for car in cars[:1_000]}
    of = Instance(cars, Rules((), ("levelling",), weights=(1,)), consumption=consumption)
    line = line_of(of, cars, 1)
    # Each part is ahead by k / 2 for k up to 1,000, and the same again on the way down.
    uneven = 300 * (2 * sum(k * k for k in range(1, 1_000)) + 1_000**2) / 4
    assert line.cost == score(of).mark == uneven
    line.move("swap", 0, 1_999)
    line.move("reverse", 0, 1_999)
    line.move("insert", 1_999, 0)
    mark = score(of, [cars[i] for i in line.order()]).mark
    assert math.isclose(line.cost, mark, rel_tol=1e-12)
