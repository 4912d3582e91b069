"""The demo: cars run, a gateway is killed, the broker is lost, and every call, event and sample
must still be there once."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deploy.local.processes import ProcessError
from deploy.local.report import Period, figures, render
from deploy.local.stack import LocalStack
from deploy.local.verify import Verdict
from deploy.local.world import SUPPLIERS

GATEWAY_DOWN_S = 3.0
BROKER_DOWN_S = 5.0
RECOVERY_S = 10.0
"""How long after a fault latencies still count as disturbed by it."""
QUIET_S = 60.0
"""At the end: give up when nothing has changed for so long and something is still missing."""
PROGRESS_EVERY_S = 1.0

_PROGRESS = """
SELECT (SELECT count(*) FROM lineside.control_point_pass),
    count(*), count(acknowledged_at), count(*) FILTER (WHERE status = 'shipped'),
    (SELECT count(*) FROM lineside.call_event),
    (SELECT count(*) FROM lineside.sample)
FROM lineside.jis_call
"""
TO_BE_PACKED = """
SELECT count(*) FROM lineside.jis_call
WHERE status NOT IN ('packed', 'loaded', 'shipped', 'arrived', 'mismatched', 'confirmed',
    'consumed', 'rejected', 'returned', 'dropped', 'scrapped', 'stocked')
"""
"""Once no call is left of these, nothing more comes into a rack."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run is."""

    passed: int
    calls: int
    acknowledged: int
    shipped: int
    events: int
    samples: int

    def __str__(self) -> str:
        return (
            f"{self.passed} cars, {self.calls} calls, {self.acknowledged} acknowledged, "
            f"{self.shipped} shipped, {self.samples} samples"
        )


@dataclass(slots=True)
class Fault:
    """Something to break once so many cars have passed, and to mend `lasts_s` later."""

    at_car: int
    lasts_s: float
    what: str
    break_it: Callable[[], None]
    mend_it: Callable[[], None]
    mended: str
    broken_at: datetime | None = None
    over: bool = False

    def period(self) -> Period | None:
        """When calls were disturbed by it; None if it never came to it."""
        if self.broken_at is None:
            return None
        return self.broken_at, self.broken_at + timedelta(seconds=self.lasts_s + RECOVERY_S)


class Screen:
    """Lines for a person, and one line of progress that is written over on a terminal."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._last_progress = 0.0
        self._open_line = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self._end_line()
        print(f"[{time.monotonic() - self._started:5.1f} s] {text}", flush=True)

    def progress(self, progress: Progress) -> None:
        """The state of things; on no terminal a line every ten seconds."""
        now = time.monotonic()
        if self._terminal:
            print(f"\r\033[K[{now - self._started:5.1f} s] {progress}", end="", flush=True)
            self._open_line = True
        elif now - self._last_progress >= 10:
            self.say(str(progress))
            self._last_progress = now

    def table(self, text: str) -> None:
        self._end_line()
        print(f"\n{text}\n", flush=True)

    def _end_line(self) -> None:
        if self._open_line:
            print("\r\033[K", end="")
            self._open_line = False


class Demo:
    """One run on a started stack."""

    def __init__(self, stack: LocalStack, screen: Screen) -> None:
        self._stack = stack
        self._screen = screen
        self._seen: Progress | None = None
        self._changed_at = time.monotonic()
        self.quiet_s = QUIET_S
        self.faults = self._plan_faults(stack.cars)

    def run(self) -> Verdict:
        """Let all cars pass, make the faults, wait until all is in or nothing moves any more, and
        print the table. Raises `ProcessError` if a part has ended by itself."""
        self._stack.start_plant()
        while self._look().passed < self._stack.cars:
            self._work_faults()
            self._give_up_if_stuck("cars no longer pass")
            time.sleep(PROGRESS_EVERY_S)
        self._screen.say("all cars have passed; waiting for the last parts and samples")
        verdict = self._drain()
        with self._stack.database() as database:
            found = figures(database, [p for fault in self.faults if (p := fault.period())])
        self._screen.table(render(found, verdict))
        if record := self._stack.build_record():
            self._screen.table(record)
        return verdict

    def _plan_faults(self, cars: int) -> list[Fault]:
        victim, broker = SUPPLIERS[0], self._stack.broker
        return [
            Fault(
                at_car=max(1, cars // 3),
                lasts_s=GATEWAY_DOWN_S,
                what=f"fault: gateway {victim.node} is killed (kill -9)",
                break_it=lambda: self._stack.kill_gateway(victim),
                mend_it=lambda: self._stack.restart_gateway(victim),
                mended=f"gateway {victim.node} starts again on what it has on disk",
            ),
            Fault(
                at_car=max(1, cars * 2 // 3),
                lasts_s=BROKER_DOWN_S,
                what="fault: the broker is killed with all it holds",
                break_it=broker.kill,
                mend_it=broker.forget,
                mended="the broker is back and remembers nothing",
            ),
        ]

    def _look(self) -> Progress:
        with self._stack.database() as database:
            row = database.execute(_PROGRESS).fetchone()
        progress = Progress(*(row or (0,) * 6))
        if progress != self._seen:
            self._seen, self._changed_at = progress, time.monotonic()
        self._screen.progress(progress)
        if not any(fault.broken_at and not fault.over for fault in self.faults):
            self._stack.check_alive()
        return progress

    def _work_faults(self) -> None:
        now = datetime.now(UTC)
        for fault in self.faults:
            if fault.over:
                continue
            if fault.broken_at is None:
                if self._seen is not None and self._seen.passed >= fault.at_car:
                    self._screen.say(f"{fault.what}; back in {fault.lasts_s:g} s")
                    fault.broken_at = datetime.now(UTC)
                    fault.break_it()
            elif now >= fault.broken_at + timedelta(seconds=fault.lasts_s):
                fault.mend_it()
                fault.over = True
                self._screen.say(fault.mended)
            return

    def _drain(self) -> Verdict:
        while True:
            self._look()
            self._work_faults()
            if all(fault.over for fault in self.faults):
                with self._stack.database() as database:
                    (to_pack,) = database.execute(TO_BE_PACKED).fetchone() or (0,)
                    verdict = self._stack.verify(database)
                if verdict.problems and not to_pack:
                    self._stack.end_shift()
                if not verdict.problems or time.monotonic() - self._changed_at > self.quiet_s:
                    return verdict
            time.sleep(PROGRESS_EVERY_S)

    def _give_up_if_stuck(self, what: str) -> None:
        if time.monotonic() - self._changed_at > self.quiet_s + self._stack.settings.takt_s:
            raise ProcessError(f"{what}; the logs are in {self._stack.logs}")


def exit_code(work: Callable[[], bool], screen: Screen) -> int:
    """Do the work of a command: 0 if all is well, 1 if not or a part failed, 130 if ended."""
    try:
        return 0 if work() else 1
    except ProcessError as error:
        screen.say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        screen.say("ended; nothing is left running")
        return 130


def run(stack: LocalStack, *, keep: bool, screen: Screen) -> bool:
    """Run the demo; true if nothing is missing and nothing is doubled."""
    with stack:
        verdict = Demo(stack, screen).run()
        for problem in verdict.problems:
            screen.say(f"WRONG: {problem}")
        if not verdict.problems:
            screen.say("every call, event and sample is there once, or inside a named gap")
        if keep:
            screen.say(f"left running at {stack.url}; Ctrl-C ends it")
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    stack.check_alive()
                    time.sleep(1)
    return not verdict.problems
