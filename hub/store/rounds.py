"""Work that is done again and again beside the rest, whether or not the last time succeeded."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime

import psycopg

logger = logging.getLogger(__name__)


class Rounds(ABC):
    """A thread that does a round now and then, and says once when it begins to fail."""

    def __init__(self, name: str, dsn: str, every_s: float) -> None:
        """`dsn` is of the role `lineside_ingest`."""
        self._name = name
        self._dsn = dsn
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

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

    @property
    def trouble(self) -> str | None:
        """It needs nothing but the database."""
        return None

    @abstractmethod
    def _round(self, connection: psycopg.Connection, now: datetime) -> None:
        """One round, in transactions of its own. May raise `psycopg.Error` at any time."""

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._dsn) as connection:
                    self._round(connection, datetime.now(UTC))
            except psycopg.Error as error:
                if not failing:
                    logger.warning("%s fails, trying again: %s", self._name, str(error).strip())
                failing = True
            except Exception:
                # A fault of ours must not end the thread for good, nor go by unseen.
                if not failing:
                    logger.exception("%s: stopped by an error, trying again", self._name)
                failing = True
            else:
                if failing:
                    logger.info("%s works again", self._name)
                failing = False
            self._stopping.wait(self._every_s)
