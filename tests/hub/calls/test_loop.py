"""Trucks and racks by the formulas of the trade, with values worked out by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.calls.loop import (
    at_line,
    departure,
    eta_of,
    leave_by,
    racks_in_loop,
    slack_s,
    trucks_in_loop,
)
from hub.orders.profile import Profile
from tests.hub.calls.world import PASSED_AT

PROFILE = Profile(transport_s=3600, unload_s=600, lineside_s=900, safety_s=1200, truck_wait_s=2400)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_trucks_and_racks_in_the_loop() -> None:
    # takt 60 s, 60 sets on a truck, 150 minutes round: 2.5 trucks are 3
    assert trucks_in_loop(9000, 60, 60) == 3
    assert trucks_in_loop(7200, 60, 60) == 2
    # 12 slots a minute each: a rack every 12 minutes, 12.5 of them in 150 minutes, and one spare
    assert racks_in_loop(9000, 12, 60) == 13
    assert racks_in_loop(9000, 12, 60, spare=1) == 14


def test_a_truck_leaves_when_its_first_car_cannot_wait() -> None:
    first_fit = PASSED_AT + minutes(300)
    # 60 + 10 + 15 + 20 minutes before
    assert leave_by(first_fit, PROFILE) == PASSED_AT + minutes(195)


@pytest.mark.parametrize(
    ("closed", "full", "at", "because"),
    [
        (None, None, 195, "first_car"),
        (100, None, 140, "waited"),
        (100, 120, 120, "full"),
        (190, None, 195, "first_car"),
        (190, 200, 195, "first_car"),
    ],
)
def test_the_earliest_reason_to_leave_counts(
    closed: int | None, full: int | None, at: int, because: str
) -> None:
    def instant(minute: int | None) -> object:
        return None if minute is None else PASSED_AT + minutes(minute)

    found = departure(PASSED_AT + minutes(300), instant(closed), instant(full), PROFILE)  # type: ignore[arg-type]
    assert (found.at, found.because) == (PASSED_AT + minutes(at), because)
    assert found.latest == PASSED_AT + minutes(195)


def test_slack_is_what_lies_between_part_and_car_at_the_station() -> None:
    eta = eta_of(PASSED_AT, PROFILE)
    assert eta == PASSED_AT + minutes(60)
    assert at_line(eta, PROFILE) == PASSED_AT + minutes(85)
    assert slack_s(eta, PASSED_AT + minutes(100), PROFILE) == 15 * 60
    assert slack_s(eta, PASSED_AT + minutes(80), PROFILE) == -5 * 60
