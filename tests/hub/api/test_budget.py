"""What a tenant may read in a minute, and how many exports may run."""

from __future__ import annotations

import pytest

from hub.api.budget import Budget
from hub.api.problems import Problem
from hub.identity.settings import RateSettings


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(RateSettings(reading_seconds_per_minute=6, exports_at_a_time=1), clock)


def test_who_is_in_debt_waits_until_it_is_paid(budget: Budget, clock: Clock) -> None:
    with budget.spending("seatworks"):
        clock.now_s += 8
    with pytest.raises(Problem, match="wait 20 s") as refused:
        budget.check("seatworks")
    assert refused.value.headers == {"Retry-After": "20"}
    budget.check("trimworks")
    clock.now_s += 20.5
    budget.check("seatworks")


def test_nothing_is_saved_up_beyond_a_minute(budget: Budget, clock: Clock) -> None:
    budget.charge("seatworks", 1)
    clock.now_s += 3600
    budget.charge("seatworks", 6.5)
    with pytest.raises(Problem):
        budget.check("seatworks")


def test_exports_take_turns(budget: Budget) -> None:
    with budget.export("seatworks"):
        with pytest.raises(Problem, match="1 exports"), budget.export("seatworks"):
            pass
        with budget.export("trimworks"):
            pass
    with budget.export("seatworks"):
        pass
