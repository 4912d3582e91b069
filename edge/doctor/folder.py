"""A watched folder: whether it can be used, and what would become of what lies there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge.cli.words import Catalogue
from edge.doctor.finding import Finding, failed, ok, warning
from edge.sources.drop.config import DropSettings
from edge.sources.folder import files
from edge.sources.folder.blocking import in_thread
from edge.sources.folder.files import Entry, shown
from edge.sources.folder.settings import FolderSettings
from edge.sources.folder.source import Reader, RefusedError
from edge.sources.qdas.config import QdasSettings

words = Catalogue(
    {
        "waiting": (
            "{place} can be read; {count} files wait",
            "{place} 可读；{count} 个文件等待中",
        ),
        "unreadable": ("{place} cannot be read: {why}", "{place} 无法读取：{why}"),
        "missing": (
            "make the folder, or mount the share: findmnt -T {place}",
            "请建立该文件夹或挂载共享：findmnt -T {place}",
        ),
        "rights": (
            "the service's user needs the right to read, write and remove there: "
            "sudo -u lineside touch {place}/x",
            "服务用户需要在该处读取、写入和删除的权限：sudo -u lineside touch {place}/x",
        ),
        "unwritable": (
            "files cannot be moved: {place}: {why}",
            "文件无法移动：{place}：{why}",
        ),
        "movable": ("files can be archived in {place}", "文件可归档到 {place}"),
        "readable": ("{name} can be read: {count} results", "{name} 可读：{count} 条结果"),
        "refused": ("{name} would be set aside: {why}", "{name} 将被搁置：{why}"),
        "format": (
            "is it of the kind {kind}, and is its encoding {encoding}?",
            "类型是否为 {kind}，编码是否为 {encoding}？",
        ),
        "lonely": (
            "{name} waits for its other half, of the same name",
            "{name} 正在等待同名的另一半文件",
        ),
    }
)
_T = TypeVar("_T")
_TRIED = 3
"""So many of the files that lie there are read to see whether they can be."""


async def look(settings: QdasSettings | DropSettings) -> AsyncIterator[Finding]:
    """Look at the folder and try its files. Nothing is taken or moved."""
    part, place = f"source {settings.device}", settings.watch_dir
    reader = reader_of(settings)
    try:
        entries = await _call(settings, lambda: files.look(place, reader.wants))
    except OSError as error:
        remedy = words("rights" if isinstance(error, PermissionError) else "missing", place=place)
        why = error.strerror or str(error)
        yield failed(part, words("unreadable", place=place, why=why), remedy)
        return
    yield ok(part, words("waiting", place=place, count=len(entries)))
    yield await _rights(settings)
    groups, lonely = reader.together(sorted(entry.name for entry in entries))
    for name in lonely[:_TRIED]:
        yield warning(part, words("lonely", name=shown(name)))
    by_name = {entry.name: entry for entry in entries}
    for group in groups[:_TRIED]:
        yield await _try(settings, reader, [by_name[name] for name in group])


def reader_of(settings: QdasSettings | DropSettings) -> Reader:
    """The reader of a kind of source."""
    match settings.kind:
        case "qdas":
            from edge.sources.qdas.source import QdasReader

            return QdasReader(settings)
        case "drop":
            from edge.sources.drop.source import DropReader

            return DropReader(settings)


async def _rights(settings: FolderSettings) -> Finding:
    part = f"source {settings.device}"
    for directory in (settings.watch_dir, settings.archive, settings.rejected):
        try:
            await _call(settings, partial(_touch, directory))
        except OSError as error:
            what = words("unwritable", place=directory, why=error.strerror or error)
            return failed(part, what, words("rights", place=directory))
    return ok(part, words("movable", place=settings.archive))


async def _try(
    settings: QdasSettings | DropSettings, reader: Reader, group: list[Entry]
) -> Finding:
    part, name = f"source {settings.device}", ", ".join(shown(entry.name) for entry in group)
    most = settings.max_file_mb * 1024 * 1024
    try:
        taken = await _call(settings, lambda: files.read(settings.watch_dir, group, most))
        found = await asyncio.to_thread(reader.read, taken, files.digest(taken))
    except OSError as error:
        why = error.strerror or str(error)
        return failed(part, words("unreadable", place=name, why=why))
    except RefusedError as error:
        remedy = words("format", kind=settings.kind, encoding=settings.encoding)
        return warning(part, words("refused", name=name, why=error.problems[0]), remedy)
    return ok(part, words("readable", name=name, count=len(found)))


async def _call(settings: FolderSettings, work: Callable[[], _T]) -> _T:
    return await in_thread(f"doctor {settings.device}", work, settings.timeout_s)


def _touch(directory: Path) -> None:
    """Make a file there, or where it will be made, and remove it."""
    there = next(path for path in (directory, *directory.parents) if path.exists())
    path = there / f".doctor.{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    path.unlink()
