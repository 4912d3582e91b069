"""Data messages into a batch: which of them are new, what rows they become.

No I/O: a message changes the batch, never the database. What cannot be taken is counted and left to
the gateway, which keeps it until it is committed.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from array import array
from dataclasses import dataclass, replace
from enum import Enum, auto

from hub.ingest import pictures, results
from hub.ingest.batch import Batch, Quarantined, Record, Share
from hub.ingest.births import (
    EPOCH,
    GAP,
    LOST,
    MAX_OFFSET,
    OFFSET,
    clean,
    clock_offset_ms,
    is_control,
    status_value,
)
from hub.ingest.gaps import GapTextError, read_gap, read_lost
from hub.ingest.pictures import Piece, Told
from hub.ingest.results import Found
from hub.ingest.rows import AliasTable, UnknownAliasError
from hub.ingest.session import Delivery, Device, Session
from protocols.inspection.fetching import BYTES, PART, parse_part
from protocols.sparkplug import (
    NO_ALIAS,
    DataSet,
    Metric,
    Payload,
    PayloadError,
    Samples,
    Template,
    ValueField,
    decode,
    decode_samples,
)
from protocols.sparkplug.server_times import FROM_HISTORY, ORIGIN, SERVER_TIMES, unpack_offsets
from protocols.streams import Acceptance, Cursor, contains

logger = logging.getLogger(__name__)


class Taken(Enum):
    """What became of a message."""

    READ = auto()
    NEEDS_BIRTH = auto()  # it names something that no birth has named


class RecordReader:
    """Reads data messages of born and unborn nodes into batches."""

    def __init__(self, max_ahead: int) -> None:
        """`max_ahead`: how many separate ranges a cursor may have above its watermark."""
        self._max_ahead = max_ahead

    def device_data(
        self,
        batch: Batch,
        session: Session,
        device: str,
        payload: bytes,
        now_s: float | None,
        now_ms: int,
    ) -> Taken:
        """A DDATA. `now_s` is monotonic; None if it was read into a batch before."""
        share = batch.share(session)
        share.counts.messages += 1
        samples = _decoded(share, payload, f"DDATA of {device}")
        if samples is None:
            return Taken.READ
        _note_seq(session, samples.seq, now_s)
        born = session.devices.get(device)
        if not session.born or born is None:
            return _needs_birth(share, f"device {device!r}, which no birth names")
        return self._data(batch, share, born, samples, payload, now_ms)

    def node_data(
        self, batch: Batch, session: Session, payload: bytes, now_s: float | None, now_ms: int
    ) -> Taken:
        """An NDATA: a gap or a loss in the stream, or what the gateway says of itself. `now_s` as
        for a DDATA."""
        share = batch.share(session)
        share.counts.messages += 1
        if session.delivery is Delivery.STANDARD or not session.born:
            samples = _decoded(share, payload, "NDATA")
            if samples is None:
                return Taken.READ
            _note_seq(session, samples.seq, now_s)
            born = session.devices.get(None)
            if not session.born or born is None:
                return _needs_birth(share, "metrics of the node, which was not born")
            return self._data(batch, share, born, samples, payload, now_ms)
        try:
            said = decode(payload, session.aliases.types)
        except PayloadError as error:
            return _refuse(share, f"NDATA is no Sparkplug payload: {error}")
        _note_seq(session, said.seq, now_s)
        metrics: dict[str, Metric] = {}
        for metric in said.metrics:
            name = session.aliases.name_of(metric)
            if name is None:
                return _needs_birth(share, f"alias {metric.alias}, which no birth names")
            metrics[name] = metric
        if EPOCH in metrics:
            return self._stream_note(batch, share, metrics, payload)
        if PART in metrics:
            return _picture_part(batch, share, metrics)
        for name, metric in metrics.items():
            if not is_control(name):
                share.status[clean(name)] = status_value(metric.value)
        share.clock_offset_ms = clock_offset_ms(said.timestamp, now_ms)
        return Taken.READ

    def birth_values(
        self,
        batch: Batch,
        session: Session,
        device: Device,
        table: AliasTable,
        payload: bytes,
        now_ms: int,
    ) -> None:
        """The values in a birth of a node without stream; `table` says which are wanted."""
        share = batch.share(session)
        self._append(batch, share, None, device, table, decode_samples(payload), payload, now_ms)

    def _data(
        self,
        batch: Batch,
        share: Share,
        born: Device,
        samples: Samples,
        payload: bytes,
        now_ms: int,
    ) -> Taken:
        position = None
        if share.session.delivery is Delivery.STREAM:
            found = _position(samples, born)
            if found is None:
                return _needs_birth(share, "a record whose epoch and offset no birth names")
            epoch, offset = found
            in_order = share.cursor is not None and offset == share.cursor.watermark
            late = bool(samples.historical[0])
            accepted = self._accept(share, epoch, offset, offset + 1, late=late)
            if accepted is None:
                return Taken.READ
            position = offset, accepted.cursor, in_order
        return self._append(batch, share, position, born, born.table, samples, payload, now_ms)

    def _append(
        self,
        batch: Batch,
        share: Share,
        position: tuple[int, Cursor, bool] | None,
        device: Device,
        table: AliasTable,
        samples: Samples,
        payload: bytes,
        now_ms: int,
    ) -> Taken:
        """Rows into the batch. `position`: the record's offset, the cursor once it is in, and
        whether it came at the watermark."""
        in_order = position is not None and position[2]
        if position is not None and not share.joins_on:
            share.joins_on = _has_awaited(share, device, samples, in_order=in_order)
        buffer, records = batch.rows, batch.records
        if share.joins_on:
            buffer, records = batch.first_rows, batch.firsts
        start = buffer.size
        try:
            notes = _Notes() if position is None else _notes(samples, device)
            if samples.blobs:
                _describe_blobs(samples, decode(payload, device.aliases.types))
            found: list[Found] = []
            told: list[Told] = []
            if samples.texts:  # rare, and what is looked for is text
                found += results.read(share.session.gateway, device, samples)
                told += pictures.read(share.session.gateway, device, samples)
            rows = buffer.append(
                samples,
                notes.first,
                table,
                now_ms,
                notes.server_offsets,
                notes.from_history,
            )
        except UnknownAliasError as error:
            return _needs_birth(share, str(error))
        except PayloadError as error:
            if position is None:
                return _refuse(share, f"a message cannot be read: {error}")
            offset, share.cursor, _ = position
            _quarantine(batch, share, share.cursor.epoch, offset, str(error), payload)
            return Taken.READ
        record_offset = None
        if position is not None:
            record_offset, share.cursor, _ = position
        else:
            share.next_seq = share.session.seq.expected
            share.session.quiet_since = None
        records.append(Record(share, record_offset, payload, start, buffer.size, rows, in_order))
        share.counts.records += 1
        share.counts.samples += rows
        batch.results += found
        batch.pictures += told
        return Taken.READ

    def _stream_note(
        self, batch: Batch, share: Share, metrics: dict[str, Metric], payload: bytes
    ) -> Taken:
        gateway = share.session.gateway
        epoch = _whole(metrics[EPOCH])
        late = metrics[EPOCH].is_historical
        if epoch is None:
            return _refuse(share, f"{EPOCH} is no number")
        if LOST in metrics:
            try:
                gap, lost = read_lost(gateway, epoch, str(metrics[LOST].value))
            except GapTextError as error:
                return _refuse(share, f"{LOST}: {error}")
            accepted = self._accept(share, epoch, *lost, late=late)
            if accepted is not None:
                share.cursor = accepted.cursor
                batch.gaps += [
                    replace(gap, first_offset=first, next_offset=after)
                    for first, after in accepted.fresh
                ]
            return Taken.READ
        offset = _whole(metrics[OFFSET]) if OFFSET in metrics else None
        if offset is None:
            return _refuse(share, f"a record without {OFFSET}")
        accepted = self._accept(share, epoch, offset, offset + 1, late=late)
        if accepted is None:
            return Taken.READ
        share.cursor = accepted.cursor
        try:
            batch.gaps.append(read_gap(gateway, epoch, str(metrics[GAP].value)))
            share.counts.records += 1
        except KeyError:
            _quarantine(batch, share, epoch, offset, f"a record without {GAP}", payload)
        except GapTextError as error:
            _quarantine(batch, share, epoch, offset, f"{GAP}: {error}", payload)
        return Taken.READ

    def _accept(
        self, share: Share, epoch: int, first: int, after: int, *, late: bool
    ) -> Acceptance | None:
        """What is new of these offsets, None if nothing is. The node gets an answer in any
        case, so that a lost answer cannot stall it."""
        share.answer = True
        cursor = share.cursor
        if cursor is None or epoch != cursor.epoch:
            share.counts.refused += 1
            if share.session.first_time("epoch"):
                logger.warning(
                    "%s sends records of epoch %d, which is not open: not taken; it keeps them",
                    share.session.gateway,
                    epoch,
                )
            return None
        accepted = cursor.accept(
            first,
            after,
            max_ahead=self._max_ahead,
            backlog_in_order=late and share.session.backlog_in_order,
        )
        if not accepted.fresh:
            if first < cursor.watermark or contains(cursor.ahead, first):
                share.counts.duplicates += 1
            return None
        return accepted


def _note_seq(session: Session, seq: int | None, now_s: float | None) -> None:
    """Not of what is read once more: more than half a circle back it would look new."""
    if now_s is not None:
        session.seq.arrived(seq, now_s)


def _picture_part(batch: Batch, share: Share, metrics: dict[str, Metric]) -> Taken:
    data = metrics[BYTES].value if BYTES in metrics else b""
    try:
        part = parse_part(str(metrics[PART].value))
    except ValueError:
        return _refuse(share, f"{PART} is none")
    if not isinstance(data, bytes):
        data = b""
    batch.pieces.append(Piece(share.session.gateway, part, data))
    return Taken.READ


def _has_awaited(share: Share, device: Device, samples: Samples, *, in_order: bool) -> bool:
    """Whether this record may have samples that are stored already: the first of a tag in a new
    log, or a repeat. The first is not one that comes ahead of the watermark: what lies below it may
    be earlier."""
    expected = share.position.awaited
    awaited = expected.repeats
    if in_order:
        awaited |= expected.first
    if not awaited:
        return False
    return any(
        alias in device.aliases.names and device.tags[device.aliases.names[alias]][0] in awaited
        for alias in samples.aliases
    )


def _decoded(share: Share, payload: bytes, what: str) -> Samples | None:
    try:
        return decode_samples(payload)
    except PayloadError as error:
        _refuse(share, f"{what} is no Sparkplug payload: {error}")
        return None


def _refuse(share: Share, why: str) -> Taken:
    share.counts.refused += 1
    if share.session.first_time("refused"):
        logger.warning("%s: %s; the message is not taken", share.session.gateway, why)
    return Taken.READ


def _needs_birth(share: Share, what: str) -> Taken:
    share.counts.refused += 1
    if share.session.first_time("birth"):
        logger.info("%s sends %s; asking for its births", share.session.gateway, what)
    return Taken.NEEDS_BIRTH


def _quarantine(
    batch: Batch, share: Share, epoch: int, offset: int, reason: str, payload: bytes
) -> None:
    share.counts.quarantined += 1
    batch.quarantined.append(Quarantined(share.session.gateway, epoch, offset, reason, payload))


def _position(samples: Samples, device: Device) -> tuple[int, int] | None:
    """(epoch, offset) of a record: its first two metrics, by the aliases of the device's birth."""
    if len(samples) < 2:
        return None
    epoch, offset = samples.longs[0], samples.longs[1]
    if (
        _is_metric(samples, 0, device.epoch_alias, EPOCH)
        and _is_metric(samples, 1, device.offset_alias, OFFSET)
        and samples.fields[0] == samples.fields[1] == ValueField.LONG
        and 0 <= offset < MAX_OFFSET - 1
    ):
        return epoch, offset
    return None


def _is_metric(samples: Samples, index: int, alias: int | None, name: str) -> bool:
    given = samples.aliases[index]
    return samples.names.get(index) == name if given == NO_ALIAS else given == alias


@dataclass(frozen=True, slots=True)
class _Notes:
    """What a record says of its samples, which begin at the index `first`."""

    first: int = 0
    server_offsets: array[int] | None = None
    from_history: bool = False


_NO_NOTES = _Notes(first=2)


def _notes(samples: Samples, device: Device) -> _Notes:
    """What stands between a record's position and its samples. Raises `PayloadError`."""
    if len(samples) < 3 or samples.fields[2] not in (ValueField.BYTES, ValueField.STRING):
        return _NO_NOTES  # as nearly every record
    first = 2
    packed: bytes | None = None
    from_history = False
    while first < len(samples):
        if _is_metric(samples, first, device.server_times_alias, SERVER_TIMES):
            packed = samples.blobs.pop(first, b"")
        elif _is_metric(samples, first, device.origin_alias, ORIGIN):
            from_history = samples.texts.get(first) == FROM_HISTORY
        else:
            break
        first += 1
    if packed is None:
        return _Notes(first, None, from_history)
    try:
        return _Notes(first, unpack_offsets(packed, len(samples) - first), from_history)
    except ValueError as error:
        raise PayloadError(0, f"{SERVER_TIMES}: {error}") from None


def _whole(metric: Metric) -> int | None:
    value = metric.value
    return value if isinstance(value, int) and 0 <= value < MAX_OFFSET - 1 else None


def _describe_blobs(samples: Samples, said: Payload) -> None:
    """Give what is neither number nor text (bytes, arrays, tables) as JSON text."""
    for index in samples.blobs:
        value = said.metrics[index].value
        try:
            samples.texts[index] = json.dumps(value, default=_plain, allow_nan=False)
        except ValueError:  # JSON has no NaN
            samples.texts[index] = json.dumps(_finite(value), default=_plain)


def _finite(value: object) -> object:
    """The value with NaN and infinities as the texts NaN, Infinity and -Infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, DataSet):
        return _finite(_plain(value))
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, DataSet):
        return {"columns": value.columns, "rows": value.rows}
    if isinstance(value, Template):
        return {metric.name: metric.value for metric in value.metrics}
    raise TypeError(f"no JSON for {type(value).__name__}")
