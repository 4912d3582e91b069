"""The journal as the agent sees it: appends from asyncio, one thread that writes to the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.journal.errors import DamagedError, JournalClosedError, JournalError
from edge.journal.lock import DirectoryLock
from edge.journal.opening import condemn, open_store
from edge.journal.reading import read
from edge.journal.records import Gap, Origin, SampleBatch, Stored, Tag
from edge.journal.settings import JournalSettings
from edge.journal.store import Row, Store, connect, free_bytes, judged, row_of
from edge.status import JournalFigures
from protocols.streams import State

logger = logging.getLogger(__name__)

_TIDY_EVERY_S = 5.0
_RETRY_S = 1.0
_MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class _Append:
    rows: list[Row]
    bookmarks: Mapping[str, str]
    done: asyncio.Future[int]
    records: Sequence[SampleBatch | Gap]
    """For `on_written`; none if nobody wants them."""
    at: float = field(default_factory=time.monotonic)


class TelemetryJournal:
    """The writer's log of the telemetry stream. Use from one event loop; `open` it there.

    All callbacks are called in the loop: `on_append` after each commit that added rows,
    `on_written` (if there is one) with the records of each append once they are durable, `on_tags`
    when a birth has to name more tags than before, `on_failure` when the journal can take no more
    appends until the agent is restarted.
    """

    def __init__(
        self,
        store: Store,
        settings: JournalSettings,
        lock: DirectoryLock,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._store = store
        self._free = free
        self._settings = settings
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._reader = connect(store.path)
        self._base = store.position.base
        """Offset in the file of the epoch's offset 0. Outside of `read` and of the writer's thread
        all offsets are the epoch's."""
        self._state = _state_of(store)
        self._watermark = store.position.watermark - self._base
        self._tag_ids = {(t.device, t.name, t.datatype): t.id for t in store.tags.values()}
        self._next_tag = max(store.tags, default=0) + 1
        self._last_us = dict(store.last_us)
        self._bookmarks = dict(store.bookmarks)
        self._in_use: set[int] = set()
        self._wake = threading.Condition()
        self._appends: list[_Append] = []
        self._new_tags: list[Tag] = []
        self._corrupt: list[tuple[int, int]] = []
        self._renewals: list[asyncio.Future[State]] = []
        self._closing = False
        self._failure: JournalError | None = None
        self._full_since_us: int | None = None
        self._bytes = store.used_bytes()
        self._counts = JournalFigures()
        """What the writer's thread counts; the rest is filled in by `report`."""
        self._evicting = False
        self._expiring = False
        self.beat_at = time.monotonic()
        """When the writer's thread last was at work; older than a few seconds only if it, or the
        disk under it, hangs."""
        self.on_append: Callable[[], None] = _nothing
        self.on_written: Callable[[Sequence[SampleBatch | Gap]], None] | None = None
        self.on_tags: Callable[[], None] = _nothing
        self.on_failure: Callable[[JournalError], None] = _nothing
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: Path,
        settings: JournalSettings,
        *,
        free: Callable[[Path], int] = free_bytes,
    ) -> TelemetryJournal:
        """Open the journal file, or begin one, and hold its directory for this process.

        Raises `DirectoryInUseError` if another agent holds the directory, `JournalError` if the
        file is of a newer release, `OSError` or `sqlite3.OperationalError` if the disk does not
        allow it. A damaged file is set aside, not an error.
        """
        lock = DirectoryLock(path.parent)
        try:
            return cls(open_store(path, free=free), settings, lock, free)
        except BaseException:
            lock.release()
            raise

    @property
    def state(self) -> State:
        """The stream's state: what is durable, from the first row that is kept."""
        return self._state

    @property
    def epoch(self) -> int:
        """The stream's epoch; the same for as long as this journal is open."""
        return self._state.epoch

    @property
    def repeats_from(self) -> int | None:
        """From this offset on samples may repeat some that the hub has of this gateway: it is the
        end of what a damaged write-ahead log has lost, or 0 if this epoch was begun because the
        file is an old copy. None: the hub has of this epoch what it has, and of none before."""
        end = max(self._store.repeats_from - self._base, 0)
        return end if end or self._base else None

    @property
    def depth(self) -> int:
        """Offsets that the hub has not committed, tombstones included."""
        return self._state.next - max(self._watermark, self._state.first_kept)

    @property
    def bytes(self) -> int:
        """Size of what the journal holds, committed rows included."""
        return self._bytes

    @property
    def evicted(self) -> int:
        """Uncommitted rows evicted since the journal was opened."""
        return self._counts.evicted

    @property
    def expired(self) -> int:
        """Uncommitted rows that were older than `max_age_h` since the journal was opened."""
        return self._counts.expired

    @property
    def corrupt(self) -> int:
        """Offsets found corrupt since the journal was opened."""
        return self._counts.corrupt

    @property
    def set_aside(self) -> int:
        """Damaged files before this one."""
        return self._store.position.set_aside

    @property
    def full(self) -> bool:
        """Whether appends wait because the disk takes no more."""
        return self._full_since_us is not None

    def limit(self, settings: JournalSettings) -> None:
        """Go by other settings from the next commit on. Under a smaller quota, that one takes as
        long as what has to go."""
        with self._wake:
            self._settings = settings
            self._wake.notify()

    def report(self, figures: JournalFigures) -> None:
        """Write the journal's figures."""
        figures.records = self.depth
        figures.bytes = self._bytes
        figures.quota_bytes = self._settings.quota_mb * _MEGABYTE
        figures.free_bytes = self._free(self._store.path.parent)
        figures.full = self.full
        figures.set_aside = self.set_aside
        counts = self._counts
        figures.evicted, figures.expired = counts.evicted, counts.expired
        figures.corrupt = counts.corrupt
        figures.appended, figures.commits = counts.appended, counts.commits

    async def append(self, *records: SampleBatch | Gap) -> int:
        """Write records, in order and in one transaction; returns the first one's offset once all
        are durable. While the disk is full this waits.

        Raises `JournalClosedError` if the journal is closed first, `JournalError` if it failed.
        """
        return await self.submit(*records)

    def submit(
        self, *records: SampleBatch | Gap, bookmarks: Mapping[str, str] = MappingProxyType({})
    ) -> asyncio.Future[int]:
        """`append` without waiting: the future is settled as `append` would end. What is submitted
        first is durable first.

        `bookmarks` is what the sources must know to go on after exactly these records, texts by
        name. They are durable with them or not at all; one replaces the one before it of that name,
        an empty one only removes it.
        """
        now_us = _now_us()
        rows = [row_of(record, now_us) for record in records]
        if not (rows or bookmarks):
            raise ValueError("nothing to append")
        heard = records if self.on_written is not None else ()
        append = _Append(rows, bookmarks, self._loop.create_future(), heard)
        with self._wake:
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise JournalClosedError("the journal is closed")
            self._appends.append(append)
            self._wake.notify()
        for name, text in bookmarks.items():
            if text:
                self._bookmarks[name] = text
            else:
                self._bookmarks.pop(name, None)
        for record in records:
            if isinstance(record, SampleBatch) and record.origin is Origin.LIVE:
                self._last_us.update(zip(record.tags, record.times_us, strict=True))
        return append.done

    @property
    def bookmarks(self) -> Mapping[str, str]:
        """The latest of each name: durable, or submitted since the journal was opened."""
        return self._bookmarks

    def read(self, first: int, after: int, max_bytes: int = 1_000_000) -> list[Stored]:
        """What stands for the offsets first … after - 1, in order and without holes; at most about
        `max_bytes` of it, but always one.

        Begins at the first offset kept if that is later. A tombstone that reaches beyond `after` is
        returned whole. Corrupt rows are returned as `Lost` and buried. Raises `JournalError`.
        """
        try:
            base = self._base
            found, corrupt = read(self._reader, first + base, after + base, max_bytes)
        except sqlite3.DatabaseError as error:
            if not isinstance(judged(error), DamagedError):
                raise JournalError(f"journal {self._store.path} cannot be read: {error}") from error
            condemn(self._store.path)
            raise JournalError(f"journal {self._store.path} is damaged: {error}") from error
        if corrupt:
            with self._wake:
                self._corrupt += corrupt
                self._wake.notify()
        if not base:
            return found
        return [Stored(s.first - base, s.after - base, s.record) for s in found]

    def committed(self, watermark: int) -> None:
        """The hub has committed all below `watermark`; rows go after `retain_committed_h`."""
        self._watermark = max(self._watermark, min(watermark, self._state.next))

    async def begin_epoch(self) -> State:
        """Go on under a new epoch that begins with all that is not committed; the new state.

        For a hub that has more of the old epoch than this journal ever held: the file is an old
        copy. Raises `JournalError` if the journal cannot write.
        """
        renewed: asyncio.Future[State] = self._loop.create_future()
        with self._wake:
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise JournalClosedError("the journal is closed")
            self._renewals.append(renewed)
            self._wake.notify()
        return await renewed

    def tag_id(
        self,
        device: str,
        name: str,
        datatype: int,
        unit: str = "",
        properties: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """The durable id of a tag, and the word that it is in use now; new ones are registered.

        `datatype` is a Sparkplug datatype number; `properties` are as in `Tag`.
        """
        key = (device, name, datatype)
        known = self._tag_ids.get(key)
        tag_id = self._next_tag if known is None else known
        tag = Tag(tag_id, device, name, datatype, unit, properties)
        if known is None:
            self._next_tag += 1
            self._tag_ids[key] = tag_id
        if self._store.tags.get(tag_id) != tag:
            self._store.tags[tag_id] = tag
            with self._wake:
                self._new_tags.append(tag)
                self._wake.notify()
        if tag_id not in self._in_use:
            for other in self._same_name(tag):
                self._in_use.discard(other)
            self._in_use.add(tag_id)
            self.on_tags()
        return tag_id

    def tags(self) -> list[Tag]:
        """The tags that a birth must name, by id: those in use and those still in the journal.

        A tag of which only old samples of another datatype are left comes as `name:datatype`.
        """
        watermark, last_offset = self._watermark + self._base, self._store.last_offset
        current = {(t.device, t.name) for t in (self._store.tags[i] for i in self._in_use)}
        named = []
        for tag in sorted(self._store.tags.values(), key=lambda t: -t.id):
            if tag.id in self._in_use:
                named.append(tag)
            elif last_offset.get(tag.id, -1) >= watermark:
                key = (tag.device, tag.name)
                if key in current:
                    renamed = f"{tag.name}:{tag.datatype}"
                    tag = Tag(tag.id, tag.device, renamed, tag.datatype, tag.unit)
                current.add(key)
                named.append(tag)
        return named[::-1]

    def tag(self, tag_id: int) -> Tag:
        """A tag by its id, in use or not. Raises `KeyError` for an id never given."""
        return self._store.tags[tag_id]

    def last_time_us(self, tag_id: int) -> int | None:
        """Source time of the last sample of a tag that was appended, over restarts. One that waits
        for the disk counts: a new session with the PLC must not bring it a second time."""
        return self._last_us.get(tag_id)

    def last_device_time_us(self, device: str) -> int | None:
        """Source time of the newest sample of a device that was appended, over restarts."""
        last_us = self._last_us
        times = [
            last_us[t.id]
            for t in self._store.tags.values()
            if t.device == device and t.id in last_us
        ]
        return max(times, default=None)

    async def close(self) -> None:
        """Write what is pending and close the file. What a full disk does not take is refused."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._lock.release()

    def _same_name(self, tag: Tag) -> Iterable[int]:
        return [
            other.id
            for other in (self._store.tags[i] for i in self._in_use)
            if (other.device, other.name) == (tag.device, tag.name)
        ]

    # The writer's thread.

    def _run(self) -> None:
        try:
            tidied = time.monotonic()
            while not self._closing:
                self.beat_at = time.monotonic()
                self._await_work(tidied + _TIDY_EVERY_S)
                self._write()
                self._renew()
                if time.monotonic() - tidied >= _TIDY_EVERY_S:
                    more = self._tidy()
                    tidied = time.monotonic() - (_TIDY_EVERY_S if more else 0)
            self._write()
            self._tidy()
        except DamagedError as error:
            condemn(self._store.path)
            self._fail(JournalError(f"journal {self._store.path} is damaged: {error}"))
        except Exception as error:
            logger.exception("journal %s failed", self._store.path)
            self._fail(JournalError(f"journal {self._store.path} failed: {error}"))
        finally:
            self._refuse_pending()
            self._store.close()

    def _await_work(self, deadline: float) -> None:
        """Wait for the first append, then for others to share its commit."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closing or self._appends or self._corrupt or self._renewals,
                timeout=max(0.0, deadline - time.monotonic()),
            )
            if self._appends:
                # Those that came while the last commit was written have waited already.
                due = self._appends[0].at + self._settings.commit_ms / 1000
                self._wake.wait_for(lambda: self._closing, max(0.0, due - time.monotonic()))

    def _write(self) -> None:
        """Commit all that is pending; while the disk is full, try again until closed."""
        with self._wake:
            appends, self._appends = self._appends, []
            tags, self._new_tags = self._new_tags, []
            corrupt, self._corrupt = self._corrupt, []
        if not (appends or tags or corrupt):
            return
        while True:
            self.beat_at = time.monotonic()
            try:
                settled = self._commit(appends, tags, corrupt)
            except sqlite3.OperationalError as error:
                self._note_full(error)
                with self._wake:
                    if self._wake.wait_for(lambda: self._closing, _RETRY_S):
                        self._appends = appends + self._appends
                        self._new_tags = tags + self._new_tags
                        self._corrupt = corrupt + self._corrupt
                        return
                continue
            except BaseException:
                self._appends = appends + self._appends
                raise
            break
        self._call_in_loop(self._settle, settled)

    def _commit(
        self, appends: list[_Append], tags: list[Tag], corrupt: list[tuple[int, int]]
    ) -> list[tuple[_Append, int]]:
        store, settings = self._store, self._settings
        now_us = _now_us()
        settled = []
        bookmarks: dict[str, str] = {}
        incoming = samples = buried = 0
        if self._free(store.path.parent) < settings.reserve_mb * _MEGABYTE:
            raise sqlite3.OperationalError(
                f"less than {settings.reserve_mb} MB of the disk are free, and they are for calls"
            )
        with store.transaction():
            for first, after in corrupt:
                buried += store.bury(first, after)
            for tag in tags:
                store.remember(tag)
            for append in appends:
                settled.append((append, store.position.next - self._base))
                bookmarks.update(append.bookmarks)
                for row in append.rows:
                    store.append(row, now_us)
                    incoming += len(row.body)
                    samples += 0 if row.batch is None else len(row.batch)
            for name, text in bookmarks.items():
                store.set_bookmark(name, text)
            if self._full_since_us is not None:
                gap = Gap.ended(None, self._full_since_us, now_us, "gateway disk full")
                store.append(row_of(gap, now_us), now_us)
            keep_free_mb = max(settings.keep_free_mb, 2 * settings.reserve_mb)
            evicted = store.evict(settings.quota_mb * _MEGABYTE, keep_free_mb * _MEGABYTE, incoming)
            used = store.used_bytes()
        self._note_room(now_us)
        self._note_evicted(evicted)
        counts = self._counts
        counts.corrupt += buried
        counts.appended += samples
        counts.commits += 1
        self._bytes = used
        self._state = _state_of(store)
        return settled

    def _renew(self) -> None:
        """Begin the new epoch that was asked for; while the disk is full it is asked for still."""
        with self._wake:
            renewals = list(self._renewals)
        if not renewals:
            return
        try:
            with self._store.transaction():
                self._store.begin_epoch(self._watermark + self._base)
        except sqlite3.OperationalError as error:
            self._note_full(error)
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._appends, _RETRY_S)
            return
        self._watermark = 0
        self._base = self._store.position.base
        self._state = _state_of(self._store)
        with self._wake:
            del self._renewals[: len(renewals)]
        self._call_in_loop(_tell, renewals, self._state)

    def _tidy(self) -> bool:
        """Store the tags' last times; let go of what is committed and of what is too old. True:
        there is more to do."""
        now_us = _now_us()
        store, settings = self._store, self._settings
        limits_us = {which: now_us - age_us for which, age_us in settings.max_age_us().items()}
        keep_from_us = now_us - round(settings.retain_committed_h * 3_600_000_000)
        try:
            with store.transaction():
                store.reflect()
                more = store.trim(self._watermark + self._base, keep_from_us)
                expired, more_old = store.expire(limits_us)
                store.merge_tombstones()
                used = store.used_bytes()
        except sqlite3.OperationalError as error:
            self._note_full(error)
            return False
        self._note_expired(expired)
        self._state = _state_of(store)
        self._bytes = used
        if used < 0.9 * settings.quota_mb * _MEGABYTE:
            self._evicting = False
        return more or more_old

    def _settle(self, settled: list[tuple[_Append, int]]) -> None:
        for append, offset in settled:
            if not append.done.done():  # who awaits it may have been cancelled
                append.done.set_result(offset)
        self.on_append()
        if self.on_written is not None:
            for append, _ in settled:
                if append.records:
                    self.on_written(append.records)

    def _note_full(self, error: sqlite3.OperationalError) -> None:
        if self._full_since_us is None:
            self._full_since_us = _now_us()
            logger.error(
                "journal %s cannot be written (%s): sources wait until there is room",
                self._store.path,
                error,
            )

    def _note_room(self, now_us: int) -> None:
        if self._full_since_us is not None:
            seconds = (now_us - self._full_since_us) / 1e6
            self._full_since_us = None
            logger.warning("journal %s is written again after %.0f s", self._store.path, seconds)

    def _note_evicted(self, rows: int) -> None:
        self._counts.evicted += rows
        if rows and not self._evicting:
            self._evicting = True
            logger.warning(
                "journal %s has reached its limit: the lowest class is evicted, oldest first; "
                "gaps name what is lost",
                self._store.path,
            )

    def _note_expired(self, rows: int) -> None:
        self._counts.expired += rows
        if rows and not self._expiring:
            logger.warning(
                "journal %s: samples that the hub has not taken are older than max_age_h and go; "
                "gaps name what is lost",
                self._store.path,
            )
        self._expiring = rows > 0

    def _fail(self, error: JournalError) -> None:
        logger.error("%s; restart the agent", error)
        with self._wake:
            self._failure = error
        self._call_in_loop(lambda: self.on_failure(error))

    def _refuse_pending(self) -> None:
        """No append is left waiting when the thread ends."""
        with self._wake:
            self._closing = True
            appends, self._appends = self._appends, []
            renewals, self._renewals = self._renewals, []
        error = self._failure or JournalClosedError("the journal was closed before it could write")
        self._call_in_loop(_refuse, [*(append.done for append in appends), *renewals], error)

    def _call_in_loop(self, call: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(call, *args)


def _tell(waiting: list[asyncio.Future[State]], state: State) -> None:
    for renewed in waiting:
        if not renewed.done():
            renewed.set_result(state)


def _refuse(waiting: list[asyncio.Future[Any]], error: JournalError) -> None:
    for done in waiting:
        if not done.done():
            done.set_exception(error)
            done.exception()  # read, so that one that nobody awaits does not complain


def _state_of(store: Store) -> State:
    position = store.position
    base = position.base
    return State(position.epoch, position.first_kept - base, position.next - base)


def _now_us() -> int:
    return time.time_ns() // 1000


def _nothing(*_: object) -> None:
    pass
