"""The store's housekeeping: partitions made ahead, minutes rolled up, old samples let go.

TimescaleDB does most of it by its own policies; the same calls then find little to do.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import psycopg

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


class Maintenance:
    """A thread that does a round now and then, whether or not the last one succeeded."""

    def __init__(self, dsn: str, keep_days: int | None = None, every_s: float = EVERY_S) -> None:
        """`dsn` is of the role `lineside_ingest`."""
        self._dsn = dsn
        self._keep_days = keep_days
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store maintenance", daemon=True)

    def start(self) -> None:
        """Begin with a round at once."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the round at hand, then end."""
        self._stopping.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._dsn) as connection:
                    maintain(connection, datetime.now(UTC), self._keep_days)
            except psycopg.Error as error:
                if not failing:
                    logger.warning("store maintenance fails, trying again: %s", str(error).strip())
                failing = True
            else:
                if failing:
                    logger.info("store maintenance works again")
                failing = False
            self._stopping.wait(self._every_s)
