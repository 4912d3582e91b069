"""Changed calls and moved cars: as few as can be, and all of them."""

from __future__ import annotations

import random
from array import array
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sequencing._released import CallCounter
from hub.sequencing.released import Horizon, longest_run, moved_cars

PLAN = list("ABCDEFGH")


def changes(after: str, released: int, tolerance: int = 1) -> dict[str, str]:
    return dict(Horizon(PLAN, released, tolerance).changes(list(after)))


def test_nothing_changes_where_nothing_moves() -> None:
    assert changes("ABCDEFGH", 5) == {}
    assert moved_cars(PLAN, PLAN) == ()


def test_a_car_that_leaves_is_withdrawn_and_the_next_one_new() -> None:
    assert changes("ABDEFGH", 5) == {"C": "withdrawn", "F": "new"}
    # Without one to come after, none is new.
    assert changes("ABDEFGH", 8) == {"C": "withdrawn"}


def test_of_a_car_that_is_passed_by_many_only_that_one_is_reordered() -> None:
    assert changes("ACDEBFGH", 8) == {"B": "reordered"}
    assert changes("EABCDFGH", 8) == {"E": "reordered"}


def test_what_stands_further_off_than_the_tolerance_is_retimed() -> None:
    assert changes("CDEFGH", 8, tolerance=1) == {
        "A": "withdrawn",
        "B": "withdrawn",
        **dict.fromkeys("CDEFGH", "retimed"),
    }
    assert changes("CDEFGH", 8, tolerance=2) == {"A": "withdrawn", "B": "withdrawn"}


def test_behind_the_horizon_all_may_move() -> None:
    assert changes("ABCDHGFE", 4) == {}


def test_a_car_that_comes_in_shifts_those_behind_it() -> None:
    assert [tuple(moved) for moved in moved_cars(list("ABCD"), list("AXBDC"))] == [
        ("X", None, 2, False),
        ("B", 2, 3, True),
        ("D", 4, 4, False),
        ("C", 3, 5, True),
    ]
    assert [tuple(moved) for moved in moved_cars(list("ABCD"), list("ACD"))] == [
        ("B", 2, None, False),
        ("C", 3, 2, True),
        ("D", 4, 3, True),
    ]


@given(ranks=st.permutations(range(7)))
def test_a_longest_run_rises_and_none_is_longer(ranks: list[int]) -> None:
    run = longest_run(ranks)
    assert all(a < b for a, b in pairwise(run))
    assert [rank for rank in ranks if rank in set(run)] == run
    longest = max(
        length
        for length in range(1, 8)
        if any(all(a < b for a, b in pairwise(some)) for some in combinations(ranks, length))
    )
    assert len(run) == longest


@pytest.mark.parametrize("seed", range(40))
def test_the_kernel_counts_as_the_horizon_does(seed: int) -> None:
    draw = random.Random(seed)
    before = [str(n) for n in range(draw.randint(1, 30))]
    released, tolerance = draw.randint(0, len(before)), draw.randint(0, 4)
    horizon = Horizon(before, released, tolerance)
    after = [car for car in before if draw.random() < 0.9] + ["new 1", "new 2"]
    for _ in range(draw.randint(0, 5)):
        after.insert(draw.randrange(len(after)), after.pop(draw.randrange(len(after))))
    counter = CallCounter(released, tolerance, len(after))
    was = horizon.places(after)
    assert horizon.count(was) == len(horizon.changes(after))
    for _ in range(50):
        a, b = draw.randrange(len(after)), draw.randrange(len(after))
        inserted, swapped = was.copy(), was.copy()
        inserted.insert(b, inserted.pop(a))
        swapped[a], swapped[b] = swapped[b], swapped[a]
        assert counter.after_insert(array("i", was), a, b) == horizon.count(inserted)
        assert counter.after_swap(array("i", was), a, b) == horizon.count(swapped)


def test_the_kernel_refuses_positions_that_are_none() -> None:
    counter = CallCounter(2, 1, 3)
    with pytest.raises(ValueError, match="positions 0 and 3"):
        counter.after_swap(array("i", [0, 1, -1]), 0, 3)
    with pytest.raises(ValueError, match="positions -1 and 0"):
        counter.after_insert(array("i", [0, 1, -1]), -1, 0)
