"""The newest value of each tag, taken from the journal's file as the agent writes it: so that the
agent itself keeps no values for whoever may want to see them. For `watch`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge.journal.looking import JournalFile, LookError, Sample, samples_of
from edge.journal.records import SampleBatch, Tag

_MOST_ROWS = 5000
"""Rows that are read at a time; what lies before them was not looked at in time."""


@dataclass(frozen=True, slots=True)
class Live:
    """A tag and its newest sample."""

    device: str
    name: str
    unit: str
    sample: Sample


class LiveValues:
    """Follows a journal. Enter it; raises `LookError`."""

    def __init__(self, data_dir: Path) -> None:
        self._file = JournalFile(data_dir / "journal.sqlite")
        self._newest: dict[int, Live] = {}
        self._next: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._file.__exit__(None, None, None)

    def look(self) -> list[Live]:
        """All tags of which a value is still in the journal, by device and name."""
        position = self._file.position()
        tags = self._file.tags()
        if self._next is None:
            for offset in sorted(set(self._file.last_offsets().values())):
                with contextlib.suppress(LookError):
                    self._take(offset, offset + 1, tags)
            self._next = position.reflected
        self._take(max(self._next, position.next - _MOST_ROWS), position.next, tags)
        self._next = position.next
        return sorted(self._newest.values(), key=lambda live: (live.device, live.name))

    def _take(self, first: int, after: int, tags: dict[int, Tag]) -> None:
        for stored in self._file.read(first, after):
            if not isinstance(stored.record, SampleBatch):
                continue
            for tag_id, sample in zip(
                stored.record.tags, samples_of(stored.record, tags), strict=True
            ):
                before = self._newest.get(tag_id)
                newer = before is None or before.sample.time_us <= sample.time_us
                if sample.tag is not None and newer:
                    tag = sample.tag
                    self._newest[tag_id] = Live(tag.device, tag.name, tag.unit, sample)
