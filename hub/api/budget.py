"""How much of the database's time the readers of one tenant may take together."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from hub.api.problems import Problem
from hub.identity.settings import RateSettings

_MINUTE_S = 60.0
EXPORTS_IN_ALL = 4
"""Half of the connections that readers have: slow exports do not keep the others from reading."""


class Budget:
    """Seconds of reading for each tenant, refilled evenly; and its exports at a time.

    Counted in this process: several hubs behind one name allow as many times as much. What a
    question costs is known when it is answered: one that begins within the budget is answered
    whole, and the next waits until the tenant is out of debt.
    """

    def __init__(
        self, settings: RateSettings, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute_s = settings.reading_seconds_per_minute
        self._exports = settings.exports_at_a_time
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}
        """By tenant: seconds left, and when that was so. Full ones need no entry."""
        self._running: dict[str, int] = {}

    @contextmanager
    def spending(self, tenant: str) -> Iterator[None]:
        """Count the time until the end. Raises `Problem` 429 if nothing is left."""
        self.check(tenant)
        begun = self._clock_s()
        try:
            yield
        finally:
            self.charge(tenant, self._clock_s() - begun)

    @contextmanager
    def export(self, tenant: str) -> Iterator[None]:
        """Hold one of the tenant's places for exports. Raises `Problem` 429 if all are taken."""
        self.check(tenant)
        with self._lock:
            if sum(self._running.values()) >= EXPORTS_IN_ALL:
                raise Problem(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "as many exports are running as this hub may: ask again",
                    headers={"Retry-After": "10"},
                )
            if self._running.get(tenant, 0) >= self._exports:
                raise Problem(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{self._exports} exports of this tenant are running: wait for one to end",
                    headers={"Retry-After": "10"},
                )
            self._running[tenant] = self._running.get(tenant, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._running[tenant] -= 1
                if not self._running[tenant]:
                    del self._running[tenant]

    def check(self, tenant: str) -> None:
        """Raises `Problem` 429 if the tenant has spent all it had."""
        with self._lock:
            left = self._now(tenant)
        if left <= 0:
            wait_s = max(1, math.ceil(-left * _MINUTE_S / self._per_minute_s))
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"this tenant's questions have taken the {self._per_minute_s:g} s a minute that "
                f"they may; wait {wait_s} s, or ask for less at a time",
                headers={"Retry-After": str(wait_s)},
            )

    def charge(self, tenant: str, spent_s: float) -> None:
        """Take what a question has cost."""
        with self._lock:
            self._left[tenant] = (self._now(tenant) - spent_s, self._clock_s())

    def _now(self, tenant: str) -> float:
        left, at = self._left.get(tenant, (self._per_minute_s, 0.0))
        earned = (self._clock_s() - at) * self._per_minute_s / _MINUTE_S
        return min(self._per_minute_s, left + earned)
