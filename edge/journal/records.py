"""What the journal keeps: batches of samples, gaps, and tombstones of what it lost itself."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple


class SampleClass(IntEnum):
    """Which samples go first when the disk is short: the lowest."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


class Origin(IntEnum):
    """How a batch's samples were read."""

    LIVE = 0
    """As they came."""
    HISTORY = 1
    """From the history that the server keeps, after an interruption."""


GAP_CLASS = 9
"""Class of gap rows: evicted last of all."""

GOOD = 192
"""Quality of a sample that nothing is wrong with."""

Other = str | int | list[bool] | list[int] | list[float] | None
"""A value that is not a number: text, an integer beyond ±2**53, an array, or null."""


@dataclass(slots=True)
class SampleBatch:
    """Samples of one device and one class, in the order they came, as columns of equal length.

    A number or a boolean (0, 1) stands in `numbers`; an instant there is milliseconds since the
    epoch. A value that does not fit stands in `others` under its position, with 0.0 in `numbers`.
    """

    device: str
    sample_class: SampleClass
    tags: array[int] = field(default_factory=lambda: array("I"))
    """Durable tag ids."""
    times_us: array[int] = field(default_factory=lambda: array("q"))
    """Source times, microseconds since the epoch."""
    numbers: array[float] = field(default_factory=lambda: array("d"))
    others: dict[int, Other] = field(default_factory=dict)
    qualities: dict[int, int] = field(default_factory=dict)
    """Quality by position, where it is not `GOOD`."""
    server_us: array[int] = field(default_factory=lambda: array("q"))
    """Server times, microseconds since the epoch: empty, or one per sample, 0 where the server gave
    none that says more than the source time."""
    origin: Origin = Origin.LIVE

    def __len__(self) -> int:
        return len(self.tags)


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that were lost before they could be written. None: all devices, or an open end."""

    device: str | None
    from_us: int | None
    to_us: int | None
    cause: str

    @classmethod
    def ended(cls, device: str | None, since_us: int | None, until_us: int, cause: str) -> Gap:
        """One that is over. If it began later than it ended, the clock was set back in between:
        then it is of the times that this clock gives twice."""
        if since_us is not None and since_us > until_us:
            since_us, until_us = until_us, since_us
        return cls(device, since_us, until_us, cause)


@dataclass(frozen=True, slots=True)
class Lost:
    """Tombstone: rows that were evicted or found corrupt."""

    cause: str
    from_us: int | None
    to_us: int | None


class Stored(NamedTuple):
    """One thing read from the journal: it stands for the offsets first … after - 1."""

    first: int
    after: int
    record: SampleBatch | Gap | Lost


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as it is known for good. `datatype` is a Sparkplug datatype number.

    If a tag changes its datatype it gets a new id, and while samples of the old type are in the
    journal they travel under `name:old datatype`.
    """

    id: int
    device: str
    name: str
    datatype: int
    unit: str
    properties: tuple[tuple[str, str], ...] = ()
    """What else its birth says of it, by the property's name; as long as its source says so."""
