"""The SQLite file behind the journal: synchronous, one connection, used by one thread.

Everything that writes runs inside `transaction()`. `OperationalError` then means that the disk does
not take the write now and the same may be tried again; `DamagedError` that the file is broken.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from functools import partial
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Any

from edge.journal import body as bodies
from edge.journal.errors import DamagedError, JournalError
from edge.journal.reading import CORRUPT, TORN, read
from edge.journal.records import GAP_CLASS, Gap, Origin, SampleBatch, SampleClass, Tag
from edge.journal.upgrade import from_version_1
from edge.set_aside import is_damage, let_go
from protocols.streams import Ranges, draw_epoch, merged, without

VERSION = 2
_APPLICATION = 0x4C530000
"""Plus the version it is SQLite's application id: a version that the two do not agree on was not
written so."""
EVICTED, EXPIRED = "evicted: journal full", "expired: older than max_age_h"
LEAST_BYTES = 16 * 1024 * 1024
"""The journal may always use so much, however little disk is free."""
_ROW_OVERHEAD = 120
_TRIM_ROWS = 5000
"""At most so many rows go in one transaction, so that appends never wait long behind a trim."""
_MOST_TOMBSTONES = 1000
"""Above so many, those that touch become one although their causes differ."""
_MOST_ROWS_A_FRAME = 256
"""More rows than one page of a write-ahead log can have brought: the least take some 20 bytes."""
_HEAD_OF = (
    "SELECT offset, kind, device, class, first_us, last_us, head_check FROM record WHERE offset = ?"
)
_OLDEST_OF_CLASS = (
    "SELECT offset, kind, device, class, first_us, last_us, head_check,"
    " coalesce(max(appended_us, last_us), 0)"
    " FROM record WHERE class = ? AND offset >= ? ORDER BY offset LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Position:
    """The row of table `log`. An offset of the file less `base` is one of the epoch, so that a new
    epoch moves no rows."""

    epoch: int
    base: int
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
        self.unsound_bookmarks: list[str] = []
        """Names of those that do not match their checksums."""
        self.repeats_from = 0
        """Offset from which on samples may repeat what was lost before it: see `TORN`."""
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
                frames = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
                self.recovered_frames: int = max(0, frames)
                """Frames of the write-ahead log that were sound when the file was opened."""
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
                    "UPDATE log SET epoch = ?, base = ?, first_kept = ?, next = ?, watermark = ?,"
                    " reflected = ?, set_aside = ?, row_check = ?",
                    bodies.checked(astuple(self.position)),
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
            "INSERT INTO tag (id, device, name, datatype, unit, row_check)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id)"
            " DO UPDATE SET unit = excluded.unit, row_check = excluded.row_check",
            bodies.checked((tag.id, tag.device, tag.name, tag.datatype, tag.unit)),
        )

    def set_bookmark(self, name: str, text: str) -> None:
        """Keep a source's note of how far the rows of this transaction bring it; empty: none."""
        if text:
            self._db.execute(
                "INSERT OR REPLACE INTO bookmark VALUES (?, ?, ?)", bodies.checked((name, text))
            )
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
            "SELECT offset FROM record WHERE offset < ? AND appended_us >= ?"
            " ORDER BY offset LIMIT 1",
            (watermark, keep_from_us),
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
        directory = self.path.parent
        if self._free(directory) < keep_free + incoming and not let_go(self.path):
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

    def expire(self, limits_us: Mapping[SampleClass, int]) -> tuple[int, bool]:
        """Let go of uncommitted rows of each class that are older than its limit (µs since 1970);
        how many went, and whether there is more to do.

        A row is as old as the later of its newest sample and of its writing says, so that neither
        a PLC nor a gateway that does not know the time yet makes young rows old.
        """
        expired, more = 0, False
        for row_class, limit_us in limits_us.items():
            rows = self._db.execute(
                _OLDEST_OF_CLASS,
                (row_class, self.position.watermark, _TRIM_ROWS),
            )
            old = list(takewhile(partial(_is_older, limit_us), rows))
            self._lose(old, EXPIRED)
            expired += len(old)
            more |= len(old) == _TRIM_ROWS
        return expired, more

    def bury(self, first: int, after: int) -> int:
        """Replace what cannot be read of first … after - 1 by tombstones; what is already gone is
        left alone. Returns how many offsets were buried."""
        first, after = max(first, self.position.first_kept), min(after, self.position.next)
        buried = 0
        for hole_first, hole_after in without([(first, after)], self._tombstones(first, after)):
            row = self._db.execute(_HEAD_OF, (hole_first,)).fetchone()
            alone = hole_after - hole_first == 1 and row is not None
            from_us, to_us = _times(row) if alone else (None, None)
            self._db.execute(
                "DELETE FROM record WHERE offset >= ? AND offset < ?", (hole_first, hole_after)
            )
            self._entomb(hole_first, hole_after, CORRUPT, from_us, to_us)
            buried += hole_after - hole_first
        return buried

    def bury_tail(self, frames: int) -> None:
        """What the last `frames` frames of the write-ahead log brought cannot be read: a tombstone
        stands for at least as many offsets, so that none of them is given a second time.

        What the log had been folded into may have it all the same, beyond where the log now says
        that the journal ends."""
        now_us = time.time_ns() // 1000
        last, from_us = self._db.execute(
            "SELECT offset, appended_us FROM record ORDER BY offset DESC LIMIT 1"
        ).fetchone() or (-1, None)
        first = max(self.position.next, last + 1)
        after = first + frames * _MOST_ROWS_A_FRAME
        self.reflect()
        self.position = replace(self.position, next=after, reflected=after)
        self._entomb(first, after, TORN, from_us, now_us)
        self.repeats_from = after

    def merge_tombstones(self) -> None:
        """Where there are very many tombstones, make one of those that touch, so that they stay few
        for each row that is kept. The one names all the causes."""
        (tombstones,) = self._db.execute("SELECT count(*) FROM lost").fetchone()
        if tombstones <= _MOST_TOMBSTONES:
            return
        rows = self._db.execute(
            "SELECT first, after, cause, from_us, to_us FROM lost ORDER BY first"
        ).fetchall()
        together: list[list[tuple[Any, ...]]] = []
        for row in rows:
            if together and together[-1][-1][1] == row[0]:
                together[-1].append(row)
            else:
                together.append([row])
        for group in together:
            if len(group) > 1:
                first, after = group[0][0], group[-1][1]
                causes = "; ".join(sorted({part for row in group for part in row[2].split("; ")}))
                from_us = group[0][3]
                to_us = group[0][4]
                for row in group[1:]:
                    from_us, to_us = _least(from_us, row[3]), _most(to_us, row[4])
                self._db.execute("DELETE FROM lost WHERE first >= ? AND first < ?", (first, after))
                self._insert_tombstone(first, after, causes, from_us, to_us)

    def begin_epoch(self, watermark: int) -> None:
        """A new epoch with all from `watermark` on, its offsets from 0 on; the rest goes."""
        base = max(self.position.watermark, min(watermark, self.position.next))
        self._drop_below(base)
        self.position = replace(self.position, epoch=draw_epoch(), base=base, watermark=base)

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages: int = self._pragma("page_count") - self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def fold_log(self) -> None:
        """Bring the write-ahead log into the database, as far as readers allow it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._db.close()

    def _create(self, set_aside: int) -> None:
        schema = resources.files("edge.journal").joinpath("schema.sql").read_text()
        self._db.executescript(
            f"BEGIN;{schema}PRAGMA user_version = {VERSION};"
            f"PRAGMA application_id = {_APPLICATION + VERSION};"
        )
        self.position = Position(draw_epoch(), 0, 0, 0, 0, 0, set_aside)
        self._db.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            bodies.checked(astuple(self.position)),
        )
        self._db.execute("COMMIT")
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def _load(self) -> None:
        version = self._pragma("user_version")
        if version > 1 and self._pragma("application_id") != _APPLICATION + version:
            raise DamagedError("not a journal")
        if version > VERSION:
            raise JournalError(
                f"{self.path} was written by a newer release (journal version {version}); "
                "install that release again, or give this one another data_dir"
            )
        if version == 1:
            from_version_1(self._db, _APPLICATION + VERSION)
        elif version != VERSION:
            raise DamagedError("not a journal")
        row = self._db.execute(
            "SELECT epoch, base, first_kept, next, watermark, reflected, set_aside, row_check"
            " FROM log"
        ).fetchone()
        if row is None or not bodies.is_sound(row):
            raise DamagedError("its position does not match its checksum")
        self.position = Position(*row[:-1])
        for row in self._db.execute("SELECT name, text, row_check FROM bookmark").fetchall():
            if bodies.is_sound(row):
                self.bookmarks[row[0]] = row[1]
            else:
                self.unsound_bookmarks.append(row[0])
        for row in self._db.execute("SELECT id, device, name, datatype, unit, row_check FROM tag"):
            if not bodies.is_sound(row):
                raise DamagedError(f"tag {row[0]} does not match its checksum")
            self.tags[row[0]] = Tag(*row[:-1])
        unsound = [
            (row[0],)
            for row in self._db.execute(
                "SELECT first, after, cause, from_us, to_us, row_check FROM lost"
            )
            if not bodies.is_sound(row)
        ]
        if unsound:  # what they stood for is then found to be missing, and buried again
            self._db.executemany("DELETE FROM lost WHERE first = ?", unsound)
        (self.repeats_from,) = self._db.execute(
            "SELECT coalesce(max(after), 0) FROM lost WHERE instr(cause, ?)", (TORN,)
        ).fetchone()
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
        cut = self._tombstone_at(offset)
        self._db.execute("DELETE FROM lost WHERE first < ?", (offset,))
        if cut is not None and cut[0] < offset:
            self._insert_tombstone(offset, *cut[1:])
        self.position = replace(self.position, first_kept=offset)

    def _drop_committed(self, excess: int) -> bool:
        rows = self._db.execute(
            "SELECT offset, coalesce(length(body), 0) FROM record WHERE offset < ?"
            " ORDER BY offset LIMIT ?",
            (self.position.watermark, _TRIM_ROWS),
        )
        chosen = _enough(rows, excess)
        if chosen:
            self._drop_below(chosen[-1][0] + 1)
        return bool(chosen)

    def _evict_lowest(self, excess: int) -> int:
        rows = self._db.execute(
            "SELECT offset, coalesce(length(body), 0), kind, device, class, first_us, last_us,"
            " head_check"
            " FROM record ORDER BY class, offset LIMIT ?",
            (_TRIM_ROWS,),
        )
        chosen = [(offset, *head) for offset, _, *head in _enough(rows, excess)]
        self._lose(chosen, EVICTED)
        return len(chosen)

    def _lose(self, rows: list[tuple[Any, ...]], cause: str) -> None:
        """Replace rows (columns of `_HEAD_OF`) by tombstones."""
        rows = sorted(rows)
        if rows and rows[-1][0] >= self.position.reflected:
            self.reflect()
        times = {row[0]: _times(row) for row in rows}
        for first, after in merged((offset, offset + 1) for offset in times):
            self._db.execute("DELETE FROM record WHERE offset >= ? AND offset < ?", (first, after))
            from_us, to_us = times[first]
            for offset in range(first + 1, after):
                from_us = _least(from_us, times[offset][0])
                to_us = _most(to_us, times[offset][1])
            self._entomb(first, after, cause, from_us, to_us)

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
        self._insert_tombstone(first, after, cause, from_us, to_us)

    def _insert_tombstone(
        self, first: int, after: int, cause: str, from_us: int | None, to_us: int | None
    ) -> None:
        self._db.execute(
            "INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?)",
            bodies.checked((first, after, cause, from_us, to_us)),
        )

    def _tombstones(self, first: int, after: int) -> Ranges:
        """The tombstones that cover any of first … after - 1."""
        at_first = self._tombstone_at(first)
        later = self._db.execute(
            "SELECT first, after FROM lost WHERE first >= ? AND first < ? ORDER BY first",
            (first, after),
        )
        return merged([*([at_first[:2]] if at_first else []), *later])

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
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.text_factory = _text  # a flipped bit may make it no text at all: its check will tell
    return db


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _enough(rows: Iterable[tuple[Any, ...]], excess: int) -> list[tuple[Any, ...]]:
    """The first rows (offset, size, …) that free `excess` bytes together."""
    chosen = []
    for row in rows:
        chosen.append(row)
        excess -= row[1] + _ROW_OVERHEAD
        if excess <= 0:
            break
    return chosen


def _is_older(limit_us: int, row: tuple[Any, ...]) -> bool:
    return bool(row[-1] < limit_us)


def _times(row: tuple[Any, ...]) -> tuple[int | None, int | None]:
    """First and last time that a row (columns of `_HEAD_OF`) can be believed to have."""
    return row[4:6] if bodies.head_check(*row[:6]) == row[6] else (None, None)


def _least(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else min(a, b)


def _most(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)


def judged(error: sqlite3.DatabaseError) -> Exception:
    """Whether the file is broken (`DamagedError`) or the disk does not take the write now."""
    return DamagedError(str(error)) if is_damage(error) else error
