"""Scalar values: which wire field carries a datatype, and how its number is read and written.

Metrics, properties, parameters and cells share one order of value fields, each from a first field
number of its own; `kind` is the place in that order.
"""

from __future__ import annotations

from operator import index
from typing import Any, Final

from protocols.sparkplug._wire_py import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    read_text,
    unpack_double,
    unpack_float,
    write_double,
    write_float,
    write_number,
    write_text,
)
from protocols.sparkplug.datatypes import SIGNED_BITS, TEXTS, UNSIGNED_BITS, DataType, type_name
from protocols.sparkplug.values import PayloadError, Scalar

NONE: Final = -1
INT: Final = 0
LONG: Final = 1
FLOAT: Final = 2
DOUBLE: Final = 3
BOOL: Final = 4
TEXT: Final = 5
BLOB: Final = 6

KIND_NAMES: Final = ("int", "long", "float", "double", "boolean", "string", "bytes")
WIRE_TYPES: Final = (VARINT, VARINT, FIXED32, FIXED64, VARINT, BYTES, BYTES)

_U32: Final = 2**32 - 1


def scalar_tags(first_field: int, kinds: int) -> dict[int, int]:
    """Kind by tag, for a message whose value fields begin at `first_field`."""
    return {first_field + kind << 3 | WIRE_TYPES[kind]: kind for kind in range(kinds)}


def read_raw(data: bytes, kind: int, number: int, start: int, stop: int) -> Scalar:
    """The value as its field has it, before the datatype is applied."""
    if kind == INT:
        return number & _U32
    if kind == LONG:
        return number
    if kind == DOUBLE:
        return unpack_double(data, start)[0]  # type: ignore[no-any-return]
    if kind == FLOAT:
        return unpack_float(data, start)[0]  # type: ignore[no-any-return]
    if kind == BOOL:
        return number != 0
    if kind == TEXT:
        return read_text(data, start, stop)
    return data[start:stop]


def typed(raw: Any, kind: int, datatype: int, at: int) -> Scalar:
    """Apply a datatype to a raw value.

    Whole numbers are taken from the int and the long field alike, and cut to their width before the
    sign is looked at: encoders in the field differ in both. Raises `PayloadError` if the field
    cannot carry the datatype.
    """
    if datatype in SIGNED_BITS:
        if kind in (INT, LONG):
            half = 1 << SIGNED_BITS[DataType(datatype)] - 1
            return ((raw & 2 * half - 1) ^ half) - half  # type: ignore[no-any-return]
    elif datatype in UNSIGNED_BITS:
        if kind in (INT, LONG):
            return raw & (1 << UNSIGNED_BITS[DataType(datatype)]) - 1  # type: ignore[no-any-return]
    elif datatype in (DataType.Float, DataType.Double):
        if kind in (FLOAT, DOUBLE):
            return raw  # type: ignore[no-any-return]
    elif datatype == DataType.Boolean:
        if kind == BOOL:
            return raw  # type: ignore[no-any-return]
    elif datatype in TEXTS:
        if kind == TEXT:
            return raw  # type: ignore[no-any-return]
    else:
        raise PayloadError(at, f"{type_name(datatype)} cannot stand here")
    raise PayloadError(at, f"{type_name(datatype)} in the {KIND_NAMES[kind]} field")


def write_scalar(out: bytearray, first_field: int, datatype: int, value: Any) -> None:
    """Append a value in the field its datatype asks for; negative Int8 and Int16 are sent in the
    two's complement of their own width. Raises `ValueError`."""
    if datatype in SIGNED_BITS:
        bits = SIGNED_BITS[DataType(datatype)]
        number = whole_number(value, datatype, -(1 << bits - 1), (1 << bits - 1) - 1)
        kind = LONG if bits == 64 else INT
        write_number(out, first_field + kind, number & (1 << bits) - 1)
    elif datatype in UNSIGNED_BITS:
        bits = UNSIGNED_BITS[DataType(datatype)]
        number = whole_number(value, datatype, 0, (1 << bits) - 1)
        write_number(out, first_field + (LONG if bits == 64 else INT), number)
    elif datatype == DataType.Double:
        write_double(out, first_field + DOUBLE, real_number(value, datatype))
    elif datatype == DataType.Float:
        try:
            write_float(out, first_field + FLOAT, real_number(value, datatype))
        except OverflowError:
            raise ValueError(f"{value!r} does not fit Float") from None
    elif datatype == DataType.Boolean:
        if not isinstance(value, bool):
            raise ValueError(f"not a Boolean: {value!r}")
        write_number(out, first_field + BOOL, value)
    elif datatype in TEXTS:
        if not isinstance(value, str):
            raise ValueError(f"not a {type_name(datatype)}: {value!r}")
        write_text(out, first_field + TEXT, value)
    else:
        raise ValueError(f"{type_name(datatype)} cannot stand here")


def inferred_type(value: object) -> DataType:
    """The datatype of a value that comes without one. Raises `ValueError`."""
    if isinstance(value, bool):
        return DataType.Boolean
    if isinstance(value, float):
        return DataType.Double
    if isinstance(value, int):
        return DataType.Int64
    if isinstance(value, str):
        return DataType.String
    if isinstance(value, bytes):
        return DataType.Bytes
    raise ValueError(f"say the datatype of {value!r}")


def whole_number(value: Any, datatype: int, low: int, high: int) -> int:
    """`value` as an int between low and high. Raises `ValueError`."""
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"not a whole number: {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{number} does not fit {type_name(datatype)}")
    return number


def real_number(value: Any, datatype: int) -> float:
    """`value` as a float. Raises `ValueError`."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            pass
    raise ValueError(f"not a {type_name(datatype)}: {value!r}")
