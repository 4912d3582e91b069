"""The PLC's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """The PLC's clock: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def instant_us(at_us: int) -> datetime:
    """An instant of the PLC's clock as an aware datetime."""
    return EPOCH + timedelta(microseconds=at_us)
