"""What a birth says: the stream's state, the gateway's health, every tag and its alias."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from edge.journal import Tag
from edge.status import Figures
from protocols.inspection.fetching import BYTES, PART, WANTED
from protocols.sparkplug import DataType, Metric, Property
from protocols.sparkplug.server_times import ORIGIN, SERVER_TIMES
from protocols.sparkplug.session import BD_SEQ, REBIRTH
from protocols.streams import State

EPOCH, OFFSET = "Stream/Epoch", "Stream/Offset"
GAP, LOST, CURSOR = "Stream/Gap", "Stream/Lost", "Stream/Cursor"
BACKLOG_ORDER, REPEATS_FROM = "Stream/Backlog Order", "Stream/Repeats From"

Value = float | int | bool | str | list[bool] | list[int] | list[float] | None


class StreamAliases(NamedTuple):
    """Aliases of a device's metrics that say which record a message is, and of what kind."""

    epoch: int
    offset: int
    server_times: int
    origin: int


_STREAM_METRICS = (
    (EPOCH, DataType.Int64),
    (OFFSET, DataType.Int64),
    (SERVER_TIMES, DataType.Bytes),
    (ORIGIN, DataType.String),
)
"""By the fields of `StreamAliases`."""


@dataclass(frozen=True, slots=True)
class Names:
    """The aliases of one birth. A tag's is its durable id; those of the streams come above all."""

    devices: Mapping[str, StreamAliases]
    datatypes: bytes
    """Sparkplug datatype by alias of a tag; 0 is a tag that the birth does not name."""

    @classmethod
    def draw(cls, devices: Iterable[str], tags: Sequence[Tag]) -> Names:
        """Aliases for these devices, and for those of these tags."""
        datatypes = bytearray(max((tag.id for tag in tags), default=0) + 1)
        for tag in tags:
            datatypes[tag.id] = tag.datatype
        first = len(datatypes)
        named = sorted({*devices, *(tag.device for tag in tags)})
        width = len(_STREAM_METRICS)
        return cls(
            {
                device: StreamAliases(*range(at, at + width))
                for at, device in zip(itertools.count(first, width), named, strict=False)
            },
            bytes(datatypes),
        )

    def kinds(self, tags: array[int]) -> bytes | None:
        """The datatype of each of these tags; None if this birth does not name them all."""
        datatypes = self.datatypes
        try:
            kinds = bytes([datatypes[tag] for tag in tags])
        except IndexError:
            return None
        return None if 0 in kinds else kinds


def node_birth(
    bd_seq: int,
    state: State,
    figures: Figures,
    now_ms: int,
    *,
    backlog_order: str,
    repeats_from: int | None,
    pictures: bool = False,
) -> list[Metric]:
    """Metrics of an NBIRTH: it is the stream's state. The hub takes backlog that is said to go
    oldest first in order alone, and looks from `repeats_from` on for what it has already;
    `pictures`: it may ask for some."""
    int64, text = DataType.Int64, DataType.String
    metrics: list[tuple[str, DataType, Value]] = [
        (BD_SEQ, int64, bd_seq),
        (REBIRTH, DataType.Boolean, False),
        (EPOCH, int64, state.epoch),
        ("Stream/First Kept", int64, state.first_kept),
        ("Stream/Next", int64, state.next),
        (BACKLOG_ORDER, text, backlog_order),
        (REPEATS_FROM, int64, repeats_from),
        (OFFSET, int64, None),
        (GAP, text, None),
        (LOST, text, None),
        (CURSOR, text, None),
        ("Gateway/Version", text, figures.version),
        ("Gateway/Started", DataType.DateTime, int(figures.started.timestamp() * 1000)),
        ("Gateway/Configuration", text, figures.configuration),
        ("Gateway/Certificate Ends", DataType.DateTime, _ms(figures.identity.not_after)),
        *((name, int64, value) for name, value in health(figures).items()),
    ]
    if pictures:
        metrics += [(WANTED, text, None), (PART, text, None), (BYTES, DataType.Bytes, None)]
    return [
        Metric(name=name, datatype=datatype, value=value, timestamp=now_ms)
        for name, datatype, value in metrics
    ]


def device_birth(
    device: str,
    tags: Iterable[Tag],
    names: Names,
    last: Mapping[int, Value],
    now_ms: int,
) -> list[Metric]:
    """Metrics of a DBIRTH: every tag of the device, with its last value if one is known."""
    metrics = [
        Metric(name=name, alias=alias, datatype=datatype, timestamp=now_ms)
        for (name, datatype), alias in zip(_STREAM_METRICS, names.devices[device], strict=True)
    ]
    for tag in tags:
        if tag.device == device:
            said = (("engUnit", tag.unit),) if tag.unit else ()
            properties = {
                name: Property(DataType.String, text) for name, text in (*said, *tag.properties)
            }
            metrics.append(
                Metric(
                    name=tag.name,
                    alias=tag.id,
                    datatype=tag.datatype,
                    timestamp=now_ms,
                    value=as_type(last.get(tag.id), tag.datatype),
                    properties=properties or None,
                )
            )
    return metrics


def health(figures: Figures) -> dict[str, int | None]:
    """The health metrics that change, by name; all Int64. A clock's offset (the server's less ours)
    is None until it was measured: a node metric, since it is of no record of the device's."""
    return {
        "Gateway/Journal Records": figures.journal.records,
        "Gateway/Journal Bytes": figures.journal.bytes,
        "Gateway/Calls Open": figures.calls.calls_open,
        "Gateway/Events Pending": figures.calls.events_pending,
        **{
            f"Device/{device}/Clock Offset ms": _rounded(source.clock_offset_ms)
            for device, source in figures.sources.items()
        },
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def _rounded(number: float | None) -> int | None:
    return None if number is None else round(number)


def as_type(value: Value, datatype: int) -> Value:
    """A journalled number as the value of a metric of this datatype."""
    if not isinstance(value, float) or datatype == DataType.Double:
        return value
    return bool(value) if datatype == DataType.Boolean else int(value)
