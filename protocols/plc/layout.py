"""The values of one block, from its bytes in one go."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from protocols.plc.kinds import Field, PlcValue, UnreadableError


class Layout:
    """Where in a block which values are. Plain numbers that do not overlap are read by one call of
    `struct`, which makes up most of what a value costs; the rest one by one."""

    def __init__(self, fields: Sequence[tuple[int, Field]]) -> None:
        """`fields`: offset in bytes, and how to read it."""
        self._count = len(fields)
        self._plain: list[int] = []
        self._others: list[tuple[int, int, Field]] = []
        code, end = [">"], 0
        for position, (offset, field) in sorted(enumerate(fields), key=lambda f: f[1][0]):
            if not field.code or offset < end:
                self._others.append((position, offset, field))
                continue
            code.append(f"{offset - end}x{field.code}")
            end = offset + field.size
            self._plain.append(position)
        self._struct = struct.Struct("".join(code))
        self._in_order = self._plain == list(range(self._count))
        self.size = max((o + f.size for o, f in fields), default=0)
        """Bytes that a block must have."""

    def read(self, data: bytes) -> Sequence[PlcValue | UnreadableError]:
        """The values in the order of the fields. `data` has at least `size` bytes."""
        plain = self._struct.unpack_from(data)
        if self._in_order:
            return plain
        values: list[PlcValue | UnreadableError] = [False] * self._count
        for position, value in zip(self._plain, plain, strict=True):
            values[position] = value
        for position, offset, field in self._others:
            try:
                values[position] = field.decode(data[offset : offset + field.size])
            except UnreadableError as error:
                values[position] = error
        return values
