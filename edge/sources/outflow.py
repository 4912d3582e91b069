"""Samples on their way into batches: what every source does once it has read a value."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from edge.filters import Filter, Sample
from edge.journal import SampleBatch, SampleClass, TelemetryJournal
from edge.journal.records import GOOD, Other
from edge.sources.settings import TagClass

MAX_SAMPLES = 2000
"""A longer message becomes several batches: a batch is one row and one message."""
EXACT = 2**53
"""Integers up to this are exact as floating-point numbers."""
_CLASSES = {
    TagClass.LOW: SampleClass.LOW,
    TagClass.NORMAL: SampleClass.NORMAL,
    TagClass.HIGH: SampleClass.HIGH,
}
_TAG_CLASSES = {sample_class: tag_class for tag_class, sample_class in _CLASSES.items()}


class FilteredTag(Protocol):
    """What the way out knows of a tag."""

    filter: Filter | None
    columns: Columns
    tag_id: int


class Columns:
    """Samples of one class on their way into a batch."""

    __slots__ = (
        "numbers",
        "others",
        "qualities",
        "sample_class",
        "server_us",
        "tags",
        "times_us",
    )

    def __init__(self, sample_class: SampleClass) -> None:
        self.sample_class = sample_class
        self.clear()

    def clear(self) -> None:
        self.tags: array[int] = array("I")
        self.times_us: array[int] = array("q")
        self.numbers: array[float] = array("d")
        self.others: dict[int, Other] = {}
        self.qualities: dict[int, int] = {}
        self.server_us: dict[int, int] = {}
        """Server times that say more than the source's, by position."""

    def put(self, tag_id: int, sample: Sample) -> None:
        """Append any sample."""
        position = len(self.tags)
        value = sample.value
        number = 0.0
        if isinstance(value, float) or (isinstance(value, int) and -EXACT <= value <= EXACT):
            number = float(value)
        else:
            self.others[position] = value
        if sample.quality != GOOD:
            self.qualities[position] = sample.quality
        if sample.server_us:
            self.server_us[position] = sample.server_us
        self.tags.append(tag_id)
        self.times_us.append(sample.time_us)
        self.numbers.append(number)

    def take_out(self, device: str) -> Iterator[SampleBatch]:
        for at in range(0, len(self.tags), MAX_SAMPLES):
            part = slice(at, at + MAX_SAMPLES)
            yield SampleBatch(
                device,
                self.sample_class,
                self.tags[part],
                self.times_us[part],
                self.numbers[part],
                _part_of(self.others, at),
                _part_of(self.qualities, at),
                self._server_times(at),
            )
        if self.tags:
            self.clear()

    def _server_times(self, at: int) -> array[int]:
        said = _part_of(self.server_us, at)
        if not said:
            return array("q")
        column = array("q", bytes(8 * min(MAX_SAMPLES, len(self.tags) - at)))
        for position, server_us in said.items():
            column[position] = server_us
        return column


class Outflow:
    """The samples of one device, by class, and what its filters hold back.

    A filter may hold a sample back that its device will not repeat. `marks` are what the journal
    must keep with the records for a restart to know it; the restart then lets it pass.
    """

    def __init__(self, device: str, journal: TelemetryJournal, *, hold: bool = True) -> None:
        """`hold` False: the filters let what they would hold back pass at once."""
        self._device = device
        self._columns = {tag_class: Columns(_CLASSES[tag_class]) for tag_class in TagClass}
        self._holding: list[FilteredTag] = []
        self._bookmark = f"{device}/held"
        self._left = _held_before(journal.bookmarks.get(self._bookmark, "")) if hold else []
        """Samples that an earlier run of the agent held, to be let through first."""
        self._marked = bool(self._left)
        """The journal's bookmark says that samples are held."""
        self.unmarked = bool(self._left)
        """It may say so wrongly: a filter has taken or let through a sample since."""

    def columns(self, tag_class: TagClass) -> Columns:
        """Where the samples of a class are put."""
        return self._columns[tag_class]

    def attend(self, tags: Iterable[FilteredTag]) -> None:
        """These are the device's tags; once, before anything is put."""
        self._holding = [t for t in tags if t.filter is not None and t.filter.holds]

    def put(self, tag: FilteredTag, samples: Iterable[Sample]) -> None:
        """What a filter let through."""
        for sample in samples:
            tag.columns.put(tag.tag_id, sample)
            self.unmarked = True

    def let_through_left(self) -> None:
        """What an earlier run held, before anything new."""
        for tag_id, sample_class, sample in self._left:
            self._columns[_TAG_CLASSES[sample_class]].put(tag_id, sample)
        self._left = []

    def clear(self) -> None:
        """Nothing of what was put since `take_out` is to come."""
        for columns in self._columns.values():
            columns.clear()

    def take_out(self) -> list[SampleBatch]:
        """The batches of what was put."""
        return [b for c in self._columns.values() for b in c.take_out(self._device)]

    def due(self, now_us: int) -> list[SampleBatch]:
        """What filters have held for long enough; to be asked for every second or so."""
        for tag in self._holding:
            self.put(tag, tag.filter.due(now_us))  # type: ignore[union-attr]  # it holds
        return self.take_out()

    def flush(self) -> list[SampleBatch]:
        """What filters hold, because the session has ended."""
        for tag in self._holding:
            self.put(tag, tag.filter.flush())  # type: ignore[union-attr]  # it holds
        return self.take_out()

    def marks(self) -> dict[str, str]:
        """The bookmark that belongs to what was taken last: empty if it need not change."""
        if not self.unmarked:
            return {}
        self.unmarked = False
        held = [
            (tag.tag_id, int(tag.columns.sample_class), *tag.filter.held)
            for tag in self._holding
            if tag.filter is not None and tag.filter.held is not None
        ]
        if not held and not self._marked:
            return {}
        self._marked = bool(held)
        return {self._bookmark: json.dumps(held, separators=(",", ":")) if held else ""}


def _held_before(text: str) -> list[tuple[int, SampleClass, Sample]]:
    """What `marks` wrote: tag id, class and sample."""
    return [
        (tag_id, SampleClass(row_class), Sample(*sample))
        for tag_id, row_class, *sample in json.loads(text or "[]")
    ]


def _part_of(sparse: dict[int, Any], at: int) -> dict[int, Any]:
    return {
        position - at: value
        for position, value in sparse.items()
        if at <= position < at + MAX_SAMPLES
    }
