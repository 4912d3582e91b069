"""Arrays of Null. Such an item has no bytes, so a server may claim two thousand million of them in
four, and asyncua would make a list of 16 GB. They say nothing, and are read as none."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from asyncua.ua.ua_binary import Primitives1


class _Nulls:
    """Stands beside asyncua's readers of arrays of numbers."""

    @staticmethod
    def unpack_array(_data: Any, _length: int) -> Sequence[None]:
        return ()

    @staticmethod
    def pack_array(array: Sequence[None] | None) -> bytes:
        return struct.pack("<i", -1 if array is None else len(array))


def read_as_none() -> None:
    """From now on, in the whole process."""
    Primitives1.Null = _Nulls  # type: ignore[attr-defined]  # where asyncua looks for one
