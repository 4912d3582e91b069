"""Keeps the agent's parts running: each by itself, with its own back-off, so that a dead one never
stops the others, and each tells the log once that it failed and once that it is well."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from edge.backoff import Backoff
from edge.status import Condition

logger = logging.getLogger(__name__)

STABLE_S = 3.0
"""A part that has run so long is well; one that ends sooner each time is not."""

Serve = Callable[[Callable[[], None]], Awaitable[None]]
"""One connection's work. Calls the given function once connected, ends by raising."""


async def keep_running(
    name: str,
    serve: Serve,
    *,
    expected: tuple[type[Exception], ...],
    hint_when_short_lived: str,
    fatal: tuple[type[Exception], ...] = (),
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Run `serve` again and again, until cancelled; `beat` is called before each attempt.

    `expected` failures are logged by their text, any other with its trace; `fatal` ones are raised,
    since running again would not help. If connections are made and end at once several times,
    `hint_when_short_lived` says in the log what that may mean.
    """
    backoff = Backoff()
    condition = Condition(logger, name)
    flapping = Condition(logger, name)
    loop = asyncio.get_running_loop()

    def well() -> None:
        backoff.reset()
        condition.recover()
        flapping.recover()

    while True:
        connected_at: list[float] = []
        timers: list[asyncio.TimerHandle] = []

        def connected(
            at: list[float] = connected_at, timers: list[asyncio.TimerHandle] = timers
        ) -> None:
            at.append(time.monotonic())
            timers.append(loop.call_later(STABLE_S, well))

        reason = "ended"
        by_peer = True
        beat()
        try:
            await serve(connected)
        except fatal:
            raise
        except expected as error:
            reason = str(error) or type(error).__name__
            by_peer = not isinstance(error, sqlite3.Error)  # else our own disk ended it
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if not condition.failed:
                logger.exception("%s: unexpected failure", name)
        finally:
            for timer in timers:
                timer.cancel()
        condition.fail(reason)
        if by_peer and connected_at and time.monotonic() - connected_at[0] < STABLE_S:
            flapping.fail(hint_when_short_lived, after=3)
        await asyncio.sleep(backoff.next_s())


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run works side by side; when one ends or fails the others are cancelled, and its failure is
    raised as it is."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
