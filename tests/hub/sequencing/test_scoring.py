"""The score: worked examples, the definition window by window, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing import Car, Instance, InstanceError, Ratio, Rules, score
from hub.sequencing.model import Capacity, Limits, Objective, Pair, Place


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


def test_a_supplier_line_is_asked_for_by_any_of_its_options(kernels: ModuleType) -> None:
    # Seats for options X and Y, at most one in two cars: windows (y)X, XY, Y-, -X, X.
    day = tuple(Car(str(n), "A", frozenset(o)) for n, o in enumerate(("X", "Y", "", "XY")))
    seats = Capacity("seats", frozenset("XY"), 1, 2)
    doors = Capacity("doors", frozenset("Z"), 0, 1)
    rules = Rules(objectives=("capacity",), capacities=(seats, doors))
    found = score(Instance(day, rules, (Car("y", "A", frozenset("Y")),)))
    assert found.by_line == {"seats": 2, "doors": 0}
    assert found.capacity == 2
    assert found.by_option == {}
    assert found.mark == 2_000_000


def test_an_hourly_capacity_is_a_ratio_over_the_cars_of_an_hour() -> None:
    seats = Capacity.per_hour("seats", frozenset("X"), cars_per_hour=40, takt_s=58)
    assert (seats.most, seats.window) == (40, 62)


@settings(deadline=None, max_examples=150)
@given(
    taken=st.lists(st.frozensets(st.sampled_from(["seats/a/1", "seats/a/2", "doors/b/1"]))),
    yesterday=st.integers(0, 3),
)
def test_levelling_is_what_the_definition_says(taken: list[frozenset[str]], yesterday: int) -> None:
    n = len(taken)
    day = tuple(Car(str(i), "A") for i in range(n))
    consumption = {car.production_no: parts for car, parts in zip(day, taken, strict=True)}
    before = tuple(Car(f"y{i}", "A") for i in range(yesterday))
    found = score(Instance(day, Rules(), before, consumption=consumption)).levelling
    exact = sum(
        (Fraction(sum(part in t for t in taken[:k])) - Fraction(k * total, n)) ** 2
        for part in {part for t in taken for part in t}
        if (total := sum(part in t for t in taken))
        for k in range(1, n + 1)
    )
    assert found == float(exact)


def test_each_place_outside_the_span_in_which_a_car_is_due_counts() -> None:
    day = tuple(Car(str(n), "A") for n in range(1, 6))
    due = {
        "1": Place(due_from=3),
        "2": Place(due_from=1, due_until=2),
        "3": Place(due_until=2),
        "4": Place(due_from=6),  # after the day
        "5": Place(earliest=5),
    }
    found = score(Instance(day, Rules(objectives=("lateness",)), limits=Limits(due)))
    assert found.lateness == 2 + 0 + 1 + 2
    assert found.mark == 5_000_000


@pytest.mark.parametrize(
    ("limits", "order", "kind", "cars", "text"),
    [
        (Limits({"b": Place(earliest=3)}), "abcd", "earliest", "b", "stands at 2, its earliest"),
        (Limits({"b": Place(latest=1)}), "abcd", "latest", "b", "latest place is 1"),
        (Limits(frozen=2), "acbd", "frozen", "b", "frozen at 2, not 3"),
        (Limits(forward=1), "cabd", "forward", "c", "moves 2 places forward, 1 are allowed"),
        (Limits(back=1), "bcad", "back", "a", "moves 2 places back"),
        (Limits(pairs=(Pair("apart", "a", "b", 2),)), "bacd", "apart", "ab", "2 places apart from"),
        (Limits(pairs=(Pair("in_order", "a", "b"),)), "bcda", "in_order", "ab", "places before"),
        (Limits(pairs=(Pair("in_order", "a", "b", 3),)), "acbd", "in_order", "ab", "3 places"),
    ],
)
def test_a_broken_limit_is_named(
    limits: Limits, order: str, kind: str, cars: str, text: str
) -> None:
    day = {number: Car(number, "A") for number in "abcd"}
    of = Instance(tuple(day.values()), limits=limits)
    found = score(of, [day[number] for number in order])
    assert [limit.kind for limit in found.broken if set(limit.cars) == set(cars)] == [kind]
    assert text in found.broken[0].text
    assert not found.feasible


def test_limits_that_are_kept_break_nothing() -> None:
    day = {number: Car(number, "A") for number in "abcd"}
    limits = Limits(
        {"b": Place(2, 3), "d": Place(4, 4)},
        (Pair("apart", "d", "b", 1), Pair("in_order", "a", "d", 3)),
        frozen=1,
        forward=1,
        back=1,
    )
    found = score(Instance(tuple(day.values()), limits=limits), [day[n] for n in "acbd"])
    assert found.broken == ()
    assert found.feasible


def test_a_mark_of_whole_parts_is_exact_however_large() -> None:
    day = tuple(Car(str(n), "A" if n % 2 else "B", frozenset("X")) for n in range(1, 2_001))
    objectives: tuple[Objective, ...] = (
        "high_priority",
        "colour_changes",
        "low_priority",
        "capacity",
        "lateness",
    )
    rules = Rules((Ratio("X", 0, 2_000, high_priority=True),), objectives)
    of = Instance(day, rules, limits=Limits({"2000": Place(due_until=1)}))
    found = score(of)
    assert found.high_priority == 2_000 * 2_001 // 2
    # Beyond what a double holds to the last digit.
    assert found.mark == found.high_priority * 10**12 + 1_999 * 10**9 + 1_999
    assert isinstance(found.mark, int)


def test_weights_take_the_place_of_the_order() -> None:
    rules = Rules(
        (Ratio("X", 0, 1, high_priority=True),),
        ("colour_changes", "high_priority"),
        weights=(0.25, 3),
    )
    found = score(Instance((Car("1", "A"), Car("2", "B", frozenset("X"))), rules))
    assert found.mark == 3.25
    assert found.values["high_priority"] == 1
    assert found.weights == {"colour_changes": 0.25, "high_priority": 3}


OPTIONS = ("X", "Y", "Z")
some_cars = st.lists(st.tuples(st.sampled_from("ABC"), st.frozensets(st.sampled_from(OPTIONS))))
some_ratio = st.integers(1, 8).flatmap(lambda p: st.tuples(st.integers(0, p), st.just(p)))


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=150,
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
        starts = [s for s in range(len(line)) if today and s + ratio.window > first]
        windows = [line[s : s + ratio.window] for s in starts]
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
        (
            lambda: Rules(objectives=("levelling",), weights=(float("nan"),)),
            "weight nan of objective levelling",
        ),
        (lambda: Rules(objectives=("levelling",), weights=(1e13,)), "number from 1e-12 to 1e"),
        (
            lambda: Instance((Car("7", "A"),), limits=Limits({"7": Place(due_until=10**7)})),
            "car 7 is due at 10000000",
        ),
    ],
)
def test_contradictions_are_named(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InstanceError, match=message):
        make()
