"""Samples to rows of COPY BINARY in plain Python: the twin of `_rows.pyx`, and its definition."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping
from typing import Final

from hub.ingest.copy_format import NOT_STORED, UnknownAliasError
from protocols.sparkplug import NO_ALIAS, NO_TIME, DataType, Samples, ValueField

_ROW_HEAD: Final = struct.Struct("!hiiiq").pack
_DOUBLE: Final = struct.Struct("!id").pack
_LENGTH: Final = struct.Struct("!i").pack
_FLAGS: Final = struct.Struct("!ihi?").pack
_TIME: Final = struct.Struct("!iq").pack
_BOOLEAN: Final = struct.Struct("!i?").pack
_NULL: Final = _LENGTH(-1)
_REFUSED: Final = 2**63 - 2

_EPOCH_2000_MS: Final = 946_684_800_000
_MINUTE_MS: Final = 60_000
_EARLIEST_MS: Final = -62_135_596_800_000
_AFTER_MS: Final = 253_402_300_800_000
"""The years 1 … 9999: what both PostgreSQL and its readers can hold."""
_EXACT: Final = 2**53
"""Integers beyond it do not fit a double exactly."""

_SIGNED_WIDTH: Final[dict[int, int]] = {DataType.Int8: 8, DataType.Int16: 16, DataType.Int32: 32}
_UNSIGNED: Final = frozenset(
    {DataType.UInt8, DataType.UInt16, DataType.UInt32, DataType.UInt64, DataType.DateTime}
)


class AliasTable:
    """The tags of one node or device: by alias, and by name for metrics that come without."""

    def __init__(
        self, aliases: Mapping[int, tuple[int, int]], names: Mapping[str, tuple[int, int]]
    ) -> None:
        """Each entry is (tag id, Sparkplug datatype code)."""
        self._aliases = dict(aliases)
        self._names = dict(names)

    def find(self, alias: int) -> tuple[int, int] | None:
        """(tag id, datatype) of an alias."""
        return self._aliases.get(alias)

    def find_name(self, name: str) -> tuple[int, int] | None:
        """(tag id, datatype) of a name."""
        return self._names.get(name)


class RowBuffer:
    """Rows of table `sample` as COPY BINARY wants them, without its header and trailer."""

    def __init__(self) -> None:
        self.rows = 0
        self._data = bytearray()
        self._minutes: set[int] = set()

    @property
    def size(self) -> int:
        """Bytes so far: an end of whole rows, to slice at and to go back to."""
        return len(self._data)

    @property
    def minutes(self) -> set[int]:
        """The minutes since 1970 UTC that the rows touch; after `truncate` perhaps more."""
        return self._minutes

    def append(
        self,
        samples: Samples,
        first: int,
        table: AliasTable,
        now_ms: int,
        server_offsets: array[int] | None = None,
        from_history: bool = False,
    ) -> int:
        """Append the samples from index `first` on; returns how many.

        A sample without any time gets `now_ms`. Integers beyond +-2**53 keep their digits as text.
        `server_offsets` ('q', one for each of these samples) are the server's times less theirs, in
        milliseconds, 0 for none; one beyond the calendar is none too. `from_history` is of them
        all. Raises `UnknownAliasError`; the buffer is then as before, and `ValueError` if there are
        not as many offsets as samples.
        """
        if server_offsets is not None and len(server_offsets) != max(0, len(samples) - first):
            raise ValueError("columns of unequal length")
        size, rows = len(self._data), self.rows
        try:
            for index in range(first, len(samples)):
                offset = 0 if server_offsets is None else server_offsets[index - first]
                self._append_sample(samples, index, table, now_ms, offset, from_history)
        except UnknownAliasError:
            self.truncate(size, rows)
            raise
        return self.rows - rows

    def truncate(self, size: int, rows: int) -> None:
        """Go back to an earlier `size` and `rows`."""
        del self._data[size:]
        self.rows = rows

    def slice(self, start: int, stop: int) -> bytes:
        """The bytes between two sizes."""
        return bytes(self._data[start:stop])

    def clear(self) -> None:
        """Begin anew."""
        self.truncate(0, 0)
        self._minutes = set()

    def _append_sample(
        self,
        samples: Samples,
        index: int,
        table: AliasTable,
        now_ms: int,
        server_offset: int,
        from_history: bool,
    ) -> None:
        alias = samples.aliases[index]
        entry = table.find_name(samples.names[index]) if alias == NO_ALIAS else table.find(alias)
        if entry is None:
            raise UnknownAliasError(samples.names[index] if alias == NO_ALIAS else alias)
        tag, datatype = entry
        if tag == NOT_STORED:
            return
        value, text = _value(samples, index, datatype)
        time_ms = samples.times[index]
        if time_ms == NO_TIME:
            time_ms = now_ms
        quality = samples.qualities[index]
        self._append_row(
            tag,
            time_ms,
            value,
            text,
            quality if quality < 2**15 else 0,
            bool(samples.historical[index]),
            time_ms + server_offset if server_offset else None,
            from_history,
        )

    def _append_row(
        self,
        tag: int,
        time_ms: int,
        value: float | None,
        text: str | None,
        quality: int,
        historical: bool,
        server_ms: int | None,
        from_history: bool,
    ) -> None:
        out = self._data
        out += _ROW_HEAD(8, 4, tag, 8, _pg_time(time_ms))
        out += _NULL if value is None else _DOUBLE(8, value)
        if text is None:
            out += _NULL
        else:
            encoded = text.encode()
            out += _LENGTH(len(encoded))
            out += encoded
        out += _FLAGS(2, quality, 1, historical)
        if server_ms is None or not (_in_calendar(time_ms) and _in_calendar(server_ms)):
            out += _NULL
        else:
            out += _TIME(8, _pg_time(server_ms))
        out += _BOOLEAN(1, from_history)
        self.rows += 1
        if _in_calendar(time_ms):
            self._minutes.add(time_ms // _MINUTE_MS)


def _value(samples: Samples, index: int, datatype: int) -> tuple[float | None, str | None]:
    field = samples.fields[index]
    if field in (ValueField.FLOAT, ValueField.DOUBLE):
        return samples.doubles[index], None
    if field in (ValueField.INT, ValueField.LONG, ValueField.BOOLEAN):
        number = _integer(samples.longs[index], field, datatype)
        return float(number), str(number) if abs(number) > _EXACT else None
    return None, samples.texts.get(index)


def _integer(raw: int, field: int, datatype: int) -> int:
    if field == ValueField.INT:
        raw &= 2**32 - 1
        width = _SIGNED_WIDTH.get(datatype, 32 if datatype == DataType.Int64 else 0)
        if width:
            raw &= 2**width - 1
            return raw - 2**width if raw >> (width - 1) else raw
        return raw
    return raw & 2**64 - 1 if datatype in _UNSIGNED else raw


def _pg_time(time_ms: int) -> int:
    """Microseconds since 2000; for a time beyond the calendar, a value that PostgreSQL refuses."""
    return (time_ms - _EPOCH_2000_MS) * 1000 if _in_calendar(time_ms) else _REFUSED


def _in_calendar(time_ms: int) -> bool:
    return _EARLIEST_MS <= time_ms < _AFTER_MS
