"""From OPC UA notifications to records for the journal. No network here.

The loop in `_take_items` is what each value costs: everything that is not a good, plain number of
the type its tag had before goes the slower way, through `_take_slowly`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from asyncua import ua

from edge.filters import Filter, Sample, make_filter
from edge.journal import Gap, SampleBatch, TelemetryJournal
from edge.journal.records import Other
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.events import ResultEvents
from edge.sources.opcua.gaps import GapWatch
from edge.sources.opcua.structures import TypeBook
from edge.sources.opcua.tags import TagSettings
from edge.sources.opcua.values import (
    BAD,
    EPOCH,
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
from edge.sources.outflow import Columns, Outflow
from protocols.sparkplug.datatypes import DataType

logger = logging.getLogger(__name__)

_GONE = (ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid)
"""What servers say of an item whose node was deleted."""


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
        columns: Columns,
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

    Client handles are positions in `settings.tags`. `marks` belong to the records taken before.
    """

    def __init__(
        self, settings: OpcUaSettings, journal: TelemetryJournal, *, hold: bool = True
    ) -> None:
        """`hold` False lets what the filters would hold back pass at once, as history does."""
        self._device = settings.device
        self._journal = journal
        self._out = Outflow(settings.device, journal, hold=hold)
        self._slots = [
            _Slot(
                position,
                tag,
                self._out.columns(tag.tag_class),
                hold=hold,
                polled=settings.polled(tag),
            )
            for position, tag in enumerate(settings.tags)
        ]
        self._out.attend(self._slots)
        self.types = TypeBook(settings.device)
        longest_ms = max((t.sampling_ms or 0 for t in settings.tags), default=0)
        self.gaps = GapWatch(
            settings.device,
            settings.publishing_ms + max(settings.sampling_ms, longest_ms),
            journal.last_device_time_us(settings.device),
        )
        self.vanished: set[int] = set()
        """Positions whose nodes the server says are no more, until the subscription was told."""
        self.events: ResultEvents | None = None
        """Whose events are taken, if any."""
        self._strangers = 0

    def begin(self, positions: Iterable[int]) -> None:
        """These are monitored anew: the server repeats the last value of each."""
        for position in positions:
            slot = self._slots[position]
            slot.fresh = True
            slot.kind = None

    def take(self, message: ua.NotificationMessage, now_us: int) -> list[SampleBatch | Gap]:
        """The records of one message that has notifications, gaps first."""
        told: list[SampleBatch | Gap] = []
        try:
            self._out.let_through_left()
            for notification in message.NotificationData:
                if isinstance(notification, ua.DataChangeNotification):
                    self._take_items(notification.MonitoredItems, now_us)
                elif isinstance(notification, ua.EventNotificationList) and self.events:
                    told += self.events.take(notification.Events or (), now_us)
        except BaseException:  # the message is not taken: nothing of it may come with the next
            self._out.clear()
            raise
        batches = self._out.take_out()
        newest_us = max((max(b.times_us) for b in batches), default=None)
        return [*self.gaps.take_out(newest_us, now_us), *batches, *told]

    def due(self, now_us: int) -> list[SampleBatch]:
        """What filters have held for long enough; to be asked for every second or so."""
        return self._out.due(now_us)

    def flush(self) -> list[SampleBatch]:
        """What filters hold, because the session has ended."""
        return self._out.flush()

    def marks(self) -> dict[str, str]:
        """The bookmark that belongs to what was taken last: empty if it need not change."""
        return self._out.marks()

    def set_deadband(self, position: int, deadband: float) -> None:
        """Report a tag by exception from now on: the server cannot do it."""
        slot = self._slots[position]
        if slot.filter is None:
            slot.filter = Filter(slot.settings)
        slot.filter.set_deadband(deadband, slot.settings.heartbeat_s)
        slot.kind = None

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
        self._out.put(slot, passed)
        if slot.filter.holds:
            self._out.unmarked = True

    def _identify(self, slot: _Slot, variant: ua.Variant, value: float | int | Other) -> None:
        """Know the tag by its datatype, and whether its next value may take the short way."""
        datatype = datatype_of(variant)
        if datatype is None:
            return
        if slot.filter is not None and slot.filter.scales and isinstance(value, (int, float)):
            datatype = DataType.Double
        if datatype is not slot.datatype:
            if slot.filter is not None:
                self._out.put(slot, slot.filter.flush())  # under the id it had
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
