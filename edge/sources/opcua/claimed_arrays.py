"""Arrays that claim to be larger than their message. asyncua believes them in two places:

An item of an array of Null has no bytes, so four bytes may claim two thousand million of them, a
list of 16 GB. They say nothing, and are read as none. And where the dimensions of an array are more
than its items, it is filled up to a million lists: a second for 65 bytes. Such an array cannot be
decoded (OPC 10000-6, 5.2.2.16).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.ua import ua_binary

_reshape = ua_binary._reshape


class _Nulls:
    """Stands beside asyncua's readers of arrays of numbers."""

    @staticmethod
    def unpack_array(_data: Any, _length: int) -> Sequence[None]:
        return ()

    @staticmethod
    def pack_array(array: Sequence[None] | None) -> bytes:
        return struct.pack("<i", -1 if array is None else len(array))


def _checked(flat: list[Any], dimensions: list[int] | None) -> list[Any]:
    if not dimensions or not flat:
        return flat
    if min(dimensions) < 1 or math.prod(dimensions) != len(flat):
        raise ua.UaError(f"an array of {len(flat)} with the dimensions {dimensions[:10]}")
    return _reshape(flat, dimensions)


def refuse() -> None:
    """From now on, in the whole process."""
    ua_binary.Primitives1.Null = _Nulls  # type: ignore[attr-defined]  # where asyncua looks for one
    ua_binary._reshape = _checked  # type: ignore[assignment]
