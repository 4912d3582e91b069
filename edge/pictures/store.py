"""The files of pictures: each written whole or not at all, the oldest let go for newer ones.

A picture goes through these files, so that a stop at any point leaves it either whole or said to be
missing, and its reference in the journal once at least (the hub counts it once):

1. `NAME.wanted`: what happened, before anything is taken.
2. `NAME.part`: the picture while it is written; removed at the next start.
3. `NAME.wanted` again, now with size and hash; then `NAME.jpg` or `NAME.avi`.
4. `NAME.kept` in place of `NAME.wanted`: the journal has the reference.

Whatever writes is blocking, and is called by `run`, in the store's own thread.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from edge.journal.store import free_bytes
from edge.pictures.settings import PictureSettings
from protocols.inspection import MediaType, Picture

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")
STOPPED = "the gateway was stopped before the picture was on its disk"
_LOST = "its file on the gateway is gone or damaged"
_MEGABYTE = 1024 * 1024
_SUFFIXES: dict[MediaType, str] = {"image/jpeg": ".jpg", "video/x-msvideo": ".avi"}
_NAME = re.compile(r"\d{16}-[0-9a-f]{32}")
_LARGEST_NOTE = 16_384
_MISSED = {"state": "missed", "reason": STOPPED, "media_type": None, "size": None, "sha256": None,
           "frames": None, "taken_from": None, "taken_to": None}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noted:
    """An event of which there is, or was to be, a picture."""

    name: str
    """Of its files, without suffix: when it was noted, or right after the one before if the clock
    was set back, and its key. They sort as they were noted."""
    camera: str
    """Device that took it."""
    picture: Picture

    @property
    def key(self) -> str:
        """Of the picture."""
        return self.picture.key

    @property
    def file(self) -> str:
        """Name of the file that holds it."""
        media_type = self.picture.media_type
        return self.name + (_SUFFIXES[media_type] if media_type is not None else "")


class PictureStore:
    """The pictures of one gateway, in a directory of their own."""

    def __init__(
        self,
        directory: Path,
        settings: PictureSettings,
        *,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """Takes up what is there. Raises `OSError` if the directory cannot be used."""
        self._directory = directory
        self._free = free
        self.limit(settings)
        self._kept: dict[str, Noted] = {}
        """By key, the oldest first; those whose reference the journal may not have too."""
        self._wanted: dict[str, Noted] = {}
        self._newest_us = 0
        """When the newest was noted, as its name says."""
        self._bytes = 0
        self.making_room = asyncio.Lock()
        """Held until a picture has the room that was made for it: else two would let the same one
        go, and one of them find no room."""
        directory.mkdir(parents=True, exist_ok=True)
        self._take_up()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run one function of the store, after those asked for before. It ends even if the caller
        is cancelled meanwhile."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Finish what was asked for."""
        self._thread.shutdown(wait=True)

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return self._bytes

    @property
    def count(self) -> int:
        """Pictures that are kept."""
        return len(self._kept)

    def limit(self, settings: PictureSettings) -> None:
        """Keep to other limits, from the next picture on."""
        self._quota = settings.quota_mb * _MEGABYTE
        self._keep_free = settings.keep_free_mb * _MEGABYTE

    def knows(self, key: str) -> bool:
        """Whether there is, or is to be, a picture of this key."""
        return key in self._kept or key in self._wanted

    def left(self, camera: str) -> list[Noted]:
        """What an earlier run noted of a camera and did not finish telling."""
        return [noted for noted in self._wanted.values() if noted.camera == camera]

    def note(self, camera: str, picture: Picture, now_us: int) -> Noted:
        """Something has happened of which a picture is to be taken. Raises `OSError`."""
        self._newest_us = max(now_us, self._newest_us + 1)
        noted = Noted(f"{self._newest_us:016d}-{picture.key}", camera, picture)
        self._write_note(noted)
        self._wanted[noted.key] = noted
        return noted

    def put(self, noted: Noted, picture: Picture, data: bytes) -> Noted:
        """The picture itself, described but for size and hash. Raises `OSError`; then there is none
        of it."""
        if self._room(len(data)) < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        found = picture.model_copy(
            update={"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        )
        noted = replace(noted, picture=found)
        part = self._path(noted.name + ".part")
        try:
            _write(part, data)
            self._write_note(noted)
            part.replace(self._path(noted.file))
            self._sync()
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self._wanted[noted.key] = noted
        self._kept[noted.key] = noted
        self._bytes += len(data)
        return noted

    def over_quota(self, more: int) -> list[Noted]:
        """The oldest, that have to go before so many bytes more are kept; none if that would not be
        enough, others having filled the disk. Raises `OSError`."""
        found, room = [], self._room(more)
        if room + self._bytes < 0:
            return []
        for noted in self._kept.values():
            if room >= 0:
                break
            room += noted.picture.size or 0
            found.append(noted)
        return found

    def told(self, noted: Noted) -> None:
        """The journal has the reference. Raises `OSError`."""
        self._wanted.pop(noted.key, None)
        wanted = self._path(noted.name + ".wanted")
        if noted.key in self._kept:
            wanted.replace(self._path(noted.name + ".kept"))
        else:
            wanted.unlink(missing_ok=True)
            self._path(noted.name + ".kept").unlink(missing_ok=True)

    def drop(self, noted: Noted) -> None:
        """Let a picture go, of which the journal says so. Raises `OSError`."""
        self._path(noted.file).unlink(missing_ok=True)
        for suffix in (".kept", ".wanted"):
            self._path(noted.name + suffix).unlink(missing_ok=True)
        self._wanted.pop(noted.key, None)
        if self._kept.pop(noted.key, None) is not None:
            self._bytes -= noted.picture.size or 0

    def find(self, key: str) -> Noted | None:
        """A picture that is kept."""
        return self._kept.get(key)

    def read(self, noted: Noted, at: int, length: int) -> bytes:
        """A part of a picture. Raises `OSError`."""
        with self._path(noted.file).open("rb") as file:
            file.seek(at)
            return file.read(length)

    def _room(self, more: int) -> int:
        """Bytes that are left after so many more; below 0 they do not fit."""
        disk = self._free(self._directory) - self._keep_free
        return min(self._quota - self._bytes, disk) - more

    def _take_up(self) -> None:
        """Find what is there, and let go of what was cut off by a stop."""
        names = sorted(entry.name for entry in os.scandir(self._directory) if entry.is_file())
        for noted, told in self._notes(names):
            if self._is_whole(noted):
                self._kept[noted.key] = noted
                self._bytes += noted.picture.size or 0
                if not told:
                    self._wanted[noted.key] = noted
                continue
            if noted.picture.state == "kept":
                noted = self._without_file(noted, told=told)
            self._wanted[noted.key] = noted
        known = {n.name for n in (*self._kept.values(), *self._wanted.values())}
        self._newest_us = max((int(name.partition("-")[0]) for name in known), default=0)
        files = {n.file for n in self._kept.values()}
        for name in names:
            stem, _, suffix = name.partition(".")
            if not _NAME.fullmatch(stem):
                continue  # not ours
            is_note = suffix in ("kept", "wanted") and stem in known
            if not is_note and name not in files:
                self._path(name).unlink(missing_ok=True)

    def _without_file(self, noted: Noted, *, told: bool) -> Noted:
        """A picture that is not there, as it is to be told."""
        update = {"state": "dropped", "reason": _LOST} if told else _MISSED
        if told:
            logger.error("picture %s is gone or damaged", noted.name)
        return replace(noted, picture=noted.picture.model_copy(update=update))

    def _notes(self, names: list[str]) -> Iterator[tuple[Noted, bool]]:
        """What is noted, and whether the journal has it."""
        for name in names:
            stem, _, suffix = name.partition(".")
            if suffix not in ("kept", "wanted") or not _NAME.fullmatch(stem):
                continue
            path = self._path(name)
            try:
                told = json.loads(path.read_bytes()[:_LARGEST_NOTE])
                picture = Picture.model_validate(told["picture"])
                noted = Noted(stem, str(told["camera"]), picture)
            except (ValueError, KeyError, TypeError):
                logger.error("%s cannot be read: the picture is let go", path)
                continue
            yield noted, suffix == "kept"

    def _is_whole(self, noted: Noted) -> bool:
        if noted.picture.state != "kept" or noted.picture.size is None:
            return False
        try:
            return self._path(noted.file).stat().st_size == noted.picture.size
        except FileNotFoundError:
            return False

    def _write_note(self, noted: Noted) -> None:
        """Put the note there, whole."""
        told = {"camera": noted.camera, "picture": noted.picture.model_dump(mode="json")}
        fresh = self._path(noted.name + ".note")
        _write(fresh, json.dumps(told).encode())
        fresh.replace(self._path(noted.name + ".wanted"))
        self._sync()

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
