"""A database file that is damaged is set aside under another name: the agent goes on with a new
one, and who wants to know what was in the old one still can.

It is named `<file>.damaged-<n>`, its write-ahead log `<file>.damaged-<n>-wal`, as SQLite wants it.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from pathlib import Path

logger = logging.getLogger(__name__)

KEPT = 3
"""So many damaged files are kept of each file."""
KEPT_BYTES = 256 * 1024 * 1024
"""Those before the last are deleted, oldest first, where all take more than this."""
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_PARTS = ("", "-wal", "-shm")


class DamageError(sqlite3.DatabaseError):
    """A file is damaged in a way that SQLite does not notice."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is broken, and not the disk unwilling now or the caller wrong."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return isinstance(error, DamageError) or code in _BROKEN


def count(path: Path) -> int:
    """How many files of this name were set aside, counted from the first ever."""
    return max(_numbers(path), default=0)


def set_aside(path: Path) -> tuple[Path, int]:
    """Rename a file, its write-ahead log and its index of that, and delete what was set aside too
    long ago. Returns the new name, and how many have been set aside with it, counted from the first
    ever. Raises `OSError`."""
    before = _numbers(path)
    number = before[-1] + 1 if before else 1
    aside = _named(path, number)
    for part in _PARTS:
        if (file := _part(path, part)).exists():
            file.rename(_part(aside, part))
    _prune(path)
    return aside, number


def let_go(path: Path) -> int:
    """The disk is needed: empty all that was set aside; the last keeps its name, which is the
    count. Returns the bytes that this has freed."""
    numbers = _numbers(path)
    freed = sum(_size(path, number) for number in numbers)
    if freed:
        for number in numbers[:-1]:
            _delete(path, number)
        last = _named(path, numbers[-1])
        for part in _PARTS[1:]:
            _part(last, part).unlink(missing_ok=True)
        last.write_bytes(b"")
        logger.warning(
            "damaged files of %s are deleted (%d bytes): little disk is free", path, freed
        )
    return freed


def _prune(path: Path) -> None:
    numbers = _numbers(path)
    while len(numbers) > 1:
        if len(numbers) <= KEPT and sum(_size(path, number) for number in numbers) <= KEPT_BYTES:
            return
        oldest = numbers.pop(0)
        logger.warning("%s is deleted: newer damaged files are kept", _named(path, oldest))
        _delete(path, oldest)


def _numbers(path: Path) -> list[int]:
    if not path.parent.exists():
        return []
    pattern = re.compile(re.escape(path.name) + r"\.damaged-(\d+)")
    matches = (pattern.fullmatch(file.name) for file in path.parent.iterdir())
    return sorted(int(match[1]) for match in matches if match is not None)


def _named(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}")


def _part(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def _size(path: Path, number: int) -> int:
    files = (_part(_named(path, number), part) for part in _PARTS)
    return sum(file.stat().st_size for file in files if file.exists())


def _delete(path: Path, number: int) -> None:
    for part in _PARTS:
        _part(_named(path, number), part).unlink(missing_ok=True)
