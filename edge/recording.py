"""A journal as a text file: to be looked at with any tool, kept, and replayed into a test hub.

JSON Lines, gzip if the name ends in `.gz`. The first line is

    {"format": "lineside-journal", "version": 1, "gateway": "GROUP/NODE", "epoch": …,
     "first": …, "next": …, "watermark": …, "tags": [{"id", "device", "name", "datatype", "unit"}]}

and then one of these a line, in the order of their offsets; times are microseconds since 1970, UTC:

    {"offset": n, "kind": "samples", "device": …, "class": "low" | "normal" | "high",
     "origin": "live" | "history", "samples": [[tag id, time, value, quality, server time], …]}
    {"offset": n, "kind": "gap", "device": …, "from_us": …, "to_us": …, "cause": …}
    {"offset": n, "after": m, "kind": "lost", "cause": …, "from_us": …, "to_us": …}

A value is as the journal has it: instants are milliseconds since 1970, booleans 0 and 1. Quality is
left out where it is good (192) and no server time follows.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from edge.journal.looking import JournalFile
from edge.journal.records import GOOD, Gap, Lost, Origin, SampleBatch, SampleClass, Stored, Tag

FORMAT, VERSION = "lineside-journal", 1
_EXACT = 2**53
_MOST_LINE = 64 * 1024 * 1024


class RecordingError(Exception):
    """The file is no recording; it says in which line and why."""


def write(journal: JournalFile, path: Path, gateway: str, first: int, after: int) -> int:
    """Write offsets first … after - 1 of a journal file, never over another file. Returns how many
    lines. Raises `OSError`, `LookError`."""
    position = journal.position()
    base, count = position.base, 0
    with _open(path, "x") as file:
        head = {
            "format": FORMAT,
            "version": VERSION,
            "gateway": gateway,
            "epoch": position.epoch,
            "first": max(first, position.first_kept) - base,
            "next": min(after, position.next) - base,
            "watermark": position.watermark - base,
            "tags": [_tag(tag) for tag in journal.tags().values()],
        }
        file.write(_line(head))
        for stored in journal.read(first, after):
            file.write(_line(plain(stored, base)))
            count += 1
    return count


def plain(stored: Stored, base: int) -> dict[str, Any]:
    """What stands for an offset, as a line has it."""
    record, offset = stored.record, stored.first - base
    if isinstance(record, SampleBatch):
        return {
            "offset": offset,
            "kind": "samples",
            "device": record.device,
            "class": record.sample_class.name.lower(),
            "origin": record.origin.name.lower(),
            "samples": list(_samples(record)),
        }
    if isinstance(record, Gap):
        return {"offset": offset, "kind": "gap", **asdict(record)}
    return {"offset": offset, "after": stored.after - base, "kind": "lost", **asdict(record)}


def head(path: Path) -> dict[str, Any]:
    """The first line of a recording. Raises `RecordingError`, `OSError`."""
    with _open(path, "r") as file:
        return _head(path, file)


def read(path: Path) -> Iterator[tuple[int, SampleBatch | Gap | Lost]]:
    """Each record, with its line. Raises `RecordingError`, `OSError`."""
    with _open(path, "r") as file:
        _head(path, file)
        for number, line in enumerate(iter(lambda: file.readline(_MOST_LINE), ""), 2):
            try:
                yield number, _record(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
                raise RecordingError(f"{path}:{number}: is no record: {error!r}") from None


def tags_of(head_line: dict[str, Any]) -> list[Tag]:
    """The tags of a recording."""
    return [
        Tag(t["id"], t["device"], t["name"], t["datatype"], t["unit"]) for t in head_line["tags"]
    ]


def _head(path: Path, file: TextIO) -> dict[str, Any]:
    try:
        told: Any = json.loads(file.readline(_MOST_LINE))
        known = told["format"] == FORMAT
        version = told["version"]
        tags_of(told)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{path}:1: is no recording ({error!r}); `journal export` writes one"
        ) from None
    if not known or version != VERSION:
        raise RecordingError(f"{path}:1: is of a format that this release does not know")
    checked: dict[str, Any] = told
    return checked


def _record(line: dict[str, Any]) -> SampleBatch | Gap | Lost:
    if line["kind"] == "gap":
        return Gap(line["device"], line["from_us"], line["to_us"], str(line["cause"]))
    if line["kind"] == "lost":
        return Lost(str(line["cause"]), line["from_us"], line["to_us"])
    if line["kind"] != "samples":
        raise ValueError(f"there is no kind {line['kind']!r}")
    batch = SampleBatch(str(line["device"]), SampleClass[line["class"].upper()])
    batch.origin = Origin[line["origin"].upper()]
    server_us = []
    for position, (tag_id, time_us, value, *more) in enumerate(line["samples"]):
        batch.tags.append(tag_id)
        batch.times_us.append(time_us)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and (isinstance(value, float) or -_EXACT <= value <= _EXACT):
            batch.numbers.append(float(value))
        else:
            batch.numbers.append(0.0)
            batch.others[position] = value
        if more and more[0] != GOOD:
            batch.qualities[position] = more[0]
        server_us.append(more[1] if len(more) > 1 else 0)
    if not len(batch):
        raise ValueError("no samples")
    if any(server_us):
        batch.server_us.extend(server_us)
    return batch


def _samples(batch: SampleBatch) -> Iterator[list[Any]]:
    for position, (tag_id, time_us) in enumerate(zip(batch.tags, batch.times_us, strict=True)):
        value: Any = batch.numbers[position]
        if position in batch.others:
            value = batch.others[position]
        quality = batch.qualities.get(position, GOOD)
        server_us = batch.server_us[position] if batch.server_us else 0
        more = [quality, server_us] if server_us else [quality] if quality != GOOD else []
        yield [tag_id, time_us, value, *more]


def _tag(tag: Tag) -> dict[str, Any]:
    told = asdict(tag)
    del told["properties"]  # the journal does not keep them
    return told


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


@contextmanager
def _open(path: Path, mode: str) -> Iterator[TextIO]:
    if str(path) == "-" and mode == "x":
        with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
            yield out
    elif path.suffix == ".gz":
        with (
            gzip.open(path, f"{mode}b") as packed,
            io.TextIOWrapper(packed, encoding="utf-8") as file,  # type: ignore[type-var]
        ):
            yield file
    else:
        with path.open(mode, encoding="utf-8") as file:
            yield file  # type: ignore[misc]
