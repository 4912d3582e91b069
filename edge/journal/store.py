"""The SQLite file behind the journal: synchronous, one connection, used by one thread.

Everything that writes runs inside `transaction()`. `OperationalError` then means that the disk does
not take the write now and the same may be tried again; `DamagedError` that the file is broken.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from edge.journal import body as bodies
from edge.journal.errors import DamagedError, JournalError
from edge.journal.records import GAP_CLASS, Gap, Lost, Origin, SampleBatch, Stored, Tag
from protocols.streams import draw_epoch, merged, without

logger = logging.getLogger(__name__)

VERSION = 1
EVICTED, CORRUPT = "evicted: journal full", "corrupt on disk"
LEAST_BYTES = 16 * 1024 * 1024
"""The journal may always use so much, however little disk is free."""
_ROW_OVERHEAD = 120
_TRIM_ROWS = 5000
"""At most so many rows go in one transaction, so that appends never wait long behind a trim."""
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


@dataclass(frozen=True, slots=True)
class Position:
    """The row of table `log`."""

    epoch: int
    first_kept: int
    next: int
    watermark: int
    reflected: int
    set_aside: int


@dataclass(frozen=True, slots=True)
class Row:
    """A record on its way in: all of its row but the offset."""

    kind: int
    device: str
    row_class: int
    first_us: int
    last_us: int
    body: bytes
    batch: SampleBatch | None


def row_of(record: SampleBatch | Gap, now_us: int) -> Row:
    """A record as a row. Raises `ValueError` for a batch without samples."""
    if isinstance(record, Gap):
        first_us = now_us if record.from_us is None else record.from_us
        last_us = max(first_us, now_us if record.to_us is None else record.to_us)
        body = bodies.pack_gap(record)
        return Row(bodies.GAP, record.device or "", GAP_CLASS, first_us, last_us, body, None)
    if not len(record):
        raise ValueError("a batch without samples has no place in the journal")
    return Row(
        bodies.SAMPLES,
        record.device,
        record.sample_class,
        min(record.times_us),
        max(record.times_us),
        bodies.pack_samples(record),
        record,
    )


def free_bytes(directory: Path) -> int:
    """Disk space that this process may still use."""
    return shutil.disk_usage(directory).free


class Store:
    """One journal file. Create it with `open_store`."""

    def __init__(
        self,
        path: Path,
        *,
        set_aside: int = 0,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.path = path
        self.position: Position
        self.tags: dict[int, Tag] = {}
        self.last_us: dict[int, int] = {}
        self.last_offset: dict[int, int] = {}
        self.bookmarks: dict[str, str] = {}
        """The sources' notes as they were when the file was opened."""
        self._dirty: set[int] = set()
        self._recall_times = False
        self._free = free
        try:
            self._db = connect(path)
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA journal_size_limit = 16777216")
                if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    self._create(set_aside)
                self._load()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.DatabaseError as error:
            raise judged(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on disk when it returns."""
        before = self.position
        try:
            if self._recall_times:
                self._read_times()
            self._db.execute("BEGIN IMMEDIATE")
            yield
            if self.position != before:
                self._db.execute(
                    "UPDATE log SET epoch = ?, first_kept = ?, next = ?, watermark = ?,"
                    " reflected = ?, set_aside = ?",
                    _columns(self.position),
                )
            self._db.execute("COMMIT")
        except BaseException as error:
            self.position = before
            self._recall_times = True
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError):
                raise judged(error) from error
            raise

    def append(self, row: Row, now_us: int) -> int:
        """Add one row; returns its offset."""
        offset = self.position.next
        fields = (offset, row.kind, row.device, row.row_class, row.first_us, row.last_us)
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, now_us, bodies.head_check(*fields), bodies.body_check(row.body), row.body),
        )
        self.position = replace(self.position, next=offset + 1)
        if row.batch is not None:
            self._note(row.batch, offset)
        return offset

    def remember(self, tag: Tag) -> None:
        """Register a tag for good."""
        self._db.execute(
            "INSERT INTO tag (id, device, name, datatype, unit) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET unit = excluded.unit",
            (tag.id, tag.device, tag.name, tag.datatype, tag.unit),
        )

    def set_bookmark(self, name: str, text: str) -> None:
        """Keep a source's note of how far the rows of this transaction bring it; empty: none."""
        if text:
            self._db.execute("INSERT OR REPLACE INTO bookmark VALUES (?, ?)", (name, text))
        else:
            self._db.execute("DELETE FROM bookmark WHERE name = ?", (name,))

    def reflect(self) -> None:
        """Store the last time and offset of each tag that changed since the last time."""
        self._db.executemany(
            "UPDATE tag SET last_us = ?, last_offset = ? WHERE id = ?",
            [(self.last_us.get(t), self.last_offset[t], t) for t in self._dirty],
        )
        self._dirty.clear()
        self.position = replace(self.position, reflected=self.position.next)

    def trim(self, watermark: int, keep_from_us: int) -> bool:
        """Let go of committed rows older than `keep_from_us`. True: there is more to do."""
        watermark = max(self.position.watermark, min(watermark, self.position.next))
        self.position = replace(self.position, watermark=watermark)
        young = self._db.execute(
            "SELECT offset FROM record WHERE appended_us >= ? ORDER BY offset LIMIT 1",
            (keep_from_us,),
        ).fetchone()
        target = watermark if young is None else min(watermark, young[0])
        step = min(target, self.position.first_kept + _TRIM_ROWS)
        self._drop_below(step)
        return step < target

    def evict(self, quota: int, keep_free: int, incoming: int) -> int:
        """Make the file fit in its quota; where little disk is free, keep it from growing.

        `incoming` is how many bytes this transaction has added: where the disk is short, as many
        are freed, for the next to go into. Returns how many uncommitted rows went.
        """
        limit = quota
        if self._free(self.path.parent) < keep_free + incoming:
            size = self._pragma("page_count") * self._pragma("page_size")
            limit = min(quota, max(LEAST_BYTES, size - incoming))
        evicted = 0
        while (excess := self.used_bytes() - limit) > 0:
            if self._drop_committed(excess):
                continue
            uncommitted = self._evict_lowest(excess)
            if not uncommitted:
                break
            evicted += uncommitted
        return evicted

    def bury(self, first: int, after: int) -> None:
        """Replace rows that cannot be read by a tombstone; what is already gone is left alone."""
        position = self.position
        for offset in range(max(first, position.first_kept), min(after, position.next)):
            if self._tombstone_at(offset) is not None:
                continue
            row = self._db.execute(
                "SELECT kind, device, class, first_us, last_us, head_check"
                " FROM record WHERE offset = ?",
                (offset,),
            ).fetchone()
            sound = row is not None and bodies.head_check(offset, *row[:5]) == row[5]
            from_us, to_us = row[3:5] if sound else (None, None)
            self._db.execute("DELETE FROM record WHERE offset = ?", (offset,))
            self._entomb(offset, offset + 1, CORRUPT, from_us, to_us)

    def begin_epoch(self, watermark: int) -> None:
        """A new epoch with all from `watermark` on, its offsets from 0 on; the rest goes."""
        base = max(self.position.watermark, min(watermark, self.position.next))
        self._drop_below(base)
        self.reflect()
        rows = self._db.execute(
            "SELECT offset, kind, device, class, first_us, last_us, head_check"
            " FROM record ORDER BY offset"
        ).fetchall()
        # Ascending: the offset a row moves to was left by the one before it. A row whose check
        # does not hold must not get one that does.
        self._db.executemany(
            "UPDATE record SET offset = ?, head_check = ? WHERE offset = ?",
            [
                (
                    offset - base,
                    bodies.head_check(offset - base, *head)
                    if check == bodies.head_check(offset, *head)
                    else check,
                    offset,
                )
                for offset, *head, check in rows
            ],
        )
        tombstones = self._db.execute("SELECT first FROM lost ORDER BY first").fetchall()
        self._db.executemany(
            "UPDATE lost SET first = first - ?, after = after - ? WHERE first = ?",
            [(base, base, first) for (first,) in tombstones],
        )
        self._db.execute("UPDATE tag SET last_offset = max(last_offset - ?, -1)", (base,))
        for tag_id, offset in self.last_offset.items():
            self.last_offset[tag_id] = max(offset - base, -1)
        position = self.position
        self.position = replace(
            position,
            epoch=draw_epoch(),
            first_kept=0,
            next=position.next - base,
            watermark=0,
            reflected=position.reflected - base,
        )

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages: int = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._db.close()

    def _create(self, set_aside: int) -> None:
        schema = resources.files("edge.journal").joinpath("schema.sql").read_text()
        self._db.executescript(f"BEGIN;{schema}PRAGMA user_version = {VERSION};COMMIT;")
        self.position = Position(draw_epoch(), 0, 0, 0, 0, set_aside)
        self._db.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", _columns(self.position))
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def _load(self) -> None:
        version = self._pragma("user_version")
        if version > VERSION:
            raise JournalError(
                f"{self.path} was written by a newer release (journal version {version}); "
                "install that release again, or give this one another data_dir"
            )
        row = self._db.execute("SELECT * FROM log").fetchone()
        if version != VERSION or row is None:
            raise DamagedError("not a journal")
        self.position = Position(*row)
        # Files of earlier releases have none.
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS bookmark (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT"
        )
        self.bookmarks = dict(self._db.execute("SELECT name, text FROM bookmark").fetchall())
        for row in self._db.execute("SELECT id, device, name, datatype, unit FROM tag"):
            self.tags[row[0]] = Tag(*row)
        self._read_times()

    def _read_times(self) -> None:
        """Last time and offset of each tag, from what is on the disk; what a transaction that was
        rolled back had noted of them is forgotten by it."""
        self.last_us.clear()
        self.last_offset.clear()
        self._dirty.clear()
        for tag_id, last_us, last_offset in self._db.execute(
            "SELECT id, last_us, last_offset FROM tag WHERE last_offset IS NOT NULL"
        ):
            if last_us is not None:
                self.last_us[tag_id] = last_us
            self.last_offset[tag_id] = last_offset
        first = self.position.reflected
        while first < self.position.next:
            found, _ = read(self._db, first, self.position.next, max_bytes=4_000_000)
            for stored in found:
                if isinstance(stored.record, SampleBatch):
                    self._note(stored.record, stored.first)
            first = found[-1].after if found else self.position.next
        self._recall_times = False

    def _note(self, batch: SampleBatch, offset: int) -> None:
        if batch.origin is Origin.LIVE:  # what was filled in later is older than the last
            self.last_us.update(zip(batch.tags, batch.times_us, strict=True))
        self.last_offset.update(dict.fromkeys(batch.tags, offset))
        self._dirty.update(batch.tags)

    def _drop_below(self, offset: int) -> None:
        if offset <= self.position.first_kept:
            return
        if offset > self.position.reflected:
            self.reflect()
        self._db.execute("DELETE FROM record WHERE offset < ?", (offset,))
        self._db.execute("DELETE FROM lost WHERE first < ? AND after <= ?", (offset, offset))
        self._db.execute("UPDATE lost SET first = ? WHERE first < ?", (offset, offset))
        self.position = replace(self.position, first_kept=offset)

    def _drop_committed(self, excess: int) -> bool:
        rows = self._db.execute(
            "SELECT offset, length(body) FROM record WHERE offset < ? ORDER BY offset",
            (self.position.watermark,),
        )
        chosen = _enough(rows, excess)
        if chosen:
            self._drop_below(chosen[-1][0] + 1)
        return bool(chosen)

    def _evict_lowest(self, excess: int) -> int:
        rows = self._db.execute(
            "SELECT offset, length(body), first_us, last_us FROM record ORDER BY class, offset"
        )
        chosen = sorted(_enough(rows, excess))
        if chosen and chosen[-1][0] >= self.position.reflected:
            self.reflect()
        for offset, _, first_us, last_us in chosen:
            self._db.execute("DELETE FROM record WHERE offset = ?", (offset,))
            self._entomb(offset, offset + 1, EVICTED, first_us, last_us)
        return len(chosen)

    def _entomb(
        self, first: int, after: int, cause: str, from_us: int | None, to_us: int | None
    ) -> None:
        """Add a tombstone, as one with its neighbours of the same cause."""
        for neighbour in (self._tombstone_at(first - 1), self._tombstone_at(after)):
            if neighbour is None or neighbour[2] != cause:
                continue
            n_first, n_after, _, n_from, n_to = neighbour
            self._db.execute("DELETE FROM lost WHERE first = ?", (n_first,))
            first, after = min(first, n_first), max(after, n_after)
            from_us, to_us = _least(from_us, n_from), _most(to_us, n_to)
        self._db.execute(
            "INSERT INTO lost VALUES (?, ?, ?, ?, ?)", (first, after, cause, from_us, to_us)
        )

    def _tombstone_at(self, offset: int) -> tuple[Any, ...] | None:
        """The tombstone that covers an offset, found by the one that begins last before it."""
        row: tuple[Any, ...] | None = self._db.execute(
            "SELECT first, after, cause, from_us, to_us FROM lost"
            " WHERE first <= ? ORDER BY first DESC LIMIT 1",
            (offset,),
        ).fetchone()
        return row if row is not None and offset < row[1] else None

    def _pragma(self, name: str) -> int:
        value: int = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value


def connect(path: Path) -> sqlite3.Connection:
    """A connection that leaves transactions to us."""
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)


def open_store(path: Path, *, free: Callable[[Path], int] = free_bytes) -> Store:
    """Open the journal file, or begin one. A file that cannot be read is set aside under
    `<name>.damaged-<n>` (the one before it is deleted) and the new journal begins with a gap.

    Raises `JournalError` if the file is of a newer release, `sqlite3.OperationalError` if the disk
    does not allow a file here.
    """
    try:
        if _condemned(path).exists():
            raise DamagedError("it was found damaged while in use")
        return Store(path, free=free)
    except DamagedError as error:
        count = _set_aside(path)
        logger.error(
            "journal %s cannot be read (%s): set aside as .damaged-%d, a new one is begun",
            path,
            error,
            count,
        )
    store = Store(path, set_aside=count, free=free)
    now_us = time.time_ns() // 1000
    with store.transaction():
        gap = Gap(None, None, now_us, "journal file damaged and set aside")
        store.append(row_of(gap, now_us), now_us)
    return store


def condemn(path: Path) -> None:
    """Have the file set aside when it is opened the next time, if the disk takes the mark."""
    with suppress(OSError):
        _condemned(path).touch()


def read(
    db: sqlite3.Connection, first: int, after: int, max_bytes: int
) -> tuple[list[Stored], list[tuple[int, int]]]:
    """What stands for the offsets first … after - 1, in order and without holes, at most about
    `max_bytes` of it but always one; and the ranges of rows that were found corrupt or missing.

    A tombstone that reaches beyond `after` is returned whole. Reading begins at the first offset
    that is kept, if that is later than `first`.
    """
    db.execute("BEGIN")
    try:
        first_kept, end = db.execute("SELECT first_kept, next FROM log").fetchone()
        first, after = max(first, first_kept), min(after, end)
        lost = db.execute(
            "SELECT first, after, cause, from_us, to_us FROM lost"
            " WHERE first >= coalesce((SELECT max(first) FROM lost WHERE first <= ?), 0)"
            " AND first < ? AND after > ? ORDER BY first",
            (first, after, first),
        ).fetchall()
        rows, after = _rows(db, first, after, max_bytes)
    finally:
        db.execute("COMMIT")
    found = [_stored(row) for row in rows]
    bad = [(s.first, s.after) for s in found if isinstance(s.record, Lost)]
    found += [
        Stored(max(first, lost_first), lost_after, Lost(cause, from_us, to_us))
        for lost_first, lost_after, cause, from_us, to_us in lost
        if lost_first < after
    ]
    found.sort(key=lambda s: s.first)
    holes = without([(first, after)], merged((s.first, s.after) for s in found))
    found += [Stored(a, b, Lost(CORRUPT, None, None)) for a, b in holes]
    found.sort(key=lambda s: s.first)
    return found, bad + list(holes)


def _rows(
    db: sqlite3.Connection, first: int, after: int, max_bytes: int
) -> tuple[list[tuple[Any, ...]], int]:
    """Rows first … after - 1, and the offset up to which `max_bytes` let them be read."""
    rows = []
    for row in db.execute(
        "SELECT offset, kind, device, class, first_us, last_us, head_check, body_check, body"
        " FROM record WHERE offset >= ? AND offset < ? ORDER BY offset",
        (first, after),
    ):
        rows.append(row)
        max_bytes -= len(row[-1])
        if max_bytes <= 0:
            return rows, row[0] + 1
    return rows, after


def _stored(row: tuple[Any, ...]) -> Stored:
    offset, kind, device, row_class, first_us, last_us, head_check, body_check, body = row
    if bodies.head_check(*row[:6]) != head_check:
        return Stored(offset, offset + 1, Lost(CORRUPT, None, None))
    if bodies.body_check(body) != body_check:
        return Stored(offset, offset + 1, Lost(CORRUPT, first_us, last_us))
    if kind == bodies.GAP:
        return Stored(offset, offset + 1, bodies.unpack_gap(body))
    return Stored(offset, offset + 1, bodies.unpack_samples(device, row_class, body))


def _enough(rows: Iterable[tuple[Any, ...]], excess: int) -> list[tuple[Any, ...]]:
    """The first rows (offset, size, …) that free `excess` bytes together."""
    chosen = []
    for row in rows:
        chosen.append(row)
        excess -= row[1] + _ROW_OVERHEAD
        if excess <= 0:
            break
    return chosen


def _columns(position: Position) -> tuple[int, ...]:
    return (
        position.epoch,
        position.first_kept,
        position.next,
        position.watermark,
        position.reflected,
        position.set_aside,
    )


def _least(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else min(a, b)


def _most(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)


def judged(error: sqlite3.DatabaseError) -> Exception:
    """Whether the file is broken (`DamagedError`) or the disk does not take the write now."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return DamagedError(str(error)) if code in _BROKEN else error


def _condemned(path: Path) -> Path:
    return path.with_name(f"{path.name}.condemned")


def _set_aside(path: Path) -> int:
    """Rename the file out of the way; returns the number it got."""
    before = sorted(
        (int(p.suffix.removeprefix(".damaged-")), p)
        for p in path.parent.glob(f"{path.name}.damaged-*")
    )
    count = before[-1][0] + 1 if before else 1
    for _, old in before:
        old.unlink()
    path.rename(path.with_name(f"{path.name}.damaged-{count}"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _condemned(path).unlink(missing_ok=True)
    return count
