"""One tag's filter: its parts in their order."""

from __future__ import annotations

from edge.filters.exception import ReportByException
from edge.filters.rate_limit import RateLimit
from edge.filters.sample import Sample, Value
from edge.filters.settings import FilterSettings
from edge.filters.swinging_door import SwingingDoor


class Filter:
    """Scale, then report by exception, then hold back: swinging door or rate limit."""

    __slots__ = ("_exception", "_holder", "_scale", "_shift", "scales")

    def __init__(self, settings: FilterSettings, *, hold: bool = True) -> None:
        """`hold` False leaves out the part that holds back."""
        self._scale, self._shift = settings.scale, settings.shift
        self.scales = (settings.scale, settings.shift) != (1.0, 0.0)
        self._exception: ReportByException | None = None
        if settings.deadband is not None:
            self._exception = ReportByException(settings.deadband, settings.heartbeat_s)
        self._holder: SwingingDoor | RateLimit | None = None
        if not hold:
            pass
        elif settings.swinging_door is not None:
            self._holder = SwingingDoor(settings.swinging_door, settings.heartbeat_s)
        elif settings.at_most_every_s is not None:
            self._holder = RateLimit(settings.at_most_every_s)

    def apply(
        self, value: Value, time_us: int, quality: int, server_us: int = 0, *, now_us: int = 0
    ) -> tuple[Sample, ...]:
        """The samples that a value lets through, oldest first; mostly itself, or none.

        `now_us` is the gateway's clock, by which `due` counts."""
        if self.scales and isinstance(value, (int, float)):
            value = value * self._scale + self._shift
        if self._exception is not None and not self._exception.passes(value, time_us, quality):
            return ()
        sample = Sample(value, time_us, quality, server_us)
        return (sample,) if self._holder is None else self._holder.take(sample, now_us)

    @property
    def holds(self) -> bool:
        """Whether it may hold a sample back."""
        return self._holder is not None

    @property
    def held(self) -> Sample | None:
        """A sample that is let through later, or superseded. Lost if the process dies: who uses
        the filter must be able to say it again."""
        return None if self._holder is None else self._holder.held

    def due(self, now_us: int) -> tuple[Sample, ...]:
        """What was held for long enough."""
        return () if self._holder is None else self._holder.due(now_us)

    def flush(self) -> tuple[Sample, ...]:
        """What is held, because the tag is interrupted."""
        return () if self._holder is None else self._holder.flush()

    def set_deadband(self, deadband: float, heartbeat_s: float | None) -> None:
        """Report by exception from now on: the device could not do it."""
        self._exception = ReportByException(deadband, heartbeat_s)


def make_filter(settings: FilterSettings, *, hold: bool = True) -> Filter | None:
    """The filter of a tag; None if it would let everything pass as it is."""
    made = Filter(settings, hold=hold)
    return made if made.scales or made.holds or settings.deadband is not None else None
