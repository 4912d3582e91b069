"""Keeps the agent's parts running: each by itself, with its own back-off, so that a dead one never
stops the others, and each tells the log once that it failed and once that it is well. A source that
shows no sign of life is ended and begun anew."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from edge.backoff import Backoff
from edge.status import Condition, SourceFigures

logger = logging.getLogger(__name__)

STABLE_S = 3.0
"""A part that has run so long is well; one that ends sooner each time is not."""
CANCEL_AGAIN_S = 5.0
"""A task that has not ended so long after it was cancelled is cancelled again."""
END_S = 15.0
"""Time for a part to end once it is cancelled."""

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
        await _rest(backoff.next_s(), beat)


async def _rest(seconds: float, beat: Callable[[], None]) -> None:
    """Sleep, and show all the while that this is on purpose."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        beat()
        await asyncio.sleep(min(left_s, 1.0))


class Watchdog:
    """Runs one source, and begins it anew when it hangs: it has shown no sign of life for
    `silence_s`, or says it is online and has heard nothing from its device for so long. The source
    itself notices silence much sooner; this is for the day when it does not.

    A source that does not end when it is cancelled (`stuck`) is left alone, since a second one
    beside it would journal everything twice: only a restart of the process helps, and the service
    manager is asked for it.
    """

    def __init__(
        self,
        figures: SourceFigures,
        silence_s: float,
        make: Callable[[], Coroutine[Any, Any, None]],
        excused: Callable[[], bool],
        *,
        end_s: float = END_S,
    ) -> None:
        """`make` begins the source's work; `excused` says that silence is not its fault now, since
        it waits for the disk; `end_s` is its time to end once it is cancelled."""
        self._figures = figures
        self._silence_s = silence_s
        self._make = make
        self._excused = excused
        self._end_s = end_s
        self._condition = Condition(logger, f"source {figures.device}")
        self._heard_us: int | None = None
        self._heard_at = 0.0
        self.stuck = False

    async def run(self) -> None:
        """Run the source until cancelled. Raises what the source raises."""
        while True:
            self._excuse()
            work = asyncio.create_task(self._make())
            try:
                reason = await self._watch(work)
            finally:
                await self._end(work)
            self._figures.restarts += 1
            self._figures.enter("offline", reason)

    async def _watch(self, work: asyncio.Task[None]) -> str:
        """Return, with the reason, when the source hangs."""
        figures, silence_s = self._figures, self._silence_s
        heard_before_us = figures.last_heard_us
        while True:
            looked_at = time.monotonic()
            ended, _ = await asyncio.wait([work], timeout=min(1.0, silence_s / 8))
            if ended:
                work.result()
                raise RuntimeError(f"source {figures.device} ended by itself")
            now = time.monotonic()
            stood_still = now - looked_at > silence_s / 2  # a machine that slept, a loop held up
            if stood_still or self._excused():
                self._excuse()
            unheard_s, dead_s = now - self._last_heard(now), now - figures.beat_at
            if figures.state == "online" and unheard_s > silence_s / 2:
                figures.enter("late", f"nothing heard for {silence_s / 2:g} s")
            elif figures.state == "late" and unheard_s <= silence_s / 2:
                figures.enter("online")
            if figures.state == "online" and figures.last_heard_us != heard_before_us:
                self._condition.recover()
            if max(unheard_s, dead_s) > silence_s:
                reason = f"no sign of life for {silence_s:g} s"
                self._condition.fail(f"{reason}; it is begun anew until it is well")
                return reason

    def _excuse(self) -> None:
        """Silence counts from now."""
        self._figures.beat()
        self._heard_at = time.monotonic()

    def _last_heard(self, now: float) -> float:
        """When the device was last heard; now, for a source that is not online or never hears
        anything. Seen by the change of the figure: the wall clock may step."""
        figures = self._figures
        listening = figures.state in ("online", "late") and figures.last_heard_us is not None
        if figures.last_heard_us != self._heard_us or not listening:
            self._heard_us, self._heard_at = figures.last_heard_us, now
        return self._heard_at

    async def _end(self, work: asyncio.Task[None]) -> None:
        """Cancel the source, and wait until it has ended."""
        work.cancel()
        await asyncio.wait([work], timeout=self._end_s)
        if not work.done():
            self.stuck = True
            what = "hangs and cannot be ended; only a restart of the agent helps"
            logger.error("source %s: %s", self._figures.device, what)
            self._figures.enter("offline", what)
            await asyncio.wait([work])
            self.stuck = False


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run works side by side; when one ends or fails the others are cancelled, and its failure is
    raised as it is."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)


async def end(tasks: Iterable[asyncio.Task[None]], again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancel, and wait until all have ended, however that is.

    A task may go on although it was cancelled: `asyncio.wait_for` before Python 3.12, which the
    libraries under our sources use, hands over an answer that came at the same moment and forgets
    the cancellation (CPython issue 86296). So those that have not ended are cancelled again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
