"""What one device's subscription lost: overflowed queues, missed messages, interruptions.

Told of each while a message is taken, `GapWatch` gives the gaps that stand before that message's
samples. Where the server keeps a tag's history, what its subscription lost of it is not a gap yet
but a `Debt`, to be read from there (`history.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.journal import Gap

OVERFLOW = "OPC UA queue overflow"
DEBT_TAGS = 100
"""A debt of more tags is cut into several, so that each is small where it is kept."""
_SLACK_US = 1_000_000
_MOST_DEBTS = 1000
"""Beyond so many what was lost is a gap at once: memory stays bounded."""

Losses = dict[str, tuple[int, int]]
"""By tag: source times of the last sample before the loss and the first one after it."""


@dataclass(slots=True)
class Debt:
    """What was lost of tags whose history the server keeps, to be read from there."""

    cause: str
    since_us: int
    """Nothing was lost before, whenever a tag's last sample was."""
    tags: Losses
    """Not read yet."""
    lost: Losses = field(default_factory=dict)
    """What history does not have either."""


class GapWatch:
    """Finds the gaps of one device. Times are source times, microseconds since the epoch."""

    def __init__(self, device: str, cycle_ms: int, newest_us: int | None) -> None:
        """`cycle_ms` is how long a change may take to be handed over: sampling and publishing
        interval. `newest_us` is the time of the newest sample in the journal."""
        self.kept: set[str] = set()
        """Tags whose history the server keeps."""
        self.debts: list[Debt] = []
        """What is to be read from history; the reader of it takes from here."""
        self.newest_us = newest_us
        self.overflows = 0
        self._device = device
        self._slack_us = _SLACK_US + 1000 * cycle_ms
        self.interruption = "agent stopped"
        """Why the subscription ended last."""
        self._resumed: Losses = {}
        self._overflowed: dict[str, tuple[int | None, int]] = {}
        self._missed: list[str] = []

    def interrupted(self, cause: str) -> None:
        """The subscription has ended; `cause` stands in the gap if anything was missed."""
        self.interruption = cause

    def missed(self, what: str) -> None:
        """Messages of the server came neither by themselves nor when they were asked for."""
        self._missed.append(what)

    def resumed(self, tag: str, known_us: int, time_us: int) -> None:
        """The first value of a tag since an interruption is another than the last one known."""
        self._resumed[tag] = (known_us, time_us)

    def overflowed(self, tag: str, known_us: int | None, time_us: int) -> None:
        """The server dropped values of a tag between the last one known and this one."""
        self._overflowed[tag] = (known_us, time_us)
        self.overflows += 1

    def take_out(self, newest_us: int | None, now_us: int) -> list[Gap]:
        """The gaps of the message that was taken, whose newest sample is of `newest_us`; what
        history may still give is added to `debts` instead."""
        before_us = self.newest_us
        if newest_us is not None and (before_us is None or newest_us > before_us):
            self.newest_us = newest_us
        if not (self._resumed or self._overflowed or self._missed):
            return []
        gaps = [*self._resumption_gap(before_us), *self._overflow_gap()]
        for what in self._missed:
            from_us = None if before_us is None else before_us - self._slack_us
            gaps.append(Gap.ended(self._device, from_us, newest_us or now_us, what))
        self._missed.clear()
        return gaps

    def _resumption_gap(self, newest_us: int | None) -> Iterator[Gap]:
        """The gap that an interruption left: only if a tag has changed since its last sample.

        The server had handed over all that was older than one cycle, so the gap begins no earlier
        than that, however long a tag had not changed before.
        """
        if not self._resumed:
            return
        since_us = min(known_us for known_us, _ in self._resumed.values())
        if newest_us is not None:
            since_us = max(since_us, newest_us - self._slack_us)
        lost = self._but_owed(self.interruption, since_us, self._resumed)
        self._resumed = {}
        if lost:
            from_us = max(since_us, min(known_us for known_us, _ in lost.values()))
            to_us = max(time_us for _, time_us in lost.values())
            yield Gap(self._device, min(from_us, to_us), to_us, self.interruption)

    def _overflow_gap(self) -> Iterator[Gap]:
        if not self._overflowed:
            return
        bounded = {tag: (a, b) for tag, (a, b) in self._overflowed.items() if a is not None}
        lost: dict[str, tuple[int | None, int]] = {
            tag: times for tag, times in self._overflowed.items() if tag not in bounded
        }
        if bounded:
            since_us = min(known_us for known_us, _ in bounded.values())
            lost.update(self._but_owed(OVERFLOW, since_us, bounded))
        self._overflowed = {}
        if lost:
            cause = f"{OVERFLOW}: {listed(list(lost))}"
            # A source may set its times back, so either may be the earlier one.
            starts = [min(a, b) for a, b in lost.values() if a is not None]
            ends = [b if a is None else max(a, b) for a, b in lost.values()]
            yield Gap(self._device, min(starts, default=None), max(ends), cause)

    def _but_owed(self, cause: str, since_us: int, losses: Losses) -> Losses:
        """Those losses that no history can give; the others become debts."""
        owed = [(tag, (a, b)) for tag, (a, b) in losses.items() if tag in self.kept and a < b]
        if not owed or len(self.debts) + len(owed) // DEBT_TAGS >= _MOST_DEBTS:
            return losses
        for at in range(0, len(owed), DEBT_TAGS):
            self.debts.append(Debt(cause, since_us, dict(owed[at : at + DEBT_TAGS])))
        return {tag: times for tag, times in losses.items() if tag not in dict(owed)}


def listed(names: list[str]) -> str:
    """Names for a sentence: three of them, and how many more."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
