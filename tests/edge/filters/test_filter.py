"""One tag's filter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.filters import Filter, FilterSettings, Sample, make_filter

GOOD, BAD = 192, 0
numbers = st.floats(-1e9, 1e9)


def passed(settings: FilterSettings, *samples: tuple[object, int]) -> list[object]:
    """What a new filter lets through of (value, time in s), all good."""
    it = Filter(settings)
    return [
        sample.value
        for value, time_s in samples
        for sample in it.apply(value, time_s * 1_000_000, GOOD)  # type: ignore[arg-type]
    ]


def one(it: Filter, value: object, time_us: int, quality: int) -> object:
    """The one value let through; fails if there is none."""
    (sample,) = it.apply(value, time_us, quality)  # type: ignore[arg-type]
    assert (sample.time_us, sample.quality) == (time_us, quality)
    return sample.value


def test_no_settings_need_no_filter() -> None:
    assert make_filter(FilterSettings()) is None
    assert make_filter(FilterSettings(shift=1)) is not None
    assert make_filter(FilterSettings(deadband=0)) is not None
    assert make_filter(FilterSettings(swinging_door=1)) is not None
    assert make_filter(FilterSettings(at_most_every_s=1)) is not None


def test_a_filter_that_only_scales_holds_nothing() -> None:
    it = Filter(FilterSettings(scale=2, deadband=1))
    assert not it.holds
    it.apply(1.0, 0, GOOD)
    assert (it.held, it.due(10**18), it.flush()) == (None, (), ())


def test_server_times_go_with_their_values() -> None:
    it = Filter(FilterSettings(scale=2))
    assert it.apply(1, 5, GOOD, 7) == (Sample(2.0, 5, GOOD, 7),)


def test_a_deadband_may_be_known_later() -> None:
    it = Filter(FilterSettings(scale=2))
    assert one(it, 1.0, 0, GOOD) == 2.0
    it.set_deadband(1.0, None)
    assert one(it, 1.0, 1, GOOD) == 2.0
    assert it.apply(1.5, 2, GOOD) == ()
    assert one(it, 2.0, 3, GOOD) == 4.0


def test_scaling_is_for_numbers() -> None:
    it = Filter(FilterSettings(scale=0.1, shift=-40))
    assert one(it, 500, 0, GOOD) == 10.0
    assert one(it, True, 0, GOOD) == -39.9
    assert one(it, "500", 0, GOOD) == "500"
    assert one(it, None, 0, BAD) is None


def test_deadband_is_measured_from_the_last_sample_not_from_the_last_value() -> None:
    values = [0.0, 0.4, 0.8, 1.1, 1.5, 2.1]
    assert passed(FilterSettings(deadband=1), *((v, 0) for v in values)) == [0.0, 1.1]


def test_deadband_0_is_report_by_exception_for_any_value() -> None:
    values = [1, 1, 2, "a", "a", "b", None, None, 2, 2**63, 2**63]
    assert passed(FilterSettings(deadband=0), *((v, 0) for v in values)) == [
        1, 2, "a", "b", None, 2, 2**63,
    ]  # fmt: skip


def test_heartbeat_lets_a_value_pass_when_the_last_sample_is_old() -> None:
    settings = FilterSettings(deadband=5, heartbeat_s=10)
    samples = [(0, 0), (1, 9), (1, 10), (2, 19), (2, 20)]
    assert passed(settings, *samples) == [0, 1, 2]


@pytest.mark.parametrize("kind", [{"deadband": 5}, {"swinging_door": 5}])
@given(times_s=st.lists(st.integers(0, 100)))
def test_a_heartbeat_comes_whatever_the_source_s_clock_is_set_to(
    kind: dict[str, float], times_s: list[int]
) -> None:
    it = Filter(FilterSettings.model_validate({**kind, "heartbeat_s": 10}))
    last_us = 0
    for time_us in (at * 1_000_000 for at in times_s):
        for sample in it.apply("running", time_us, GOOD):
            last_us = sample.time_us
        assert 0 <= time_us - last_us < 10_000_000


@pytest.mark.parametrize("kind", [{"at_most_every_s": 5}, {"swinging_door": 1, "heartbeat_s": 5}])
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0, 0, 0, 1, 3, 8, 100]))))
def test_nothing_is_held_for_longer_whatever_the_gateway_s_clock_is_set_back_by(
    kind: dict[str, float], seconds: list[tuple[bool, int]]
) -> None:
    """What each second brings: whether a value, and by how much the clock is set back."""
    it = Filter(FilterSettings.model_validate(kind))
    held, since_s, clock_s = None, 0, 10**9
    for at_s, (comes, back_s) in enumerate([*seconds, *[(False, 0)] * 5]):
        clock_s += 1 - back_s
        if comes:
            it.apply(1.0, at_s * 1_000_000, GOOD, now_us=clock_s * 1_000_000)
        it.due(clock_s * 1_000_000)
        if back_s or it.held is not held:
            held, since_s = it.held, at_s
        assert held is None or at_s - since_s < 5


def test_a_change_of_quality_passes() -> None:
    it = Filter(FilterSettings(deadband=5))
    assert one(it, 1.0, 0, GOOD) == 1.0
    assert one(it, 1.0, 1, BAD) == 1.0
    assert it.apply(1.0, 2, BAD) == ()
    assert one(it, 1.0, 3, GOOD) == 1.0


@given(st.lists(numbers), st.floats(0, 1e6))
def test_whoever_reads_the_samples_is_never_further_off_than_the_deadband(
    values: list[float], deadband: float
) -> None:
    it = Filter(FilterSettings(deadband=deadband))
    shown: object = None
    for value in values:
        for sample in it.apply(value, 0, GOOD):
            shown = sample.value
        assert isinstance(shown, float)
        assert abs(shown - value) <= deadband


def test_nan_is_never_near_anything() -> None:
    nan = float("nan")
    assert len(passed(FilterSettings(deadband=1), (1.0, 0), (nan, 0), (1.0, 0))) == 3


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"scale": 0}, "leave scale out"),
        ({"heartbeat_s": 1}, "add deadband: 0"),
        ({"swinging_door": 1, "deadband": 1}, "deadband would take points"),
        ({"swinging_door": 1, "at_most_every_s": 1}, "at_most_every_s would take points"),
        ({"swinging_door": 0}, "greater than 0"),
        ({"deadband": -1}, "greater than or equal to 0"),
        ({"deadband": float("inf")}, "finite"),
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, float], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        FilterSettings.model_validate(settings)
