"""The temperature falls from hot to cold twice, the second time slowly where the cost fell, and
many times more where the outcome is left to chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sequencing.cooling import FIRST_PASS, LAST, QUICK, SLOW_UNTIL, STEPS, Cooling

HOT, COLD = 1e6, 0.1


def passed(cost: Callable[[float], float], *, repeat: bool = False) -> Cooling:
    """After a first pass over a line whose mean cost at each temperature is this."""
    cooling = Cooling(HOT, COLD, repeat=repeat)
    for look in range(1000):
        done = FIRST_PASS * look / 1000
        cooling.saw(done, cost(cooling.temperature(done)))
    return cooling


def time_between(cooling: Cooling, hot: float, cold: float) -> float:
    """Part of the second pass spent at temperatures from `hot` to `cold`."""
    looks = [FIRST_PASS + (1 - FIRST_PASS) * n / 2000 for n in range(2001)]
    return sum(cold <= cooling.temperature(done) <= hot for done in looks) / len(looks)


def test_each_pass_goes_from_hot_to_cold() -> None:
    cooling = passed(lambda temperature: temperature)
    assert cooling.temperature(0) == pytest.approx(HOT)
    assert cooling.temperature(FIRST_PASS * 0.999_999) == pytest.approx(COLD, rel=1e-3)
    assert cooling.temperature(FIRST_PASS) == pytest.approx(HOT)
    assert cooling.temperature(1) == pytest.approx(COLD)
    assert cooling.temperature(1.5) == pytest.approx(COLD)


@given(st.lists(st.floats(0, 1e15), min_size=1, max_size=40), st.booleans())
def test_it_never_rises_within_a_pass(costs: list[float], early: bool) -> None:
    cooling = Cooling(HOT, COLD)
    for n, cost in enumerate(costs):
        cooling.saw(FIRST_PASS * n / len(costs), cost)
    start, end = (0.0, FIRST_PASS) if early else (FIRST_PASS, 1.0)
    course = [cooling.temperature(start + (end - start) * n / 200) for n in range(200)]
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(course))
    assert all(COLD * 0.999 <= temperature <= HOT * 1.001 for temperature in course)


def test_it_is_slow_where_the_cost_fell() -> None:
    """Two objectives whose excitations cost 10^5 and 10: they settle a little below."""

    def cost(temperature: float) -> float:
        return 1e8 * math.exp(-1e5 / temperature) + 1e4 * math.exp(-10 / temperature)

    cooling = passed(cost)
    even = math.log(10) / math.log(HOT / COLD)  # of one decade, if all were alike
    assert time_between(cooling, 2e5, 2e4) > 1.3 * even
    assert time_between(cooling, 20, 2) > 1.3 * even
    assert time_between(cooling, 2e3, 2e2) < 0.7 * even


def test_it_is_even_where_nothing_was_seen() -> None:
    for cooling in (Cooling(HOT, COLD), passed(lambda _: 5.0)):
        middle = cooling.temperature(FIRST_PASS + (1 - FIRST_PASS) / 2)
        assert middle == pytest.approx(math.sqrt(HOT * COLD))


def test_the_last_of_the_fall_has_a_part_of_its_own_and_may_have_all() -> None:
    last = 1.0
    step = (HOT / COLD) ** (1 / STEPS)
    for only, part in ((False, LAST), (True, 1.0)):
        cooling = Cooling(HOT, COLD, last=last)
        for look in range(1000):
            done = FIRST_PASS * look / 1000
            cooling.saw(done, cooling.temperature(done))  # all its heat is far above
        if only:
            cooling.only_last()
        spent = time_between(cooling, last * step, 0)
        assert spent == pytest.approx(part, abs=0.02)
        begun = FIRST_PASS + (1 - FIRST_PASS) * (1 - part)
        middle = cooling.temperature((begun + 1) / 2)
        assert math.sqrt(last * COLD) / step <= middle <= math.sqrt(last * COLD) * step
        assert cooling.temperature(1) == pytest.approx(COLD)


def test_where_passes_are_repeated_quick_ones_from_hot_to_cold_follow_the_slow_one() -> None:
    cooling = passed(lambda temperature: temperature, repeat=True)
    assert cooling.temperature(FIRST_PASS) == pytest.approx(HOT)
    assert cooling.temperature(SLOW_UNTIL * 0.999_999) == pytest.approx(COLD, rel=1e-3)
    ends = [SLOW_UNTIL + (1 - SLOW_UNTIL) * n / QUICK for n in range(QUICK + 1)]
    for start, end in pairwise(ends):
        course = [cooling.temperature(start + (end - start) * n / 200) for n in range(200)]
        assert all(after < before for before, after in pairwise(course[1:]))
        assert course[1] > HOT * 0.8
        assert course[-1] < COLD * 1.2
    assert cooling.temperature(1) == pytest.approx(COLD)
    assert cooling.temperature(1.5) == pytest.approx(COLD)
