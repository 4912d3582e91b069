"""The store's housekeeping: partitions made ahead, minutes rolled up, old samples let go.

TimescaleDB does most of it by its own policies; the same calls then find little to do.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import psycopg

from hub.store.rounds import Rounds

logger = logging.getLogger(__name__)

EVERY_S = 20.0
BACK = timedelta(days=3)
AHEAD = timedelta(days=2)
"""Days around now that have a partition of their own; what falls outside waits in the default."""


def maintain(connection: psycopg.Connection, now: datetime, keep_days: int | None = None) -> None:
    """One round, as the role `lineside_ingest`. `keep_days` None keeps samples for ever."""
    with connection.transaction():
        connection.execute("SELECT sample_prepare(%s, %s)", [now - BACK, now + AHEAD])
    with connection.transaction():
        connection.execute("SELECT sample_roll_up(%s)", [now])
    if keep_days is not None:
        with connection.transaction():
            row = connection.execute(
                "SELECT sample_drop_before(%s)", [now - timedelta(days=keep_days)]
            ).fetchone()
        if row is not None and row[0]:
            logger.info("let go of the samples of %d days, older than %d days", row[0], keep_days)


class Maintenance(Rounds):
    """Keeps house every now and then."""

    def __init__(self, dsn: str, keep_days: int | None = None, every_s: float = EVERY_S) -> None:
        """`dsn` is of the role `lineside_ingest`."""
        super().__init__("store maintenance", dsn, every_s)
        self._keep_days = keep_days

    def _round(self, connection: psycopg.Connection, now: datetime) -> None:
        maintain(connection, now, self._keep_days)
