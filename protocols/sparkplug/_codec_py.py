"""Payloads to bytes and back, in plain Python: the twin of `_codec.pyx`, and its definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from protocols.sparkplug._nested_py import (
    NestedReader,
    data_set_bytes,
    metadata_bytes,
    properties_bytes,
    template_bytes,
)
from protocols.sparkplug._scalars_py import (
    BLOB,
    KIND_NAMES,
    NONE,
    inferred_type,
    read_raw,
    scalar_tags,
    typed,
    whole_number,
    write_scalar,
)
from protocols.sparkplug._wire_py import (
    BYTES,
    VARINT,
    read_fields,
    read_text,
    write_bytes,
    write_number,
    write_text,
)
from protocols.sparkplug.arrays import pack_array, unpack_array
from protocols.sparkplug.datatypes import ARRAYS, BLOBS, DataType, known_type, type_name
from protocols.sparkplug.values import (
    DEFAULT_LIMITS,
    DataSet,
    Limits,
    MetaData,
    Payload,
    PayloadError,
    PropertySet,
    Template,
    Value,
)

if TYPE_CHECKING:
    from protocols.sparkplug.codec import Metric as AnyMetric

_U32: Final = 2**32 - 1
_U64: Final = 2**64 - 1
_FIRST_VALUE: Final = 10
_DATA_SET: Final = 7
_TEMPLATE: Final = 8
_EXTENSION: Final = 9
_VALUE_TAGS: Final = {
    **scalar_tags(_FIRST_VALUE, 7),
    17 << 3 | BYTES: _DATA_SET,
    18 << 3 | BYTES: _TEMPLATE,
    19 << 3 | BYTES: _EXTENSION,
}
_KIND_NAMES: Final = (*KIND_NAMES, "dataset", "template", "extension")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `alias` 0 … 2**64 - 1; `timestamp` in milliseconds since 1970 UTC; `datatype` a
    `DataType` (or a code of a later specification), None if the message leaves it out."""

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    value: Value = None
    is_historical: bool = False
    is_transient: bool = False
    properties: PropertySet | None = None
    metadata: MetaData | None = None

    @property
    def is_null(self) -> bool:
        """Whether the metric says that there is no value."""
        return self.value is None


def encode(payload: Payload) -> bytes:
    """A payload as it travels. A metric without datatype is sent by the type of its value: bool,
    int (64 bits, signed), float (Double), str, bytes. Raises `ValueError` naming the metric."""
    out = bytearray()
    if payload.timestamp is not None:
        write_number(out, 1, unsigned(payload.timestamp, "timestamp"))
    for place, metric in enumerate(payload.metrics):
        try:
            write_bytes(out, 2, metric_bytes(metric))
        except ValueError as error:
            raise ValueError(f"metric {place} ({label(metric)}): {error}") from None
    if payload.seq is not None:
        if not 0 <= payload.seq <= 255:
            raise ValueError(f"seq {payload.seq} is not 0 … 255")
        write_number(out, 3, payload.seq)
    if payload.uuid is not None:
        write_text(out, 4, payload.uuid)
    if payload.body is not None:
        write_bytes(out, 5, payload.body)
    return bytes(out)


def decode(
    data: bytes,
    types: Mapping[int | str, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Payload:
    """Read any payload.

    `types` gives the datatype by alias, or by name, for metrics that leave theirs out, as data
    messages do; a metric whose type nobody knows keeps the bare number of its field, unsigned.
    Unknown fields are passed over. Raises `PayloadError`, and nothing else, for any bytes.
    """
    if len(data) > limits.max_bytes:
        raise PayloadError(0, f"payload of {len(data)} bytes; at most {limits.max_bytes} are read")
    return _Reader(data, types or {}, limits).payload()


class _Reader:
    def __init__(self, data: bytes, types: Mapping[int | str, int], limits: Limits) -> None:
        self._data = data
        self._types = types
        self._limits = limits
        self._nested = NestedReader(data, limits, self._metric)

    def payload(self) -> Payload:
        result = Payload()
        for tag, number, start, stop in read_fields(self._data, 0, len(self._data), self._limits):
            if tag == 1 << 3 | VARINT:
                result.timestamp = number
            elif tag == 2 << 3 | BYTES:
                if len(result.metrics) >= self._limits.max_items:
                    raise PayloadError(start, f"more than {self._limits.max_items} items")
                result.metrics.append(self._metric(start, stop, 1))
            elif tag == 3 << 3 | VARINT:
                result.seq = number
            elif tag == 4 << 3 | BYTES:
                result.uuid = read_text(self._data, start, stop)
            elif tag == 5 << 3 | BYTES:
                result.body = self._data[start:stop]
        return result

    def _metric(self, start: int, stop: int, depth: int) -> Any:
        alias: int | None = None
        timestamp: int | None = None
        datatype = 0
        is_historical = is_transient = is_null = False
        name_at: tuple[int, int] | None = None
        metadata_at: tuple[int, int] | None = None
        properties_at: tuple[int, int] | None = None
        kind = NONE
        value_at = (0, 0, 0)
        for tag, number, begin, end in read_fields(self._data, start, stop, self._limits):
            if tag in _VALUE_TAGS:
                kind = _VALUE_TAGS[tag]
                value_at = (number, begin, end)
            elif tag == 1 << 3 | BYTES:
                name_at = (begin, end)
            elif tag == 2 << 3 | VARINT:
                alias = number
            elif tag == 3 << 3 | VARINT:
                timestamp = number
            elif tag == 4 << 3 | VARINT:
                datatype = known_type(number & _U32)
            elif tag == 5 << 3 | VARINT:
                is_historical = number != 0
            elif tag == 6 << 3 | VARINT:
                is_transient = number != 0
            elif tag == 7 << 3 | VARINT:
                is_null = number != 0
            elif tag == 8 << 3 | BYTES:
                metadata_at = (begin, end)
            elif tag == 9 << 3 | BYTES:
                properties_at = (begin, end)
        name = read_text(self._data, *name_at) if name_at else None
        if not datatype:
            datatype = self._declared(alias, name)
        return Metric(
            name,
            alias,
            timestamp,
            datatype or None,
            None if is_null else self._value(kind, value_at, datatype, depth),
            is_historical,
            is_transient,
            self._nested.properties(*properties_at, depth) if properties_at else None,
            self._nested.metadata(*metadata_at) if metadata_at else None,
        )

    def _value(self, kind: int, at: tuple[int, int, int], datatype: int, depth: int) -> Value:
        return read_value(self._data, kind, *at, datatype, depth, self._nested, self._limits)

    def _declared(self, alias: int | None, name: str | None) -> int:
        declared = self._types.get(alias) if alias is not None else None
        if declared is None and name is not None:
            declared = self._types.get(name)
        return 0 if declared is None else declared


def read_value(
    data: bytes,
    kind: int,
    number: int,
    start: int,
    stop: int,
    datatype: int,
    depth: int,
    nested: NestedReader,
    limits: Limits,
) -> Value:
    """A metric's value from its field; a `datatype` that nobody knows leaves it as it is there.
    Raises `PayloadError`."""
    if kind in (NONE, _EXTENSION):
        return None
    if kind == _DATA_SET:
        _check_type(datatype, DataType.DataSet, kind, start)
        return nested.data_set(start, stop, depth)
    if kind == _TEMPLATE:
        _check_type(datatype, DataType.Template, kind, start)
        return nested.template(start, stop, depth)
    raw = read_raw(data, kind, number, start, stop)
    if not 0 < datatype <= DataType.DateTimeArray:
        return raw
    if datatype in ARRAYS and isinstance(raw, bytes):
        return unpack_array(datatype, raw, start, limits)
    if (datatype in BLOBS) == (kind == BLOB) and datatype not in ARRAYS:
        return raw if kind == BLOB else typed(raw, kind, datatype, start)
    raise PayloadError(start, f"{type_name(datatype)} in the {_KIND_NAMES[kind]} field")


def _check_type(datatype: int, expected: DataType, kind: int, at: int) -> None:
    if 0 < datatype <= DataType.DateTimeArray and datatype != expected:
        raise PayloadError(at, f"{type_name(datatype)} in the {_KIND_NAMES[kind]} field")


def metric_bytes(metric: AnyMetric) -> bytes:
    """A metric as it stands in a payload, without its tag and length. Raises `ValueError`."""
    out = bytearray()
    if metric.name is not None:
        write_text(out, 1, metric.name)
    if metric.alias is not None:
        write_number(out, 2, unsigned(metric.alias, "alias"))
    if metric.timestamp is not None:
        write_number(out, 3, unsigned(metric.timestamp, "timestamp"))
    if metric.datatype is not None:
        write_number(out, 4, whole_number(metric.datatype, DataType.UInt32, 0, _U32))
    if metric.is_historical:
        write_number(out, 5, 1)
    if metric.is_transient:
        write_number(out, 6, 1)
    if metric.value is None:
        write_number(out, 7, 1)
    if metric.metadata is not None:
        write_bytes(out, 8, metadata_bytes(metric.metadata))
    if metric.properties is not None:
        write_bytes(out, 9, properties_bytes(metric.properties))
    if metric.value is not None:
        write_value(out, metric.datatype or inferred_type(metric.value), metric.value)
    return bytes(out)


def write_value(out: bytearray, datatype: int, value: Any) -> None:
    """Append a metric's value. Raises `ValueError`."""
    if datatype in BLOBS:
        if not isinstance(value, bytes):
            raise ValueError(f"not {type_name(datatype)}: {value!r}")
        write_bytes(out, 16, value)
    elif datatype in ARRAYS:
        write_bytes(out, 16, pack_array(datatype, value))
    elif datatype == DataType.DataSet:
        if not isinstance(value, DataSet):
            raise ValueError(f"not a DataSet: {value!r}")
        write_bytes(out, 17, data_set_bytes(value))
    elif datatype == DataType.Template:
        if not isinstance(value, Template):
            raise ValueError(f"not a Template: {value!r}")
        write_bytes(out, 18, template_bytes(value, metric_bytes))
    else:
        write_scalar(out, _FIRST_VALUE, datatype, value)


def unsigned(value: int, what: str) -> int:
    """The value, if 64 bits hold it. Raises `ValueError`."""
    if not 0 <= value <= _U64:
        raise ValueError(f"{what} {value} is not 0 … 2**64 - 1")
    return value


def label(metric: AnyMetric) -> str:
    """How messages to people call a metric."""
    return repr(metric.name) if metric.name is not None else f"alias {metric.alias}"
