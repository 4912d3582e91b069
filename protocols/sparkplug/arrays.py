"""The array datatypes: little-endian numbers, booleans from the highest bit, texts ended by 0."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from protocols.sparkplug.datatypes import DataType, type_name
from protocols.sparkplug.values import Limits, PayloadError

_FORMATS = {
    DataType.Int8Array: "b",
    DataType.Int16Array: "h",
    DataType.Int32Array: "i",
    DataType.Int64Array: "q",
    DataType.UInt8Array: "B",
    DataType.UInt16Array: "H",
    DataType.UInt32Array: "I",
    DataType.UInt64Array: "Q",
    DataType.FloatArray: "f",
    DataType.DoubleArray: "d",
    DataType.DateTimeArray: "Q",
}


def pack_array(datatype: int, values: Any) -> bytes:
    """The bytes of an array value. Raises `ValueError`."""
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise ValueError(f"not a {type_name(datatype)}: {values!r}")
    if datatype == DataType.BooleanArray:
        return _pack_booleans(values)
    if datatype == DataType.StringArray:
        return _pack_texts(values)
    try:
        return struct.pack(f"<{len(values)}{_FORMATS[DataType(datatype)]}", *values)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"not a {type_name(datatype)}: {error}") from None


def unpack_array(datatype: int, blob: bytes, at: int, limits: Limits) -> list[Any]:
    """The values of an array whose bytes lie at `at` of the payload. Raises `PayloadError`."""
    if datatype == DataType.BooleanArray:
        return _unpack_booleans(blob, at, limits)
    if datatype == DataType.StringArray:
        return _unpack_texts(blob, at, limits)
    code = _FORMATS[DataType(datatype)]
    count, rest = divmod(len(blob), struct.calcsize(code))
    if rest:
        raise PayloadError(at, f"{type_name(datatype)} of {len(blob)} bytes")
    return list(struct.unpack(f"<{count}{code}", blob))


def _pack_booleans(values: Sequence[Any]) -> bytes:
    bits = bytearray((len(values) + 7) // 8)
    for place, value in enumerate(values):
        if not isinstance(value, bool):
            raise ValueError(f"not a Boolean: {value!r}")
        bits[place >> 3] |= value << 7 - (place & 7)
    return len(values).to_bytes(4, "little") + bits


def _unpack_booleans(blob: bytes, at: int, limits: Limits) -> list[bool]:
    count = int.from_bytes(blob[:4], "little")
    if len(blob) < 4 or len(blob) - 4 != (count + 7) // 8:
        raise PayloadError(at, f"BooleanArray of {len(blob)} bytes for {count} values")
    if count > limits.max_items:
        raise PayloadError(at, f"more than {limits.max_items} items")
    return [bool(blob[4 + (place >> 3)] >> 7 - (place & 7) & 1) for place in range(count)]


def _pack_texts(values: Sequence[Any]) -> bytes:
    out = bytearray()
    for value in values:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"not a text without NUL: {value!r}")
        out += value.encode() + b"\0"
    return bytes(out)


def _unpack_texts(blob: bytes, at: int, limits: Limits) -> list[str]:
    if blob and blob[-1]:
        raise PayloadError(at + len(blob) - 1, "StringArray without its last NUL")
    if blob.count(0) > limits.max_items:
        raise PayloadError(at, f"more than {limits.max_items} items")
    try:
        return blob.decode().split("\0")[:-1]
    except UnicodeDecodeError as error:
        raise PayloadError(at + error.start, "text is not UTF-8") from None
