"""Parts are kept running, and their failures told once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from edge import supervise
from edge.backoff import Backoff
from edge.status import SourceFigures
from edge.supervise import Watchdog, end, keep_running, until_one_ends
from tests.edge.waiting import until

pytestmark = pytest.mark.anyio


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Of this logger alone: what is left of another test may be told of at any time."""
    return [record.getMessage() for record in caplog.records if record.name == "edge.supervise"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "Backoff", lambda: Backoff(0.001, 0.002))
    monkeypatch.setattr(supervise, "STABLE_S", 60.0)


class EnoughError(Exception):
    """A part ends its supervision: it has done what a test wants of it."""


async def supervise_until_enough(
    part: Callable[[Callable[[], None]], Awaitable[None]],
    *expected: type[Exception],
) -> None:
    """Keep a part running until it raises `EnoughError`."""
    with pytest.raises(EnoughError):
        await keep_running(
            "part",
            part,
            expected=expected or (OSError,),
            hint_when_short_lived="a twin?",
            fatal=(EnoughError,),
        )


async def test_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    tries = iter(range(20))

    async def part(_connected: Callable[[], None]) -> None:
        if next(tries, None) is None:
            raise EnoughError
        raise ConnectionError("nobody there")

    await supervise_until_enough(part)
    assert logged(caplog) == ["part: nobody there"]


async def test_unexpected_failures_show_their_trace_once(caplog: pytest.LogCaptureFixture) -> None:
    tries = iter(range(20))

    async def part(_connected: Callable[[], None]) -> None:
        if next(tries, None) is None:
            raise EnoughError
        raise ValueError("a mistake of ours")

    await supervise_until_enough(part)
    assert logged(caplog) == ["part: unexpected failure", "part: ValueError: a mistake of ours"]
    assert any(record.exc_info is not None for record in caplog.records)


async def test_well_again_only_after_it_has_lasted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    # Four lives that a stall does not take for long ones, then two that last until it is said.
    lives = iter([60.0, 60.0, 60.0, 60.0, 0.01, 0.01])

    def said(what: str) -> int:
        return logged(caplog).count(f"part: {what}")

    async def part(connected: Callable[[], None]) -> None:
        stable_s = next(lives, None)
        if stable_s is None:
            raise EnoughError
        monkeypatch.setattr(supervise, "STABLE_S", stable_s)
        before = said("well again")
        connected()
        if stable_s < 1:
            await until(lambda: said("well again") > before, "the word that it is well")
        raise ConnectionError("dropped")

    await supervise_until_enough(part)
    assert logged(caplog) == [
        "part: dropped",
        "part: a twin?",
        "part: well again",
        "part: well again",
        "part: dropped",
        "part: well again",
        "part: dropped",
    ]


async def test_a_full_disk_is_not_taken_for_a_twin(caplog: pytest.LogCaptureFixture) -> None:
    tries = iter(range(20))

    async def part(connected: Callable[[], None]) -> None:
        if next(tries, None) is None:
            raise EnoughError
        connected()
        raise sqlite3.OperationalError("database or disk is full")

    await supervise_until_enough(part, sqlite3.OperationalError)
    assert logged(caplog) == ["part: database or disk is full"]


async def test_fatal_failures_are_passed_on() -> None:
    async def serve(_connected: Callable[[], None]) -> None:
        raise LookupError("gone for good")

    with pytest.raises(LookupError, match="gone for good"):
        await keep_running(
            "part", serve, expected=(OSError,), hint_when_short_lived="", fatal=(LookupError,)
        )


async def test_when_one_ends_the_others_do_and_its_failure_is_raised() -> None:
    ended = []

    async def lasting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("lasting")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("dropped")

    with pytest.raises(ConnectionError, match="dropped"):
        await until_one_ends(lasting(), failing())
    assert ended == ["lasting"]


async def test_a_cancellation_that_is_swallowed_is_said_again() -> None:
    cancelled = 0

    async def deaf() -> None:
        nonlocal cancelled
        while cancelled < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled += 1

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    await end(tasks, again_s=0.01)
    assert [task.done() for task in tasks] == [True, True]


def test_delays_are_drawn_below_a_bound_that_doubles_and_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(least: float, most: float) -> float:
        drawn.append((least, most))
        return most

    monkeypatch.setattr("random.uniform", draw)
    backoff = Backoff(1.0, 8.0)
    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    backoff.reset()
    assert backoff.next_s() == 1.0
    assert {least for least, _ in drawn} == {0.0}


SILENCE_S = 0.2


class Source:
    """A source's work that goes well, until `hang`; then it waits for what never comes."""

    def __init__(self, figures: SourceFigures) -> None:
        self.figures = figures
        self.begun = self.ended = 0
        self.beats = self.hears = True
        self.every_s = SILENCE_S / 20
        self.deaf = asyncio.Event()
        """Unless set it does not end when it is cancelled."""
        self.deaf.set()

    async def run(self) -> None:
        self.begun += 1
        self.figures.enter("online")
        try:
            while True:
                if self.beats:
                    self.figures.beat()
                if self.hears:
                    self.figures.last_heard_us = (self.figures.last_heard_us or 0) + 1
                await asyncio.sleep(self.every_s)
        finally:
            await self.deaf.wait()
            self.ended += 1


@pytest.fixture
async def source(
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[tuple[Source, Watchdog, asyncio.Event]]:
    """A source under watch; the event excuses its silence."""
    caplog.set_level(logging.INFO)
    made, excused = Source(SourceFigures("press")), asyncio.Event()
    watchdog = Watchdog(made.figures, SILENCE_S, made.run, excused.is_set, end_s=0.1)
    watch = asyncio.create_task(watchdog.run())
    await until(lambda: made.begun, "its beginning")
    yield made, watchdog, excused
    made.deaf.set()
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert made.ended == made.begun


Watched = tuple[Source, Watchdog, asyncio.Event]


async def test_a_source_that_is_well_is_left_alone(source: Watched) -> None:
    made, watchdog, _ = source
    await asyncio.sleep(4 * SILENCE_S)
    assert (made.begun, made.figures.restarts, watchdog.stuck) == (1, 0, False)
    assert made.figures.state == "online"


@pytest.mark.parametrize("hang", [("beats", "hears"), ("hears",)], ids=["dead", "deaf"])
async def test_a_source_that_hangs_is_begun_anew_and_it_is_said_once(
    source: Watched, hang: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    made, _, _ = source
    for ability in hang:
        setattr(made, ability, False)
    states = set()

    def restarted_thrice() -> bool:
        states.add(made.figures.state)
        return made.figures.restarts >= 3

    await until(restarted_thrice, "three restarts")
    assert "late" in states
    assert made.begun - made.ended in (0, 1), "never two at once"
    for ability in hang:
        setattr(made, ability, True)
    await until(lambda: len(logged(caplog)) == 2, "its recovery")
    assert logged(caplog) == [
        "source press: no sign of life for 0.2 s; it is begun anew until it is well",
        "source press: well again",
    ]


async def test_silence_while_the_disk_hangs_is_excused(source: Watched) -> None:
    made, _, excused = source
    excused.set()
    made.beats = made.hears = False
    await asyncio.sleep(3 * SILENCE_S)
    assert made.figures.restarts == 0
    excused.clear()
    await until(lambda: made.figures.restarts >= 1, "the restart")


async def test_nobody_is_to_blame_when_the_whole_process_stood_still(source: Watched) -> None:
    made, _, _ = source
    made.every_s = SILENCE_S / 2  # mostly it is the watchdog that wakes first
    for _ in range(5):
        await asyncio.sleep(SILENCE_S / 4)
        time.sleep(1.5 * SILENCE_S)  # noqa: ASYNC251 - that is what is tested
    await asyncio.sleep(SILENCE_S / 4)
    assert (made.begun, made.figures.restarts) == (1, 0)


async def test_a_source_that_does_not_end_gets_no_second_one_beside_it(
    source: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    made, watchdog, _ = source
    made.deaf.clear()
    made.beats = False
    await until(lambda: watchdog.stuck, "the word that it is stuck")
    assert "only a restart of the agent helps" in caplog.text
    await asyncio.sleep(2 * SILENCE_S)
    assert (made.begun, made.ended) == (1, 0)
    made.beats = True
    made.deaf.set()
    await until(lambda: made.begun == 2, "a new beginning")
    assert not watchdog.stuck


async def test_a_source_that_waits_between_two_attempts_is_not_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervise, "Backoff", lambda: Backoff(0.6, 0.6))
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    figures = SourceFigures("press")

    async def refused(_connected: Callable[[], None]) -> None:
        raise ConnectionError("nobody there")

    def work() -> Coroutine[Any, Any, None]:
        return keep_running(
            "source press",
            refused,
            expected=(OSError,),
            hint_when_short_lived="",
            beat=figures.beat,
        )

    watch = asyncio.create_task(Watchdog(figures, 1.2, work, lambda: False).run())
    await asyncio.sleep(2.0)
    assert figures.restarts == 0
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


async def test_what_a_source_raises_is_passed_on() -> None:
    async def work() -> None:
        raise LookupError("the journal is gone")

    with pytest.raises(LookupError, match="gone"):
        await Watchdog(SourceFigures("press"), 1.0, work, lambda: False).run()
