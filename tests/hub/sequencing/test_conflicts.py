"""Limits that contradict each other are named; none are said to that can be kept."""

from __future__ import annotations

import pytest

from hub.sequencing.conflicts import ConflictError, check_conflicts, spans
from hub.sequencing.model import Car, Instance, Limits, Pair, Place, Rules
from hub.sequencing.optimise import Progress, optimise
from hub.sequencing.scoring import score
from tests.hub.sequencing.hard_days import can_be_kept, kept_day, tiny_day


def day(
    colours: str,
    *pairs: Pair,
    places: dict[str, Place] | None = None,
    batch_limit: int | None = None,
    frozen: int = 0,
    forward: int | None = None,
    back: int | None = None,
) -> Instance:
    """Cars A, B, C … of the colours."""
    return Instance(
        tuple(Car(chr(ord("A") + n), colour) for n, colour in enumerate(colours)),
        Rules(batch_limit=batch_limit),
        limits=Limits(places or {}, pairs, frozen, forward, back),
    )


def passes(of: Instance) -> bool:
    try:
        check_conflicts(of)
    except ConflictError:
        return False
    return True


def text_of(conflict: Instance) -> str:
    with pytest.raises(ConflictError) as raised:
        check_conflicts(conflict)
    assert not can_be_kept(conflict)
    return str(raised.value)


def test_nothing_is_called_impossible_that_can_be_kept() -> None:
    found = 0
    for seed in range(400):
        tiny = tiny_day(seed)
        if not passes(tiny):
            assert not can_be_kept(tiny), seed
            found += 1
    assert found > 100


@pytest.mark.parametrize("reach", [3, 15, None])
@pytest.mark.parametrize("seed", range(5))
def test_large_days_that_can_be_kept_pass(seed: int, reach: int | None) -> None:
    kept, order = kept_day(seed, reach=reach)
    assert score(kept, order).feasible
    check_conflicts(kept)


def test_spans_and_orders_by_one_place_are_decided_exactly() -> None:
    both = {True: 0, False: 0}
    for seed in range(400):
        drawn = tiny_day(seed).limits
        pairs = tuple(Pair("in_order", p.first, p.second) for p in drawn.pairs)
        limits = Limits(drawn.places, pairs, drawn.frozen, drawn.forward, drawn.back)
        tiny = Instance(tiny_day(seed).cars, limits=limits)
        possible = can_be_kept(tiny)
        assert passes(tiny) == possible, seed
        both[possible] += 1
    assert min(both.values()) > 50


def test_spans_are_what_all_limits_leave() -> None:
    of = day(
        "rrrrrrrr", places={"C": Place(2, 4), "H": Place(latest=7)}, frozen=1, forward=3, back=2
    )
    assert spans(of) == [(0, 0), (1, 3), (1, 3), (1, 5), (1, 6), (2, 7), (3, 7), (4, 6)]


def test_a_car_without_a_position_is_named_with_the_two_limits() -> None:
    text = text_of(day("rrrrrr", places={"F": Place(latest=2)}, forward=1))
    assert "car F has no position left" in text
    assert "at most 1 forward from 6" in text
    assert "its latest position is 2" in text
    text = text_of(day("rrrrrr", places={"A": Place(earliest=2)}, frozen=3))
    assert "its earliest position is 2, but it is frozen at 1" in text


def test_two_cars_fixed_at_one_position_are_named() -> None:
    text = text_of(day("rrr", places={"A": Place(2, 2), "C": Place(2, 2)}))
    assert "car A (its earliest position is 2, its latest position is 2)" in text
    assert "car C" in text
    assert "position 2 only" in text


def test_more_cars_than_positions_are_named_with_the_positions() -> None:
    places = {"A": Place(2, 3), "C": Place(2, 3), "E": Place(2, 3), "B": Place(1, 1)}
    text = text_of(day("rrrrrr", places=places))
    assert "3 cars have to stand at the 2 positions 2 to 3: A, C, E;" in text


def test_of_many_cars_the_first_are_named() -> None:
    places = {chr(ord("A") + n): Place(latest=10) for n in range(11)}
    with pytest.raises(ConflictError, match=r"A, B, C, D, E, F, G, H and 3 more"):
        check_conflicts(day("r" * 12, places=places))


def test_a_position_that_no_car_may_take_is_named() -> None:
    places = {"A": Place(earliest=3), "B": Place(earliest=3), "C": Place(earliest=4)}
    text = text_of(day("rrrr", places=places))
    assert "position 2 stays empty: only 1 of 4 cars may stand at 1 to 2" in text


def test_a_ring_of_cars_in_order_is_named_in_its_order() -> None:
    pairs = [Pair("in_order", one, other) for one, other in ("AB", "BC", "CA", "CD", "EA")]
    text = text_of(day("rrrrr", *pairs))
    assert any(ring in text for ring in ("A → B → C → A", "B → C → A → B", "C → A → B → C")), text
    assert "D" not in text.split(":")[1]


def test_a_chain_of_cars_in_order_is_named_with_the_limits_at_its_ends() -> None:
    text = text_of(
        day(
            "rrrrrr",
            Pair("in_order", "A", "B", 2),
            Pair("in_order", "B", "C"),
            places={"A": Place(earliest=2), "C": Place(latest=4)},
        )
    )
    assert "A → B → C" in text
    assert "of car A its earliest position is 2, and of car C its latest position is 4" in text
    assert "short by 1" in text


def test_a_frozen_beginning_that_breaks_a_pair_is_named() -> None:
    assert "C → A" in text_of(day("rrrr", Pair("in_order", "C", "A"), frozen=3))
    text = text_of(day("rrrr", Pair("apart", "A", "C", 3), frozen=3))
    assert "cars A, C have to stand 3 places from each other, but can be 2 at most" in text
    assert "A at 1 to 1" in text


def test_cars_that_must_stand_apart_in_too_small_a_space_are_named() -> None:
    pairs = [Pair("apart", one, other, 3) for one, other in ("AB", "BC", "AC")]
    text = text_of(day("rrrrrr", *pairs))
    assert "3 cars have to stand 3 places from each other, which takes 7 positions" in text
    assert "only 1 to 6: A, B, C" in text


def test_a_colour_with_too_many_cars_is_named_with_the_limit_that_would_do() -> None:
    text = text_of(day("rrrrrb", batch_limit=2))
    assert "5 of 6 cars have colour r: no order keeps batches of at most 2" in text
    assert "a limit of 3" in text


def test_frozen_positions_of_one_colour_are_held_against_the_batch_limit() -> None:
    text = text_of(day("rrrrbb", batch_limit=3, frozen=4))
    assert "at positions 1 to 4 only cars of colour r can stand" in text


def test_cars_that_cannot_move_far_enough_to_part_a_batch_are_found() -> None:
    text = text_of(day("rrrrrrbb", batch_limit=2, forward=2, back=2))
    assert "at positions 1 to 3 only cars of colour r can stand" in text


def test_cars_of_a_colour_with_too_few_positions_for_its_batches_are_named() -> None:
    places = {car: Place(2, 5) for car in "ACE"}
    text = text_of(day("rbrwrbw", places=places, batch_limit=1))
    assert "3 cars of colour r have to stand at positions 2 to 5" in text
    assert "batches of at most 1 take 2: A, C, E" in text


def test_due_positions_are_wishes_and_contradict_nothing() -> None:
    places = {"A": Place(due_from=1, due_until=1), "B": Place(due_from=1, due_until=1)}
    check_conflicts(day("rr", places=places))


def test_a_day_without_cars_has_no_conflict() -> None:
    check_conflicts(Instance((), Rules(batch_limit=1)))


def test_no_search_is_started_on_limits_that_contradict_each_other() -> None:
    looks: list[Progress] = []
    fixed = day("rrb", places={"A": Place(2, 2), "B": Place(2, 2)})
    with pytest.raises(ConflictError, match="position 2 only"):
        optimise(fixed, max_moves=1_000, on_progress=looks.append)
    assert not looks


def test_a_search_under_many_limits_keeps_them_all() -> None:
    kept, _ = kept_day(7)
    found = optimise(kept, max_moves=50_000)
    assert score(kept, found.cars).feasible
