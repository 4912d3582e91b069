"""Samples as they are read: one set of queries for both storages.

A connection is of the role `lineside_api`, in a transaction that speaks for a tenant; the views
give it the samples of tags that tenant owns or is a partner of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

RAW_SPAN = timedelta(hours=6)
"""Longer spans are drawn from the minutes' rollup instead of the samples."""

_LATEST = """
SELECT tag_id, time, value, text, quality, server_time, from_history
FROM sample_latest(%s::integer[], coalesce(%s, '-infinity'::timestamptz))
"""
_RAW = """
SELECT time, value, text, quality, server_time, from_history FROM sample_view
WHERE tag_id = %(tag)s AND time >= %(from)s AND time < %(to)s ORDER BY time LIMIT %(points)s + 1
"""
# The lowest and the highest of each interval, in the order they came: no spike is lost.
_EXTREMES = """
WITH ranked AS (
    SELECT time, value, text, quality, server_time, from_history,
        row_number() OVER (PARTITION BY part ORDER BY value, time) AS from_low,
        row_number() OVER (PARTITION BY part ORDER BY value DESC, time) AS from_high
    FROM (
        SELECT *, width_bucket(extract(epoch FROM time), extract(epoch FROM %(from)s::timestamptz),
            extract(epoch FROM %(to)s::timestamptz), %(parts)s) AS part
        FROM sample_view
        WHERE tag_id = %(tag)s AND time >= %(from)s AND time < %(to)s AND value IS NOT NULL
    ) parted
)
SELECT time, value, text, quality, server_time, from_history FROM ranked
WHERE from_low = 1 OR from_high = 1 ORDER BY time
"""
_MINUTE_EXTREMES = """
WITH ranked AS (
    SELECT low, low_at, high, high_at,
        row_number() OVER (PARTITION BY part ORDER BY low, low_at) AS from_low,
        row_number() OVER (PARTITION BY part ORDER BY high DESC, high_at) AS from_high
    FROM (
        SELECT *, width_bucket(extract(epoch FROM bucket),
            extract(epoch FROM %(from)s::timestamptz), extract(epoch FROM %(to)s::timestamptz),
            %(parts)s) AS part
        FROM sample_minute_view
        WHERE tag_id = %(tag)s AND bucket >= %(from)s AND bucket < %(to)s AND numbers > 0
    ) parted
)
SELECT low_at AS time, low AS value FROM ranked WHERE from_low = 1
UNION SELECT high_at, high FROM ranked WHERE from_high = 1
ORDER BY time
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample. `time` is the source's; `quality` as in OPC: 192 is good."""

    time: datetime
    value: float | None
    text: str | None = None
    quality: int = 192
    server_time: datetime | None = None
    """None: the server gave no time, or the same to the millisecond; or a whole minute's sample."""
    from_history: bool = False
    """Read from the history that the server keeps, after an interruption."""


def read_samples(
    connection: psycopg.Connection, tag: int, start: datetime, end: datetime, points: int
) -> tuple[list[Sample], bool]:
    """Samples of a tag in [start, end) by time, at most `points` (2 or more), and whether that
    meant to thin them out.

    More are thinned out to the lowest and the highest of each of points/2 intervals, so that
    spikes stay. Spans beyond `RAW_SPAN` always are, from whole minutes.
    """
    asked = {"tag": tag, "from": start, "to": end, "points": points, "parts": points // 2}
    if end - start > RAW_SPAN:
        return _of_minutes(connection, asked), True
    with connection.cursor(row_factory=class_row(Sample)) as cursor:
        rows = cursor.execute(_RAW, asked).fetchall()
        if len(rows) <= points:
            return rows, False
        extremes = cursor.execute(_EXTREMES, asked).fetchall()
    # Text has no lowest and highest: the first of it must do.
    return extremes or rows[:points], True


def _of_minutes(connection: psycopg.Connection, asked: dict[str, Any]) -> list[Sample]:
    return [Sample(*row) for row in connection.execute(_MINUTE_EXTREMES, asked).fetchall()]


def latest_samples(
    connection: psycopg.Connection, tags: Sequence[int], now: datetime
) -> dict[int, Sample]:
    """The newest sample of each of these tags, by their source's times; those without are left out.

    Looked for in a day, a month, and then ever: each partition that is looked into costs.
    """
    found: dict[int, Sample] = {}
    for since in (now - timedelta(days=1), now - timedelta(days=30), None):
        missing = [tag for tag in tags if tag not in found]
        if not missing:
            break
        rows = connection.execute(_LATEST, [missing, since]).fetchall()
        found |= {tag: Sample(*rest) for tag, *rest in rows}
    return found
