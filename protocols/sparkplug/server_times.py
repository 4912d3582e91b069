"""What a record says of its samples beside their values: when the server had them, where they come
from. Both are metrics behind `Stream/Offset`, and are there only when they say something.

`Stream/ServerTimes` (Bytes) is one offset per sample, in the record's order: the server's time less
the source's, in milliseconds. 0 says that the server gave no time, or the same to the millisecond.
Layout: one byte w of 1, 2, 4 or 8, then as many signed little-endian integers of w bytes as there
are samples; w is the smallest that holds them all.

`Stream/Origin` (String) is `history` if the samples were read from the history that the server
keeps. Any other word, and none, is a sample as it came.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import Final

SERVER_TIMES: Final = "Stream/ServerTimes"
ORIGIN: Final = "Stream/Origin"
FROM_HISTORY: Final = "history"

_TYPECODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}


def pack_offsets(offsets: Sequence[int]) -> bytes:
    """The bytes of a column of offsets. Raises `OverflowError` for one beyond 64 bits."""
    most = max(max(offsets, default=0), -1 - min(offsets, default=0))
    width = next((w for w in (1, 2, 4) if most < 1 << (8 * w - 1)), 8)
    column = array(_TYPECODES[width], offsets)
    if sys.byteorder == "big":
        column.byteswap()
    return bytes([width]) + column.tobytes()


def unpack_offsets(data: bytes, count: int) -> array[int]:
    """The column of `count` offsets ('q') that `pack_offsets` wrote. Raises `ValueError`."""
    width = data[0] if data else 0
    if width not in _TYPECODES or len(data) != 1 + width * count:
        raise ValueError(f"{len(data)} bytes are no column of {count} offsets")
    column = array(_TYPECODES[width], data[1:])
    if sys.byteorder == "big":
        column.byteswap()
    return column if width == 8 else array("q", column)
