"""Figures of a day from the plant's record, against the vectors of the trade."""

from __future__ import annotations

import pytest

from deploy.local.day_figures import (
    adherence_by_record,
    reorders_by_record,
    stop_minutes_by_record,
)
from firmware_sim.plant.record import PlantEntry

PULLED_OUT = [1, 2, 4, 5, 6, 7, 3, 8, 9, 10]
SWAPPED = [1, 2, 3, 5, 4, 6, 7, 8, 9, 10]
LATE_BLOCK = [4, 5, 6, 7, 8, 9, 10, 1, 2, 3]
TURNED = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def day(actual: list[int], planned: int) -> list[PlantEntry]:
    return [
        *(PlantEntry(n, "planned", car=str(n), slot=n) for n in range(1, planned + 1)),
        *(PlantEntry(100 + n, "passed", car=str(car)) for n, car in enumerate(actual)),
    ]


@pytest.mark.parametrize(
    ("actual", "exact", "within", "in_order", "not_overtaken", "successors", "inversions"),
    [
        (PULLED_OUT, 0.5, 0.9, 0.9, 0.9, 0.667, 4),
        (SWAPPED, 0.8, 1.0, 0.9, 0.9, 0.667, 1),
        (LATE_BLOCK, 0.0, 0.0, 0.7, 0.7, 0.889, 21),
        (TURNED, 0.0, 0.2, 0.1, 0.1, 0.0, 45),
    ],
)
def test_adherence_of_the_known_orders(
    actual: list[int],
    exact: float,
    within: float,
    in_order: float,
    not_overtaken: float,
    successors: float,
    inversions: int,
) -> None:
    found = adherence_by_record(day(actual, 10))
    assert (found["exact"], found["within"], found["in_order"]) == (exact, within, in_order)
    assert found["not_overtaken"] == pytest.approx(not_overtaken)
    assert found["successors"] == pytest.approx(successors, abs=0.001)
    assert found["inversions"] == inversions


def test_a_planned_car_that_never_passed_takes_no_place() -> None:
    assert adherence_by_record(day([1, 3, 4], 4))["exact"] == 1.0


def test_stops_are_summed_by_their_cause() -> None:
    entries = [
        PlantEntry(0, "stopped", detail="robot m1"),
        PlantEntry(60_000_000, "moved_on", detail="robot m1"),
        PlantEntry(90_000_000, "stopped", detail="robot m2"),
        PlantEntry(120_000_000, "moved_on", detail="robot m2"),
    ]
    assert stop_minutes_by_record(entries) == {"robot": 1.5}


def test_reorders_count_where_their_part_comes_from() -> None:
    entries = [*day([1, 2], 2), PlantEntry(9, "reordered", key="P1/TRIM1/1/BUMPER/0")]
    groups = {"SEAT1": ("SEAT",), "TRIM1": ("DOOR", "BUMPER")}
    assert reorders_by_record(entries, groups) == {"SEAT1": (2, 2), "TRIM1": (5, 4)}
