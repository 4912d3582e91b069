"""The bounded queue between the MQTT thread and the worker.

Its bound is in bytes, since messages differ by three orders of magnitude. When it is full the MQTT
thread waits here and so stops reading its socket: back-pressure reaches the broker through TCP.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple


class Message(NamedTuple):
    """What the broker delivered."""

    topic: str
    payload: bytes


class Connected(NamedTuple):
    """The connection to the broker was made anew: what came in between is lost, births too."""


class Joined(NamedTuple):
    """From now on all data of this group arrive."""

    group: str


class Leaving(NamedTuple):
    """This group is to be let go, or is lost already."""

    group: str


class Heard(NamedTuple):
    """What a broker had for us when it was asked, at this monotonic time, has come before this."""

    broker: str
    asked_s: float


Arrival = Message | Connected | Joined | Leaving | Heard

_OVERHEAD_BYTES = 200
"""What one message costs beside its payload: objects, topic, place in the queue."""


class Inbox:
    """Arrivals in order, put by one thread and taken by another."""

    def __init__(self, max_bytes: int) -> None:
        """Full at `max_bytes`. The taker takes all at once, so twice that may be in memory."""
        self._max_bytes = max_bytes
        self._arrivals: list[Arrival] = []
        self._bytes = 0
        self._closed = False
        self._woken = False
        self._changed = threading.Condition()

    @property
    def bytes(self) -> int:
        """What waits to be taken, with what it costs beside its payload."""
        return self._bytes

    def put(self, arrival: Arrival) -> None:
        """Append; a message waits while the inbox is full. Once it is closed, drops."""
        size = _OVERHEAD_BYTES
        if isinstance(arrival, Message):
            size += len(arrival.payload)
        with self._changed:
            while (
                isinstance(arrival, Message) and self._bytes >= self._max_bytes and not self._closed
            ):
                self._changed.wait()
            if self._closed:
                return
            self._arrivals.append(arrival)
            self._bytes += size
            if len(self._arrivals) == 1:
                self._changed.notify_all()

    def take(self, wait_s: float) -> list[Arrival]:
        """All that has arrived; waits up to `wait_s` for something, or until it is woken. Empty if
        nothing came."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            while not (self._arrivals or self._closed or self._woken):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            self._woken = False
            taken, self._arrivals = self._arrivals, []
            was_full, self._bytes = self._bytes >= self._max_bytes, 0
            if was_full:
                self._changed.notify_all()
            return taken

    def wake(self) -> None:
        """Let the taker go on: there is something to do beside what arrives."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of whoever waits; from now on `put` drops and `take` does not wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
