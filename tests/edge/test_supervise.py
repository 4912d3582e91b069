"""Parts are kept running, and their failures told once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

import pytest

from edge import supervise
from edge.backoff import Backoff
from edge.supervise import keep_running, until_one_ends

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "Backoff", lambda: Backoff(0.001, 0.002))
    monkeypatch.setattr(supervise, "STABLE_S", 0.05)


async def run_for(part: Callable[[Callable[[], None]], object], seconds: float = 0.2) -> None:
    async def serve(connected: Callable[[], None]) -> None:
        result = part(connected)
        if asyncio.iscoroutine(result):
            await result

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await keep_running("part", serve, expected=(OSError,), hint_when_short_lived="a twin?")


async def test_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    tries = []

    def part(_connected: Callable[[], None]) -> None:
        tries.append(1)
        raise ConnectionError("nobody there")

    await run_for(part)
    assert len(tries) > 5
    assert caplog.messages == ["part: nobody there"]


async def test_unexpected_failures_show_their_trace_once(caplog: pytest.LogCaptureFixture) -> None:
    def part(_connected: Callable[[], None]) -> None:
        raise ValueError("a mistake of ours")

    await run_for(part)
    assert caplog.messages == ["part: unexpected failure", "part: ValueError: a mistake of ours"]
    assert caplog.records[0].exc_info is not None


async def test_well_again_only_after_it_has_lasted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lives = iter([0.0, 0.0, 0.0, 0.0, 0.1, 1.0])

    async def part(connected: Callable[[], None]) -> None:
        connected()
        await asyncio.sleep(next(lives))
        raise ConnectionError("dropped")

    await run_for(part, 0.4)
    assert caplog.messages == [
        "part: dropped",
        "part: a twin?",
        "part: well again",
        "part: well again",
        "part: dropped",
        "part: well again",
    ]


async def test_a_full_disk_is_not_taken_for_a_twin(caplog: pytest.LogCaptureFixture) -> None:
    async def serve(connected: Callable[[], None]) -> None:
        connected()
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await keep_running(
                "part", serve, expected=(sqlite3.OperationalError,), hint_when_short_lived="a twin?"
            )
    assert caplog.messages == ["part: database or disk is full"]


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


def test_delays_are_drawn_below_a_bound_that_doubles_and_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[tuple[float, float]] = []
    monkeypatch.setattr("random.uniform", lambda least, most: drawn.append((least, most)) or most)
    backoff = Backoff(1.0, 8.0)
    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    backoff.reset()
    assert backoff.next_s() == 1.0
    assert {least for least, _ in drawn} == {0.0}
