"""Trends: a tag over any span, in as many intervals as are wanted, from samples or from what is
aggregated of them. Of each interval the lowest and highest stay with their times, the first and the
last: what a line drawn through them needs, so that no spike is lost (after Jugel et al., "M4: A
Visualization-Oriented Time Series Data Aggregation", VLDB 2014).

A connection is of the role `lineside_api`, in a transaction that speaks for a tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

Resolution = Literal["raw", "minute", "hour", "day"]
WIDTHS: dict[Resolution, timedelta] = {
    "raw": timedelta(0),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
RAW_SAMPLES = 500_000
"""More samples than that are not read for one trend: then minutes must do."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_SINCE = """
SELECT class, kept_since > %s FROM sample_state
"""
_COUNT = """
SELECT coalesce(sum(samples), 0) FROM sample_minute_view
WHERE tag_id = %s AND bucket >= %s AND bucket < %s
"""
_OF_RAW = sql.SQL("""
SELECT time AS bucket, 1 AS samples, (quality NOT BETWEEN 192 AND 255)::integer AS bad,
    coalesce(value <> 'NaN', false)::integer AS numbers, nullif(value, 'NaN') AS total,
    value AS low, time AS low_at, value AS high, time AS high_at,
    value AS first, time AS first_at, value AS last, time AS last_at
FROM sample_view WHERE tag_id = %(tag)s AND time >= %(from)s AND time < %(to)s
""")
_OF_BUCKETS = sql.SQL("""
SELECT * FROM {} WHERE tag_id = %(tag)s AND bucket >= %(from)s AND bucket < %(to)s
""")
# As the aggregates themselves are made: of equals the earliest counts.
_TREND = sql.SQL("""
SELECT %(from)s + (part - 1) * (%(to)s - %(from)s) / %(parts)s AS time,
    samples::bigint, bad::bigint, numbers::bigint, total / nullif(numbers, 0) AS mean,
    lowest[1] AS low, to_timestamp(lowest[2]) AS low_at,
    highest[1] AS high, to_timestamp(-highest[2]) AS high_at,
    first[2] AS first, to_timestamp(first[1]) AS first_at,
    last[2] AS last, to_timestamp(last[1]) AS last_at
FROM (
    SELECT width_bucket(date_part('epoch', bucket), date_part('epoch', %(from)s::timestamptz),
            date_part('epoch', %(to)s::timestamptz), %(parts)s) AS part,
        sum(samples) AS samples, sum(bad) AS bad, sum(numbers) AS numbers, sum(total) AS total,
        min(ARRAY[low, date_part('epoch', low_at)]) FILTER (WHERE numbers > 0) AS lowest,
        max(ARRAY[high, -date_part('epoch', high_at)]) FILTER (WHERE numbers > 0) AS highest,
        min(ARRAY[date_part('epoch', first_at), first]) FILTER (WHERE numbers > 0) AS first,
        max(ARRAY[date_part('epoch', last_at), last]) FILTER (WHERE numbers > 0) AS last
    FROM ({}) AS read GROUP BY part
) AS parted ORDER BY part
""")


@dataclass(frozen=True, slots=True)
class Interval:
    """What is known of a tag in one interval. From `mean` on: of the samples with a number."""

    time: datetime
    """Its beginning."""
    samples: int
    bad: int
    """Of quality other than good."""
    numbers: int
    mean: float | None
    low: float | None
    low_at: datetime | None
    high: float | None
    high_at: datetime | None
    first: float | None
    first_at: datetime | None
    last: float | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A tag over a span. Intervals without a sample are left out."""

    resolution: Resolution
    start: datetime
    """Of the first interval: as asked, or the beginning of the bucket that holds it."""
    end: datetime
    intervals: list[Interval]


def read_trend(
    connection: psycopg.Connection,
    tag: int,
    start: datetime,
    end: datetime,
    points: int,
    resolution: Resolution | None = None,
) -> Trend:
    """The trend of a tag over [start, end) in at most `points` intervals.

    `resolution` None chooses: the coarsest that is no coarser than the intervals, but not samples
    where there are more than `RAW_SAMPLES`, nor what has been let go.
    """
    chosen = resolution or _chosen(connection, tag, start, end, points)
    width = WIDTHS[chosen]
    if width:
        start, end = _floor(start, width), _ceiling(end, width)
        points = min(points, (end - start) // width)
    source = _OF_BUCKETS.format(sql.Identifier(f"sample_{chosen}_view")) if width else _OF_RAW
    asked = {"tag": tag, "from": start, "to": end, "parts": points}
    with connection.cursor(row_factory=class_row(Interval)) as cursor:
        intervals = cursor.execute(_TREND.format(source), asked).fetchall()
    return Trend(chosen, start, end, intervals)


def _chosen(
    connection: psycopg.Connection, tag: int, start: datetime, end: datetime, points: int
) -> Resolution:
    order: list[Resolution] = list(WIDTHS)
    interval = (end - start) / points
    wanted = max(at for at, name in enumerate(order) if WIDTHS[name] <= interval)
    gone: dict[str, bool] = dict(connection.execute(_KEPT_SINCE, [start]).fetchall())
    kept = [at for at, name in enumerate(order) if not gone["sample" if name == "raw" else name]]
    wanted = max(wanted, min(kept, default=len(order) - 1))
    if order[wanted] == "raw":
        row = connection.execute(_COUNT, [tag, start, end]).fetchone()
        if row is not None and row[0] > RAW_SAMPLES:
            return "minute"
    return order[wanted]


def _floor(at: datetime, width: timedelta) -> datetime:
    return _EPOCH + (at - _EPOCH) // width * width


def _ceiling(at: datetime, width: timedelta) -> datetime:
    try:
        return _EPOCH - (_EPOCH - at) // width * width
    except OverflowError:  # the calendar's last day
        return datetime.max.replace(tzinfo=UTC)
