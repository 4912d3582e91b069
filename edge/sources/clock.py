"""This PC's clock: a step of it is a gap, since the times that it leaves out or gives twice are not
a record of what happened. It is held against the monotonic clock, which nobody sets."""

from __future__ import annotations

import time

from edge.journal import Gap

OWN_STEP_US = 250_000
"""So much in a tick is no slewing: that is 0.5 ms a second at most."""
_AT_ONCE_US = 10_000


class OwnClock:
    """What one source knows of this PC's clock."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._own: tuple[int, int] | None = None
        """Our clock and the monotonic one at the last tick."""

    def look(self) -> Gap | None:
        """Look at the clock: to be done every second or so. A gap if it has stepped."""
        return self.tick(*_both())

    def tick(self, wall_us: int, steady_us: int) -> Gap | None:
        """As `look`, by these readings of our clock and the monotonic one."""
        before, self._own = self._own, (wall_us, steady_us)
        if before is None:
            return None
        return self._step(before, self._own, OWN_STEP_US, "this PC")

    def _step(
        self, before: tuple[int, int], now: tuple[int, int], least_us: int, whose: str
    ) -> Gap | None:
        """Where between two looks it stepped is not known: the gap is all that it may have left out
        or given twice."""
        passed_us = now[1] - before[1]
        step_us = now[0] - before[0] - passed_us
        if abs(step_us) < least_us:
            return None
        from_us = min(before[0], before[0] + step_us)
        to_us = max(now[0], now[0] - step_us)
        cause = f"clock of {whose} stepped by {step_us / 1e6:+.3f} s"
        return Gap(self._device, from_us, to_us, cause)


def _both() -> tuple[int, int]:
    """Our clock and the monotonic one, read at once: not with a stall of the machine in between,
    which would look like a step."""
    while True:
        before_us = time.monotonic_ns() // 1000
        wall_us = time.time_ns() // 1000
        steady_us = time.monotonic_ns() // 1000
        if steady_us - before_us < _AT_ONCE_US:
            return wall_us, steady_us
