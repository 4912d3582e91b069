"""Cars in the fewest paint batches: as few as any order has, none too long."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sequencing.batches import in_batches, least_changes
from hub.sequencing.model import Car, Instance, Rules
from hub.sequencing.scoring import score


def day(colours: str, yesterday: str = "", limit: int | None = 2) -> Instance:
    return Instance(
        tuple(Car(str(n), colour) for n, colour in enumerate(colours)),
        Rules((), ("colour_changes",), limit),
        tuple(Car(f"y{n}", colour) for n, colour in enumerate(yesterday)),
    )


def test_batches_are_full_and_the_first_goes_on_with_yesterdays_colour() -> None:
    of = day("ababaabcc", "c")
    assert "".join(car.colour for car in in_batches(of)) in ("ccaabbaab", "ccaababba", "ccaabbaba")
    assert least_changes(of) == score(of, in_batches(of)).colour_changes == 4


def test_without_a_limit_each_colour_is_one_batch() -> None:
    assert score(day("abcabc", "x", None), in_batches(day("abcabc", "x", None))).colour_changes == 3


@settings(max_examples=60, deadline=None)
@given(
    colours=st.text("abc", min_size=1, max_size=6),
    yesterday=st.sampled_from(["", "a", "z"]),
    limit=st.sampled_from([1, 2, 3, None]),
)
def test_no_order_has_fewer_changes(colours: str, yesterday: str, limit: int | None) -> None:
    of = day(colours, yesterday, limit)
    found = score(of, in_batches(of))
    every = [score(of, order) for order in permutations(of.cars)]
    fewest = min((s.colour_changes for s in every if s.feasible), default=None)
    assert sorted(in_batches(of), key=lambda car: car.production_no) == list(of.cars)
    if fewest is not None:
        assert least_changes(of) <= fewest
        if found.feasible and least_changes(of) == fewest:
            assert found.colour_changes == fewest
