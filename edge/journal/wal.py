"""Whether SQLite took all of a write-ahead log that it has just recovered.

Each frame has a checksum that goes on from the frame before it. At the first that does not match,
recovery stops, and what was committed behind it is gone without an error: one flipped bit takes
back commits that were acknowledged. A frame that ends a transaction and bears the salts of the log
in force, but lies behind that point, gives it away.

Layout: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoint, 2 salts, 2 checksums
_FRAME = struct.Struct(">6I")  # page, pages after commit or 0, 2 salts, 2 checksums
_LITTLE = 0x377F0682
"""Magic of a log whose checksums are little-endian; plus 1 if they are big-endian."""


def last_commit(path: Path) -> int:
    """Number of the last frame, from 1 on, that ends a transaction of the log in force, whether or
    not it is sound; 0 if there is none. Read it before SQLite opens the database.

    If the header itself is damaged, the log in force is that of the first frame. Raises `OSError`.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return 0
            magic, _, page_size, _, *salts, sum_1, sum_2 = _HEADER.unpack(header)
            if _checksum(header[:24], little=magic == _LITTLE) != (sum_1, sum_2):
                page_size, salts = _guessed(path, file.read(_FRAME.size))
            last = number = 0
            while True:
                file.seek(_HEADER.size + number * (_FRAME.size + page_size))
                frame = file.read(_FRAME.size)
                if len(frame) < _FRAME.size:
                    return last
                number += 1
                _, commit, salt_1, salt_2, _, _ = _FRAME.unpack(frame)
                if commit and [salt_1, salt_2] == salts:
                    last = number
    except FileNotFoundError:
        return 0


def _guessed(path: Path, first_frame: bytes) -> tuple[int, list[int]]:
    """Page size of the database, and salts of the first frame."""
    with path.with_name(path.name.removesuffix("-wal")).open("rb") as file:
        size = int.from_bytes(file.read(18)[16:18], "big")
    salts = list(_FRAME.unpack(first_frame)[2:4]) if len(first_frame) == _FRAME.size else []
    return size if size > 1 else 65536, salts


def _checksum(data: bytes, *, little: bool) -> tuple[int, int]:
    a = b = 0
    for x, y in struct.iter_unpack("<2I" if little else ">2I", data):
        a = (a + x + b) & 0xFFFFFFFF
        b = (b + y + a) & 0xFFFFFFFF
    return a, b
