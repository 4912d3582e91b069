"""Adherence figures: published vectors, definitions, and cars in one of the sequences only."""

from __future__ import annotations

import statistics
from dataclasses import replace
from itertools import zip_longest
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing import adherence_of

PLAN = [str(n) for n in range(1, 11)]

every_kernel = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60,
)


@pytest.mark.parametrize(
    ("actual", "exact", "within", "in_order", "not_overtaken", "successors", "inversions"),
    [
        ("1 2 4 5 6 7 3 8 9 10", 0.5, 0.9, 0.9, 0.9, 6 / 9, 4),
        ("1 2 3 5 4 6 7 8 9 10", 0.8, 1.0, 0.9, 0.9, 6 / 9, 1),
        ("4 5 6 7 8 9 10 1 2 3", 0.0, 0.0, 0.7, 0.7, 8 / 9, 21),
        ("10 9 8 7 6 5 4 3 2 1", 0.0, 0.2, 0.1, 0.1, 0.0, 45),
        ("1 2 3 4 5 6 7 8 9 10", 1.0, 1.0, 1.0, 1.0, 1.0, 0),
    ],
    ids=["one car four back", "two swapped", "block late", "reversed", "kept"],
)
def test_known_sequences(
    kernels: ModuleType,
    actual: str,
    exact: float,
    within: float,
    in_order: float,
    not_overtaken: float,
    successors: float,
    inversions: int,
) -> None:
    found = adherence_of(PLAN, actual.split())
    assert (found.exact, found.within, found.in_order) == (exact, within, in_order)
    assert (found.not_overtaken, found.inversions) == (not_overtaken, inversions)
    assert found.back_runners == round(10 * (1 - not_overtaken))
    assert found.successors == pytest.approx(successors)


def test_scrambling_is_how_far_cars_are_off(kernels: ModuleType) -> None:
    found = adherence_of(PLAN, ["1", "2", "4", "5", "6", "7", "3", "8", "9", "10"])
    assert found.scrambling_max == 4
    assert found.scrambling_sigma == pytest.approx(2**0.5)  # (4 x 1 + 4 x 4) / 10 = 2


def test_the_tolerance_is_the_callers(kernels: ModuleType) -> None:
    assert (
        adherence_of(PLAN, ["1", "2", "4", "5", "6", "7", "3", "8", "9", "10"], tolerance=4).within
        == 1.0
    )


def test_a_share_for_every_tolerance(kernels: ModuleType) -> None:
    found = adherence_of(PLAN, ["1", "2", "4", "5", "6", "7", "3", "8", "9", "10"])
    assert found.places_off == (5, 4, 0, 0, 1)
    assert [found.within_places(k) for k in range(-1, 6)] == [0, 0.5, 0.9, 0.9, 0.9, 1, 1]
    assert adherence_of(["a"], []).within_places(0) == 1.0


def test_cars_in_one_sequence_only_are_counted_and_left_out(kernels: ModuleType) -> None:
    found = adherence_of(["a", "b", "c", "d"], ["x", "a", "c", "d"])
    assert (found.cars, found.missing, found.extra) == (3, 1, 1)
    assert found.exact == 1.0
    assert found.inversions == 0


def test_nothing_in_common(kernels: ModuleType) -> None:
    found = adherence_of(["a"], [])
    assert (found.cars, found.missing, found.exact, found.successors) == (0, 1, 1.0, 1.0)


def test_a_doubled_car_is_refused() -> None:
    with pytest.raises(ValueError, match="car a stands twice in the actual sequence"):
        adherence_of(["a", "b"], ["a", "a"])


@every_kernel
@given(order=st.permutations(range(40)), tolerance=st.integers(0, 40))
def test_all_figures_agree_with_their_definitions(
    kernels: ModuleType, order: list[int], tolerance: int
) -> None:
    n = len(order)
    found = adherence_of(list(map(str, range(n))), list(map(str, order)), tolerance)
    off = [place - planned for place, planned in enumerate(order)]
    passed = [[other for other in order[:i] if other > own] for i, own in enumerate(order)]
    longest: list[int] = []
    for i, rank in enumerate(order):
        before = [longest[j] for j in range(i) if order[j] < rank]
        longest.append(1 + max(before, default=0))
    assert (found.cars, found.missing, found.extra) == (n, 0, 0)
    assert found.exact == off.count(0) / n
    assert found.within == sum(abs(places) <= tolerance for places in off) / n
    assert found.within == found.within_places(tolerance)
    assert sum(found.places_off) == n
    assert found.in_order == max(longest) / n
    assert found.inversions == sum(map(len, passed))
    assert found.back_runners == sum(map(bool, passed))
    assert found.not_overtaken == (n - found.back_runners) / n
    assert found.back_runner_max == max(
        max(others) - own if others else 0 for others, own in zip(passed, order, strict=True)
    )
    assert found.successors == sum(order[i + 1] == order[i] + 1 for i in range(n - 1)) / (n - 1)
    assert found.scrambling_max == max(map(abs, off))
    assert found.scrambling_sigma == pytest.approx(statistics.pstdev(off))


@every_kernel
@given(order=st.permutations(range(30)), cut=st.integers(0, 30), strangers=st.integers(0, 5))
def test_cars_in_one_of_the_two_do_not_touch_the_rest(
    kernels: ModuleType, order: list[int], cut: int, strangers: int
) -> None:
    plan = list(map(str, range(len(order))))
    seen = [str(rank) for rank in order[:cut]]
    with_strangers = [
        name for pair in zip_longest(seen, "vwxyz"[:strangers]) for name in pair if name
    ]
    found = adherence_of(plan, with_strangers)
    alone = adherence_of([car for car in plan if car in seen], seen)
    assert found == replace(alone, missing=len(plan) - cut, extra=strangers)


def test_a_long_sequence_takes_no_square(kernels: ModuleType) -> None:
    cars = [str(n) for n in range(100_000)]
    found = adherence_of(cars, cars[::-1])
    assert found.inversions == 100_000 * 99_999 // 2
