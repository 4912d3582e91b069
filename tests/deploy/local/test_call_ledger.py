"""The ledger of a day finds what is planted: what is missing, doubled, or ended otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from deploy.local.call_ledger import CallLine, check_day, counts, table
from deploy.local.verify import Verdict
from firmware_sim.plant.record import PlantEntry

GROUPS = {"SEAT1": ("SEAT",)}
ENTRIES = [
    PlantEntry(1, "passed", car="1"),
    PlantEntry(2, "passed", car="2"),
    PlantEntry(3, "passed", car="3"),
    PlantEntry(4, "cancelled", car="3"),
    PlantEntry(5, "reordered", key="P1/SEAT1/2/SEAT/0"),
]
SENT = {"called": 1, "taken": 1, "shipped": 1, "received": 1}


def line(car: str, index: int = 0, /, **fields: object) -> CallLine:
    one = CallLine(f"P1/SEAT1/{car}/SEAT/{index}", car, "SEAT1", times=dict(SENT))
    return replace(one, **fields)  # type: ignore[arg-type]


def good() -> list[CallLine]:
    consumed = {**SENT, "consumed": 1}
    fitted: dict[str, object] = {"fate": "fitted", "hub_car": "fitted", "hub_part": "consumed"}
    return [
        line("1", **fitted, times=dict(consumed)),
        line("2", fate="reordered", hub_car="replaced", hub_part="rejected"),
        line("2", 1, **fitted, times=dict(consumed)),
        line(
            "3", fate="cancelled", hub_car="cancelled", hub_part="stocked", at_supplier=["stocked"]
        ),
    ]


def found(ledger: list[CallLine], entries: list[PlantEntry] = ENTRIES) -> list[str]:
    verdict = Verdict()
    check_day(ledger, entries, GROUPS, "P1", verdict)
    return verdict.problems


def test_a_good_day_has_no_problem() -> None:
    assert found(good()) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda calls: calls.pop(0), "1 calls of the plant's day missing"),
        (lambda calls: calls.pop(2), "1 calls of the plant's day missing"),
        (lambda calls: calls.append(line("9", fate="fitted")), "did not ask for"),
        (lambda calls: calls[0].times.update(consumed=2), "calls consumed more than once"),
        (lambda calls: calls[0].times.update(shipped=2), "calls shipped more than once"),
        (lambda calls: calls[0].times.pop("called"), "missing at the hub"),
        (lambda calls: setattr(calls[0], "fate", "open"), "parts that never ended"),
        (lambda calls: setattr(calls[0], "hub_part", "shipped"), "the hub says fitted, shipped"),
        (lambda calls: setattr(calls[3], "hub_car", "fitted"), "the hub says fitted, stocked"),
        (lambda calls: calls[3].times.update(returned=1), "ended twice"),
    ],
)
def test_what_is_planted_is_found(spoil: Callable[[list[CallLine]], object], problem: str) -> None:
    calls = good()
    spoil(calls)
    assert any(problem in text for text in found(calls))


def test_what_the_hub_refused_is_a_problem() -> None:
    assert "refused" in found(good(), [*ENTRIES, PlantEntry(9, "refused", detail="409")])[0]


def test_the_table_has_a_row_for_each_call() -> None:
    text = table(good(), counts(good()))
    assert text.count("P1/SEAT1/") == 4
    assert "calls fitted              2" in text
