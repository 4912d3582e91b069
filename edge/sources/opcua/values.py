"""OPC UA values as the journal keeps them: which Sparkplug datatype, and in which form."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import ua

from edge.journal.records import GOOD, Other
from protocols.sparkplug.datatypes import DataType

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = 2**53
"""Integers up to this are exact as floating-point numbers."""

_V = ua.VariantType
PLAIN: Final = {
    _V.SByte: DataType.Int32,
    _V.Byte: DataType.Int32,
    _V.Int16: DataType.Int32,
    _V.UInt16: DataType.Int32,
    _V.Int32: DataType.Int32,
    _V.UInt32: DataType.Int64,
    _V.Float: DataType.Double,
    _V.Double: DataType.Double,
    _V.Boolean: DataType.Boolean,
}
"""Types whose values are numbers as they stand."""

_OTHERS: Final = {
    _V.Int64: DataType.Int64,
    _V.UInt64: DataType.UInt64,
    _V.DateTime: DataType.DateTime,
}
UNCERTAIN, BAD = 64, 0
OVERFLOW = 0x480
"""InfoType DataValue with its Overflow bit, in a status code."""


def datatype_of(variant: ua.Variant) -> DataType | None:
    """The datatype that a value travels as; None if it is null and says nothing of its type."""
    if variant.Value is None or variant.VariantType is _V.Null:
        return None
    if variant.is_array:
        return DataType.String
    return PLAIN.get(variant.VariantType) or _OTHERS.get(variant.VariantType, DataType.String)


def convert(variant: ua.Variant) -> float | int | Other:
    """A value as a number, text, an integer beyond ±2**53, or None. Never raises.

    An instant becomes milliseconds since the epoch, or None before 1970 (1601 is OPC UA's null, and
    Sparkplug has no place for the others); an array JSON, whatever has no better form its own text.
    """
    value = variant.Value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return microseconds(value) // 1000 if value >= EPOCH else None
    if isinstance(value, (list, tuple)):
        return json.dumps(_jsonable(value), separators=(",", ":"), ensure_ascii=False)
    return _text(value)


def quality_of(status: ua.StatusCode | None) -> int:
    """192 good, 64 uncertain, 0 bad."""
    if status is None or not status.value >> 30:
        return GOOD
    return UNCERTAIN if status.value >> 30 == 1 else BAD


def time_of(data: ua.DataValue, now_us: int) -> int:
    """Source time, else server time, else now; microseconds since the epoch. A time before 1970 is
    that of a device without a clock."""
    for stamp in (data.SourceTimestamp, data.ServerTimestamp):
        if stamp is not None and stamp >= EPOCH:
            return microseconds(stamp)
    return now_us


def microseconds(instant: datetime) -> int:
    """Microseconds since the epoch."""
    since = instant - EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


def _jsonable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # asyncua keeps bytes that are not UTF-8
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.QualifiedName):
        return value.to_string()
    if isinstance(value, ua.NodeId):
        return value.to_string()
    if isinstance(value, ua.StatusCode):
        return value.name
    return str(value)
