"""What is done in the folder itself. It may block, on a share for long, and raises `OSError`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

MOST_FILES = 10_000
"""So many are looked at in one go; the others have their turn when those are gone."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it lay there at one look."""

    name: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was read whole."""

    name: str
    data: bytes
    at: datetime
    """When it was last written, by the clock of whoever wrote it."""


class ChangedError(OSError):
    """A file changed while it was read."""


def shown(name: str) -> str:
    """A name for people and logs, whatever bytes it is made of."""
    return name.encode("utf-8", "backslashreplace").decode()


def look(directory: Path, wanted: Callable[[str], bool]) -> list[Entry]:
    """The files that lie in a folder, those in use by their hidden names left out."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith((".", "~")) or not wanted(entry.name):
                continue
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    at = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
                    found.append(Entry(entry.name, *at))
            if len(found) >= MOST_FILES:
                break
    return found


def read(directory: Path, entries: Sequence[Entry], max_bytes: int) -> list[Taken]:
    """Files whole, at most a byte more than `max_bytes` of each. Raises `ChangedError`."""
    return [_read(directory / entry.name, entry, max_bytes) for entry in entries]


def _read(path: Path, entry: Entry, max_bytes: int) -> Taken:
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
        stat = os.fstat(file.fileno())
    whole = len(data) == stat.st_size or len(data) > max_bytes
    if not whole or (stat.st_size, stat.st_mtime_ns) != (entry.size, entry.mtime_ns):
        raise ChangedError(errno.EAGAIN, "changed while it was read")
    return Taken(entry.name, data, datetime.fromtimestamp(stat.st_mtime, UTC))


def digest(files: Sequence[Taken]) -> str:
    """SHA-256 of what the files hold, one after the other."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.data)
    return found.hexdigest()


def archive(paths: Sequence[Path], directory: Path, today: date, sha256: str) -> None:
    """Move files into the folder of the day, in this order."""
    _move(paths, directory / today.isoformat(), sha256)


def set_aside(paths: Sequence[Path], directory: Path, reason: str, sha256: str) -> None:
    """Move files that cannot be used, and say beside them why."""
    _make(directory)
    beside = directory / f"{paths[-1].name}.reason.txt"
    beside.write_text(reason, encoding="utf-8")
    with contextlib.suppress(OSError):  # a share may know no modes
        shutil.copymode(paths[-1], beside)
    _move(paths, directory, sha256)


def expire(directory: Path, retain_days: int, today: date) -> bool:
    """Remove the oldest day of the archive that is too old; whether there was one. One at a time:
    a clock that goes wrong does not cost the whole archive at once."""
    oldest = today - timedelta(days=retain_days)
    try:
        days = sorted(path.name for path in directory.iterdir() if _DAY.fullmatch(path.name))
    except FileNotFoundError:
        return False
    for name in days:
        try:
            old = date.fromisoformat(name) < oldest
        except ValueError:
            continue
        if old:
            shutil.rmtree(directory / name)
        return old
    return False


def _make(directory: Path) -> None:
    """Make a folder that whoever may look into the one around it may look into too: the service
    makes its own files for itself alone."""
    if directory.exists():
        return
    _make(directory.parent)
    directory.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        shutil.copymode(directory.parent, directory)


def _move(paths: Sequence[Path], directory: Path, sha256: str) -> None:
    _make(directory)
    taken = any((directory / path.name).exists() for path in paths)
    for path in paths:
        # Whoever reuses a name has its files told apart by what is in them.
        name = f"{path.stem}.{sha256[:12]}{path.suffix}" if taken else path.name
        _move_one(path, directory / name)


def _move_one(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(f".{target.name}.part")
        with path.open("rb") as source, part.open("wb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(path, part)
        part.replace(target)
        path.unlink()
