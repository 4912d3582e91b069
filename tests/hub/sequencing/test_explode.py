"""Sequence × bill of material: the first rule that fits, by rank; both kernels alike."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing import BillOfMaterial, BomRule, Car


def parts(bom: BillOfMaterial, *cars: Car) -> list[tuple[str, str, str, int]]:
    return [
        (line.production_no, line.part_group, line.part_no, line.quantity)
        for line in bom.call_lines(cars)
    ]


def test_the_first_rule_that_fits_names_the_part(kernels: ModuleType) -> None:
    bom = BillOfMaterial(
        [
            BomRule("SEAT", 9, "S-BASE", quantity=2),
            BomRule(
                "SEAT", 1, "S-HEAT", requires=frozenset({"heat"}), excludes=frozenset({"sport"})
            ),
            BomRule("DOOR", 1, "D-{colour}", colours=frozenset({"red"})),
        ]
    )
    red = Car("1", "red", frozenset({"heat"}))
    blue = Car("2", "blue", frozenset({"heat", "sport"}))
    assert parts(bom, red, blue) == [
        ("1", "DOOR", "D-red", 1),
        ("1", "SEAT", "S-HEAT", 1),
        ("2", "SEAT", "S-BASE", 2),
    ]


def test_more_options_than_one_word_holds(kernels: ModuleType) -> None:
    rules = [
        BomRule("G", rank, f"P{rank}", requires=frozenset({f"o{rank:03d}"})) for rank in range(150)
    ]
    bom = BillOfMaterial(rules)
    for rank in (0, 63, 64, 127, 128, 149):
        assert parts(bom, Car("1", "c", frozenset({f"o{rank:03d}"}))) == [("1", "G", f"P{rank}", 1)]


def test_no_rules_and_no_cars(kernels: ModuleType) -> None:
    assert parts(BillOfMaterial([]), Car("1", "c")) == []
    assert parts(BillOfMaterial([BomRule("G", 1, "P")])) == []


def test_two_rules_of_one_rank_are_refused() -> None:
    with pytest.raises(ValueError, match="SEAT has two rules of rank 1"):
        BillOfMaterial([BomRule("SEAT", 1, "a"), BomRule("SEAT", 1, "b")])


names = st.frozensets(st.sampled_from("vwxyz"), max_size=3)
some_rules = st.lists(
    st.builds(
        BomRule,
        part_group=st.sampled_from(("A", "B", "C")),
        rank=st.integers(0, 50),
        part_no=st.sampled_from(("p", "q-{colour}")),
        requires=names,
        excludes=names,
        colours=st.none() | st.frozensets(st.sampled_from("rg")),
    ),
    unique_by=lambda rule: (rule.part_group, rule.rank),
)
some_cars = st.lists(
    st.builds(
        Car, st.uuids().map(str), st.sampled_from("rgb"), st.frozensets(st.sampled_from("vwxyz"))
    )
)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=150,
)
@given(rules=some_rules, cars=some_cars)
def test_call_lines_are_what_the_rules_say(
    kernels: ModuleType, rules: list[BomRule], cars: list[Car]
) -> None:
    expected = []
    for car in cars:
        for group in sorted({rule.part_group for rule in rules}):
            fitting = [
                rule
                for rule in rules
                if rule.part_group == group
                and rule.requires <= car.options
                and not rule.excludes & car.options
                and (rule.colours is None or car.colour in rule.colours)
            ]
            if fitting:
                best = min(fitting, key=lambda rule: rule.rank)
                part_no = best.part_no.replace("{colour}", car.colour)
                expected.append((car.production_no, group, part_no, 1))
    assert parts(BillOfMaterial(rules), *cars) == expected
