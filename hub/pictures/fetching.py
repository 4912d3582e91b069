"""Asks gateways for the pictures that are wanted, a piece at a time, until all of one is here.

What comes in is stored by ingest (`hub.ingest.pictures`), which moves `here`; that is all that this
needs to know. So it may stop at any point, and several processes may do it side by side.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import psycopg

from hub.pictures.demand import without_parts
from hub.store.rounds import Rounds
from protocols.inspection.fetching import WANTED, Wanted
from protocols.sparkplug import Metric, Payload, encode
from protocols.sparkplug.topics import node_topic

logger = logging.getLogger(__name__)

WINDOW = 256 * 1024
"""Bytes asked for at once. They travel beside the telemetry, which they must not hold up."""
AGAIN_S = 3.0
"""Without a sign of what was asked for, it is asked for again."""
GIVE_UP_S = 3600.0
_SILENT_S = 5.0
"""So seldom it is looked who has said nothing for too long: the look reads all that is queued."""
_BUSY_S, _IDLE_S = 0.1, 1.0
ROUND_S = 60.0
"""So long one connection is used: another for each look would cost more than the look."""

# One of each gateway at a time, so that no gateway sends more than a window at once.
_DUE = """
WITH first AS (
    SELECT DISTINCT ON (d.gateway) p.id, g.group_id, g.node_id FROM inspection_picture p
    JOIN tag t ON t.id = p.tag JOIN device d ON d.id = t.device JOIN gateway g ON g.id = d.gateway
    WHERE p.fetch_state IN ('asked', 'arriving') AND p.here < p.size
    ORDER BY d.gateway, p.asked_at, p.id
)
UPDATE inspection_picture p SET sent_at = clock_timestamp(),
    asked_to = least(p.size, p.here + %(window)s)
FROM first WHERE p.id = first.id AND (p.sent_at IS NULL OR p.here >= p.asked_to
    OR greatest(p.sent_at, p.heard_at) < clock_timestamp() - make_interval(secs => %(again)s))
RETURNING first.group_id, first.node_id, p.key, p.here, p.asked_to
"""
_UNDER_WAY = "SELECT FROM inspection_picture WHERE fetch_state IN ('asked', 'arriving') LIMIT 1"
_FINISH = """
UPDATE inspection_picture p SET there_at = now(),
    fetch_state = CASE WHEN whole.sha256 = p.sha256 THEN 'there' ELSE 'failed' END,
    fetch_reason = CASE WHEN whole.sha256 = p.sha256 THEN ''
        ELSE 'what came is not what the gateway had taken: its SHA-256 is another' END
FROM (
    SELECT picture, sha256(string_agg(data, ''::bytea ORDER BY at)) AS sha256 FROM picture_part
    WHERE picture = (SELECT id FROM inspection_picture
        WHERE fetch_state = 'arriving' AND here = size
        ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    GROUP BY picture
) AS whole WHERE p.id = whole.picture RETURNING p.id, p.fetch_state
"""
# One that waits behind others of its gateway is not given up while those come.
_GIVE_UP = """
UPDATE inspection_picture p SET fetch_state = 'failed', fetch_reason = 'the gateway does not answer'
FROM tag t JOIN device d ON d.id = t.device
WHERE t.id = p.tag AND p.fetch_state IN ('asked', 'arriving')
    AND greatest(p.asked_at, p.heard_at) < now() - make_interval(secs => %(s)s)
    AND NOT EXISTS (SELECT FROM inspection_picture o
        JOIN tag ot ON ot.id = o.tag JOIN device od ON od.id = ot.device
        WHERE o.owner = p.owner AND o.fetch_state IN ('arriving', 'there', 'gone')
            AND od.gateway = d.gateway AND o.heard_at >= now() - make_interval(secs => %(s)s))
RETURNING p.id
"""


class Fetching(Rounds):
    """Keeps asking for what is wanted."""

    def __init__(self, dsn: str, command: Callable[[Sequence[tuple[str, bytes]]], None]) -> None:
        """`dsn` is of the role `lineside_ingest`; `command` sends NCMDs by topic and payload, and
        may lose them."""
        super().__init__("fetching of pictures", dsn, _IDLE_S)
        self._command = command
        self._silent_at = time.monotonic()

    def _round(self, connection: psycopg.Connection, _now: datetime) -> None:
        until = time.monotonic() + ROUND_S
        while not self._stopping.is_set() and time.monotonic() < until:
            busy = self._look(connection)
            self._stopping.wait(_BUSY_S if busy else _IDLE_S)

    def _look(self, connection: psycopg.Connection) -> bool:
        """Finish what is whole, ask for what is not; whether anything is under way."""
        with connection.transaction():
            if connection.execute(_UNDER_WAY).fetchone() is None:
                return False
            failed = self._given_up(connection)
            for picture, became in connection.execute(_FINISH).fetchall():
                logger.info("picture %d: %s", picture, became)
                if became == "failed":
                    failed.append(picture)
            without_parts(connection, failed)
        with connection.transaction():
            due = connection.execute(_DUE, {"window": WINDOW, "again": AGAIN_S}).fetchall()
        self._command([_question(*row) for row in due])
        return True

    def _given_up(self, connection: psycopg.Connection) -> list[int]:
        """Now and then: those whose gateway has said nothing for too long."""
        if time.monotonic() < self._silent_at:
            return []
        self._silent_at = time.monotonic() + _SILENT_S
        return [found for (found,) in connection.execute(_GIVE_UP, {"s": GIVE_UP_S}).fetchall()]


def _question(group: str, node: str, key: str, at: int, to: int) -> tuple[str, bytes]:
    now_ms = time.time_ns() // 1_000_000
    text = Wanted(key=key, at=at, to=to).model_dump_json()
    metric = Metric(WANTED, timestamp=now_ms, value=text)
    return node_topic(group, "NCMD", node), encode(Payload(now_ms, [metric]))
