"""The datatypes of Sparkplug B 3.0 and what each may hold."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class DataType(IntEnum):
    """Datatype codes as they travel; the members bear the names of the specification."""

    Unknown = 0
    Int8 = 1
    Int16 = 2
    Int32 = 3
    Int64 = 4
    UInt8 = 5
    UInt16 = 6
    UInt32 = 7
    UInt64 = 8
    Float = 9
    Double = 10
    Boolean = 11
    String = 12
    DateTime = 13
    Text = 14
    UUID = 15
    DataSet = 16
    Bytes = 17
    File = 18
    Template = 19
    PropertySet = 20
    PropertySetList = 21
    Int8Array = 22
    Int16Array = 23
    Int32Array = 24
    Int64Array = 25
    UInt8Array = 26
    UInt16Array = 27
    UInt32Array = 28
    UInt64Array = 29
    FloatArray = 30
    DoubleArray = 31
    BooleanArray = 32
    StringArray = 33
    DateTimeArray = 34


TYPES: Final = tuple(DataType)
"""Member by code, since calling the enum costs more than decoding a metric."""

SIGNED_BITS: Final = {
    DataType.Int8: 8,
    DataType.Int16: 16,
    DataType.Int32: 32,
    DataType.Int64: 64,
}
UNSIGNED_BITS: Final = {
    DataType.UInt8: 8,
    DataType.UInt16: 16,
    DataType.UInt32: 32,
    DataType.UInt64: 64,
    DataType.DateTime: 64,
}
TEXTS: Final = frozenset({DataType.String, DataType.Text, DataType.UUID})
BLOBS: Final = frozenset({DataType.Bytes, DataType.File})
ARRAYS: Final = frozenset(TYPES[DataType.Int8Array :])


def known_type(code: int) -> int:
    """The member for a code; the bare code if a later specification added it."""
    return TYPES[code] if 0 <= code < len(TYPES) else code


def type_name(code: int) -> str:
    """For messages to people."""
    return TYPES[code].name if 0 <= code < len(TYPES) else f"datatype {code}"
