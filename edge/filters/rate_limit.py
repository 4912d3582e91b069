"""At most one sample per interval; of what comes meanwhile, the newest follows."""

from __future__ import annotations

from edge.filters.sample import Sample


class RateLimit:
    """Holds at most one sample: the newest that came too early.

    The interval is measured in source time from the last sample let through. What is held passes
    when a later one supersedes it no more: after an interval by the gateway's clock. A change of
    quality passes at once, and what was held passes before it.
    """

    __slots__ = ("_held_at_us", "_interval_us", "_last", "held")

    def __init__(self, interval_s: float) -> None:
        self._interval_us = round(interval_s * 1e6)
        self.held: Sample | None = None
        self._held_at_us = 0
        self._last: Sample | None = None
        """The last sample let through."""

    def take(self, sample: Sample, now_us: int) -> tuple[Sample, ...]:
        """The samples that this one lets through, oldest first."""
        last, newest = self._last, self.held or self._last
        if last is None or newest is None:
            self._last = sample
            return (sample,)
        if sample.quality != newest.quality:
            out = (*self.flush(), sample)
            self._last = sample
            return out
        # A clock that goes back must not silence the tag until it has caught up.
        if not 0 <= sample.time_us - last.time_us < self._interval_us:
            self.held = None
            self._last = sample
            return (sample,)
        if self.held is None:
            self._held_at_us = now_us
        self.held = sample
        return ()

    def due(self, now_us: int) -> tuple[Sample, ...]:
        """What was held for an interval by the gateway's clock, or since before that was set back:
        for how long is not known."""
        if self.held is None or 0 <= now_us - self._held_at_us < self._interval_us:
            return ()
        return self.flush()

    def flush(self) -> tuple[Sample, ...]:
        """What is held, for nothing may come after it."""
        if self.held is None:
            return ()
        self._last, self.held = self.held, None
        return (self._last,)
