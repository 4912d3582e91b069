"""From OPC UA notifications to records for the journal. No network here.

The loop in `_take_items` is what each value costs: everything that is not a good, plain number of
the type its tag had before goes the slower way, through `_take_slowly`.
"""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from asyncua import ua

from edge.filters import Filter, Sample, make_filter
from edge.journal import Gap, SampleBatch, SampleClass, TelemetryJournal
from edge.journal.records import GOOD, Other
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.gaps import GapWatch
from edge.sources.opcua.structures import TypeBook
from edge.sources.opcua.tags import TagClass, TagSettings
from edge.sources.opcua.values import (
    BAD,
    EPOCH,
    EXACT,
    OVERFLOW,
    PLAIN,
    Unreadable,
    convert,
    datatype_of,
    quality_of,
    server_time_of,
    time_of,
    type_name,
)
from protocols.sparkplug.datatypes import DataType

logger = logging.getLogger(__name__)

_GONE = (ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid)
"""What servers say of an item whose node was deleted."""
MAX_SAMPLES = 2000
"""A longer message becomes several batches: a batch is one row and one message."""
_CLASSES = {
    TagClass.LOW: SampleClass.LOW,
    TagClass.NORMAL: SampleClass.NORMAL,
    TagClass.HIGH: SampleClass.HIGH,
}
_TAG_CLASSES = {sample_class: tag_class for tag_class, sample_class in _CLASSES.items()}


class _Columns:
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


class _Slot:
    """What is known of one monitored item."""

    __slots__ = (
        "columns",
        "datatype",
        "filter",
        "fresh",
        "kind",
        "position",
        "seen_us",
        "settings",
        "tag_id",
        "unreadable",
    )

    def __init__(
        self,
        position: int,
        settings: TagSettings,
        columns: _Columns,
        *,
        hold: bool,
        polled: bool,
    ) -> None:
        self.position = position
        self.settings = settings
        self.columns = columns
        self.filter: Filter | None = make_filter(settings, hold=hold)
        if polled and not settings.reports_changes:  # the same value is read again and again
            self.filter = self.filter or Filter(settings, hold=hold)
            self.filter.set_deadband(0.0, settings.heartbeat_s)
        self.tag_id = 0
        """0: no value has told its datatype yet."""
        self.datatype: DataType | None = None
        self.kind: ua.VariantType | None = None
        """Type of the plain numbers that may take the short way; None: none may."""
        self.fresh = False
        """A new subscription was made, and no value has come since."""
        self.seen_us: int | None = None
        """Source time of the last value that the filter dropped."""
        self.unreadable = False
        """The last value was a structure that nobody can read."""


class Intake:
    """Turns the messages of one device's subscription into batches and gaps.

    Client handles are positions in `settings.tags`.

    A filter may hold a sample back that was acknowledged to the PLC already. `marks` are what the
    journal must keep with the records for a restart to know it; the restart then lets it pass.
    """

    def __init__(
        self, settings: OpcUaSettings, journal: TelemetryJournal, *, hold: bool = True
    ) -> None:
        """`hold` False lets what the filters would hold back pass at once, as history does."""
        self._device = settings.device
        self._journal = journal
        self._columns = {tag_class: _Columns(_CLASSES[tag_class]) for tag_class in TagClass}
        self._slots = [
            _Slot(
                position,
                tag,
                self._columns[tag.tag_class],
                hold=hold,
                polled=settings.polled(tag),
            )
            for position, tag in enumerate(settings.tags)
        ]
        self._holding = [s for s in self._slots if s.filter is not None and s.filter.holds]
        self._bookmark = f"{settings.device}/held"
        self._left = _held_before(journal.bookmarks.get(self._bookmark, "")) if hold else []
        """Samples that an earlier run of the agent held, to be let through first."""
        self._marked = bool(self._left)
        """The journal's bookmark says that samples are held."""
        self._unmarked = bool(self._left)
        """It may say so wrongly."""
        self.types = TypeBook(settings.device)
        longest_ms = max((t.sampling_ms or 0 for t in settings.tags), default=0)
        self.gaps = GapWatch(
            settings.device,
            settings.publishing_ms + max(settings.sampling_ms, longest_ms),
            journal.last_device_time_us(settings.device),
        )
        self.vanished: set[int] = set()
        """Positions whose nodes the server says are no more, until the subscription was told."""
        self._strangers = 0

    def begin(self, positions: Iterable[int]) -> None:
        """These are monitored anew: the server repeats the last value of each."""
        for position in positions:
            slot = self._slots[position]
            slot.fresh = True
            slot.kind = None

    def take(self, message: ua.NotificationMessage, now_us: int) -> list[SampleBatch | Gap]:
        """The records of one message that has notifications, gaps first."""
        try:
            self._let_through_left()
            for notification in message.NotificationData:
                if isinstance(notification, ua.DataChangeNotification):
                    self._take_items(notification.MonitoredItems, now_us)
        except BaseException:  # the message is not taken: nothing of it may come with the next
            for columns in self._columns.values():
                columns.clear()
            raise
        batches = self._take_out()
        newest_us = max((max(b.times_us) for b in batches), default=None)
        return [*self.gaps.take_out(newest_us, now_us), *batches]

    def due(self, now_us: int) -> list[SampleBatch]:
        """What filters have held for long enough; to be asked for every second or so."""
        for slot in self._holding:
            self._put(slot, slot.filter.due(now_us))  # type: ignore[union-attr]  # it holds
        return self._take_out()

    def flush(self) -> list[SampleBatch]:
        """What filters hold, because the session has ended."""
        for slot in self._holding:
            self._put(slot, slot.filter.flush())  # type: ignore[union-attr]  # it holds
        return self._take_out()

    def marks(self) -> dict[str, str]:
        """The bookmark that belongs to what was taken last: empty if it need not change."""
        if not self._unmarked:
            return {}
        self._unmarked = False
        held = [
            (slot.tag_id, int(slot.columns.sample_class), *slot.filter.held)
            for slot in self._holding
            if slot.filter is not None and slot.filter.held is not None
        ]
        if not held and not self._marked:
            return {}
        self._marked = bool(held)
        return {self._bookmark: json.dumps(held, separators=(",", ":")) if held else ""}

    def set_deadband(self, position: int, deadband: float) -> None:
        """Report a tag by exception from now on: the server cannot do it."""
        slot = self._slots[position]
        if slot.filter is None:
            slot.filter = Filter(slot.settings)
        slot.filter.set_deadband(deadband, slot.settings.heartbeat_s)
        slot.kind = None

    def _take_out(self) -> list[SampleBatch]:
        return [b for c in self._columns.values() for b in c.take_out(self._device)]

    def _let_through_left(self) -> None:
        for tag_id, sample_class, sample in self._left:
            self._columns[_TAG_CLASSES[sample_class]].put(tag_id, sample)
        self._left = []

    def _take_items(self, items: list[Any], now_us: int) -> None:
        slots, count, epoch = self._slots, len(self._slots), EPOCH
        for item in items:
            handle = item.ClientHandle
            if handle >= count:
                self._note_stranger(handle)
                continue
            slot = slots[handle]
            data = item.Value
            variant, status, stamp = data.Value, data.StatusCode, data.SourceTimestamp
            server = data.ServerTimestamp
            if (
                variant.VariantType is slot.kind
                and (status is None or not status.value)
                and stamp is not None
                and not variant.is_array
            ):
                since = stamp - epoch
                days = since.days
                if days >= 0:
                    columns = slot.columns
                    time_us = (days * 86400 + since.seconds) * 1_000_000 + since.microseconds
                    if server is not None and server != stamp:
                        server_us = server_time_of(server, time_us)
                        if server_us:
                            columns.server_us[len(columns.tags)] = server_us
                    columns.tags.append(slot.tag_id)
                    columns.times_us.append(time_us)
                    columns.numbers.append(variant.Value)
                    continue
            self._take_slowly(slot, data, now_us)

    def _take_slowly(self, slot: _Slot, data: ua.DataValue, now_us: int) -> None:
        variant = data.Value if data.Value is not None else ua.Variant()
        time_us = time_of(data, now_us)
        quality = quality_of(data.StatusCode)
        try:
            value = convert(variant, self.types.expand)
            slot.unreadable = False
        except Unreadable as error:
            value, quality = None, BAD
            self._note_unreadable(slot, error)
        if data.StatusCode is not None and data.StatusCode.value in _GONE:
            self.vanished.add(slot.position)
        self._identify(slot, variant, value)
        if not slot.tag_id:
            return  # a null, and no value before it has told the datatype
        known = slot.seen_us if slot.seen_us is not None else self._last_us(slot)
        if data.StatusCode is not None and data.StatusCode.value & OVERFLOW == OVERFLOW:
            self.gaps.overflowed(slot.settings.name, known, time_us)
        if slot.fresh:
            slot.fresh = False
            if known == time_us:
                return  # repeated for the new subscription
            if known is not None:
                self.gaps.resumed(slot.settings.name, known, time_us)
        server_us = server_time_of(data.ServerTimestamp, time_us)
        if slot.filter is None:
            slot.columns.put(slot.tag_id, Sample(value, time_us, quality, server_us))
            return
        passed = slot.filter.apply(value, time_us, quality, server_us, now_us=now_us)
        slot.seen_us = None if passed and passed[-1].time_us == time_us else time_us
        self._put(slot, passed)
        if slot.filter.holds:
            self._unmarked = True

    def _identify(self, slot: _Slot, variant: ua.Variant, value: float | int | Other) -> None:
        """Know the tag by its datatype, and whether its next value may take the short way."""
        datatype = datatype_of(variant)
        if datatype is None:
            return
        if slot.filter is not None and slot.filter.scales and isinstance(value, (int, float)):
            datatype = DataType.Double
        if datatype is not slot.datatype:
            if slot.filter is not None:
                self._put(slot, slot.filter.flush())  # under the id it had
            slot.datatype = datatype
            slot.tag_id = self._journal.tag_id(
                self._device,
                slot.settings.name,
                int(datatype),
                slot.settings.unit,
                self.types.properties(slot.position, type_name(variant)),
            )
        plain = slot.filter is None and not variant.is_array and variant.VariantType in PLAIN
        slot.kind = variant.VariantType if plain else None

    def _put(self, slot: _Slot, samples: Iterable[Sample]) -> None:
        """What a filter let through."""
        for sample in samples:
            slot.columns.put(slot.tag_id, sample)
            self._unmarked = True

    def _last_us(self, slot: _Slot) -> int | None:
        return self._journal.last_time_us(slot.tag_id)

    def _note_unreadable(self, slot: _Slot, error: Unreadable) -> None:
        if not slot.unreadable:
            slot.unreadable = True
            logger.warning(
                "%s: tag %s: %s; it is stored as null of bad quality",
                self._device,
                slot.settings.name,
                error,
            )

    def _note_stranger(self, handle: int) -> None:
        self._strangers += 1
        if self._strangers == 1:
            logger.warning("%s: value for unknown client handle %d", self._device, handle)


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
