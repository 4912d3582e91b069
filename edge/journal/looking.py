"""Looks into a journal file without changing it, whether or not an agent has it open: for commands,
never for the agent. SQLite's write-ahead log lets a reader beside the writer see whole commits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from edge.journal import body as bodies
from edge.journal.reading import read
from edge.journal.records import GOOD, Other, SampleBatch, Stored, Tag
from edge.journal.store import VERSION, Position
from protocols.sparkplug.datatypes import DataType

_CHUNK_BYTES = 4_000_000
_CHUNK_ROWS = 2000


class LookError(Exception):
    """The file cannot be looked into; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample, as people read it."""

    tag: Tag | None
    """None if the journal does not know its id any more."""
    time_us: int
    value: float | bool | str | Other
    quality: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds of one class."""

    kind: str
    """`samples` or `gap`."""
    row_class: int
    rows: int
    bytes: int
    first_us: int | None
    last_us: int | None


class JournalFile:
    """An open journal file. Offsets are those of the file; `stream_offset` makes them the epoch's.
    Enter it to close it in the end. Methods raise `LookError`."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise LookError(f"there is no journal {path}; has the gateway ever run?")
        self.path = path
        try:
            # "ro" still lets SQLite make the log's index, without which it could not read.
            self._db = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None
            )
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                raise LookError(
                    f"{path} is of format {version}, and this release reads {VERSION}; run the "
                    "gateway once, which brings it over, or use the release that wrote it"
                )
        except sqlite3.Error as error:
            raise LookError(f"{path} cannot be read: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def position(self) -> Position:
        """Where the stream stands now."""
        row = self._one(
            "SELECT epoch, base, first_kept, next, watermark, reflected, set_aside, row_check"
            " FROM log"
        )
        return Position(*row[:-1])

    def tags(self) -> dict[int, Tag]:
        """All tags by their id."""
        rows = self._all("SELECT id, device, name, datatype, unit FROM tag")
        return {row[0]: Tag(*row) for row in rows}

    def last_offsets(self) -> dict[int, int]:
        """Where the last sample of each tag is, as far as the file was told."""
        rows = self._all("SELECT id, last_offset FROM tag WHERE last_offset IS NOT NULL")
        return dict(rows)

    def kept(self) -> list[Kept]:
        """What there is of each class."""
        rows = self._all(
            "SELECT kind, class, count(*), sum(length(body)), min(first_us), max(last_us)"
            " FROM record GROUP BY kind, class ORDER BY class"
        )
        return [Kept("gap" if kind == bodies.GAP else "samples", *rest) for kind, *rest in rows]

    def tombstones(self) -> tuple[int, int]:
        """How many there are, and for how many offsets they stand."""
        count, offsets = self._one("SELECT count(*), coalesce(sum(after - first), 0) FROM lost")
        return count, offsets

    def read(self, first: int, after: int) -> Iterator[Stored]:
        """What stands for these offsets, in order, a little at a time. Rows that are damaged come
        as `Lost`."""
        at = first
        while at < after:
            until = min(after, at + _CHUNK_ROWS)
            found = self._read(at, until)[0]
            yield from found
            # Nothing: what was there has been let go meanwhile.
            at = found[-1].after if found else until

    def damaged(self, first: int, after: int) -> Iterator[tuple[int, tuple[int, int] | None]]:
        """Up to which offset it was read, and each range of rows that is damaged or missing."""
        at = first
        while at < after:
            until = min(after, at + _CHUNK_ROWS)
            found, bad = self._read(at, until)
            for hole in bad:
                yield at, hole
            at = found[-1].after if found else until
            yield at, None

    def structure(self) -> list[str]:
        """What SQLite itself finds wrong in the file; empty if nothing."""
        said = [str(row[0]) for row in self._all("PRAGMA quick_check(20)")]
        return [] if said == ["ok"] else said

    def unsound(self) -> list[str]:
        """Rows of the small tables that do not match their checksums."""
        found = []
        for table, columns in _CHECKED.items():
            for row in self._all(f"SELECT {columns}, row_check FROM {table}"):  # noqa: S608 - ours
                if not bodies.is_sound(row):
                    found.append(f"{table} {row[0]}")
        return found

    def _read(self, first: int, after: int) -> tuple[list[Stored], list[tuple[int, int]]]:
        try:
            return read(self._db, first, after, _CHUNK_BYTES)
        except sqlite3.Error as error:
            raise LookError(f"{self.path}: {error}") from None

    def _all(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._db.execute(query).fetchall()
        except sqlite3.Error as error:
            raise LookError(f"{self.path}: {error}; lineside-edge journal verify tells more") from (
                None
            )

    def _one(self, query: str) -> tuple:  # type: ignore[type-arg]
        rows = self._all(query)
        if not rows:
            raise LookError(f"{self.path}: it holds no position; it is no journal of ours")
        return rows[0]


_CHECKED = {
    "log": "epoch, base, first_kept, next, watermark, reflected, set_aside",
    "tag": "id, device, name, datatype, unit",
    "lost": "first, after, cause, from_us, to_us",
    "bookmark": "name, text",
}


def samples_of(batch: SampleBatch, tags: dict[int, Tag]) -> Iterator[Sample]:
    """The samples of a batch, each with its tag and in the form of its type."""
    for position, (tag_id, time_us, number) in enumerate(
        zip(batch.tags, batch.times_us, batch.numbers, strict=True)
    ):
        tag = tags.get(tag_id)
        value: float | bool | str | Other = number
        if position in batch.others:
            value = batch.others[position]
        elif tag is not None:
            value = _as_typed(number, tag.datatype)
        yield Sample(tag, time_us, value, batch.qualities.get(position, GOOD))


_INTEGERS = {
    DataType.Int8,
    DataType.Int16,
    DataType.Int32,
    DataType.Int64,
    DataType.UInt8,
    DataType.UInt16,
    DataType.UInt32,
    DataType.UInt64,
}


def _as_typed(number: float, datatype: int) -> float | bool | str:
    if datatype == DataType.Boolean:
        return bool(number)
    if datatype in _INTEGERS and number.is_integer():
        return int(number)
    if datatype == DataType.DateTime:
        return instant(round(number * 1000))
    return number


def instant(time_us: int) -> str:
    """Microseconds since the epoch as ISO 8601 in UTC."""
    try:
        at = datetime.fromtimestamp(time_us / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_us} us"
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
