"""What a birth says: the tags and aliases of a node or device, and where its stream stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.ingest.registry import TagBirth
from protocols.inspection.fetching import BYTES, PART, WANTED
from protocols.sparkplug import DataType, Metric, Payload
from protocols.sparkplug.session import BD_SEQ
from protocols.sparkplug.values import Value
from protocols.streams import State

EPOCH = "Stream/Epoch"
FIRST_KEPT = "Stream/First Kept"
NEXT = "Stream/Next"
BACKLOG_ORDER = "Stream/Backlog Order"
REPEATS_FROM = "Stream/Repeats From"
OFFSET = "Stream/Offset"
GAP = "Stream/Gap"
LOST = "Stream/Lost"
CURSOR = "Stream/Cursor"

MAX_OFFSET = 2**53
"""Epochs and offsets stay below it, so that answers keep them exactly."""

_CONTROL = ("Stream/", "Node Control/", "Device Control/")
_FETCHING = frozenset({WANTED, PART, BYTES})


class BirthError(ValueError):
    """The birth cannot be read; the text says which metric and why."""


class OtherEpochError(BirthError):
    """The birth is of a log that is not open: what the open one's births said holds."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """How the data messages of one birth name their metrics."""

    names: Mapping[int, str]
    """By alias."""
    types: Mapping[int | str, int]
    """Datatype by alias and by name, for `decode`."""

    @classmethod
    def of(cls, payload: Payload) -> Aliases:
        """Those that a birth declares. Raises `BirthError` for an alias given twice."""
        names: dict[int, str] = {}
        types: dict[int | str, int] = {}
        for metric in payload.metrics:
            if not metric.name:
                raise BirthError(f"metric with alias {metric.alias} has no name")
            if metric.alias is not None:
                if metric.alias in names:
                    raise BirthError(
                        f"alias {metric.alias} names both {names[metric.alias]!r}"
                        f" and {metric.name!r}"
                    )
                names[metric.alias] = metric.name
            if metric.datatype is not None:
                types[metric.name] = metric.datatype
                if metric.alias is not None:
                    types[metric.alias] = metric.datatype
        return cls(names, types)

    def name_of(self, metric: Metric) -> str | None:
        """The name of a data message's metric; None if no birth named its alias."""
        if metric.name:
            return metric.name
        return self.names.get(metric.alias) if metric.alias is not None else None


def stream_state(payload: Payload) -> State | None:
    """Where the writer stands, from an NBIRTH; None if the node has no stream: it is not ours.

    Raises `BirthError` if it has one that cannot be read.
    """
    values = {metric.name: metric.value for metric in payload.metrics}
    if EPOCH not in values:
        return None
    epoch, first, after = (values.get(name) for name in (EPOCH, FIRST_KEPT, NEXT))
    if not (isinstance(epoch, int) and isinstance(first, int) and isinstance(after, int)):
        raise BirthError(f"{EPOCH}, {FIRST_KEPT} and {NEXT} are not all whole numbers")
    if not (0 < epoch < MAX_OFFSET and 0 <= first <= after < MAX_OFFSET):
        raise BirthError(f"no stream stands at epoch {epoch}, first kept {first}, next {after}")
    return State(epoch, first, after)


def stream_notes(payload: Payload) -> tuple[bool, int | None]:
    """What else an NBIRTH says of its stream: whether backlog comes oldest first, and the offset
    from which on samples may repeat earlier ones, because the gateway's disk has lost that it told
    them. Gateways of earlier releases say neither."""
    values = {metric.name: metric.value for metric in payload.metrics}
    repeats_from = values.get(REPEATS_FROM)
    if not isinstance(repeats_from, int) or not 0 <= repeats_from < MAX_OFFSET:
        repeats_from = None
    return values.get(BACKLOG_ORDER) == "oldest_first", repeats_from


def tag_births(metrics: Iterable[Metric]) -> list[TagBirth]:
    """The tags among a birth's metrics: all but control metrics and template definitions.

    Raises `BirthError` for a metric that no table can hold.
    """
    tags = []
    seen = set()
    for metric in metrics:
        name = metric.name or ""
        if is_control(name) or metric.datatype == DataType.Template:
            continue
        unit = metric.properties.get("engUnit") if metric.properties else None
        text = unit.value if unit is not None and isinstance(unit.value, str) else None
        if "\0" in name or "\0" in (text or ""):
            raise BirthError(f"the name or unit of {name!r} has a NUL character")
        if metric.datatype is None or not 0 < metric.datatype < 2**15:
            raise BirthError(f"{name!r} has no datatype")
        if name in seen:
            raise BirthError(f"{name!r} is named twice")
        seen.add(name)
        tags.append(TagBirth(name, metric.datatype, text))
    return tags


def clock_offset_ms(said_ms: int | None, now_ms: int) -> int | None:
    """A gateway's clock less ours, by a message that was just made; its way here counts in. None
    for a message without a time, or with one that is none."""
    if said_ms is None or said_ms > MAX_OFFSET:
        return None
    return said_ms - now_ms


def is_control(name: str) -> bool:
    """Whether a metric steers the session and is no data."""
    return name == BD_SEQ or name in _FETCHING or name.startswith(_CONTROL)


def status_value(value: Value) -> bool | int | float | str | None:
    """A node metric's value as JSON can hold it; None where it cannot."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return clean(value)
    return value if isinstance(value, bool | int) else None


def clean(text: str) -> str:
    """The text without NUL characters, which PostgreSQL does not hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
