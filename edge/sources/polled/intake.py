"""From the bytes of a block to samples. No network here.

A block that is byte for byte as before holds no news, so its values are not even looked at; in one
that differs, a plain number equal to the last one is passed over. That is report by exception for
every tag, before its filter.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge.filters import Filter, Sample, Value
from edge.journal import SampleBatch, TelemetryJournal
from edge.sources.outflow import Columns, Outflow
from edge.sources.polled.link import Device
from edge.sources.polled.plan import Portion
from edge.sources.settings import BaseTag
from protocols.plc import Kind, PlcValue, UnreadableError
from protocols.sparkplug.datatypes import DataType

logger = logging.getLogger(__name__)

BAD, GOOD = 0, 192
_DATATYPES = {
    Kind.BOOL: DataType.Boolean,
    Kind.INT: DataType.Int32,
    Kind.LONG: DataType.Int64,
    Kind.ULONG: DataType.UInt64,
    Kind.FLOAT: DataType.Double,
    Kind.TEXT: DataType.String,
    Kind.INSTANT: DataType.DateTime,
}
_ARRAYS = {
    Kind.BOOL: DataType.BooleanArray,
    Kind.INT: DataType.Int32Array,
    Kind.LONG: DataType.Int64Array,
    Kind.ULONG: DataType.UInt64Array,
    Kind.FLOAT: DataType.DoubleArray,
}
_EXACT_KINDS = frozenset({Kind.BOOL, Kind.INT, Kind.FLOAT})
"""Kinds whose values a float holds exactly."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Nothing:
    """Before the first value; equal to none."""


class _Slot:
    """What is known of one tag."""

    __slots__ = ("columns", "datatype", "filter", "instant", "plain", "position", "restless",
                 "settings", "tag_id", "unreadable", "value")  # fmt: skip

    def __init__(self, position: int, settings: BaseTag, device: Device, columns: Columns) -> None:
        field = device.fields[position]
        self.position = position
        self.settings = settings
        self.columns = columns
        filters = Filter(settings)
        wanted = filters.scales or filters.holds or settings.deadband is not None
        self.filter: Filter | None = filters if wanted else None
        if wanted and not settings.reports_changes:
            filters.set_deadband(0.0, settings.heartbeat_s)
        self.restless = settings.heartbeat_s is not None or settings.swinging_door is not None
        """Its filter wants to see every value, also one that is as before."""
        self.plain = self.filter is None and not field.array and field.kind in _EXACT_KINDS
        self.instant = field.kind is Kind.INSTANT
        self.datatype = (_ARRAYS if field.array else _DATATYPES)[field.kind]
        if filters.scales and self.datatype in (DataType.Int32, DataType.Int64, DataType.UInt64,
                                                DataType.Boolean):  # fmt: skip
            self.datatype = DataType.Double
        self.tag_id = 0
        """0: no value has come yet."""
        self.value: PlcValue | _Nothing | None = _Nothing()
        """The last one; None: it could not be read."""
        self.unreadable = ""
        """What is wrong with the value now."""


class Intake:
    """Turns what one device's blocks hold into batches."""

    def __init__(
        self,
        name: str,
        tags: Sequence[BaseTag],
        device: Device,
        time_zone: str,
        journal: TelemetryJournal,
    ) -> None:
        self._name = name
        self._device = device
        self._zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
        self._journal = journal
        self._out = Outflow(name, journal)
        self._slots = [
            _Slot(position, tag, device, self._out.columns(tag.tag_class))
            for position, tag in enumerate(tags)
        ]
        self._out.attend(self._slots)
        self._restless = frozenset(slot.position for slot in self._slots if slot.restless)

    def take(self, portion: Portion, data: bytes, at_us: int) -> None:
        """Take in what a portion holds now."""
        slots = self._slots
        if data == portion.last and self._restless.isdisjoint(portion.positions):
            return
        values = portion.layout.read(data)
        self._out.let_through_left()
        for position, value in zip(portion.positions, values, strict=True):
            slot = slots[position]
            if value == slot.value and not slot.restless:
                continue
            if slot.plain and slot.tag_id and not isinstance(value, UnreadableError):
                if value != value and slot.value != slot.value:
                    continue
                slot.value = value
                columns = slot.columns
                columns.tags.append(slot.tag_id)
                columns.times_us.append(at_us)
                columns.numbers.append(value)  # type: ignore[arg-type]  # it is plain
                if slot.unreadable:
                    slot.unreadable = ""
                continue
            self._take_slowly(slot, value, at_us)
        portion.last = data

    def lose(self, position: int, now_us: int) -> None:
        """A tag cannot be read any more: null of bad quality, if it ever had a value."""
        slot = self._slots[position]
        if slot.tag_id and slot.value is not None:
            slot.value = None
            self._put(slot, None, now_us, BAD)

    def take_out(self) -> list[SampleBatch]:
        """What was taken since, in batches."""
        return self._out.take_out()

    def due(self, now_us: int) -> list[SampleBatch]:
        """What filters have held for long enough; to be asked for every second or so."""
        return self._out.due(now_us)

    def flush(self) -> list[SampleBatch]:
        """What filters hold, because the session has ended."""
        return self._out.flush()

    def marks(self) -> dict[str, str]:
        """The bookmark that belongs to the batches taken out last."""
        return self._out.marks()

    def _take_slowly(self, slot: _Slot, value: PlcValue | UnreadableError, at_us: int) -> None:
        if not slot.tag_id:
            slot.tag_id = self._journal.tag_id(
                self._name,
                slot.settings.name,
                int(slot.datatype),
                slot.settings.unit,
                self._device.properties(slot.position),
            )
        if isinstance(value, UnreadableError):
            self._note_unreadable(slot, str(value))
            if slot.value is not None:
                slot.value = None
                self._put(slot, None, at_us, BAD)
            return
        slot.unreadable = ""
        slot.value = value
        if isinstance(value, datetime):
            self._put(slot, self._instant_ms(value), at_us, GOOD)
        else:
            self._put(slot, value, at_us, GOOD)

    def _put(self, slot: _Slot, value: Value, at_us: int, quality: int) -> None:
        if slot.filter is None:
            slot.columns.put(slot.tag_id, Sample(value, at_us, quality))
            return
        self._out.put(slot, slot.filter.apply(value, at_us, quality, now_us=at_us))
        if slot.filter.holds:
            self._out.unmarked = True

    def _instant_ms(self, value: datetime) -> int | None:
        """Milliseconds since the epoch; None before 1970, for which Sparkplug has no place."""
        try:
            since = value.replace(tzinfo=self._zone) - _EPOCH
        except OverflowError:  # the first or last day there is, moved by its zone
            return None
        ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        return ms if ms >= 0 else None

    def _note_unreadable(self, slot: _Slot, reason: str) -> None:
        if not slot.unreadable:
            logger.warning(
                "%s: tag %s: %s; it is stored as null of bad quality",
                self._name,
                slot.settings.name,
                reason,
            )
        slot.unreadable = reason
