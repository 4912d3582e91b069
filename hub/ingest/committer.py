"""The batch that grows, those that are committed meanwhile, and the connections of both.

While one batch ends its transaction, which waits for the disk, the samples of the next go into the
database on another connection. Its cursors move once the one before is committed: all else keeps
the order of the batches. Nobody gets an answer for what is not committed. While the database is
away all stands still here.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
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
from protocols.streams import Cursor

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_FIRST_RETRY_S = 0.1
_MOST_UNDER_WAY = 2
_LOCK_TIMEOUT = "2min"
"""A batch may wait here for the one before, and that one in the database for what the next holds
there: a circle that the database does not see."""


class StoppedError(Exception):
    """The worker was told to stop while it waited for the database."""


class Owner(Protocol):
    """Whose batches they are."""

    def read(self, message: Message) -> None:
        """Read a message that was in a batch before into the one that grows."""

    def answer(self, committed: Iterable[tuple[Session, Cursor | None]]) -> None:
        """Tell each node how far its stream is committed, if it has one. The session may be further
        by now."""

    def lost(self, error: LeaseLostError) -> None:
        """Others have groups that this worker took for its own."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch that a helper commits."""

    batch: Batch
    copied: Future[None]
    """Done once its samples are in the database."""
    committed: Future[None]


class Committer:
    """Used by the worker's thread; helpers of its own commit the batches before, in order."""

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
        """`wake` is called by a helper once it has done with a batch; once `stopping` is set,
        the database is no longer waited for."""
        self._database = database
        self._settings = settings
        self._figures = figures
        self._groups = groups
        self._owner = owner
        self._wake = wake
        self._stopping = stopping
        self.batch = Batch()
        self._spare = _spare()
        """Empty; one of them grows while others are committed."""
        self._under_way: deque[_UnderWay] = deque()
        """Oldest first. Each begins where the one before it ends: if that one fails, it does."""
        self._helpers = ThreadPoolExecutor(_MOST_UNDER_WAY, thread_name_prefix="ingest-commit")
        self._conns: deque[psycopg.Connection] = deque()
        """One for each that may be under way, the next to be used first; none while away."""
        self._stale = False
        """Whether the batch is to be gathered again before it is committed."""

    def close(self) -> None:
        """Done: what is under way ends, and the connections."""
        self._helpers.shutdown()
        self._disconnect()

    def wait_s(self, most_s: float) -> float:
        """How long to wait for arrivals before `commit_due` is due, at most so long; helpers wake
        us."""
        return most_s if self._under_way else max(0.0, min(most_s, self._due_s()))

    def _due_s(self) -> float:
        """How long the batch may still grow."""
        if self.batch.empty:
            return math.inf
        return self.batch.began_at + self._settings.commit_ms / 1000 - time.monotonic()

    def commit_due(self) -> None:
        """Answer for what has been committed, and hand over what has waited long enough."""
        while self._under_way and self._under_way[0].committed.done():
            self._settle_oldest()
        if not self._under_way and self._due_s() <= 0:
            self.hand_over()

    def begin_anew(self) -> None:
        """Let go of all that was gathered, which nobody has an answer for."""
        self._take_back()
        self._under_way.clear()
        self.batch, self._spare = Batch(), _spare()
        self._stale = False

    def of(self, group: str, work: Callable[[psycopg.Connection], _T]) -> _T:
        """Do a piece of work in the database that is of one group, as long as it is ours."""
        return self.in_database(self._groups.fenced((group,), work))

    def flush(self) -> None:
        """Commit what has been gathered and answer for it; waits while the database is away."""
        self.hand_over()
        self._settle()

    def hand_over(self) -> None:
        """Let a helper commit what has been gathered, behind the batches before. The next one grows
        meanwhile, from where the cursors will then stand."""
        while len(self._under_way) >= _MOST_UNDER_WAY:
            self._settle_oldest()
        batch = self.batch
        if batch.empty:
            return
        if not self._conns or self._stale:
            self._commit_here()
            return
        before = self._under_way[-1] if self._under_way else None
        copied: Future[None] = Future()
        committed = self._helpers.submit(self._commit_behind, before, self._conns[0], batch, copied)
        self._conns.rotate()
        committed.add_done_callback(lambda _: self._wake())
        self._under_way.append(_UnderWay(batch, copied, committed))
        self.batch = self._spare.pop()
        if batch.firsts:
            self._settle()  # which tags are still awaited, it alone tells
        else:
            _move_on(batch)

    def _settle(self) -> None:
        """Wait for the batches under way, and answer for them."""
        while self._under_way:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        batch, committed = self._under_way[0].batch, self._under_way[0].committed
        try:
            committed.result()
        except (StaleCursorError, LeaseLostError, psycopg.Error) as error:
            self._join()
            if isinstance(error, LeaseLostError):
                self._owner.lost(error)
            elif not isinstance(error, commit.REFUSALS):  # what is refused, `commit` finds alone
                self._failed(error, first=True)
            self._commit_here()
            return
        self._under_way.popleft()
        if batch.firsts:
            _move_on(batch)
        self._answer(batch, [])
        self._done_with(batch)

    def _join(self) -> None:
        """Make one batch of those under way, of which none was committed, and the one that grows:
        it is to be gathered again."""
        self._take_back()
        oldest = self._under_way.popleft().batch
        for batch in (*(under_way.batch for under_way in self._under_way), self.batch):
            for message in batch.messages:
                oldest.add_message(message)
            for key, share in batch.shares.items():
                oldest.shares.setdefault(key, share)
            self._done_with(batch)
        self._under_way.clear()
        self.batch = oldest
        self._stale = True

    def _take_back(self) -> None:
        """Wait for the batches under way; cursors are where they stood before."""
        wait([under_way.committed for under_way in self._under_way])
        for under_way in reversed(self._under_way):
            for share in under_way.batch.shares.values():
                share.session.position = share.position

    def _commit_here(self) -> None:
        """Commit the batch at hand in this thread, with nothing under way; waits while the database
        is away."""
        refused = self.in_database(self._commit_now)
        _move_on(self.batch)
        self._answer(self.batch, refused)
        self.batch.clear()

    def _done_with(self, batch: Batch) -> None:
        batch.clear()
        self._spare.append(batch)

    def _answer(self, batch: Batch, refused: list[Quarantined]) -> None:
        """Tell those whose streams have moved, and the log what the database did not take."""
        self._owner.answer(
            (share.session, share.cursor) for share in batch.shares.values() if share.answer
        )
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
                began = time.monotonic()
                refused = commit.commit(conn, self.batch, self._groups.fence)
                self._note(began)
                return refused
            except LeaseLostError as error:
                self._owner.lost(error)
                self._gather_again(conn)
            except (StaleCursorError, psycopg.Error):
                self._stale = True
                raise

    def _commit_behind(
        self,
        before: _UnderWay | None,
        conn: psycopg.Connection,
        batch: Batch,
        copied: Future[None],
    ) -> None:
        """By a helper: its samples behind those of the batch before, all else once that one is
        committed. If that one fails, this one does."""

        def in_turn() -> None:
            copied.set_result(None)
            if before is not None:
                before.committed.result()

        try:
            if before is not None:
                before.copied.result()
            began = time.monotonic()
            commit.commit_in_turn(conn, batch, self._groups.fence, in_turn)
            self._note(began)
        except BaseException as error:
            if not copied.done():
                copied.set_exception(error)
            raise

    def _note(self, began: float) -> None:
        self._figures.commits += 1
        self._figures.commit_s += time.monotonic() - began

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
        while len(self._conns) < _MOST_UNDER_WAY:
            conn = self._database.connect("ingest", autocommit=True)
            self._conns.append(conn)
            # A plan that is kept does not know how many gateways are in a batch: it compared each
            # of 500 cursors with each of 500 rows.
            conn.execute("SET plan_cache_mode = force_custom_plan")
            conn.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            if (name := self._groups.connection_name) is not None:
                conn.execute("SELECT set_config('application_name', %s, false)", [name])
            if len(self._conns) == _MOST_UNDER_WAY:
                logger.info("connected to the database")
        return self._conns[0]

    def _disconnect(self) -> None:
        while self._conns:
            self._conns.pop().close()


def _spare() -> list[Batch]:
    return [Batch() for _ in range(_MOST_UNDER_WAY)]


def _move_on(batch: Batch) -> None:
    """Cursors are where they stand once the batch is committed."""
    for share in batch.shares.values():
        if share.moved and share.cursor is not None:
            share.session.position = share.position.moved(share.cursor, share.awaited)
