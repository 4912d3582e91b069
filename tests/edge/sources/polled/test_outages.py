"""What could not be read for a while."""

from __future__ import annotations

from edge.journal import Gap
from edge.sources.polled.outages import Outages


def test_an_outage_ends_once_and_is_a_gap_both_times() -> None:
    outages = Outages("oven", {})
    assert outages.begin("unit 2", "no answer", 100) == Gap("oven", 100, None, "unit 2: no answer")
    assert outages.begin("unit 2", "no answer", 150) is None
    assert outages.end("unit 2", 200) == Gap("oven", 100, 200, "unit 2: no answer")
    assert outages.end("unit 2", 300) is None


def test_an_outage_in_which_the_clock_was_set_back_is_of_the_times_given_twice() -> None:
    outages = Outages("oven", {"unit 2": (3_600_000_000, "unit 2: no answer")})
    assert outages.end("unit 2", 5) == Gap("oven", 5, 3_600_000_000, "unit 2: no answer")
