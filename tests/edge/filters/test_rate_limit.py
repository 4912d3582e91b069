"""Rate limit: never faster than said, and the newest value always comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.filters.rate_limit import RateLimit
from edge.filters.sample import Sample

GOOD, BAD = 192, 0
SECOND = 1_000_000


def sample(at_s: float, value: float = 0.0, quality: int = GOOD) -> Sample:
    return Sample(value, round(at_s * SECOND), quality)


def test_the_newest_follows_when_the_interval_is_over() -> None:
    limit = RateLimit(1.0)
    assert limit.take(sample(0), 100) == (sample(0),)
    assert limit.take(sample(0.2, 1.0), 200) == ()
    assert limit.take(sample(0.4, 2.0), 300) == ()
    assert limit.due(200 + SECOND - 1) == ()
    assert limit.due(200 + SECOND) == (sample(0.4, 2.0),)
    assert limit.due(10**18) == ()


def test_a_later_sample_supersedes_what_was_held() -> None:
    limit = RateLimit(1.0)
    limit.take(sample(0), 0)
    limit.take(sample(0.9, 1.0), 0)
    assert limit.take(sample(1.2, 2.0), 0) == (sample(1.2, 2.0),)
    assert limit.held is None


def test_a_change_of_quality_passes_after_what_was_held() -> None:
    limit = RateLimit(10.0)
    limit.take(sample(0), 0)
    limit.take(sample(1, 1.0), 0)
    assert limit.take(sample(2, 1.0, BAD), 0) == (sample(1, 1.0), sample(2, 1.0, BAD))
    assert limit.take(sample(3, 1.0, BAD), 0) == ()
    assert limit.take(sample(4, 1.0), 0) == (sample(3, 1.0, BAD), sample(4, 1.0))


def test_a_clock_set_back_does_not_silence_the_tag() -> None:
    limit = RateLimit(1.0)
    limit.take(sample(1000), 0)
    assert limit.take(sample(5), 0) == (sample(5),)
    assert limit.take(sample(5.5), 0) == ()


def test_what_is_held_when_the_gateway_s_clock_is_set_back_comes_at_once() -> None:
    limit = RateLimit(1.0)
    limit.take(sample(0), 3600 * SECOND)
    limit.take(sample(0.5, 1.0), 3600 * SECOND)
    assert limit.due(3600 * SECOND) == ()
    assert limit.due(0) == (sample(0.5, 1.0),)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([GOOD, GOOD, GOOD, BAD])), min_size=1),
    st.integers(1, 20),
)
def test_never_faster_and_never_without_the_newest(
    steps: list[tuple[int, int]], interval: int
) -> None:
    limit = RateLimit(float(interval))
    at, last_out, last_quality = 0, None, None
    for step, quality in steps:
        at += step
        given_ = sample(at, float(at), quality)
        out = limit.take(given_, 0)
        assert given_ in out or limit.held == given_
        if quality != last_quality:
            assert out[-1] == given_
        elif out:
            assert len(out) == 1
            assert last_out is not None
            assert out[0].time_us - last_out >= interval * SECOND
        if out:
            last_out = out[-1].time_us
        last_quality = quality
    newest = sample(at, float(at), last_quality or 0)
    assert limit.flush() in ((newest,), ())
