"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Delays that double from `first_s` to `most_s`, each with jitter, so that a plant's gateways
    do not all come back in the same instant."""

    def __init__(self, first_s: float = 0.5, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def reset(self) -> None:
        """The last attempt went well: begin again with the shortest delay."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Seconds to wait now: between half of the present delay and all of it."""
        delay_s = self._next_s
        self._next_s = min(self._most_s, delay_s * 2)
        return delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
