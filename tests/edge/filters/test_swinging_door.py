"""Swinging door: few samples, and the line through them never further off than was said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.filters.sample import Sample, Value
from edge.filters.swinging_door import HOLD_S, SwingingDoor

GOOD, BAD = 192, 0
SECOND = 1_000_000


def through(door: SwingingDoor, *points: tuple[float, Value], quality: int = GOOD) -> list[Sample]:
    """What a door lets through of (seconds, value) and, in the end, holds."""
    out = [s for at, v in points for s in door.take(Sample(v, round(at * SECOND), quality), 0)]
    return [*out, *door.flush()]


def plain(samples: list[Sample]) -> list[tuple[float, Value]]:
    return [(s.time_us / SECOND, s.value) for s in samples]


def test_a_known_course() -> None:
    """By hand, deviation 1. The doors from (0, 0): after (1, 0.5) the slopes -0.5 … 1.5, after
    (2, 1) 0 … 1, after (3, 2) 1/3 … 1. (4, 6) wants 1.5: (3, 2) becomes a sample, the doors from
    there are 3 … 5 after (4, 6), 3.5 … 4.5 after (5, 10). (6, 9) wants 7/3: (5, 10) is a sample."""
    course = [(0, 0.0), (1, 0.5), (2, 1.0), (3, 2.0), (4, 6.0), (5, 10.0), (6, 9.0)]
    assert plain(through(SwingingDoor(1.0, None), *course)) == [
        (0, 0.0),
        (3, 2.0),
        (5, 10.0),
        (6, 9.0),
    ]


def test_a_straight_line_is_its_ends() -> None:
    course = [(n, 3.0 * n + 1) for n in range(50)]
    assert plain(through(SwingingDoor(0.1, None), *course)) == [course[0], course[-1]]


def test_a_jump_keeps_the_point_before_it() -> None:
    course = [*((n, 5.0) for n in range(10)), *((n, 8.0) for n in range(10, 20))]
    assert plain(through(SwingingDoor(0.5, None), *course)) == [
        (0, 5.0),
        (9, 5.0),
        (10, 8.0),
        (19, 8.0),
    ]


POINTS = st.lists(
    st.tuples(st.integers(1, 5), st.floats(-1e6, 1e6) | st.floats(-3, 3) | st.integers(-3, 3)),
    min_size=1,
    max_size=60,
)


@given(POINTS, st.floats(0.5, 5))
def test_no_point_is_further_from_the_line_than_the_deviation(
    steps: list[tuple[int, float]], deviation: float
) -> None:
    door = SwingingDoor(deviation, 1e9)
    points: list[Sample] = []
    out: list[Sample] = []
    time_us = 0
    for step, value in steps:
        time_us += step * SECOND
        points.append(Sample(value, time_us, GOOD))
        out += door.take(points[-1], 0)
    out += door.flush()
    assert out[0] == points[0]
    assert out[-1] == points[-1]
    assert set(out) <= set(points)
    assert [s.time_us for s in out] == sorted({s.time_us for s in out})
    at = 0
    for point in points:
        while at + 1 < len(out) and out[at + 1].time_us <= point.time_us:
            at += 1
        error = abs(float(point.value) - line(out, at, point.time_us))  # type: ignore[arg-type]
        assert error <= deviation * (1 + 1e-9) + 1e-9


def line(samples: list[Sample], at: int, time_us: int) -> float:
    """The line through samples at and after index `at`, at an instant."""
    start = samples[at]
    a = float(start.value)  # type: ignore[arg-type]
    if time_us == start.time_us:
        return a
    end = samples[at + 1]
    b = float(end.value)  # type: ignore[arg-type]
    return a + (b - a) * (time_us - start.time_us) / (end.time_us - start.time_us)


ANY_VALUE = (
    st.floats(-100, 100)
    | st.sampled_from([math.nan, math.inf, True, False, None, "a", "b", 2**60])
    | st.integers(-3, 3)
)


@given(
    st.lists(st.tuples(st.integers(-3, 5), ANY_VALUE, st.sampled_from([GOOD, GOOD, BAD]))),
    st.floats(0.1, 10),
)
def test_every_change_of_quality_and_every_value_without_slope_passes(
    steps: list[tuple[int, Value, int]], deviation: float
) -> None:
    door = SwingingDoor(deviation, 1e9)
    out: list[Sample] = []
    given_, time_us = [], 100 * SECOND
    for step, value, quality in steps:
        time_us += step * SECOND
        given_.append(Sample(value, time_us, quality))
        out += door.take(given_[-1], 0)
    out += door.flush()
    places = iter(given_)
    assert all(any(sample is point for point in places) for sample in out), "in order, none twice"
    last: Sample | None = None
    kept = {id(sample) for sample in out}
    for point in given_:
        changed = last is None or point.quality != last.quality
        discrete = type(point.value) not in (int, float) or not math.isfinite(point.value)  # type: ignore[arg-type]
        if changed or (discrete and last is not None and point.value != last.value):
            assert id(point) in kept
        last = point


def test_what_is_held_passes_before_a_change_of_quality() -> None:
    door = SwingingDoor(1.0, None)
    assert len(door.take(Sample(1.0, 0, GOOD), 0)) == 1
    assert door.take(Sample(1.1, SECOND, GOOD), 0) == ()
    bad = Sample(None, 2 * SECOND, BAD)
    assert door.take(bad, 0) == (Sample(1.1, SECOND, GOOD), bad)
    assert door.held is None


@pytest.mark.parametrize("heartbeat_s", [None, 7.0])
def test_a_point_is_not_held_for_ever(heartbeat_s: float | None) -> None:
    limit = round((heartbeat_s or HOLD_S) * SECOND)
    door = SwingingDoor(1.0, heartbeat_s)
    door.take(Sample(1.0, 0, GOOD), 0)
    door.take(Sample(1.1, SECOND, GOOD), 50)
    assert door.due(50 + limit - 1) == ()
    assert door.due(50 + limit) == (Sample(1.1, SECOND, GOOD),)
    assert door.due(10**18) == ()


def test_a_heartbeat_lets_a_straight_line_pass_now_and_then() -> None:
    course = [(n, 1.0) for n in range(10)]
    assert [at for at, _ in plain(through(SwingingDoor(1.0, 4.0), *course))] == [0, 4, 8, 9]


def test_an_instant_that_comes_again_ends_the_line() -> None:
    assert len(through(SwingingDoor(9.0, None), (0, 1.0), (1, 1.1), (1, 1.2), (0.5, 1.3))) == 4
