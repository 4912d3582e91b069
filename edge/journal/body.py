"""How the body of a row is laid out.

Samples, little-endian:
    u32      n, number of samples, in the low 24 bits; above them what else there is
    n * u32  tag ids
    n * i64  source times, µs
    n * f64  numbers
    bytes    if bit 24: server times less source times in µs, 0 for none, as
             `protocols.sparkplug.server_times` packs offsets
    JSON     [{position: other}, {position: quality}], absent if both are empty
Bit 25 says that the samples were read from the server's history. A row without bits is of version 1
and all that releases before them wrote; an unknown bit is a later layout, which is not guessed at.

Gap: JSON {"device", "from_us", "to_us", "cause"}.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array

from edge.journal.records import Gap, Origin, SampleBatch, SampleClass
from protocols.sparkplug.server_times import pack_offsets, unpack_offsets

SAMPLES, GAP = 0, 1
"""Kinds of rows."""

_HEAD = struct.Struct("<I")
_PER_SAMPLE = 4 + 8 + 8
_MOST = (1 << 24) - 1
_SERVER_TIMES, _HISTORY = 1 << 24, 1 << 25


def head_check(
    offset: int, kind: int, device: str, row_class: int, first_us: int, last_us: int
) -> int:
    """CRC-32 of a row's columns."""
    return zlib.crc32(f"{offset} {kind} {device} {row_class} {first_us} {last_us}".encode())


def body_check(body: bytes) -> int:
    """CRC-32 of a row's body."""
    return zlib.crc32(body)


def checked(row: tuple[int | str | None, ...]) -> tuple[int | str | None, ...]:
    """A row of a small table, with the CRC-32 of its columns behind them."""
    return (*row, zlib.crc32("\0".join(map(str, row)).encode()))


def is_sound(row: tuple[int | str | None, ...]) -> bool:
    """Whether a row is as `checked` made it."""
    return checked(row[:-1]) == row


def pack_samples(batch: SampleBatch) -> bytes:
    """The body of a row of samples."""
    head = len(batch.tags)
    server_times = tail = b""
    if batch.server_us:
        head |= _SERVER_TIMES
        server_times = pack_offsets(
            [
                server_us - time_us if server_us else 0
                for time_us, server_us in zip(batch.times_us, batch.server_us, strict=True)
            ]
        )
    if batch.origin is Origin.HISTORY:
        head |= _HISTORY
    if batch.others or batch.qualities:
        tail = json.dumps([batch.others, batch.qualities], separators=(",", ":")).encode()
    return b"".join(
        (
            _HEAD.pack(head),
            _bytes_of(batch.tags),
            _bytes_of(batch.times_us),
            _bytes_of(batch.numbers),
            server_times,
            tail,
        )
    )


def unpack_samples(device: str, row_class: int, body: bytes) -> SampleBatch:
    """Read a body that `pack_samples` wrote. Raises `ValueError` or `struct.error`."""
    (head,) = _HEAD.unpack_from(body)
    n = head & _MOST
    if head & ~(_MOST | _SERVER_TIMES | _HISTORY):
        raise ValueError(f"body of a later layout, {head:#x}")
    ends = [_HEAD.size + n * width for width in (0, 4, 12, _PER_SAMPLE)]
    if len(body) < ends[-1]:
        raise ValueError(f"body of {n} samples has only {len(body)} bytes")
    tail = ends[-1]
    times_us = _array_of("q", body[ends[1] : ends[2]])
    server_us = array("q")
    if head & _SERVER_TIMES:
        width = body[tail] if len(body) > tail else 0
        tail += 1 + width * n
        offsets = unpack_offsets(body[ends[-1] : tail], n)
        server_us.extend(
            time_us + offset if offset else 0
            for time_us, offset in zip(times_us, offsets, strict=True)
        )
    others, qualities = json.loads(body[tail:]) if len(body) > tail else ({}, {})
    return SampleBatch(
        device,
        SampleClass(row_class),
        _array_of("I", body[ends[0] : ends[1]]),
        times_us,
        _array_of("d", body[ends[2] : ends[3]]),
        {int(position): value for position, value in others.items()},
        {int(position): value for position, value in qualities.items()},
        server_us,
        Origin.HISTORY if head & _HISTORY else Origin.LIVE,
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
