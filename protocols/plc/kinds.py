"""What a few bytes of a controller may mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PlcValue = bool | int | float | str | datetime | list[bool] | list[int] | list[float]
"""A value as a controller has it. An instant is naive: it is in the controller's own time."""


class Kind(StrEnum):
    """What a value is, whatever the controller calls its type."""

    BOOL = "bool"
    INT = "int"
    """An integer of at most 32 bits, signed."""
    LONG = "long"
    """An integer that needs up to 64 bits, signed."""
    ULONG = "ulong"
    """An unsigned integer of 64 bits."""
    FLOAT = "float"
    TEXT = "text"
    INSTANT = "instant"


class UnreadableError(ValueError):
    """The bytes are none that their type allows; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Field:
    """How the bytes of one value are read."""

    size: int
    """Bytes."""
    kind: Kind
    code: str
    """Its letter for `struct` (big endian), if that is all there is to it; else empty."""
    decode: Callable[[bytes], PlcValue]
    """From exactly `size` bytes. Raises `UnreadableError`."""
    array: bool = False
