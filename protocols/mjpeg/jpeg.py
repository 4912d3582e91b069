"""A frame as a JPEG (ITU-T T.81): whether it is whole, and how large its picture is."""

from __future__ import annotations

from typing import NamedTuple

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers that stand alone."""
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Beginnings of a frame; the others of that range are tables."""
_PADDING = b"\0\r\n"
"""What cameras leave behind the end of a picture."""


class FrameError(ValueError):
    """The bytes are no whole JPEG; the text says why."""


class Size(NamedTuple):
    """Of a picture, in pixels."""

    width: int
    height: int


def size_of(data: bytes) -> Size:
    """The size of a JPEG that is whole from its first marker to its last. What is between them is
    not decoded. Raises `FrameError`."""
    if len(data) < 4 or data[0] != 0xFF or data[1] != _SOI:
        raise FrameError("no JPEG: it does not begin as one")
    if data.rstrip(_PADDING)[-2:] != bytes((0xFF, _EOI)):
        raise FrameError("a JPEG that is cut off")
    size: Size | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise FrameError(f"a JPEG with no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if marker in _NO_LENGTH:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            raise FrameError(f"a JPEG whose segment at byte {at} has no end")
        if marker in _SOF:
            if length < 8:
                raise FrameError("a JPEG without a size")
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            size = Size(width, height)
        if marker == _SOS:
            break
        at += 2 + length
    if size is None or not size.width or not size.height:
        raise FrameError("a JPEG without a size")
    return size
