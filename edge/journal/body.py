"""How the body of a row is laid out.

Samples, little-endian:
    u32      n, number of samples
    n * u32  tag ids
    n * i64  source times, µs
    n * f64  numbers
    JSON     [{position: other}, {position: quality}], absent if both are empty
Gap: JSON {"device", "from_us", "to_us", "cause"}.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array

from edge.journal.records import Gap, SampleBatch, SampleClass

SAMPLES, GAP = 0, 1
"""Kinds of rows."""

_COUNT = struct.Struct("<I")
_PER_SAMPLE = 4 + 8 + 8


def head_check(
    offset: int, kind: int, device: str, row_class: int, first_us: int, last_us: int
) -> int:
    """CRC-32 of a row's columns."""
    return zlib.crc32(f"{offset} {kind} {device} {row_class} {first_us} {last_us}".encode())


def body_check(body: bytes) -> int:
    """CRC-32 of a row's body."""
    return zlib.crc32(body)


def pack_samples(batch: SampleBatch) -> bytes:
    """The body of a row of samples."""
    tail = b""
    if batch.others or batch.qualities:
        tail = json.dumps([batch.others, batch.qualities], separators=(",", ":")).encode()
    return b"".join(
        (
            _COUNT.pack(len(batch.tags)),
            _bytes_of(batch.tags),
            _bytes_of(batch.times_us),
            _bytes_of(batch.numbers),
            tail,
        )
    )


def unpack_samples(device: str, row_class: int, body: bytes) -> SampleBatch:
    """Read a body that `pack_samples` wrote. Raises `ValueError` or `struct.error`."""
    (n,) = _COUNT.unpack_from(body)
    ends = [_COUNT.size + n * width for width in (0, 4, 12, _PER_SAMPLE)]
    if len(body) < ends[-1]:
        raise ValueError(f"body of {n} samples has only {len(body)} bytes")
    others, qualities = json.loads(body[ends[-1] :]) if len(body) > ends[-1] else ({}, {})
    return SampleBatch(
        device,
        SampleClass(row_class),
        _array_of("I", body[ends[0] : ends[1]]),
        _array_of("q", body[ends[1] : ends[2]]),
        _array_of("d", body[ends[2] : ends[3]]),
        {int(position): value for position, value in others.items()},
        {int(position): value for position, value in qualities.items()},
    )


def pack_gap(gap: Gap) -> bytes:
    """The body of a gap row."""
    return json.dumps(
        {"device": gap.device, "from_us": gap.from_us, "to_us": gap.to_us, "cause": gap.cause}
    ).encode()


def unpack_gap(body: bytes) -> Gap:
    """Read a body that `pack_gap` wrote. Raises `ValueError` or `TypeError`."""
    return Gap(**json.loads(body))


def _bytes_of(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _array_of(typecode: str, data: bytes) -> array:  # type: ignore[type-arg]  # by typecode
    column = array(typecode, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column
