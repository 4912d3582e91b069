"""The batch that grows, the one that is committed meanwhile, and the connection of both.

Nobody gets an answer for what is not committed. While the database is away all stands still here.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol, TypeVar

import psycopg

from hub.ingest import commit, cursors
from hub.ingest.batch import Batch, Quarantined
from hub.ingest.cursors import StaleCursorError
from hub.ingest.figures import IngestFigures
from hub.ingest.groups import Groups
from hub.ingest.inbox import Message
from hub.ingest.leases import LeaseLostError
from hub.ingest.session import Session
from hub.ingest.settings import IngestSettings
from hub.store import Database

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_FIRST_RETRY_S = 0.1


class StoppedError(Exception):
    """The worker was told to stop while it waited for the database."""


class Owner(Protocol):
    """Whose batches they are."""

    def read(self, message: Message) -> None:
        """Read a message into the batch that grows."""

    def answer(self, sessions: Iterable[Session]) -> None:
        """Tell each node where its stream stands: what was gathered of it is committed."""

    def lost(self, error: LeaseLostError) -> None:
        """Others have groups that this worker took for its own."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch that the helper commits, and what will come of it."""

    batch: Batch
    refused: Future[list[Quarantined]]


class Committer:
    """Used by the worker's thread; a helper of its own commits the batch before."""

    def __init__(
        self,
        database: Database,
        settings: IngestSettings,
        figures: IngestFigures,
        groups: Groups,
        owner: Owner,
        wake: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        """`wake` is called by the helper once it has done with a batch; once `stopping` is set,
        the database is no longer waited for."""
        self._database = database
        self._settings = settings
        self._figures = figures
        self._groups = groups
        self._owner = owner
        self._wake = wake
        self._stopping = stopping
        self.batch = Batch()
        self._spare = Batch()
        """Grows while the other is committed."""
        self._under_way: _UnderWay | None = None
        self._helper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest-commit")
        self._conn: psycopg.Connection | None = None
        self._stale = False
        """Whether the batch is to be gathered again before it is committed."""

    def close(self) -> None:
        """Done: what is under way ends, and the connection."""
        self._helper.shutdown()
        self._disconnect()

    def wait_s(self, most_s: float) -> float:
        """How long to wait for arrivals before `commit_due` is due, at most so long; the helper
        wakes us."""
        return most_s if self._under_way is not None else max(0.0, min(most_s, self._due_s()))

    def _due_s(self) -> float:
        """How long the batch may still grow."""
        if self.batch.empty:
            return math.inf
        return self.batch.began_at + self._settings.commit_ms / 1000 - time.monotonic()

    def commit_due(self) -> None:
        """Answer for what has been committed, and hand over what has waited long enough."""
        if self._under_way is not None and self._under_way.refused.done():
            self._settle()
        if self._under_way is None and self._due_s() <= 0:
            self.hand_over()

    def begin_anew(self) -> None:
        """Let go of all that was gathered, which nobody has an answer for."""
        if self._under_way is not None:
            wait([self._under_way.refused])
            self._take_back(self._under_way.batch)
            self._under_way = None
        self.batch.clear()
        self._spare.clear()
        self._stale = False

    def of(self, group: str, work: Callable[[psycopg.Connection], _T]) -> _T:
        """Do a piece of work in the database that is of one group, as long as it is ours."""
        return self.in_database(self._groups.fenced((group,), work))

    def flush(self) -> None:
        """Commit what has been gathered and answer for it; waits while the database is away."""
        self.hand_over()
        self._settle()

    def hand_over(self) -> None:
        """Let the helper commit what has been gathered, once it has done with the batch before. The
        next one grows meanwhile, from where the cursors will then stand."""
        self._settle()
        batch = self.batch
        if batch.empty:
            return
        if self._conn is None or self._stale:
            self._committed(batch, self.in_database(self._commit_now))
            batch.clear()
            return
        refused = self._helper.submit(self._commit, self._conn, batch)
        refused.add_done_callback(lambda _: self._wake())
        self._under_way = _UnderWay(batch, refused)
        self.batch, self._spare = self._spare, batch
        if batch.firsts:
            self._settle()  # which tags are still awaited, it alone tells
        else:
            self._move_on(batch)

    def _settle(self) -> None:
        """Wait for the batch under way, and answer for it."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        batch = under_way.batch
        try:
            refused = under_way.refused.result()
        except (StaleCursorError, LeaseLostError, psycopg.Error) as error:
            # Both batches are gathered again as one.
            if isinstance(error, LeaseLostError):
                self._owner.lost(error)
            else:
                self._failed(error, first=True)
            self._take_back(batch)
            for message in self.batch.messages:
                batch.add_message(message)
            for key, share in self.batch.shares.items():
                batch.shares.setdefault(key, share)
            self.batch.clear()
            self.batch, self._spare = batch, self.batch
            self._stale = True
            self._committed(batch, self.in_database(self._commit_now))
        except BaseException:
            self._take_back(batch)
            raise
        else:
            self._committed(batch, refused)
        batch.clear()

    def _move_on(self, batch: Batch) -> None:
        """Cursors are where they stand once the batch is committed."""
        for share in batch.shares.values():
            if share.moved and share.cursor is not None:
                share.session.position = share.position.moved(share.cursor, share.awaited)

    def _take_back(self, batch: Batch) -> None:
        """Cursors are where they stood before."""
        for share in batch.shares.values():
            share.session.position = share.position

    def _committed(self, batch: Batch, refused: list[Quarantined]) -> None:
        self._move_on(batch)
        self._owner.answer(share.session for share in batch.shares.values() if share.answer)
        for record in refused:
            logger.warning(
                "%s: record %s cannot be stored and is in quarantine: %s",
                record.gateway,
                record.offset,
                record.reason,
            )

    def _commit_now(self, conn: psycopg.Connection) -> list[Quarantined]:
        """Commit the batch. If it fails, the batch is gathered again from the cursors as they then
        stand, since a commit that broke may have happened."""
        while True:
            try:
                return self._commit(conn, self.batch)
            except LeaseLostError as error:
                self._owner.lost(error)
                self._gather_again(conn)
            except (StaleCursorError, psycopg.Error):
                self._stale = True
                raise

    def _commit(self, conn: psycopg.Connection, batch: Batch) -> list[Quarantined]:
        began = time.monotonic()
        refused = commit.commit(conn, batch, self._groups.fence)
        self._figures.commits += 1
        self._figures.commit_s += time.monotonic() - began
        return refused

    def _gather_again(self, conn: psycopg.Connection) -> None:
        messages = self.batch.messages
        for share in self.batch.shares.values():
            with conn.transaction():
                share.session.position = cursors.load(conn, share.session.gateway)
        self.batch.clear()
        for message in messages:
            self._owner.read(message)
        self._stale = False

    def in_database(self, work: Callable[[psycopg.Connection], _T]) -> _T:
        """Do a piece of work that commits as a whole, again and again until the database has it.

        Raises `StoppedError` if the worker is stopped meanwhile, and `BirthError` from the work.
        """
        self._settle()
        wait_s = _FIRST_RETRY_S
        while True:
            try:
                conn = self._connection()
                if self._stale:
                    self._gather_again(conn)
                return work(conn)
            except (StaleCursorError, psycopg.Error) as error:
                self._failed(error, first=wait_s == _FIRST_RETRY_S)
            if self._stopping.wait(wait_s):
                raise StoppedError
            wait_s = min(wait_s * 2, self._settings.retry_max_s)

    def _failed(self, error: StaleCursorError | psycopg.Error, *, first: bool) -> None:
        if isinstance(error, StaleCursorError):
            logger.warning("another worker has moved the cursor: %s", error)
            return
        self._figures.failures += 1
        if first:
            logger.error("the database does not take data: %s; trying again", error)
        self._disconnect()

    def _connection(self) -> psycopg.Connection:
        if self._conn is None:
            self._conn = self._database.connect("ingest", autocommit=True)
            if (name := self._groups.connection_name) is not None:
                self._conn.execute("SELECT set_config('application_name', %s, false)", [name])
            logger.info("connected to the database")
        return self._conn

    def _disconnect(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
