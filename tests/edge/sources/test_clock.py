"""The clocks: what is an offset, what is a step, and what only looks like one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.journal import Gap
from edge.sources.clock import OWN_STEP_US
from edge.sources.opcua.clock import SERVER_STEP_US, ClockWatch, Reading, watch_clocks
from edge.status import SourceFigures
from tests.edge.waiting import until
from tests.fixtures.node_opcua import needs_node_opcua, run_node_opcua

SECOND = 1_000_000
AT = 1_790_000_000 * SECOND


def readings(*offsets_us: int, steady_us: int = 0, wall_us: int = AT) -> list[Reading]:
    """Reads of a server whose clock is so far from ours, a millisecond apart."""
    return [
        Reading(wall_us + n * 1000 + offset, wall_us + n * 1000, steady_us + n * 1000)
        for n, offset in enumerate(offsets_us)
    ]


def test_the_offset_is_the_median_of_a_round() -> None:
    watch = ClockWatch("press")
    assert watch.offset_ms is None
    assert watch.round(readings(-12_000, -13_000, 900_000, -11_000, -12_500)) is None
    assert watch.offset_ms == -12.0
    assert watch.round([]) is None
    assert watch.offset_ms == -12.0, "a round without an answer says nothing"


@pytest.mark.parametrize("step_s", [3600, -3600, 2, -2])
def test_a_step_of_the_plcs_clock_is_a_gap_of_what_it_left_out_or_gave_twice(step_s: int) -> None:
    watch = ClockWatch("press")
    watch.round(readings(0))
    step_us = step_s * SECOND
    gap = watch.round(readings(step_us, steady_us=30 * SECOND, wall_us=AT + 30 * SECOND))
    assert gap is not None
    assert gap.device == "press"
    assert gap.cause == f"clock of the PLC stepped by {step_s:+.3f} s"
    # It may have stepped at any moment of the 30 s.
    assert gap.from_us == AT + min(0, step_us)
    assert gap.to_us == AT + 30 * SECOND + max(0, step_us)
    again = watch.round(readings(step_us, steady_us=60 * SECOND, wall_us=AT + 60 * SECOND))
    assert again is None


def test_a_step_of_our_clock_is_none_of_the_plcs() -> None:
    watch = ClockWatch("press")
    watch.tick(AT, 0)
    watch.round(readings(0))
    gap = watch.tick(AT + 11 * SECOND, 1 * SECOND)
    assert gap == Gap("press", AT, AT + 11 * SECOND, "clock of this PC stepped by +10.000 s")
    ahead = AT + 40 * SECOND  # ours; the server's goes on as it did
    assert watch.round(readings(-10 * SECOND, steady_us=30 * SECOND, wall_us=ahead)) is None
    assert watch.offset_ms == -10_000.0


@given(st.lists(st.tuples(st.integers(900_000, 5_000_000), st.integers(-2500, 2500)), max_size=50))
def test_slewing_and_late_ticks_are_no_steps(ticks: list[tuple[int, int]]) -> None:
    watch = ClockWatch("press")
    wall_us, steady_us = AT, 0
    for passed_us, slewed_us in ticks:
        steady_us += passed_us
        wall_us += passed_us + slewed_us
        assert watch.tick(wall_us, steady_us) is None


@given(st.integers(-(10**9), 10**9), st.integers(1, 60 * SECOND))
def test_a_step_is_told_from_its_size_on(step_us: int, passed_us: int) -> None:
    watch = ClockWatch("press")
    watch.tick(AT, 0)
    gap = watch.tick(AT + passed_us + step_us, passed_us)
    assert (gap is not None) == (abs(step_us) >= OWN_STEP_US)
    if gap is not None:
        assert gap.from_us is not None
        assert gap.to_us is not None
        assert gap.to_us - gap.from_us == passed_us + abs(step_us)


@pytest.mark.parametrize("boot", ["a", "b"], ids=["same start of the PC", "another"])
def test_a_step_while_nobody_looked_is_told_by_the_mark_of_the_last_round(boot: str) -> None:
    first = ClockWatch("press")
    assert first.mark("a") == ""
    first.round(readings(0))
    again = ClockWatch("press")
    # Another start counts the monotonic clock from 0 again.
    steady_us = {"a": 60, "b": 7}[boot] * SECOND
    again.recall(first.mark("a"), boot, AT + 60 * SECOND, steady_us)
    wall_us = AT + 61 * SECOND
    gap = again.round(readings(-30 * SECOND, steady_us=steady_us + SECOND, wall_us=wall_us))
    assert gap is not None
    assert (gap.from_us, gap.to_us) == (AT - 30 * SECOND, AT + 61 * SECOND)


def test_what_two_sound_clocks_part_in_a_day_is_no_step() -> None:
    day_us = 86_400 * SECOND
    watch = ClockWatch("press")
    watch.round(readings(0))
    assert watch.round(readings(15 * SECOND, steady_us=day_us, wall_us=AT + day_us)) is None
    gap = watch.round(readings(35 * SECOND, steady_us=2 * day_us, wall_us=AT + 2 * day_us))
    assert gap is not None


@needs_node_opcua
def test_another_makers_server_whose_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.sources.opcua.connect import Connector
    from tests.edge.sources.reading import settings_for

    monkeypatch.setattr("edge.sources.opcua.clock.ROUND_S", 0.05)
    monkeypatch.setattr("edge.sources.opcua.clock.TICK_S", 0.05)

    async def work() -> None:
        async with run_node_opcua() as server:
            client = await Connector(settings_for(server.endpoint)).connect()
            figures, gaps = SourceFigures("press"), list[Gap]()
            watch = ClockWatch("press")
            marks: list[str] = []

            def report(found: Sequence[Gap], mark: str) -> None:
                gaps.extend(found)
                marks.append(mark)

            task = asyncio.create_task(watch_clocks(client, watch, figures, report))
            try:
                await until(lambda: figures.clock_offset_ms is not None, "a first round")
                assert figures.clock_offset_ms is not None
                assert abs(figures.clock_offset_ms) < SERVER_STEP_US / 1000
                await server.shift_clock(3_600_000)
                await until(lambda: bool(gaps), "the step")
                await until(lambda: (figures.clock_offset_ms or 0) > 3_599_000, "the new offset")
                assert "clock of the PLC stepped by +3" in gaps[0].cause
                assert len(gaps) == 1
                assert all(marks[:2])
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await client.disconnect()

    asyncio.run(work())
