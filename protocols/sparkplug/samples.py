"""A data message as columns: what ingest turns into rows without an object per metric."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

GOOD: Final = 192
"""OPC quality of a sample that says nothing about its quality."""

NO_ALIAS: Final = 2**64 - 1
"""In `Samples.aliases`: the metric came by name, see `Samples.names`."""

NO_TIME: Final = -(2**63)
"""In `Samples.times`: neither the metric nor the payload says when."""


class ValueField(IntEnum):
    """Which field of the metric held the value: the field numbers of the wire, 0 for null."""

    NULL = 0
    INT = 10
    LONG = 11
    FLOAT = 12
    DOUBLE = 13
    BOOLEAN = 14
    STRING = 15
    BYTES = 16
    DATASET = 17
    TEMPLATE = 18
    EXTENSION = 19


@dataclass(slots=True)
class Samples:
    """All metrics of one N/DDATA payload, in its order, one array item per metric.

    The columns are `array.array`, so compiled code takes them as typed memoryviews, or, without
    that cost, as `cdef array.array a = samples.times` and `a.data.as_longlongs[i]`.
    """

    seq: int | None
    timestamp: int | None
    """Of the payload, milliseconds since 1970 UTC."""
    aliases: array[int]
    """'Q'. `NO_ALIAS` where the metric came by name alone."""
    times: array[int]
    """'q', milliseconds since 1970 UTC; the payload's where the metric has none; else `NO_TIME`."""
    fields: array[int]
    """'B', a `ValueField` each: where to look for the value."""
    longs: array[int]
    """'q': the raw bits of INT (32, not yet sign-extended), LONG and BOOLEAN (0, 1) fields; the
    datatype of the alias says how wide they are and whether they have a sign."""
    doubles: array[float]
    """'d': FLOAT and DOUBLE fields."""
    texts: dict[int, str]
    """By index: STRING fields."""
    blobs: dict[int, bytes]
    """By index: BYTES, DATASET and TEMPLATE fields, undecoded; `decode` reads the whole message."""
    qualities: array[int]
    """'H': the property Quality, `GOOD` if there is none, 0 (bad) if it is no such number."""
    historical: array[int]
    """'B': 1 if sent late or again."""
    names: dict[int, str]
    """By index: the names of metrics that came by name."""

    def __len__(self) -> int:
        return len(self.aliases)
