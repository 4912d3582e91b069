"""Tags of one interval: when they are due, and what was missed."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.sources.polled.plan import Plan
from edge.status import Condition


@dataclass(slots=True)
class Group:
    """Tags that are polled together, on a fixed grid of times that goes on over sessions."""

    interval_s: float
    plan: Plan
    slow: Condition
    """Whether it keeps to its interval."""
    due: float = field(default_factory=time.monotonic)
    """`time.monotonic()` of the next poll."""
    read_us: int | None = None
    """Our clock just before the last poll that brought values; µs since the epoch."""
    missed: int = 0
    """Polls left out since."""
    on_their_way: deque[asyncio.Future[int]] = field(default_factory=deque)
    """What is not durable yet of the polls before."""
    cause: str = "agent stopped"
    """Why they were, if it is not that all is slow."""

    @property
    def name(self) -> str:
        """For bookmarks."""
        return f"{self.interval_s:g}"

    def read_before(self, now_us: int) -> int:
        """When the tags were read last before now, as far as is known: the clock may have been set
        back since."""
        return now_us if self.read_us is None else min(self.read_us, now_us)

    def advance(self) -> None:
        """The poll that was due has begun, or was tried in vain: the next one is on the grid."""
        now = time.monotonic()
        self.due += self.interval_s
        late = math.floor((now - self.due) / self.interval_s)
        if late > 0:
            self.due += late * self.interval_s
            self.missed += late


def by_interval(default_s: float, intervals_s: Iterable[float | None]) -> dict[float, list[int]]:
    """Positions of tags by their interval."""
    found: dict[float, list[int]] = {}
    for position, interval_s in enumerate(intervals_s):
        found.setdefault(default_s if interval_s is None else interval_s, []).append(position)
    return found
