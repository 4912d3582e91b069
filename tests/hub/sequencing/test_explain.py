"""An explanation adds up to the score, and names what a person would find by counting."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.orders.roadef import read_folder
from hub.sequencing import Car, Instance, InstanceError, Ratio, Rules
from hub.sequencing.explain import explain
from hub.sequencing.explanation import Explanation, Overload
from hub.sequencing.model import Capacity, Limits, Objective, Place
from tests.fixtures.instances import roadef_folders

FOLDERS = roadef_folders()


def cars(day: str, text: str) -> tuple[Car, ...]:
    """`AX B`: colour A with option X, then colour B without."""
    return tuple(
        Car(f"{day}{i}", word[0], frozenset(word[1:])) for i, word in enumerate(text.split(), 1)
    )


def told(overloads: Sequence[Overload]) -> list[tuple[object, ...]]:
    return [(o.first, o.last, o.windows, o.cars, o.positions, o.excess) for o in overloads]


ONE_IN_THREE = Rules((Ratio("X", 1, 3, high_priority=True),))


def test_windows_with_the_same_cars_are_one_overload() -> None:
    found = explain(Instance(cars("t", "A A AX AX A A"), ONE_IN_THREE))
    (ratio,) = found.ratios
    assert told(ratio.overloads) == [(2, 5, 2, ("t3", "t4"), (3, 4), 1)]
    assert ratio.excess == 2


def test_yesterdays_cars_are_named_at_positions_before_the_first() -> None:
    day = Instance(cars("t", "AX A A"), ONE_IN_THREE, cars("y", "A AX"))
    (ratio,) = explain(day).ratios
    assert told(ratio.overloads) == [(-1, 2, 2, ("y2", "t1"), (0, 1), 1)]


def test_windows_cut_by_the_end_of_the_day_end_with_it() -> None:
    day = Instance(cars("t", "A A AX AX"), ONE_IN_THREE)
    assert told(explain(day).ratios[0].overloads) == [(2, 4, 2, ("t3", "t4"), (3, 4), 1)]
    whole = replace(day, rules=replace(ONE_IN_THREE, cut_windows=False))
    assert told(explain(whole).ratios[0].overloads) == [(2, 4, 1, ("t3", "t4"), (3, 4), 1)]


def test_a_car_is_charged_with_each_window_it_is_too_many_of() -> None:
    # The number of a car of yesterday may come again; only today's car pays.
    tail = (Car("t1", "A", frozenset("X")),)
    found = explain(Instance(cars("t", "AX B AX"), ONE_IN_THREE, tail))
    # Windows tail-t1-t2 and t1-t2-t3.
    assert [car.cost for car in found.cars] == [
        {"high_priority": 2},
        {"colour_changes": 1},
        {"high_priority": 1, "colour_changes": 1},
    ]
    assert [car.mark for car in found.cars] == [2_000_000, 1_000, 1_001_000]


def test_a_supplier_line_counts_cars_with_any_of_its_options() -> None:
    rules = Rules(
        (), ("capacity",), capacities=(Capacity("SEAT1", frozenset("XY"), most=1, window=2),)
    )
    found = explain(Instance(cars("t", "AX AY A"), rules))
    (line,) = found.lines
    assert (line.line, line.excess, line.mark) == ("SEAT1", 1, 1_000_000)
    assert line.overloads[0].cars == ("t1", "t2")


def test_a_part_is_ahead_where_its_cars_come_too_early() -> None:
    parts = {"t1": frozenset({"S/G/a"}), "t2": frozenset({"S/G/a"})}
    found = explain(Instance(cars("t", "A A A A"), Rules((), ("levelling",)), consumption=parts))
    (part,) = found.parts
    # Even rate 0.5, 1, 1.5, 2 against 1, 2, 2, 2.
    assert (part.worst, part.worst_position) == (1.0, 2)
    assert found.levelling_at == (0.25, 1.0, 0.25, 0.0)
    assert part.levelling == 1.5
    assert [(line.line, line.capacity, line.levelling) for line in found.lines] == [
        ("S", None, 1.5)
    ]


def test_a_car_is_off_its_due_span_by_places_with_a_sign() -> None:
    limits = Limits({"t1": Place(due_from=3), "t3": Place(due_until=2), "t2": Place(due_from=1)})
    found = explain(Instance(cars("t", "A A A"), Rules((), ("lateness",)), limits=limits))
    assert [car.off_due for car in found.cars] == [-2, 0, 1]


def test_colour_changes_are_named_with_both_colours() -> None:
    found = explain(Instance(cars("t", "B B A"), yesterday=cars("y", "C A")))
    assert [(c.position, c.before, c.after) for c in found.colour_changes] == [
        (1, "A", "B"),
        (3, "B", "A"),
    ]


def test_what_does_not_enter_the_mark_has_no_share() -> None:
    found = explain(Instance(cars("t", "AX BX"), replace(ONE_IN_THREE, objectives=("capacity",))))
    assert found.objectives[0].objective == "capacity"
    assert {cost.share for cost in found.objectives} == {0.0}
    assert {cost.value for cost in found.objectives if cost.weight} == {0}


def test_top_keeps_the_most_costly_and_the_sums() -> None:
    found = explain(Instance(cars("t", "AX AX A A A AX AX AX A"), ONE_IN_THREE))
    whole, short = (
        json.loads(json.dumps(found.as_json(top), allow_nan=False)) for top in (None, 1)
    )
    ((ratio,), (short_ratio,)) = whole["ratios"], short["ratios"]
    assert [overload["cost"] for overload in ratio["overloads"]] == [1, 1, 2, 1]
    assert [overload["cars"] for overload in short_ratio["overloads"]] == [["t6", "t7", "t8"]]
    assert short_ratio["windows"] == ratio["windows"] == 4
    assert short_ratio["excess"] == ratio["excess"] == 5
    assert (len(whole["cars"]), len(short["cars"])) == (5, 1)


def test_the_text_names_cars_positions_and_what_it_leaves_out() -> None:
    rules = replace(ONE_IN_THREE, batch_limit=2)
    limits = Limits({"t1": Place(earliest=3)})
    text = explain(Instance(cars("t", "AX AX AX B BX BX"), rules, limits=limits)).as_text(top=1)
    assert "X 1/3, high_priority: excess 6 in 5 windows" in text
    assert "cars t1 at 1, t2 at 2, t3 at 3" in text
    assert "hard limits broken: 3" in text
    assert "paint batch of 3 cars of colour A from 1 on" in text
    assert "… and 2 more" in text


def test_long_windows_over_a_long_day_take_no_square() -> None:
    day = cars("t", "AX " * 3_000)
    found = explain(Instance(day, Rules((Ratio("X", 0, 3_000, high_priority=True),))))
    # Of the 3,000 windows, the one that begins at car k holds it and all behind it.
    assert found.ratios[0].excess == 3_000 * 3_001 // 2
    assert found.cars[-1].cost == {"high_priority": 3_000 * 3_001 // 2}
    assert found.cars[0].cost == {"high_priority": 3_000}
    assert "cars t1 at 1, t2 at 2, t3 at 3, t4 at 4, t5 at 5, t6 at 6 and 2994 more" in (
        found.as_text(top=1)
    )


def test_an_empty_day_costs_nothing() -> None:
    found = explain(Instance((), ONE_IN_THREE, cars("y", "AX AX")))
    assert (found.score.mark, found.cars, found.levelling_at) == (0, (), ())
    assert found.ratios[0].overloads == ()
    assert found.as_text().startswith("mark 0")


def test_an_incomplete_sequence_is_refused() -> None:
    day = Instance(cars("t", "A B"), ONE_IN_THREE)
    with pytest.raises(InstanceError, match="missing: t2"):
        explain(day, day.cars[:1])


OPTIONS = "XYZ"
some_cars = st.lists(st.tuples(st.sampled_from("ABC"), st.frozensets(st.sampled_from(OPTIONS))))
some_most = st.integers(1, 8).flatmap(lambda p: st.tuples(st.integers(0, p), st.just(p)))
some_parts = st.frozensets(st.sampled_from(["S1/A/1", "S1/B/1", "S2/A/1"]))
some_place = st.tuples(st.integers(-3, 12), st.integers(0, 9))


@settings(deadline=None, max_examples=150)
@given(
    yesterday=some_cars,
    today=some_cars,
    most=st.tuples(some_most, some_most, some_most, some_most),
    cut=st.booleans(),
    data=st.data(),
)
def test_explanations_add_up_to_the_score(
    yesterday: list[tuple[str, frozenset[str]]],
    today: list[tuple[str, frozenset[str]]],
    most: Sequence[tuple[int, int]],
    cut: bool,
    data: st.DataObject,
) -> None:
    ratios = tuple(
        Ratio(option, *some, high_priority=option != "Y")
        for option, some in zip(OPTIONS, most, strict=False)
    )
    rules = Rules(
        ratios,
        ("high_priority", "low_priority", "colour_changes", "capacity", "levelling", "lateness"),
        batch_limit=2,
        cut_windows=cut,
        capacities=(Capacity("S1", frozenset("XZ"), *most[3]),),
        weights=(5, 3, 0.5, 2, 0.1, 1),
    )
    day = tuple(Car(f"t{i}", *car) for i, car in enumerate(today))
    places = {
        car.production_no: Place(due_from=low, due_until=low + length)
        for car in day
        for low, length in [data.draw(some_place)]
    }
    consumption = {car.production_no: data.draw(some_parts) for car in day}
    tail = tuple(Car(f"y{i}", *car) for i, car in enumerate(yesterday))
    instance = Instance(day, rules, tail, Limits(places), consumption)
    check_sums(explain(instance, data.draw(st.permutations(day))))


def check_sums(found: Explanation) -> None:
    """Each of the score's figures again, from what the explanation lists."""
    total = found.score
    assert {r.ratio.option: r.excess for r in found.ratios} == total.by_option
    assert {line.line: line.excess for line in found.lines if line.capacity} == total.by_line
    for ratio in found.ratios:
        assert sum(o.cost for o in ratio.overloads) == ratio.excess
        for o in ratio.overloads:
            assert o.excess == len(o.cars) - ratio.ratio.most > 0
            # The cars stand in each of the windows, so between the last's start and first's end.
            assert o.first + o.windows - 1 <= o.positions[0]
            assert o.positions[-1] <= min(o.first + ratio.ratio.window - 1, o.last)
            assert o.last - o.first + 1 <= ratio.ratio.window + o.windows - 1
    charged: Counter[int] = Counter()
    by_rule = [
        *(ratio.overloads for ratio in found.ratios),
        *(line.overloads for line in found.lines),
    ]
    for overload in chain.from_iterable(by_rule):
        for position in overload.positions:
            charged[position] += overload.cost
    of_windows: tuple[Objective, ...] = ("high_priority", "low_priority", "capacity")
    for car in found.cars:
        assert sum(car.cost.get(o, 0) for o in of_windows) == charged[car.position]
    assert len(found.colour_changes) == total.colour_changes
    assert sum(abs(car.off_due) for car in found.cars) == total.lateness
    assert sum(part.levelling for part in found.parts) == pytest.approx(total.levelling)
    assert sum(line.levelling for line in found.lines) == pytest.approx(total.levelling)
    assert sum(found.levelling_at) == pytest.approx(total.levelling)
    assert sum(cost.weight * cost.value for cost in found.objectives) == pytest.approx(total.mark)
    assert sum(cost.share for cost in found.objectives) == pytest.approx(1 if total.mark else 0)
    changed = {change.position for change in found.colour_changes}
    assert {car.position for car in found.cars if "colour_changes" in car.cost} == changed


@pytest.mark.skipif(not FOLDERS, reason="the challenge's instances are not here")
def test_real_days_add_up_to_their_scores() -> None:
    for folder in FOLDERS[:: max(1, len(FOLDERS) // 5)]:
        check_sums(explain(read_folder(folder).instance()))
