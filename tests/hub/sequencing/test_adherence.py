"""Adherence figures: published vectors, definitions, and cars in one of the sequences only."""

from __future__ import annotations

from array import array
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing import adherence_of

PLAN = [str(n) for n in range(1, 11)]

every_kernel = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
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


def test_cars_in_one_sequence_only_are_counted_and_left_out(kernels: ModuleType) -> None:
    found = adherence_of(["a", "b", "c", "d"], ["x", "a", "c", "d"])
    assert (found.cars, found.missing, found.extra) == (3, 1, 1)
    assert found.exact == 1.0
    assert found.inversions == 0


def test_nothing_in_common(kernels: ModuleType) -> None:
    found = adherence_of(["a"], [])
    assert (found.cars, found.missing, found.exact, found.successors) == (0, 1, 1.0, 1.0)


def test_a_doubled_car_is_refused() -> None:
    with pytest.raises(ValueError, match="twice in the actual"):
        adherence_of(["a", "b"], ["a", "a"])


@every_kernel
@given(order=st.permutations(range(40)))
def test_kernels_agree_with_the_definitions(kernels: ModuleType, order: list[int]) -> None:
    ranks = array("i", order)
    pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    assert kernels.inversions(ranks) == sum(a > b for a, b in pairs)
    longest: list[int] = []
    for i, rank in enumerate(order):
        before = [longest[j] for j in range(i) if order[j] < rank]
        longest.append(1 + max(before, default=0))
    assert kernels.longest_increasing(ranks) == max(longest)
