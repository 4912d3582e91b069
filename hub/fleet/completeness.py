"""Whether the data of a device are complete over an interval, and if not, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

ONCE = sql.SQL("""
SELECT id, device, from_time, to_time, cause FROM (
    SELECT *, sum(ends) OVER (PARTITION BY device, cause, at) AS ended FROM (
        SELECT *, from_time AS at, true AS told,
            CASE WHEN to_time IS NULL THEN -1 ELSE 1 END AS ends FROM found
        UNION ALL SELECT *, to_time, false, 1 FROM found WHERE to_time > from_time
    ) AS each
) AS held WHERE told AND (to_time IS NOT NULL OR ended < 0)
""")
"""Gaps `found`, without those of which another one says more. What is missing from now on is told
at its beginning, and once more with its end; the other way round if a clock was set back in it. The
same beginning may be told again for the next time, so ends are held against beginnings."""
_MISSING = sql.SQL("""
WITH found AS (
    SELECT id, device, from_time, to_time, cause FROM gap
    WHERE stream = 'telemetry' AND gateway = %(gateway)s
        AND (device IS NULL OR device = %(device)s)
        AND coalesce(from_time, '-infinity') < %(to)s
), once AS ({once})
SELECT device, from_time, to_time, cause FROM once
WHERE coalesce(to_time, 'infinity') > %(from)s ORDER BY from_time NULLS FIRST, id
""").format(once=ONCE)
# The last two say whether something may still come: the gateway is away, or its backlog is.
_SUBJECT = """
SELECT g.id, d.name, coalesce(s.delivery, 'unknown') = 'stream',
    NOT coalesce(s.online, false) AND coalesce(s.since, '-infinity') < %(to)s,
    coalesce(NOT isempty(c.ahead), false)
FROM device d
JOIN gateway g ON g.id = d.gateway
LEFT JOIN gateway_status s ON s.gateway = g.id
LEFT JOIN stream_cursor c ON c.gateway = g.id AND c.stream = 'telemetry' AND NOT c.closed
WHERE d.id = %(device)s
"""


@dataclass(frozen=True, slots=True)
class MissingSpan:
    """Data that are known to be missing. `device` None: of the whole gateway. A time None: open."""

    device: str | None
    start: datetime | None
    end: datetime | None
    cause: str


@dataclass(frozen=True, slots=True)
class Completeness:
    """What can be said of the interval."""

    missing: tuple[MissingSpan, ...]
    pending: bool
    """More may still come: the gateway is offline, or has sent live records ahead of older ones."""
    vouched: bool
    """Whether missing data would be noticed at all: not for a node without a stream of ours."""

    @property
    def complete(self) -> bool:
        """Nothing is missing and nothing is under way, and we would know if it were."""
        return self.vouched and not self.pending and not self.missing


def completeness(
    conn: psycopg.Connection, device: int, start: datetime, end: datetime
) -> Completeness | None:
    """Of a device, by its id, over [start, end); None if the tenant may not see such a device."""
    asked = {"device": device, "from": start, "to": end}
    subject = conn.execute(_SUBJECT, asked).fetchone()
    if subject is None:
        return None
    gateway, name, vouched, away, backlog = subject
    found = conn.execute(_MISSING, {**asked, "gateway": gateway, "device": name})
    missing = tuple(MissingSpan(*row) for row in found)
    return Completeness(missing, away or backlog, vouched)
