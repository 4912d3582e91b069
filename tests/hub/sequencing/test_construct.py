"""A search begins with an order that keeps every hard limit, near the one wished for."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sequencing.conflicts import ConflictError
from hub.sequencing.construct import _Front, mend_batches, valid_start
from hub.sequencing.hard_limits import HardLimits
from hub.sequencing.model import Car, Instance, InstanceError, Limits, Pair, Place, Rules
from hub.sequencing.scoring import score
from tests.hub.sequencing.hard_days import can_be_kept, kept_day, tiny_day


def painted(colours: str, limits: Limits | None = None, batch_limit: int | None = None) -> Instance:
    cars = tuple(Car(str(n), colour) for n, colour in enumerate(colours))
    return Instance(cars, Rules(batch_limit=batch_limit), limits=limits or Limits())


def numbers(cars: tuple[Car, ...]) -> str:
    return " ".join(car.production_no for car in cars)


def test_of_a_tiny_day_a_valid_order_is_found_whenever_there_is_one() -> None:
    failed = 0
    for seed in range(400):
        tiny = tiny_day(seed)
        wish = random.Random(seed).sample(tiny.cars, len(tiny.cars))
        try:
            found = valid_start(tiny, wish)
        except ConflictError as conflict:
            text = str(conflict)
            failed += 1
        else:
            assert sorted(numbers(found)) == sorted(numbers(tiny.cars))
            assert score(tiny, found).feasible
            continue
        assert not can_be_kept(tiny), seed
        assert "not proven" not in text
    assert failed > 100


@pytest.mark.parametrize("reach", [3, 15, None])
@pytest.mark.parametrize("seed", range(6))
def test_of_a_large_day_that_can_be_kept_a_valid_order_is_found(
    seed: int, reach: int | None
) -> None:
    day, _ = kept_day(seed, reach=reach)
    assert not score(day).feasible
    found = valid_start(day, day.cars)
    assert sorted(numbers(found)) == sorted(numbers(day.cars))
    assert score(day, found).feasible
    assert valid_start(day, day.cars) == found


def test_an_order_that_keeps_all_limits_is_not_changed() -> None:
    for seed in range(5):
        day, kept = kept_day(seed)
        assert valid_start(day, kept) == kept


def test_the_order_stays_near_the_one_wished_for() -> None:
    day = painted("r" * 1000, Limits({"900": Place(latest=100), "50": Place(500, 500)}))
    found = valid_start(day, day.cars)
    assert found.index(day.cars[50]) == 499
    wanted = {"900", "50"}
    others = [car for car in found if car.production_no not in wanted]
    assert others == [car for car in day.cars if car.production_no not in wanted]
    assert found[98:101] == (day.cars[99], day.cars[900], day.cars[100])


def test_spans_and_orders_by_one_place_never_need_a_choice_to_be_taken_back() -> None:
    for seed in range(6):
        day, _ = kept_day(seed, reach=10 if seed % 2 else None)
        pairs = tuple(Pair("in_order", p.first, p.second) for p in day.limits.pairs[::2])
        limits = HardLimits.of(replace(day, rules=Rules(), limits=replace(day.limits, pairs=pairs)))
        order, _ = _Front(limits, range(len(day.cars))).build(len(day.cars))
        assert sorted(order) == list(range(len(day.cars)))


def test_cars_apart_and_in_order_keep_their_distance_where_the_day_ends() -> None:
    pairs = (Pair("apart", "995", "998", 300), Pair("in_order", "999", "997", 100))
    day = painted("r" * 1000, Limits(pairs=pairs))
    assert score(day, valid_start(day, day.cars)).feasible


def test_with_the_batch_limit_alone_the_start_is_what_is_mended() -> None:
    day = painted("rrrrbbwrrrb", batch_limit=2)
    assert valid_start(day, day.cars) == mend_batches(day, day.cars)


@given(colours=st.lists(st.sampled_from("abc"), min_size=1, max_size=30), limit=st.integers(1, 4))
def test_batches_are_mended_whenever_they_can_be(colours: list[str], limit: int) -> None:
    cars = tuple(Car(str(n), colour) for n, colour in enumerate(colours))
    of = Instance(cars, Rules((), ("colour_changes",), limit))
    most = max(colours.count(c) for c in colours)
    if most > limit * (len(cars) - most + 1):
        with pytest.raises(InstanceError, match="no order keeps batches"):
            mend_batches(of, cars)
        return
    mended = mend_batches(of, cars)
    assert sorted(mended, key=lambda c: int(c.production_no)) == list(cars)
    assert score(of, mended).feasible
    if score(of).feasible:
        assert mended == cars


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(1, 4))
def test_mended_is_by_the_first_car_that_may_come_next(colours: list[str], limit: int) -> None:
    day = painted("".join(colours), batch_limit=limit)
    wanted: list[Car] | None = []
    waiting = list(day.cars)
    while waiting and wanted is not None:
        wanted = next(
            (
                [*wanted, car]
                for car in waiting
                if keeps_batches(
                    [c.colour for c in (*wanted, car)],
                    [c.colour for c in waiting if c is not car],
                    limit,
                )
            ),
            None,
        )
        if wanted is not None:
            waiting.remove(wanted[-1])
    if wanted is None:
        with pytest.raises(ConflictError, match="no order keeps batches"):
            mend_batches(day, day.cars)
    else:
        assert mend_batches(day, day.cars) == tuple(wanted)


def keeps_batches(begun: list[str], left: list[str], limit: int) -> bool:
    """Whether the rest can follow: it can if the colour with most cars, or the last, always next,
    parts its batches by cars of the others."""
    run = next((n for n, c in enumerate(reversed(begun)) if c != begun[-1]), len(begun))
    if run > limit:
        return False
    begun, left = [begun[-1]] * run, sorted(left)
    while left:
        counts = {colour: left.count(colour) for colour in left}
        allowed = [c for c in counts if c != begun[-1] or len(begun) < limit]
        if not allowed:
            return False
        # The one that needs most batches yet; that of the last begins with what its batch holds.
        needs = {c: counts[c] + (len(begun) if c == begun[-1] else 0) for c in allowed}
        colour = max(allowed, key=lambda c: (needs[c], c == begun[-1]))
        begun = [*begun, colour] if colour == begun[-1] else [colour]
        left.remove(colour)
    return True


def test_a_day_that_is_not_proven_impossible_names_what_it_could_not_keep() -> None:
    cars = 24
    pairs = [Pair("apart", str(n), str((n + 1) % cars), 11) for n in range(cars)]
    pairs += [Pair("apart", str(n), str((n + 7) % cars), 9) for n in range(cars)]
    day = painted("rb" * (cars // 2), Limits(pairs=tuple(pairs)), batch_limit=1)
    with pytest.raises(ConflictError, match="not proven") as raised:
        valid_start(day, day.cars)
    assert "places apart from car" in str(raised.value)
    assert "Relax one of these limits" in str(raised.value)


def test_a_tiny_day_without_an_order_says_that_each_was_tried() -> None:
    # Car 2 would have to stand first or last, and two others both at the other end.
    pairs = (Pair("apart", "1", "2", 3), Pair("apart", "2", "3", 3))
    day = painted("rrrr", Limits(pairs=pairs))
    with pytest.raises(ConflictError, match="each was tried") as raised:
        valid_start(day, day.cars)
    assert "shall stand 3 places apart from" in str(raised.value)


def test_cars_that_are_not_those_of_the_day_are_refused() -> None:
    day = painted("rrb")
    with pytest.raises(InstanceError, match="no cars"):
        valid_start(Instance(()), ())
    with pytest.raises(InstanceError, match="missing: 2"):
        valid_start(day, day.cars[:2])
    with pytest.raises(InstanceError, match="twice"):
        valid_start(day, (*day.cars, day.cars[0]))
    with pytest.raises(InstanceError, match="car x is not one of the day"):
        valid_start(day, (*day.cars, Car("x", "r")))
