"""The score: worked examples, the definition window by window, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing import Car, Instance, InstanceError, Ratio, Rules, score


def cars(day: str, text: str) -> tuple[Car, ...]:
    """`A1 B0`: colour A with the option, colour B without."""
    return tuple(
        Car(f"{day}{i}", word[0], frozenset({"X"} if word[1] == "1" else ()))
        for i, word in enumerate(text.split())
    )


def instance(yesterday: str, today: str, limit: int = 10) -> Instance:
    rules = Rules((Ratio("X", 1, 3, high_priority=True),), batch_limit=limit)
    return Instance(cars("t", today), rules, cars("y", yesterday))


def test_windows_reach_into_yesterday(kernels: ModuleType) -> None:
    # 1 0|1 0 1: windows 101, 010, 101, 01, 1
    assert score(instance("A1 A0", "A1 B0 B1")).high_priority == 2


def test_windows_cut_by_the_end_of_the_day_count(kernels: ModuleType) -> None:
    # 0|0 1 1: windows 001, 011, 11, 1
    assert score(instance("A0", "B0 B1 B1")).high_priority == 2


def test_where_only_whole_windows_count_the_day_ends_without_cut_ones(kernels: ModuleType) -> None:
    # 0|0 1 1: window 001; 011
    whole = replace(instance("A0", "B0 B1 B1").rules, cut_windows=False)
    assert score(replace(instance("A0", "B0 B1 B1"), rules=whole)).high_priority == 1
    # A day shorter than the window has none.
    assert score(replace(instance("", "B1 B1"), rules=whole)).high_priority == 0


def test_windows_of_yesterday_alone_do_not_count(kernels: ModuleType) -> None:
    assert score(instance("A1 A1 A1 A0 A0", "A0")).high_priority == 0


def test_the_first_car_changes_colour_against_yesterday(kernels: ModuleType) -> None:
    assert score(instance("A0 B0", "B0 A0")).colour_changes == 1
    assert score(instance("A0 B0", "A0 A0")).colour_changes == 1
    assert score(instance("", "A0 A0")).colour_changes == 0


def test_paint_batches_are_counted_from_the_first_car_of_today(kernels: ModuleType) -> None:
    assert score(instance("B0", "B0 B0 A0", limit=2)).feasible
    found = score(instance("A0", "A0 B0 B0 B0", limit=2))
    assert [(b.position, b.length, b.colour) for b in found.long_batches] == [(2, 3, "B")]


def test_the_mark_weighs_objectives_by_rank(kernels: ModuleType) -> None:
    rules = Rules(
        (Ratio("X", 1, 3, high_priority=True), Ratio("Y", 0, 1, high_priority=False)),
        ("colour_changes", "high_priority", "low_priority"),
    )
    day = (Car("1", "A", frozenset("XY")), Car("2", "B", frozenset("X")))
    found = score(Instance(day, rules))
    assert (found.colour_changes, found.high_priority, found.low_priority) == (1, 1, 1)
    assert found.mark == 1_001_001
    two = Rules(rules.ratios, ("high_priority", "colour_changes"))
    assert score(Instance(day, two)).mark == 1_001_000


def test_an_empty_day(kernels: ModuleType) -> None:
    found = score(Instance((), Rules((Ratio("X", 1, 2, True),), batch_limit=1), cars("y", "A1")))
    assert (found.high_priority, found.colour_changes, found.feasible) == (0, 0, True)


OPTIONS = ("X", "Y", "Z")
some_cars = st.lists(st.tuples(st.sampled_from("ABC"), st.frozensets(st.sampled_from(OPTIONS))))
some_ratio = st.integers(1, 8).flatmap(lambda p: st.tuples(st.integers(0, p), st.just(p)))


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)
@given(
    yesterday=some_cars,
    today=some_cars,
    ratios=st.tuples(some_ratio, some_ratio, some_ratio),
    limit=st.integers(1, 5),
    cut=st.booleans(),
)
def test_scores_are_what_the_definition_says(
    kernels: ModuleType,
    yesterday: list[tuple[str, frozenset[str]]],
    today: list[tuple[str, frozenset[str]]],
    ratios: tuple[tuple[int, int], ...],
    limit: int,
    cut: bool,
) -> None:
    def made(day: str, some: Sequence[tuple[str, frozenset[str]]]) -> tuple[Car, ...]:
        return tuple(Car(f"{day}{i}", *car) for i, car in enumerate(some))

    rules = Rules(
        tuple(
            Ratio(option, most, window, option == "X")
            for option, (most, window) in zip(OPTIONS, ratios, strict=True)
        ),
        batch_limit=limit,
        cut_windows=cut,
    )
    found = score(Instance(made("t", today), rules, made("y", yesterday)))

    line = yesterday + today
    first = len(yesterday)
    for ratio in rules.ratios:
        windows = [line[s : s + ratio.window] for s in range(len(line)) if s + ratio.window > first]
        if not cut:
            windows = [window for window in windows if len(window) == ratio.window]
        excess = [sum(ratio.option in car[1] for car in w) - ratio.most for w in windows]
        assert found.by_option[ratio.option] == sum(e for e in excess if e > 0)
    changes = [i for i in range(1, len(line)) if i >= first and line[i][0] != line[i - 1][0]]
    assert found.colour_changes == len(changes)
    painted = "".join(colour for colour, _ in today)
    too_long = any(colour * (limit + 1) in painted for colour in "ABC")
    assert found.feasible is not too_long


def test_a_sequence_must_hold_each_car_once() -> None:
    day = instance("", "A0 B0")
    stranger = Car("stranger", "A")
    with pytest.raises(InstanceError, match="stranger is not one of the day"):
        score(day, [*day.cars, stranger])
    with pytest.raises(InstanceError, match="1 cars of the day are missing: t1"):
        score(day, day.cars[:1])
    with pytest.raises(InstanceError, match="twice"):
        score(day, [*day.cars, day.cars[0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Instance((Car("7", "A"), Car("7", "B"))), "7 is given to 2 cars"),
        (lambda: Ratio("X", 3, 2, True), "ratio 3/2 of option X"),
        (lambda: Ratio("X", 0, 0, True), "ratio 0/0"),
        (lambda: Rules(batch_limit=0), "limit of 0"),
        (
            lambda: Rules((Ratio("X", 1, 2, True), Ratio("X", 1, 3, True))),
            "option X is given twice",
        ),
    ],
)
def test_contradictions_are_named(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InstanceError, match=message):
        make()
