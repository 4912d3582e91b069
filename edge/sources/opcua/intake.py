"""From OPC UA notifications to records for the journal. No network here.

The loop in `_take_items` is what each value costs: everything that is not a good, plain number of
the type its tag had before goes the slower way, through `_take_slowly`.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from asyncua import ua

from edge.filters import DROPPED, Filter, make_filter
from edge.journal import Gap, SampleBatch, SampleClass, TelemetryJournal
from edge.journal.records import GOOD, Other
from edge.sources.opcua.config import OpcUaSettings, TagClass, TagSettings
from edge.sources.opcua.gaps import GapWatch
from edge.sources.opcua.values import (
    EPOCH,
    EXACT,
    OVERFLOW,
    PLAIN,
    convert,
    datatype_of,
    quality_of,
    time_of,
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


class _Columns:
    """Samples of one class on their way into a batch."""

    __slots__ = ("numbers", "others", "qualities", "sample_class", "tags", "times_us")

    def __init__(self, sample_class: SampleClass) -> None:
        self.sample_class = sample_class
        self.clear()

    def clear(self) -> None:
        self.tags: array[int] = array("I")
        self.times_us: array[int] = array("q")
        self.numbers: array[float] = array("d")
        self.others: dict[int, Other] = {}
        self.qualities: dict[int, int] = {}

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
            )
        if self.tags:
            self.clear()


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
    )

    def __init__(self, position: int, settings: TagSettings, columns: _Columns) -> None:
        self.position = position
        self.settings = settings
        self.columns = columns
        self.filter: Filter | None = make_filter(settings)
        self.tag_id = 0
        """0: no value has told its datatype yet."""
        self.datatype: DataType | None = None
        self.kind: ua.VariantType | None = None
        """Type of the plain numbers that may take the short way; None: none may."""
        self.fresh = False
        """A new subscription was made, and no value has come since."""
        self.seen_us: int | None = None
        """Source time of the last value that the filter dropped."""


class Intake:
    """Turns the messages of one device's subscription into batches and gaps.

    Client handles are positions in `settings.tags`.
    """

    def __init__(self, settings: OpcUaSettings, journal: TelemetryJournal) -> None:
        self._device = settings.device
        self._journal = journal
        self._columns = {tag_class: _Columns(_CLASSES[tag_class]) for tag_class in TagClass}
        self._slots = [
            _Slot(position, tag, self._columns[tag.tag_class])
            for position, tag in enumerate(settings.tags)
        ]
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
            for notification in message.NotificationData:
                if isinstance(notification, ua.DataChangeNotification):
                    self._take_items(notification.MonitoredItems, now_us)
        except BaseException:  # the message is not taken: nothing of it may come with the next
            for columns in self._columns.values():
                columns.clear()
            raise
        batches = [b for c in self._columns.values() for b in c.take_out(self._device)]
        newest_us = max((max(b.times_us) for b in batches), default=None)
        return [*self.gaps.take_out(newest_us, now_us), *batches]

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
                    columns.tags.append(slot.tag_id)
                    columns.times_us.append(
                        (days * 86400 + since.seconds) * 1_000_000 + since.microseconds
                    )
                    columns.numbers.append(variant.Value)
                    continue
            self._take_slowly(slot, data, now_us)

    def _take_slowly(self, slot: _Slot, data: ua.DataValue, now_us: int) -> None:
        variant = data.Value if data.Value is not None else ua.Variant()
        time_us = time_of(data, now_us)
        value = convert(variant)
        quality = quality_of(data.StatusCode)
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
        if slot.filter is not None:
            filtered = slot.filter.apply(value, time_us, quality)
            if filtered is DROPPED:
                slot.seen_us = time_us
                return
            slot.seen_us = None
            value = filtered  # type: ignore[assignment]  # DROPPED is excluded above
        self._put(slot, value, time_us, quality)

    def _identify(self, slot: _Slot, variant: ua.Variant, value: float | int | Other) -> None:
        """Know the tag by its datatype, and whether its next value may take the short way."""
        datatype = datatype_of(variant)
        if datatype is None:
            return
        if slot.filter is not None and slot.filter.scales and isinstance(value, (int, float)):
            datatype = DataType.Double
        if datatype is not slot.datatype:
            slot.datatype = datatype
            slot.tag_id = self._journal.tag_id(
                self._device, slot.settings.name, int(datatype), slot.settings.unit
            )
        plain = slot.filter is None and not variant.is_array and variant.VariantType in PLAIN
        slot.kind = variant.VariantType if plain else None

    def _put(self, slot: _Slot, value: float | int | Other, time_us: int, quality: int) -> None:
        columns = slot.columns
        position = len(columns.tags)
        number = 0.0
        if isinstance(value, float) or (isinstance(value, int) and -EXACT <= value <= EXACT):
            number = float(value)
        else:
            columns.others[position] = value
        if quality != GOOD:
            columns.qualities[position] = quality
        columns.tags.append(slot.tag_id)
        columns.times_us.append(time_us)
        columns.numbers.append(number)

    def _last_us(self, slot: _Slot) -> int | None:
        return self._journal.last_time_us(slot.tag_id)

    def _note_stranger(self, handle: int) -> None:
        self._strangers += 1
        if self._strangers == 1:
            logger.warning("%s: value for unknown client handle %d", self._device, handle)


def _part_of(sparse: dict[int, Any], at: int) -> dict[int, Any]:
    return {
        position - at: value
        for position, value in sparse.items()
        if at <= position < at + MAX_SAMPLES
    }
