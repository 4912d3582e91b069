"""Swinging door trending: of a number's course, the points where a straight line no longer does.

After E. H. Bristol, "Swinging door trending: adaptive trend recording?", ISA National Conference,
1990. From the last sample two doors hinge, `deviation` above and below it; each point that comes
pushes them open, and between them are the slopes of all lines that pass no further than `deviation`
from every point since. A point whose own slope lies between the doors is held. When one's does not,
the point held before it becomes a sample, and new doors hinge there. Since the test is the slope of
the point itself, and not only whether the doors have met, the line from sample to sample is never
further than `deviation` from a point that was left out.

A point without a slope (text, null, a boolean, NaN, an infinity) passes if it differs from the one
before it, and so does a change of quality; what was held passes before it.
"""

from __future__ import annotations

import math

from edge.filters.sample import Sample, Value

HOLD_S = 60.0
"""How long a point is held at most, where no heartbeat says so."""


class SwingingDoor:
    """Holds at most one sample: the newest point, until the next shows whether it is needed."""

    __slots__ = ("_deviation", "_heartbeat_us", "_held_at_us", "_high", "_low", "_start", "held")

    def __init__(self, deviation: float, heartbeat_s: float | None) -> None:
        self._deviation = deviation
        self._heartbeat_us = round((heartbeat_s or HOLD_S) * 1e6)
        self.held: Sample | None = None
        self._held_at_us = 0
        self._start: Sample | None = None
        """The last sample let through: where the doors hinge."""
        self._low, self._high = -math.inf, math.inf
        """Slopes between the doors, in units per microsecond."""

    def take(self, sample: Sample, now_us: int) -> tuple[Sample, ...]:
        """The samples that this one lets through, oldest first."""
        start, last = self._start, self.held or self._start
        if start is None or last is None:
            return self._let_through(sample)
        # A clock that goes back must not silence the tag until it has caught up.
        overdue = not 0 <= sample.time_us - start.time_us < self._heartbeat_us
        a, b = _number(start.value), _number(sample.value)
        if sample.quality != last.quality or a is None or b is None:
            same = sample.quality == last.quality and sample.value == last.value
            return () if same and not overdue else self._let_through(sample)
        if sample.time_us <= last.time_us:  # no line leads there
            return self._let_through(sample)
        out: tuple[Sample, ...] = ()
        duration_us = sample.time_us - start.time_us
        if not self._low <= (b - a) / duration_us <= self._high:
            out = self.flush()
            duration_us = sample.time_us - last.time_us
            a = _number(last.value) or 0.0
        if overdue:
            self.held = None
            return out + self._let_through(sample)
        self._low = max(self._low, (b - a - self._deviation) / duration_us)
        self._high = min(self._high, (b - a + self._deviation) / duration_us)
        self.held, self._held_at_us = sample, now_us
        return out

    def due(self, now_us: int) -> tuple[Sample, ...]:
        """What was held for long enough by the gateway's clock, or since before that was set back:
        for how long is not known."""
        if self.held is None or 0 <= now_us - self._held_at_us < self._heartbeat_us:
            return ()
        return self.flush()

    def flush(self) -> tuple[Sample, ...]:
        """What is held, for nothing may come after it."""
        held = self.held
        if held is None:
            return ()
        self.held = None
        self._hinge_at(held)
        return (held,)

    def _let_through(self, sample: Sample) -> tuple[Sample, ...]:
        out = (*self.flush(), sample)
        self._hinge_at(sample)
        return out

    def _hinge_at(self, sample: Sample) -> None:
        self._start = sample
        self._low, self._high = -math.inf, math.inf


def _number(value: Value) -> float | None:
    """The value if a line can lead to it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value
