"""The protobuf wire format, as far as Sparkplug uses it: reading fields, writing fields.

The compiled twin is `_wire.pxd`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from protocols.sparkplug.values import Limits, PayloadError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
GROUP: Final = 3
GROUP_END: Final = 4
FIXED32: Final = 5

_U64: Final = 2**64 - 1
_U32: Final = 2**32 - 1

unpack_float = struct.Struct("<f").unpack_from
unpack_double = struct.Struct("<d").unpack_from
_pack_float = struct.Struct("<f").pack
_pack_double = struct.Struct("<d").pack


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A 64-bit varint at `at`, and where it ends. Bits beyond the 64th are dropped."""
    value = shift = 0
    start = at
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64, at
        shift += 7
        if shift == 70:
            raise PayloadError(start, "number of more than 10 bytes")
    raise PayloadError(start, "ends within a number")


def read_fields(
    data: bytes, at: int, end: int, limits: Limits
) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message as (tag, number, start, stop).

    `number` is the value of a varint field; other fields lie in data[start:stop]. Groups, which
    Sparkplug does not use, are passed over.
    """
    while at < end:
        tag_at = at
        tag, at = read_varint(data, at, end)
        _check_tag(tag, tag_at)
        if tag & 7 == GROUP:
            at = _skip_group(data, at, end, tag >> 3, limits)
            continue
        number, start, at = _read_field(data, tag, tag_at, at, end)
        yield tag, number, start, at


def _check_tag(tag: int, at: int) -> None:
    if tag > _U32 or tag < 8:
        raise PayloadError(at, f"no field has the tag {tag}")


def _read_field(data: bytes, tag: int, tag_at: int, at: int, end: int) -> tuple[int, int, int]:
    wire = tag & 7
    number = 0
    start = at
    if wire == VARINT:
        number, at = read_varint(data, at, end)
        return number, start, at
    if wire == BYTES:
        size, start = read_varint(data, at, end)
    elif wire == FIXED64:
        size = 8
    elif wire == FIXED32:
        size = 4
    else:
        raise PayloadError(tag_at, f"field {tag >> 3} has wire type {wire}")
    if size > end - start:
        raise PayloadError(start, f"field {tag >> 3} of {size} bytes, but {end - start} are left")
    return 0, start, start + size


def _skip_group(data: bytes, at: int, end: int, number: int, limits: Limits) -> int:
    """Where the group `number`, opened just before `at`, ends."""
    opened = [number]
    while opened:
        tag_at = at
        if at >= end:
            raise PayloadError(at, f"ends within group {opened[-1]}")
        tag, at = read_varint(data, at, end)
        _check_tag(tag, tag_at)
        if tag & 7 == GROUP:
            if len(opened) >= limits.max_depth:
                raise PayloadError(tag_at, f"nested deeper than {limits.max_depth}")
            opened.append(tag >> 3)
        elif tag & 7 == GROUP_END:
            if tag >> 3 != opened.pop():
                raise PayloadError(tag_at, f"group {tag >> 3} ends but was not open")
        else:
            _, _, at = _read_field(data, tag, tag_at, at, end)
    return at


def read_text(data: bytes, start: int, stop: int) -> str:
    """UTF-8 text in data[start:stop]."""
    try:
        return data[start:stop].decode()
    except UnicodeDecodeError as error:
        raise PayloadError(start + error.start, "text is not UTF-8") from None


def write_varint(out: bytearray, value: int) -> None:
    """Append a number 0 … 2**64 - 1."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def write_number(out: bytearray, field: int, value: int) -> None:
    """Append a varint field."""
    write_varint(out, field << 3)
    write_varint(out, value)


def write_bytes(out: bytearray, field: int, value: bytes | bytearray) -> None:
    """Append a field of bytes: a text, a blob or a message."""
    write_varint(out, field << 3 | BYTES)
    write_varint(out, len(value))
    out += value


def write_float(out: bytearray, field: int, value: float) -> None:
    """Append a float field. Raises `OverflowError` if the value is too large for 32 bits."""
    write_varint(out, field << 3 | FIXED32)
    out += _pack_float(value)


def write_double(out: bytearray, field: int, value: float) -> None:
    """Append a double field."""
    write_varint(out, field << 3 | FIXED64)
    out += _pack_double(value)


def write_text(out: bytearray, field: int, value: str) -> None:
    """Append a text field. Raises `ValueError` for what UTF-8 cannot carry (lone surrogates)."""
    write_bytes(out, field, value.encode())
