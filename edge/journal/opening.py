"""Opening the journal file, whatever it holds: damaged ones are set aside, and gaps say so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge import set_aside
from edge.journal import wal
from edge.journal.errors import DamagedError
from edge.journal.records import Gap
from edge.journal.store import Store, free_bytes, row_of

logger = logging.getLogger(__name__)

_LEAST_FILE = 512
"""Bytes of the smallest file that SQLite does not take for an empty one."""


def open_store(path: Path, *, free: Callable[[Path], int] = free_bytes) -> Store:
    """Open the journal file, or begin one.

    A file that cannot be read is set aside (`edge.set_aside`), and the new one begins with a gap.
    Where only the last commits cannot be read, because the write-ahead log is damaged, the rest is
    kept, and a tombstone stands for them.

    Raises `JournalError` if the file is of a newer release, `sqlite3.OperationalError` or `OSError`
    if the disk does not allow a file here.
    """
    try:
        if _condemned(path).exists():
            raise DamagedError("it was found damaged while in use")
        return _open(path, free)
    except DamagedError as error:
        aside, count = set_aside.set_aside(path)
        _condemned(path).unlink(missing_ok=True)
        logger.error(
            "journal %s cannot be read (%s): set aside as %s, a new one is begun",
            path,
            error,
            aside.name,
        )
    store = Store(path, set_aside=count, free=free)
    now_us = time.time_ns() // 1000
    with store.transaction():
        gap = Gap(None, None, now_us, "journal file damaged and set aside")
        store.append(row_of(gap, now_us), now_us)
    return store


def condemn(path: Path) -> None:
    """Have the file set aside when it is opened the next time, if the disk takes the mark."""
    with suppress(OSError):
        _condemned(path).touch()


def _open(path: Path, free: Callable[[Path], int]) -> Store:
    last_commit = wal.last_commit(path.with_name(f"{path.name}-wal"))
    _check_header(path, has_log=last_commit > 0)
    store = Store(path, free=free)
    try:
        if (frames := last_commit - store.recovered_frames) > 0:
            logger.error(
                "journal %s: the write-ahead log is damaged, and what was written last is lost; a "
                "gap says so",
                path,
            )
            with store.transaction():
                store.bury_tail(frames)
            store.fold_log()  # damaged again, the log must not take so long a step back
        if store.unsound_bookmarks:
            _forget_bookmarks(store)
    except BaseException:
        store.close()
        raise
    return store


def _forget_bookmarks(store: Store) -> None:
    """Go on without damaged notes of sources. They may have named samples that were still to come
    into the journal, nobody knows which."""
    logger.error("journal %s: a note of a source is damaged; a gap says so", store.path)
    now_us = time.time_ns() // 1000
    with store.transaction():
        for name in store.unsound_bookmarks:
            store.set_bookmark(name, "")
        gap = Gap(None, None, now_us, "note of a source damaged in the journal")
        store.append(row_of(gap, now_us), now_us)


def _condemned(path: Path) -> Path:
    return path.with_name(f"{path.name}.condemned")


def _check_header(path: Path, *, has_log: bool) -> None:
    """Refuse what SQLite would take for an empty file, or for one that may not be written."""
    try:
        with path.open("rb") as file:
            header = file.read(_LEAST_FILE)
    except FileNotFoundError:
        header = b""
    if (header and len(header) < _LEAST_FILE) or (has_log and not header):
        raise DamagedError("most of it is missing")
    if header and not set(header[18:20]) <= {1, 2}:
        raise DamagedError("its header is of no format that there is")
