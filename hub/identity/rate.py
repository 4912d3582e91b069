"""Limits of rate: per caller, and per address for those whom nobody knows."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from hub.identity.settings import RateSettings

_WINDOW_S = 10


class Rates:
    """Counts in this process: several hubs behind one name allow as many times as much."""

    def __init__(self, settings: RateSettings) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._asking = RateLimitItemPerSecond(settings.requests_per_second * _WINDOW_S, _WINDOW_S)
        self._refused = RateLimitItemPerMinute(settings.refusals_per_minute)

    def ask(self, actor: str, tenant: str) -> int | None:
        """Count a request; seconds to wait if it is one too many."""
        if self._limiter.hit(self._asking, "ask", tenant, actor):
            return None
        return self._wait("ask", tenant, actor)

    def shut_out(self, address: str) -> int | None:
        """Seconds to wait for an address that has guessed too often."""
        if self._limiter.test(self._refused, "refused", address):
            return None
        reset = self._limiter.get_window_stats(self._refused, "refused", address).reset_time
        return max(1, math.ceil(reset - time.time()))

    def refuse(self, address: str) -> None:
        """Count a wrong key or token."""
        self._limiter.hit(self._refused, "refused", address)

    def _wait(self, *who: str) -> int:
        reset = self._limiter.get_window_stats(self._asking, *who).reset_time
        return max(1, math.ceil(reset - time.time()))
