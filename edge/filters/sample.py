"""What filters pass on."""

from __future__ import annotations

from typing import NamedTuple

Value = float | int | str | list[bool] | list[int] | list[float] | None


class Sample(NamedTuple):
    """A value with its source time, quality and server time (0: none). Times are microseconds since
    the epoch."""

    value: Value
    time_us: int
    quality: int
    server_us: int = 0
