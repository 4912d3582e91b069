"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Delays drawn evenly from 0 to a bound (full jitter), so that a plant's gateways do not all
    come back in the same instant; the bound doubles from `first_s` to `most_s`."""

    def __init__(self, first_s: float = 0.5, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def reset(self) -> None:
        """The last attempt went well: begin again with the shortest."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Seconds to wait now: anything from 0 to the present bound."""
        bound_s = self._next_s
        self._next_s = min(self._most_s, bound_s * 2)
        return random.uniform(0.0, bound_s)  # noqa: S311 - jitter, not a secret
