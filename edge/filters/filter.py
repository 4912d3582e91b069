"""One tag's filter."""

from __future__ import annotations

from typing import Final

from edge.filters.settings import FilterSettings


class _Dropped:
    """Type of `DROPPED`."""


DROPPED: Final = _Dropped()
"""Says that a value is not worth a sample."""

Value = float | int | str | None


class Filter:
    """Scale, then report by exception. A change of quality or to and from null always passes."""

    __slots__ = (
        "_deadband",
        "_heartbeat_us",
        "_quality",
        "_reports_changes",
        "_scale",
        "_shift",
        "_time_us",
        "_value",
        "scales",
    )

    def __init__(self, settings: FilterSettings) -> None:
        self._scale, self._shift = settings.scale, settings.shift
        self.scales = (settings.scale, settings.shift) != (1.0, 0.0)
        self._reports_changes = settings.deadband is not None
        self._deadband = settings.deadband or 0.0
        self._heartbeat_us = (
            None if settings.heartbeat_s is None else round(settings.heartbeat_s * 1e6)
        )
        self._value: Value | _Dropped = DROPPED
        self._time_us = 0
        self._quality = 0

    def apply(self, value: Value, time_us: int, quality: int) -> Value | _Dropped:
        """The sample's value, or `DROPPED`."""
        if self.scales and isinstance(value, (int, float)):
            value = value * self._scale + self._shift
        if not self._reports_changes:
            return value
        if quality == self._quality and self._near(value) and not self._overdue(time_us):
            return DROPPED
        self._value, self._time_us, self._quality = value, time_us, quality
        return value

    def _near(self, value: Value) -> bool:
        last = self._value
        if isinstance(value, (int, float)) and isinstance(last, (int, float)):
            if value == last:
                return True
            return bool(self._deadband) and abs(value - last) <= self._deadband
        return value == last

    def _overdue(self, time_us: int) -> bool:
        return self._heartbeat_us is not None and time_us - self._time_us >= self._heartbeat_us


def make_filter(settings: FilterSettings) -> Filter | None:
    """The filter of a tag; None if it would let everything pass as it is."""
    if settings.deadband is None and (settings.scale, settings.shift) == (1.0, 0.0):
        return None
    return Filter(settings)
