"""Exchanges are priced as they count, and an order ends with fewer broken limits."""

from __future__ import annotations

import random

import pytest

from hub.sequencing.hard_limits import HardLimits
from hub.sequencing.model import Car, Instance, Limits, Pair, Rules
from hub.sequencing.repair import Arrangement, repair
from hub.sequencing.scoring import score
from tests.hub.sequencing.hard_days import kept_day


@pytest.mark.parametrize("seed", range(4))
def test_an_exchange_changes_what_is_broken_by_its_price(seed: int) -> None:
    day, _ = kept_day(seed, 60, colours=2, batch_limit=2, pairs=15, fixed=3, spans=12)
    limits = HardLimits.of(day)
    draw = random.Random(seed)
    arranged = Arrangement(limits, range(60))
    for _ in range(1_000):
        here, there = draw.sample(range(60), 2)
        price, before = arranged.price(here, there), arranged.broken
        arranged.exchange(here, there)
        assert arranged.broken == before + price == arranged.count()
        assert [arranged.order[place] for place in arranged.at] == list(range(60))


def test_what_is_broken_counts_spans_pairs_and_cars_beyond_the_batch_limit() -> None:
    cars = tuple(Car(str(n), colour) for n, colour in enumerate("rrrrrb"))
    pairs = (Pair("in_order", "1", "0"), Pair("apart", "2", "4", 3), Pair("apart", "2", "5", 3))
    limits = HardLimits.of(Instance(cars, Rules(batch_limit=3), limits=Limits(pairs=pairs)))
    # Of the pair in order car 0 cannot be first, and car 1 cannot be last.
    assert Arrangement(limits, range(6)).broken == 1 + 1 + 1 + 2


@pytest.mark.parametrize("seed", range(4))
def test_a_shuffled_order_is_repaired_and_always_in_the_same_way(seed: int) -> None:
    day, _ = kept_day(seed, 80, reach=None, pairs=5, fixed=5, spans=20)
    limits = HardLimits.of(day)
    shuffled = random.Random(seed).sample(range(80), 80)
    order = repair(limits, shuffled)
    assert sorted(order) == list(range(80))
    assert score(day, [day.cars[car] for car in order]).feasible
    assert repair(limits, shuffled) == order


def test_a_valid_order_stays() -> None:
    day, kept = kept_day(1, 80)
    place = {car: number for number, car in enumerate(day.cars)}
    order = [place[car] for car in kept]
    assert repair(HardLimits.of(day), order) == order


def test_what_cannot_be_repaired_ends_with_no_more_broken_than_before() -> None:
    cars = tuple(Car(str(n), "r") for n in range(20))
    limits = HardLimits.of(Instance(cars, Rules(batch_limit=2)))
    assert Arrangement(limits, repair(limits, range(20))).broken == 18
