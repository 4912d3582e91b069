"""Report by exception: a value passes if it differs enough from the last one that did."""

from __future__ import annotations

from edge.filters.sample import Value


class _Nothing:
    """Before the first value; equal to none."""


class ReportByException:
    """Deadband and heartbeat. A change of quality or to and from null always passes.

    It remembers what it let pass last, not what came last: slow drift passes too.
    """

    __slots__ = ("_heartbeat_us", "_quality", "_time_us", "_value", "deadband")

    def __init__(self, deadband: float, heartbeat_s: float | None) -> None:
        self.deadband = deadband
        self._heartbeat_us = None if heartbeat_s is None else round(heartbeat_s * 1e6)
        self._value: Value | _Nothing = _Nothing()
        self._time_us = 0
        self._quality = 0

    def passes(self, value: Value, time_us: int, quality: int) -> bool:
        """Whether this value is worth a sample."""
        if quality == self._quality and self._near(value) and not self._overdue(time_us):
            return False
        self._value, self._time_us, self._quality = value, time_us, quality
        return True

    def _near(self, value: Value) -> bool:
        last = self._value
        if isinstance(value, (int, float)) and isinstance(last, (int, float)):
            if value == last or (value != value and last != last):
                return True
            return bool(self.deadband) and abs(value - last) <= self.deadband
        return value == last

    def _overdue(self, time_us: int) -> bool:
        # A clock that goes back must not silence the tag until it has caught up.
        heartbeat_us = self._heartbeat_us
        return heartbeat_us is not None and not 0 <= time_us - self._time_us < heartbeat_us
