"""What cannot be read although its device answers: since when, and that it is over.

Each becomes a gap without an end when it begins and the same gap with its end once it is over, also
over a restart of the agent; and one line in the log each time.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from edge.journal import Gap

logger = logging.getLogger(__name__)


class Outages:
    """Those of one device, by what they concern: a tag, or a part of the device."""

    def __init__(self, device: str, known: dict[str, tuple[int, str]]) -> None:
        """`known`: what `state` was when the agent stopped."""
        self._device = device
        self._open = known

    @property
    def state(self) -> dict[str, tuple[int, str]]:
        """Beginning (µs since the epoch) and cause by subject; for a bookmark."""
        return self._open

    def begin(self, subject: str, reason: str, since_us: int) -> Gap | None:
        """It cannot be read. The gap, if that is new."""
        if subject in self._open:
            return None
        cause = f"{subject}: {reason}"
        self._open[subject] = (since_us, cause)
        logger.warning("source %s: %s; it is tried again, the others go on", self._device, cause)
        return Gap(self._device, since_us, None, cause)

    def end(self, subject: str, now_us: int) -> Gap | None:
        """It was read. The gap, now with its end, if there was one."""
        known = self._open.pop(subject, None)
        if known is None:
            return None
        since_us, cause = known
        logger.info("source %s: %s: well again", self._device, cause)
        return Gap.ended(self._device, since_us, now_us, cause)

    def end_strangers(self, subjects: Collection[str], now_us: int) -> list[Gap]:
        """End what concerns nothing that is read any more."""
        strange = [subject for subject in self._open if subject not in subjects]
        return [gap for subject in strange if (gap := self.end(subject, now_us)) is not None]
