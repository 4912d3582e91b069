"""What one device's subscription lost: overflowed queues, missed messages, interruptions.

Told of each while a message is taken, it gives the gaps that stand before that message's samples.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.journal import Gap

_SLACK_US = 1_000_000


class GapWatch:
    """Finds the gaps of one device. Times are source times, microseconds since the epoch."""

    def __init__(self, device: str, cycle_ms: int, newest_us: int | None) -> None:
        """`cycle_ms` is how long a change may take to be handed over: sampling and publishing
        interval. `newest_us` is the time of the newest sample in the journal."""
        self._device = device
        self._slack_us = _SLACK_US + 1000 * cycle_ms
        self._newest_us = newest_us
        self._interruption = "agent stopped"
        self._sequence: int | None = None
        self._resumed: list[tuple[int, int]] = []
        self._overflowed: dict[str, tuple[int | None, int]] = {}
        self._missed: str | None = None

    def begin(self) -> None:
        """A new subscription: message numbers begin anew."""
        self._sequence = None

    def interrupted(self, cause: str) -> None:
        """The subscription has ended; `cause` stands in the gap if anything was missed."""
        self._interruption = cause

    def count(self, sequence: int) -> None:
        """A message of this number came; 0: it is not the server's own."""
        if not sequence:
            return
        last, self._sequence = self._sequence, sequence
        if last is not None and sequence != last % 0xFFFF_FFFF + 1:
            self._missed = f"OPC UA messages missed: {sequence} came after {last}"

    def resumed(self, known_us: int, time_us: int) -> None:
        """The first value of a tag since an interruption is another than the last one known."""
        self._resumed.append((known_us, time_us))

    def overflowed(self, tag: str, known_us: int | None, time_us: int) -> None:
        """The server dropped values of a tag between the last one known and this one."""
        self._overflowed[tag] = (known_us, time_us)

    def take_out(self, newest_us: int | None, now_us: int) -> list[Gap]:
        """The gaps of the message that was taken, whose newest sample is of `newest_us`."""
        before_us = self._newest_us
        if newest_us is not None and (before_us is None or newest_us > before_us):
            self._newest_us = newest_us
        gaps = [*self._resumption_gap(before_us), *self._overflow_gap()]
        if self._missed is not None:
            from_us = None if before_us is None else before_us - self._slack_us
            gaps.append(Gap(self._device, from_us, newest_us or now_us, self._missed))
            self._missed = None
        return gaps

    def _resumption_gap(self, newest_us: int | None) -> Iterator[Gap]:
        """The gap that an interruption left: only if a tag has changed since its last sample.

        The server had handed over all that was older than one cycle, so the gap begins no earlier
        than that, however long a tag had not changed before.
        """
        if not self._resumed:
            return
        from_us = min(known for known, _ in self._resumed)
        if newest_us is not None:
            from_us = max(from_us, newest_us - self._slack_us)
        to_us = max(time_us for _, time_us in self._resumed)
        self._resumed.clear()
        yield Gap(self._device, min(from_us, to_us), to_us, self._interruption)

    def _overflow_gap(self) -> Iterator[Gap]:
        if not self._overflowed:
            return
        names = list(self._overflowed)
        starts = [from_us for from_us, _ in self._overflowed.values()]
        to_us = max(to_us for _, to_us in self._overflowed.values())
        self._overflowed.clear()
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        from_us = min((s for s in starts if s is not None), default=None)
        cause = f"OPC UA queue overflow: {', '.join(names[:3])}{more}"
        yield Gap(self._device, from_us, to_us, cause)
