"""Whether the data of a device are complete over an interval, and if not, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

TOLD_AGAIN = sql.SQL("""(p.to_time IS NULL AND (
    EXISTS (SELECT FROM gap q WHERE q.gateway = p.gateway AND q.device = p.device
        AND q.stream = p.stream AND q.cause = p.cause
        AND q.from_time = p.from_time AND q.to_time IS NOT NULL)
    OR EXISTS (SELECT FROM gap q WHERE q.gateway = p.gateway AND q.device = p.device
        AND q.stream = p.stream AND q.cause = p.cause
        AND q.from_time < p.from_time AND q.to_time = p.from_time)))""")
"""Whether a gap `p` says nothing that another one does not: what is missing from now on is told at
its beginning, and once more with its end (the other way round if a clock was set back in it)."""
_MISSING = sql.SQL("""
SELECT p.device, p.from_time, p.to_time, p.cause
FROM gap p
WHERE p.stream = 'telemetry' AND p.gateway = %(gateway)s AND NOT {told_again}
    AND (p.device IS NULL OR p.device = %(device)s)
    AND coalesce(p.from_time, '-infinity') < %(to)s
    AND coalesce(p.to_time, 'infinity') > %(from)s
ORDER BY p.from_time NULLS FIRST, p.id
""").format(told_again=TOLD_AGAIN)
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
