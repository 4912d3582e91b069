"""The store's housekeeping: partitions made ahead, trends rolled up, what is past its time let go.

TimescaleDB makes chunks and trends by its own policies; the same calls then find little to do.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import psycopg

from hub.pictures import demand as pictures
from hub.store.rounds import Rounds
from hub.store.settings import KeepSettings

logger = logging.getLogger(__name__)

EVERY_S = 20.0
LET_GO_EVERY = timedelta(hours=1)
BACK = timedelta(days=3)
AHEAD = timedelta(days=2)
"""Days around now that have a partition of their own; what falls outside waits in the default."""

_OLD_QUARANTINE = "DELETE FROM quarantine WHERE received_at < %s"


def maintain(connection: psycopg.Connection, now: datetime) -> None:
    """Make partitions and roll trends up to `now`, as the role `lineside_ingest`."""
    with connection.transaction():
        connection.execute("SELECT sample_prepare(%s, %s)", [now - BACK, now + AHEAD])
    while _roll_up(connection, now):
        pass


def let_go(connection: psycopg.Connection, now: datetime, keep: KeepSettings) -> None:
    """Delete what is past its time, as the role `lineside_ingest`; each class by itself."""
    for which, days in (
        ("sample", keep.samples_days),
        ("minute", keep.minute_trends_days),
        ("hour", keep.hour_trends_days),
        ("day", keep.day_trends_days),
    ):
        if days is None:
            continue
        with connection.transaction():
            row = connection.execute(
                "SELECT sample_let_go(%s, %s)", [which, now - timedelta(days=days)]
            ).fetchone()
        if row is not None and row[0]:
            what = "samples" if which == "sample" else f"trends by the {which}"
            logger.info("let go of %d partitions of %s, older than %d days", row[0], what, days)
    if keep.quarantine_days is not None:
        with connection.transaction():
            before = now - timedelta(days=keep.quarantine_days)
            gone = connection.execute(_OLD_QUARANTINE, [before]).rowcount
        if gone:
            logger.info("let go of %d records of the quarantine", gone)
    if keep.pictures_days is not None:
        with connection.transaction():
            gone = pictures.let_go(connection, now - timedelta(days=keep.pictures_days))
        if gone:
            logger.info("let go of %d fetched pictures", gone)


def _roll_up(connection: psycopg.Connection, now: datetime) -> bool:
    """A day of trends at most; whether there is more."""
    with connection.transaction():
        row = connection.execute("SELECT sample_roll_up(%s)", [now]).fetchone()
    return row is not None and bool(row[0])


class Maintenance(Rounds):
    """Keeps house every now and then."""

    def __init__(self, dsn: str, keep: KeepSettings, every_s: float = EVERY_S) -> None:
        """`dsn` is of the role `lineside_ingest`."""
        super().__init__("store maintenance", dsn, every_s)
        self._keep = keep
        self._let_go_at: datetime | None = None

    def _round(self, connection: psycopg.Connection, now: datetime) -> None:
        maintain(connection, now)
        if self._let_go_at is None or now >= self._let_go_at:
            let_go(connection, now, self._keep)
            self._let_go_at = now + LET_GO_EVERY
