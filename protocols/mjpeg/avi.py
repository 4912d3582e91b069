"""Frames as an AVI file with Motion JPEG (RIFF; `MJPG`): one video stream and its index."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.mjpeg.jpeg import Size

_HAS_INDEX = 0x10
_KEY_FRAME = 0x10
_OF_EACH = 8 + 1 + 16
"""Bytes of a frame beside its picture: chunk header, padding, entry in the index."""
_HEAD = 1024
"""More than all that stands before the frames."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture, and when it came: microseconds since the epoch, by the receiver's clock."""

    at_us: int
    jpeg: bytes


def longest_clip(most: int, frames: Sequence[Frame]) -> int:
    """How many of these frames, from the first on, fit into a file of `most` bytes."""
    size = _HEAD
    for count, frame in enumerate(frames):
        size += len(frame.jpeg) + _OF_EACH
        if size > most:
            return count
    return len(frames)


def avi(frames: Sequence[Frame], size: Size) -> bytes:
    """A file that shows the frames evenly over the time that they took: AVI knows one rate. There
    must be one at least."""
    first, last = frames[0].at_us, frames[-1].at_us
    frame_us = max(1000, (last - first) // (len(frames) - 1)) if len(frames) > 1 else 1_000_000
    largest = max(len(frame.jpeg) for frame in frames)
    main = struct.pack(
        "<14I",
        *(frame_us, largest * 1_000_000 // frame_us & 0xFFFF_FFFF, 0, _HAS_INDEX),
        *(len(frames), 0, 1, largest, size.width, size.height, 0, 0, 0, 0),
    )
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        *(b"vids", b"MJPG", 0, 0, 0, 0, frame_us, 1_000_000, 0, len(frames), largest),
        *(0xFFFF_FFFF, 0, 0, 0, size.width & 0xFFFF, size.height & 0xFFFF),
    )
    picture = struct.pack(
        "<IiiHH4sIiiII",
        *(40, size.width, size.height, 1, 24, b"MJPG"),
        *(size.width * size.height * 3 & 0xFFFF_FFFF, 0, 0, 0, 0),
    )
    header = _list(
        b"hdrl",
        _chunk(b"avih", main) + _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", picture)),
    )
    index, offset = [], 4
    for frame in frames:
        length = len(frame.jpeg)
        index.append(struct.pack("<4sIII", b"00dc", _KEY_FRAME, offset, length))
        offset += 8 + length + (length & 1)
    movie = _list(b"movi", b"".join(_chunk(b"00dc", frame.jpeg) for frame in frames))
    body = b"AVI " + header + movie + _chunk(b"idx1", b"".join(index))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
