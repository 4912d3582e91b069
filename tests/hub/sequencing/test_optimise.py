"""The search: moves are priced as the scorer prices them, what is found is valid and better."""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sequencing._search import Line
from hub.sequencing.arrays import line_of
from hub.sequencing.construct import mend_batches
from hub.sequencing.cooling import Cooling
from hub.sequencing.model import Car, Instance, InstanceError, Ratio, Rules
from hub.sequencing.optimise import _Search, optimise, shares
from hub.sequencing.scoring import score


def instance(
    seed: int,
    cars: int = 60,
    *,
    ratios: int = 4,
    tail: int = 5,
    colours: int = 4,
    limit: int | None = 6,
    cut_windows: bool = True,
    objectives: tuple[str, ...] = ("high_priority", "colour_changes", "low_priority"),
) -> Instance:
    draw = random.Random(seed)
    names = [f"O{n}" for n in range(ratios)]
    rules = Rules(
        tuple(
            Ratio(name, draw.randint(0, 2), draw.choice([2, 3, 5, 9, 70]), n % 2 == 0)
            for n, name in enumerate(names)
        ),
        objectives,  # type: ignore[arg-type]  # names of objectives, as in the model
        limit,
        cut_windows,
    )

    def car(number: str) -> Car:
        options = frozenset(name for name in names if draw.random() < 0.4)
        return Car(number, f"c{draw.randrange(colours)}", options)

    today = tuple(car(f"{n:04d}") for n in range(cars))
    return Instance(today, rules, tuple(car(f"y{n}") for n in range(tail)))


def line(of: Instance, seed: int = 1) -> Line:
    return line_of(of, of.cars, seed)


PLACE = st.integers(0, 89)
TWO = st.tuples(st.sampled_from(["swap", "insert", "reverse"]), PLACE, PLACE)
THREE = (
    st.lists(st.integers(0, 90), min_size=3, max_size=3, unique=True)
    .map(sorted)
    .map(lambda cuts: ("exchange", cuts[0], cuts[1], cuts[2] - 1))
)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    tail=st.sampled_from([0, 1, 5, 80]),
    cut=st.booleans(),
    moves=st.lists(TWO | THREE, max_size=25),
)
def test_a_move_changes_the_mark_by_its_price(
    seed: int, tail: int, cut: bool, moves: list[tuple[str, int, int]]
) -> None:
    of = instance(seed, 90, tail=tail, limit=None, cut_windows=cut)
    standing = line(of)
    assert standing.cost == score(of).mark
    for move in moves:
        before = standing.order()
        price = standing.price(*move)  # type: ignore[arg-type]  # one of the four kinds
        assert standing.order() == before
        assert standing.move(*move) == price  # type: ignore[arg-type]
        order = [of.cars[i] for i in standing.order()]
        assert standing.cost == score(of, order).mark, move


def test_an_exchange_lets_two_stretches_change_places() -> None:
    standing = line(instance(4, 9))
    standing.move("exchange", 2, 5, 6)
    assert standing.order() == [0, 1, 5, 6, 2, 3, 4, 7, 8]
    for a, b, c in ((3, 3, 5), (4, 3, 5), (1, 5, 4)):
        with pytest.raises(ValueError, match="two stretches: a … b - 1 and b … c"):
            standing.move("exchange", a, b, c)
    with pytest.raises(IndexError, match="position 9 of 9 cars"):
        standing.price("exchange", 1, 2, 9)


@pytest.mark.parametrize("kind", ["swap", "insert", "reverse"])
@pytest.mark.parametrize("place", [-1, 80, 2**31 - 1])
def test_a_position_that_the_day_has_not_is_refused(kind: str, place: int) -> None:
    standing = line(instance(4, 80))
    for ask in (standing.price, standing.move):
        for a, b in ((0, place), (place, 0), (place, place)):
            with pytest.raises(IndexError, match=f"position {place} of 80 cars"):
                ask(kind, a, b)  # type: ignore[arg-type]  # one of the three kinds
    with pytest.raises(IndexError, match=f"position {place} of 80 cars"):
        standing.trouble(place)
    with pytest.raises(ValueError, match="no move is called rotate"):
        standing.price("rotate", 1, 2)  # type: ignore[arg-type]


def test_a_hundred_thousand_random_moves_leave_no_drift() -> None:
    for seed in range(8):
        of = instance(seed, 150, ratios=9, tail=seed * 20, limit=5, cut_windows=seed % 2 == 0)
        standing = line_of(of, mend_batches(of, of.cars), seed)
        for temperature in (1e6, 1e3, 1.0, 0.0):
            standing.anneal(12_500, temperature, 30, 30, 20)
            assert standing.cost == standing.evaluate()


def test_batches_are_exchanged_where_colours_are_settled_last() -> None:
    last = instance(3, objectives=("high_priority", "low_priority", "colour_changes"))
    for of, exchanged in ((last, True), (instance(3), False), (Instance(last.cars), False)):
        swaps, insertions, exchanges = shares(of)
        assert (exchanges > 0) is exchanged
        assert swaps + insertions + exchanges == 85  # reversals are never fewer


def test_where_no_ratio_is_broken_all_is_spent_on_colours_settled_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Cooling] = []
    own = Cooling.only_last

    def only_last(cooling: Cooling) -> None:
        told.append(cooling)
        own(cooling)

    monkeypatch.setattr(Cooling, "only_last", only_last)
    dense = instance(3, objectives=("high_priority", "low_priority", "colour_changes"))
    kept = Instance(dense.cars, replace(dense.rules, ratios=(Ratio("O0", 3, 4, True),)))
    first = Instance(dense.cars, replace(kept.rules, objectives=instance(3).rules.objectives))
    for of, times in ((dense, 0), (kept, 1), (first, 0)):
        told.clear()
        found = score(of, optimise(of, max_moves=20_000).cars)
        assert len(told) == times
        assert (found.high_priority + found.low_priority > 0) is (of is dense)


def test_what_is_found_holds_each_car_once_keeps_the_limit_and_is_better() -> None:
    of = instance(3, 200)
    found = optimise(of, max_moves=200_000)
    assert sorted(c.production_no for c in found.cars) == [c.production_no for c in of.cars]
    result = score(of, found.cars)
    assert result.feasible
    assert result.mark == found.mark
    assert found.mark < score(of, mend_batches(of, of.cars)).mark
    assert [mark for _, mark in found.course] == sorted(
        (mark for _, mark in found.course), reverse=True
    )


def test_by_moves_the_result_depends_on_the_seed_alone() -> None:
    of = instance(4, 80)
    assert (
        optimise(of, max_moves=50_000, seed=9).cars == optimise(of, max_moves=50_000, seed=9).cars
    )
    assert optimise(of, max_moves=50_000, seed=9).moves <= 50_000


def test_a_search_by_a_clock_of_ones_own_ends_when_that_says_so_and_repeats() -> None:
    def ticking() -> Callable[[], float]:
        seconds = itertools.count()
        return lambda: float(next(seconds))

    of = instance(4, 80)
    found, again = (optimise(of, time_limit_s=100, clock=ticking()) for _ in range(2))
    assert (found.cars, found.course) == (again.cars, again.course)
    assert 100 <= found.elapsed_s < 110
    assert 0 < found.to_best_s <= 100


def test_on_two_cores_the_better_of_two_seeds_is_found_again_and_again() -> None:
    of = instance(4, 80)
    alone = [optimise(of, max_moves=50_000, seed=seed) for seed in (9, 10)]
    both = optimise(of, max_moves=50_000, seed=9, cores=2)
    assert both.cars == min(alone, key=lambda found: found.mark).cars
    assert both.moves == sum(found.moves for found in alone)
    assert both.course[-1][1] == both.mark


def test_searches_side_by_side_end_with_the_first_that_has_nothing_left_to_gain() -> None:
    solvable = Instance(instance(4, 80).cars, Rules((), ("colour_changes",)))
    alike = Instance(tuple(Car(str(n), "c") for n in range(9)), solvable.rules)
    assert optimise(alike, time_limit_s=3600, cores=2).mark == 0
    looks = iter([False, False, True])
    stopped = optimise(solvable, time_limit_s=3600, cores=2, stop=lambda: next(looks))
    assert score(solvable, stopped.cars).mark == stopped.mark

    def burst(_: object) -> None:
        raise RuntimeError("the screen is gone")

    with pytest.raises(RuntimeError, match="screen"):
        optimise(solvable, time_limit_s=3600, cores=2, on_progress=burst)


def test_a_search_that_waits_for_another_is_still_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    own, caller = _Search.run, threading.get_ident()

    def run(search: _Search, ends: Callable[[float], bool]) -> None:
        if threading.get_ident() != caller:  # whose own search has nothing left to gain at once
            own(search, ends)

    monkeypatch.setattr(_Search, "run", run)
    marks: list[float] = []
    found = optimise(
        instance(4, 80),
        max_moves=5_000_000,
        cores=2,
        stop=lambda: len(marks) >= 3,
        on_progress=lambda p: marks.append(p.mark),
    )
    assert 0 < found.moves < 5_000_000


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf])
def test_a_time_limit_that_never_comes_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=f"time limit of {limit} s"):
        optimise(instance(4, 80), time_limit_s=limit)


@pytest.mark.parametrize("moves", [0, -5])
def test_a_search_of_no_moves_is_refused(moves: int) -> None:
    with pytest.raises(ValueError, match=f"search of {moves} moves"):
        optimise(instance(4, 80), max_moves=moves, time_limit_s=1.0)


@pytest.mark.parametrize(("seed", "cores"), [(-1, 1), (2**64, 1), (2**64 - 1, 2)])
def test_a_seed_that_the_random_numbers_cannot_begin_with_is_refused(seed: int, cores: int) -> None:
    with pytest.raises(ValueError, match=f"seed {seed}: from 0"):
        optimise(instance(4, 80), max_moves=1, seed=seed, cores=cores)
    optimise(instance(4, 80), max_moves=1, seed=2**64 - 2, cores=2)


def test_moves_that_are_given_up_early_are_told_from_those_priced_to_the_end() -> None:
    found = optimise(instance(4, 80), max_moves=50_000)
    assert 0 < found.refused_early < found.moves

    standing = line(instance(4, 80))
    for kind in ("swap", "insert", "reverse"):
        for a in range(80):
            standing.price(kind, a, (7 * a + 3) % 80)
    assert standing.refused_early == 0
    for mix in ((100, 0, 0), (0, 100, 0), (0, 0, 100), (0, 0, 0)):  # each kind counts its own
        before = standing.refused_early
        standing.anneal(1_000, 0.0, *mix)
        assert before < standing.refused_early < standing.priced


def test_a_start_is_never_made_worse() -> None:
    of = instance(4, 80)
    good = optimise(of, max_moves=200_000)
    again = optimise(of, max_moves=1_000, start=good.cars)
    assert again.mark <= good.mark


def test_a_search_that_is_stopped_returns_its_best() -> None:
    of = instance(5, 80)
    looks = iter([False, False, True])
    found = optimise(of, time_limit_s=3600, stop=lambda: next(looks))
    assert score(of, found.cars).mark == found.mark
    assert found.moves > 0


def test_progress_is_told_and_never_gets_worse() -> None:
    marks: list[float] = []
    optimise(instance(6), max_moves=100_000, on_progress=lambda p: marks.append(p.mark))
    assert marks == sorted(marks, reverse=True)
    assert len(marks) > 3


def test_few_moves_cool_down_as_many_do() -> None:
    of = instance(8, 200, tail=0)
    marks: list[float] = []
    found = optimise(of, max_moves=10_000, on_progress=lambda p: marks.append(p.mark))
    assert len(marks) >= 100
    assert found.moves == 10_000
    hot = line(of)
    hot.anneal(10_000, 0.3e6, 60, 25)
    least = optimise(of, max_moves=300_000).mark
    assert found.mark - least < 0.3 * (hot.best_cost - least)


@pytest.mark.parametrize("of", [instance(7, 1), instance(8, 2), instance(9, 5, ratios=0, tail=0)])
def test_small_days_are_sequenced_too(of: Instance) -> None:
    assert len(optimise(of, max_moves=1_000).cars) == len(of.cars)


def test_cars_that_are_all_alike_stay_as_they_are_in_cost() -> None:
    rules = Rules((Ratio("O", 0, 2, True),), ("high_priority",))
    cars = tuple(Car(str(n), "c", frozenset({"O"})) for n in range(20))
    assert optimise(Instance(cars, rules), max_moves=10_000).mark == 20 * 1_000_000 * 2 - 1_000_000


def test_no_cars_are_an_error() -> None:
    with pytest.raises(InstanceError, match="no cars"):
        optimise(Instance(()), max_moves=1)
