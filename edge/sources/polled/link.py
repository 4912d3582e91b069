"""What a kind of device gives: a link that reads blocks, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from protocols.plc import Block, Field, Item, Space


class LinkError(Exception):
    """The link is lost, or was never made; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Read:
    """A block's bytes, and when they came: microseconds since the epoch, by our clock."""

    data: bytes
    at_us: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The device answers that it will not, or cannot, give this block."""

    reason: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Part of the device does not answer, such as one unit behind a gateway. The others do."""

    party: str
    """Which part, for people: `unit 3`."""
    reason: str


Outcome = Read | Refused | Silent


class Link(Protocol):
    """A connection to one device."""

    def max_size(self, space: Space) -> int:
        """The most that one block may have, in the unit of the space."""

    async def read(self, blocks: Sequence[Block]) -> list[Outcome]:
        """What becomes of each block. Raises `LinkError` once the link is lost."""

    async def close(self) -> None:
        """End it, whatever state it is in. Never raises, never takes longer than a time-out."""


class Device(Protocol):
    """One device as its settings describe it."""

    @property
    def items(self) -> Sequence[Item]:
        """Where each tag is; `Item.tag` is its position in the settings."""

    @property
    def fields(self) -> Sequence[Field]:
        """How each tag's bytes are read."""

    async def connect(self) -> Link:
        """Make a link. Raises `LinkError`."""

    def max_gap(self, space: Space) -> int:
        """How many units in a row may be read that nobody wants."""

    def unit_bytes(self, space: Space) -> int:
        """Bytes of one unit of a space."""

    def party(self, space: Space) -> str:
        """Which part of the device answers for a space, as in `Silent`."""

    def properties(self, position: int) -> tuple[tuple[str, str], ...]:
        """What a birth says of a tag."""

    def subject(self, position: int) -> str:
        """A tag's address, for people."""
