"""Samples and trends of many tags as CSV, Arrow or Parquet, in pieces: memory stays flat.

Tag by tag and, within, by time, read in slices of it, so that the database never sorts more than a
slice. Arrow and Parquet need the extra `export`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql

from hub.store.trends import Resolution

if TYPE_CHECKING:
    import pyarrow

Format = Literal["csv", "arrow", "parquet"]

ROWS = 20_000
"""Rows that are held at a time."""
ROW_GROUP = 10
"""Of Parquet: so many times ROWS."""
_SLICES: dict[Resolution, timedelta] = {
    "raw": timedelta(days=1),
    "minute": timedelta(days=60),
    "hour": timedelta(days=3650),
    "day": timedelta(days=36500),
}
_VALUE_KINDS = {"value": "float64", "text": "string", "quality": "int16"}
_BUCKET_KINDS = {
    "samples": "int64",
    "bad": "int64",
    "numbers": "int64",
    **{
        name: "float64" if not name.endswith("_at") else "time"
        for name in ("total", "low", "low_at", "high", "high_at", "first", "first_at")
    },
    "last": "float64",
    "last_at": "time",
}


class ExtraMissingError(RuntimeError):
    """The package that writes this format is not installed."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is exported."""

    tags: Sequence[int]
    start: datetime
    end: datetime
    resolution: Resolution = "raw"

    @property
    def columns(self) -> Mapping[str, str]:
        """Names and kinds after `tag_id` and `time`."""
        return _VALUE_KINDS if self.resolution == "raw" else _BUCKET_KINDS

    def slices(self) -> Iterator[tuple[int, datetime, datetime]]:
        """Each tag's times, from the first to the last."""
        step = _SLICES[self.resolution]
        for tag in dict.fromkeys(self.tags):
            start = self.start
            while start < self.end:
                end = start + step if self.end - start > step else self.end
                yield tag, start, end
                start = end

    def query(self) -> sql.Composed:
        """The rows of a slice, with parameters `tag`, `from`, `to`."""
        raw = self.resolution == "raw"
        at = sql.Identifier("time" if raw else "bucket")
        view = sql.Identifier("sample_view" if raw else f"sample_{self.resolution}_view")
        return sql.SQL(
            "SELECT tag_id, {at} AS time, {columns} FROM {view}"
            " WHERE tag_id = %(tag)s AND {at} >= %(from)s AND {at} < %(to)s ORDER BY {at}"
        ).format(at=at, view=view, columns=sql.SQL(", ").join(map(sql.Identifier, self.columns)))


def write(
    connection: psycopg.Connection, selection: Selection, form: Format, about: Mapping[str, str]
) -> Iterator[bytes]:
    """The export, piece by piece, over a connection in a transaction that speaks for a tenant.

    `about` goes into the file's own metadata, where the format has such. Raises `ExtraMissingError`
    with the first piece.
    """
    if form == "csv":
        yield from _csv(connection, selection)
    else:
        yield from _arrow(connection, selection, about, parquet=form == "parquet")


def _csv(connection: psycopg.Connection, selection: Selection) -> Iterator[bytes]:
    """The database writes it: times as ISO 8601, nothing where there is no value."""
    yield (",".join(["tag_id", "time", *selection.columns]) + "\r\n").encode()
    times = ["time", *(name for name, kind in selection.columns.items() if kind == "time")]
    columns = sql.SQL(", ").join(
        sql.SQL('to_char({0}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') AS {0}').format(
            sql.Identifier(name)
        )
        if name in times
        else sql.Identifier(name)
        for name in ("tag_id", "time", *selection.columns)
    )
    statement = sql.SQL("COPY (SELECT {} FROM ({}) AS slice) TO STDOUT (FORMAT CSV)").format(
        columns, selection.query()
    )
    with connection.cursor() as cursor:
        for tag, start, end in selection.slices():
            with cursor.copy(statement, {"tag": tag, "from": start, "to": end}) as copy:
                yield from _blocks(copy)


def _blocks(copy: psycopg.Copy) -> Iterator[bytes]:
    """Lines of a COPY, some thousand at a time."""
    held = bytearray()
    for line in copy:
        held += line
        if len(held) > 1 << 16:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


class _Pieces:
    """A file to write to, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._written = 0
        self.closed = False

    def write(self, data: Any) -> int:
        self._held += memoryview(data)
        self._written += len(memoryview(data))
        return len(memoryview(data))

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        """What was written since last time."""
        taken = bytes(self._held)
        self._held.clear()
        return taken


def _arrow(
    connection: psycopg.Connection,
    selection: Selection,
    about: Mapping[str, str],
    *,
    parquet: bool,
) -> Iterator[bytes]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ExtraMissingError(
            "Arrow and Parquet need the extra `export` of the hub: pip install 'lineside[export]'"
        ) from None
    kinds: dict[str, pyarrow.DataType] = {
        "time": pa.timestamp("us", tz="UTC"),
        "float64": pa.float64(),
        "int64": pa.int64(),
        "int16": pa.int16(),
        "string": pa.string(),
    }
    schema = pa.schema(
        [
            pa.field("tag_id", pa.int32(), nullable=False),
            pa.field("time", kinds["time"], nullable=False),
            *(pa.field(name, kinds[kind]) for name, kind in selection.columns.items()),
        ],
        metadata=dict(about),
    )
    pieces = _Pieces()
    group: list[pyarrow.RecordBatch] = []
    with (
        pq.ParquetWriter(pieces, schema, compression="zstd")
        if parquet
        else pa.ipc.new_stream(pieces, schema)
    ) as writer:
        for rows in _rows(connection, selection):
            group.append(
                pa.record_batch(
                    [
                        pa.array(column, type=field.type)
                        for column, field in zip(zip(*rows, strict=True), schema, strict=True)
                    ],
                    schema=schema,
                )
            )
            if not parquet or sum(map(len, group)) >= ROWS * ROW_GROUP:
                writer.write_table(pa.Table.from_batches(group))
                group.clear()
            if piece := pieces.taken():
                yield piece
        if group:
            writer.write_table(pa.Table.from_batches(group))
    yield pieces.taken()


def _rows(connection: psycopg.Connection, selection: Selection) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of all slices, ROWS at a time: short slices are put together."""
    held: list[tuple[Any, ...]] = []
    query = selection.query()
    for tag, start, end in selection.slices():
        with connection.cursor(name="export") as cursor:
            cursor.execute(query, {"tag": tag, "from": start, "to": end})
            while rows := cursor.fetchmany(ROWS - len(held)):
                held += rows
                if len(held) == ROWS:
                    yield held
                    held = []
    if held:
        yield held
