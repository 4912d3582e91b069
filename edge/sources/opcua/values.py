"""OPC UA values as the journal keeps them: which Sparkplug datatype, and in which form.

A number, a boolean or an instant is a number (`PLAIN`, `_OTHERS`); text, Guid and ids are text; an
array of numbers or booleans is a list. What has no datatype of its own is JSON text, and so is an
array of anything else, or of several dimensions. In that JSON:

- a structure is an object of its fields in their order, without those that are not there; a union
  is an object of the one field it has;
- integers have all their digits; NaN and infinities are the texts NaN, Infinity, -Infinity;
- DateTime is ISO 8601 text in UTC, null before 1970; ByteString base64; Guid its text;
  LocalizedText its text without the locale; QualifiedName `2:Name`; NodeId `ns=2;s=Name`;
  StatusCode its name;
- an enumeration is its number.

By themselves, outside of JSON, these texts are the sample as they stand, and text stays text: a
serial number of digits is never a number.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from asyncua import ua

from edge.journal.records import GOOD, Other
from protocols.sparkplug.datatypes import DataType

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
    _V.Guid: DataType.UUID,
}
_ARRAYS: Final = {
    _V.SByte: DataType.Int8Array,
    _V.Byte: DataType.UInt8Array,
    _V.Int16: DataType.Int16Array,
    _V.UInt16: DataType.UInt16Array,
    _V.Int32: DataType.Int32Array,
    _V.UInt32: DataType.UInt32Array,
    _V.Int64: DataType.Int64Array,
    _V.UInt64: DataType.UInt64Array,
    _V.Float: DataType.FloatArray,
    _V.Double: DataType.DoubleArray,
    _V.Boolean: DataType.BooleanArray,
}
UNCERTAIN, BAD = 64, 0
OVERFLOW = 0x480
"""InfoType DataValue with its Overflow bit, in a status code."""


class Unreadable(Exception):  # noqa: N818 - it is a value's state, not a fault of ours
    """A structure whose layout the server did not tell; the text says which."""


def datatype_of(variant: ua.Variant) -> DataType | None:
    """The datatype that a value travels as; None if it is null and says nothing of its type."""
    kind = variant.VariantType
    if variant.Value is None or kind is _V.Null:
        return None
    if variant.is_array:
        return _ARRAYS.get(kind, DataType.String) if _is_flat(variant) else DataType.String
    return PLAIN.get(kind) or _OTHERS.get(kind, DataType.String)


def type_name(variant: ua.Variant) -> str:
    """The OPC UA type of a value, for people: Int16, ByteString[], …"""
    name: str = variant.VariantType.name
    return f"{name}[]" if variant.is_array else name


Expand = Callable[[ua.ExtensionObject], Any]
"""A structure of a layout that asyncua does not know, as a dict. Raises `Unreadable`."""


def convert(variant: ua.Variant, expand: Expand) -> float | int | Other:
    """A value as a number, text, a list of numbers, an integer beyond ±2**53, or None.

    An instant becomes milliseconds since the epoch, or None before 1970 (1601 is OPC UA's null, and
    Sparkplug has no place for the others). Raises `Unreadable`, and nothing else.
    """
    value = variant.Value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return microseconds(value) // 1000 if value >= EPOCH else None
    if variant.is_array and variant.VariantType in _ARRAYS and _is_flat(variant):
        return list(value)
    plain = jsonable(value, expand)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


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


def server_time_of(stamp: datetime | None, time_us: int) -> int:
    """Server time in microseconds since the epoch; 0 if there is none, or if it says no more than
    the sample's own time: the hub's clock ticks in milliseconds."""
    if stamp is None or stamp < EPOCH:
        return 0
    server_us = microseconds(stamp)
    return server_us if server_us // 1000 != time_us // 1000 else 0


def microseconds(instant: datetime) -> int:
    """Microseconds since the epoch."""
    since = instant - EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


def _is_flat(variant: ua.Variant) -> bool:
    return not variant.Dimensions or len(variant.Dimensions) < 2


def jsonable(value: Any, expand: Expand) -> Any:
    """A value as JSON has it, by the rules above. Raises `Unreadable`."""
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else _clean(value)
    if isinstance(value, int):
        return int(value)  # an enumeration too
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE[str(value)]
    if isinstance(value, (list, tuple)):
        return [jsonable(item, expand) for item in value]
    if isinstance(value, dict):
        return {_clean(str(name)): jsonable(item, expand) for name, item in value.items()}
    if isinstance(value, datetime):
        return value.isoformat() if value >= EPOCH else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _of_ua_type(value, expand)


_NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _of_ua_type(value: Any, expand: Expand) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, ua.LocalizedText):
        return _clean(value.Text or "")
    if isinstance(value, (ua.QualifiedName, ua.NodeId)):
        return _clean(value.to_string())
    if isinstance(value, ua.StatusCode):
        return value.name
    if isinstance(value, ua.Variant):
        return jsonable(value.Value, expand)
    if isinstance(value, ua.DataValue):
        return jsonable(value.Value.Value if value.Value is not None else None, expand)
    if isinstance(value, ua.XmlElement):
        return _clean(value.Value or "")
    if isinstance(value, ua.ExtensionObject):
        if not value.Body and value.TypeId.is_null():
            return None
        try:
            return jsonable(expand(value), expand)
        except RecursionError:
            raise Unreadable("too many structures within one another") from None
    if dataclasses.is_dataclass(value):  # a structure of the standard
        return {
            field.name: jsonable(getattr(value, field.name), expand)
            for field in dataclasses.fields(value)
            if field.name not in ("Encoding", "TypeId")
        }
    return _clean(str(value))


def _clean(text: str) -> str:
    """asyncua keeps bytes that are not UTF-8 as lone surrogates, which nobody else takes."""
    return text.encode(errors="replace").decode()
