"""Data messages to columns and back, in plain Python: the twin of `_samples.pyx`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from protocols.sparkplug._codec_py import metric_bytes, unsigned, write_value
from protocols.sparkplug._wire_py import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    read_fields,
    read_text,
    unpack_double,
    unpack_float,
    write_bytes,
    write_number,
    write_text,
)
from protocols.sparkplug.datatypes import SIGNED_BITS, UNSIGNED_BITS, DataType
from protocols.sparkplug.samples import GOOD, NO_ALIAS, NO_TIME, Samples, ValueField
from protocols.sparkplug.values import DEFAULT_LIMITS, Limits, PayloadError

if TYPE_CHECKING:
    from protocols.sparkplug.codec import Metric

_U32: Final = 2**32 - 1
_NUMBER_TAGS: Final = {field << 3 | VARINT: field for field in (10, 11, 14)}
_PLACE_TAGS: Final = {
    12 << 3 | FIXED32: ValueField.FLOAT,
    13 << 3 | FIXED64: ValueField.DOUBLE,
    **{field << 3 | BYTES: ValueField(field) for field in range(15, 20)},
}
_WHOLE: Final = frozenset({*SIGNED_BITS, *UNSIGNED_BITS})


def encode_samples(
    seq: int,
    timestamp_ms: int,
    epoch_alias: int,
    epoch: int,
    offset_alias: int,
    offset: int,
    aliases: array[int],
    times_ms: array[int],
    datatypes: bytes,
    numbers: array[float],
    others: dict[int, Any],
    qualities: array[int] | None,
    historical: bool,
    notes: Sequence[Metric] = (),
) -> bytes:
    """One stream record as a DDATA payload.

    `Stream/Epoch` and `Stream/Offset` come first, by their aliases, then `notes`, what else the
    record says of itself, then the samples in order: alias ('Q'), time ('q', ms), value. Sample i
    has the value `others[i]` if that is there (exact int, str, bool, None for null), else
    `numbers[i]` ('d'), as the datatype `datatypes[i]`, which chooses the field and is not sent.
    `qualities` ('H') None means all good; `historical` marks every metric but the notes, which bear
    their own marks. Raises `ValueError` naming the sample.
    """
    count = len(aliases)
    if not count == len(times_ms) == len(datatypes) == len(numbers) or (
        qualities is not None and len(qualities) != count
    ):
        raise ValueError("columns of unequal length")
    out = bytearray()
    write_number(out, 1, unsigned(timestamp_ms, "timestamp"))
    for alias, number in ((epoch_alias, epoch), (offset_alias, offset)):
        metric = _metric_head(alias, timestamp_ms, historical)
        write_number(metric, ValueField.LONG, unsigned(number, "position"))
        write_bytes(out, 2, metric)
    for note in notes:
        write_bytes(out, 2, metric_bytes(note))
    for i in range(count):
        try:
            metric = _metric_head(aliases[i], times_ms[i], historical)
            value = others[i] if i in others else number_value(datatypes[i], numbers[i])
            if value is None:
                write_number(metric, 7, 1)
            if qualities is not None and qualities[i] != GOOD:
                write_bytes(metric, 9, _quality(qualities[i]))
            if value is not None:
                write_value(metric, datatypes[i], value)
        except ValueError as error:
            raise ValueError(f"sample {i} (alias {aliases[i]}): {error}") from None
        write_bytes(out, 2, metric)
    if not 0 <= seq <= 255:
        raise ValueError(f"seq {seq} is not 0 … 255")
    write_number(out, 3, seq)
    return bytes(out)


def decode_samples(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Samples:
    """The metrics of an N/DDATA payload as columns. Raises `PayloadError`, and nothing else, for
    any bytes; a metric that has neither name nor alias is such an error."""
    if len(data) > limits.max_bytes:
        raise PayloadError(0, f"payload of {len(data)} bytes; at most {limits.max_bytes} are read")
    reader = _Reader(data, limits)
    timestamp = seq = None
    for tag, number, start, stop in read_fields(data, 0, len(data), limits):
        if tag == 1 << 3 | VARINT:
            timestamp = number
        elif tag == 2 << 3 | BYTES:
            reader.metric(start, stop)
        elif tag == 3 << 3 | VARINT:
            seq = number
    return reader.samples(seq, timestamp)


class _Reader:
    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._samples = Samples(
            None, None, array("Q"), array("q"), array("B"), array("q"), array("d"), {}, {},
            array("H"), array("B"), {},
        )  # fmt: skip

    def samples(self, seq: int | None, timestamp: int | None) -> Samples:
        """All that was read; metrics without a time get the payload's."""
        result = self._samples
        result.seq, result.timestamp = seq, timestamp
        if timestamp is not None:
            for i, time in enumerate(result.times):
                if time == NO_TIME:
                    result.times[i] = _signed(timestamp)
        return result

    def metric(self, start: int, stop: int) -> None:
        """Append one metric to the columns."""
        out = self._samples
        place = len(out.aliases)
        if place >= self._limits.max_items:
            raise PayloadError(start, f"more than {self._limits.max_items} items")
        alias, time, historical, is_null = NO_ALIAS, NO_TIME, 0, False
        field = 0
        raw = begin_value = end_value = 0
        name_at: tuple[int, int] | None = None
        properties_at: tuple[int, int] | None = None
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 2 << 3 | VARINT:
                alias = number
            elif tag == 3 << 3 | VARINT:
                time = _signed(number)
            elif tag in _NUMBER_TAGS:
                field, raw = _NUMBER_TAGS[tag], number
            elif tag in _PLACE_TAGS:
                field, begin_value, end_value = _PLACE_TAGS[tag], begin, end
            elif tag == 5 << 3 | VARINT:
                historical = int(number != 0)
            elif tag == 7 << 3 | VARINT:
                is_null = number != 0
            elif tag == 1 << 3 | BYTES:
                name_at = (begin, end)
            elif tag == 9 << 3 | BYTES:
                properties_at = (begin, end)
        if alias == NO_ALIAS:
            if name_at is None:
                raise PayloadError(start, "metric with neither name nor alias")
            out.names[place] = read_text(self._data, *name_at)
        if is_null:
            field = 0
        quality = self._quality(*properties_at) if properties_at else GOOD
        long, double = 0, 0.0
        if field == ValueField.INT:
            long = raw & _U32
        elif field == ValueField.LONG:
            long = _signed(raw)
        elif field == ValueField.BOOLEAN:
            long = int(raw != 0)
        elif field == ValueField.DOUBLE:
            double = unpack_double(self._data, begin_value)[0]
        elif field == ValueField.FLOAT:
            double = unpack_float(self._data, begin_value)[0]
        elif field == ValueField.STRING:
            out.texts[place] = read_text(self._data, begin_value, end_value)
        elif field:
            out.blobs[place] = self._data[begin_value:end_value]
        out.aliases.append(alias)
        out.times.append(time)
        out.fields.append(field)
        out.longs.append(long)
        out.doubles.append(double)
        out.qualities.append(quality)
        out.historical.append(historical)

    def _quality(self, start: int, stop: int) -> int:
        """The property Quality of a property set."""
        keys = values = 0
        wanted = -1
        places: list[tuple[int, int]] = []
        for tag, _, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag == 1 << 3 | BYTES:
                if self._data[begin:end] == b"Quality":
                    wanted = keys
                keys += 1
            elif tag == 2 << 3 | BYTES:
                places.append((begin, end))
                values += 1
        if keys != values:
            raise PayloadError(start, f"{keys} keys for {values} properties")
        if wanted < 0:
            return GOOD
        quality = 0
        for tag, number, _, _ in read_fields(self._data, *places[wanted], self._limits):
            if tag in (3 << 3 | VARINT, 4 << 3 | VARINT):
                quality = number if number <= 0xFFFF else 0
        return quality


def _metric_head(alias: int, time_ms: int, historical: bool) -> bytearray:
    metric = bytearray()
    write_number(metric, 2, unsigned(alias, "alias"))
    write_number(metric, 3, unsigned(time_ms, "timestamp"))
    if historical:
        write_number(metric, 5, 1)
    return metric


def _quality(quality: int) -> bytes:
    entry = bytearray()
    write_number(entry, 1, DataType.Int32)
    write_number(entry, 3, quality)
    out = bytearray()
    write_text(out, 1, "Quality")
    write_bytes(out, 2, entry)
    return bytes(out)


def number_value(datatype: int, number: float) -> float | int | bool:
    """A number from the column of doubles as its datatype wants it. Raises `ValueError`."""
    if datatype == DataType.Boolean:
        if number not in (0.0, 1.0):
            raise ValueError(f"not a Boolean: {number!r}")
        return number == 1.0
    if datatype in _WHOLE:
        if not number.is_integer():
            raise ValueError(f"not a whole number: {number!r}")
        return int(number)
    return number


def _signed(number: int) -> int:
    return (number ^ 1 << 63) - (1 << 63)
