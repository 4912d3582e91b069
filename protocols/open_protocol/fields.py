"""Data fields: values of fixed width, mostly each behind its number of two digits.

Digits are padded with 0 on the left and text with spaces on the right; a value that the controller
does not support is all spaces, and None here. What a later revision adds behind is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from protocols.open_protocol.frames import Message

Value = int | float | bool | str | datetime | None
_NUMBER = re.compile(rb"[+-]?[0-9]+")
_TIME = "%Y-%m-%d:%H:%M:%S"
TIME_WIDTH = 19


class Kind(Enum):
    """How a value is written."""

    NUMBER = "number"
    HUNDREDTHS = "hundredths"
    """A number with two decimals, times 100."""
    FLAG = "flag"
    TEXT = "text"
    TIME = "time"
    """`YYYY-MM-DD:HH:MM:SS` by the controller's clock; None if it is no time there is."""
    BITS = "bits"
    """A number whose bits say something; None where a controller sends them as bytes."""


class Field(NamedTuple):
    """One value."""

    name: str
    width: int
    kind: Kind = Kind.NUMBER


class DataError(ValueError):
    """A message that is not of its form; the text says which value."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The data of one revision."""

    fields: Sequence[Field]
    numbered: bool = True
    """Each value comes behind its number, one after another."""
    open_ended: bool = False
    """The last value may be longer, and is all that is left."""
    first: int = 1
    """Number of the first value."""

    @property
    def width(self) -> int:
        """Bytes that it takes, unless it is open-ended."""
        return sum(field.width + 2 * self.numbered for field in self.fields)

    def read(self, message: Message, encoding: str) -> dict[str, Value]:
        """Values by name. Raises `DataError`."""
        data, at, found = message.data, 0, dict[str, Value]()
        for number, field in enumerate(self.fields, start=self.first):
            where = f"MID {message.mid:04} revision {message.revision}: {field.name}"
            if self.numbered:
                if data[at : at + 2] != b"%02d" % number:
                    raise DataError(f"{where}: {data[at : at + 2]!r} in place of {number:02}")
                at += 2
            text = data[at : at + field.width]
            if len(text) < field.width:
                raise DataError(f"{where}: the message ends before it")
            at += field.width
            if self.open_ended and field is self.fields[-1]:
                text = data[at - field.width :]
            try:
                found[field.name] = _read(text, field.kind, encoding)
            except ValueError:
                raise DataError(f"{where}: {text!r} is no {field.kind.value}") from None
        return found

    def write(self, values: Mapping[str, Value], encoding: str) -> bytes:
        """The data of these values; one that is missing or None is spaces. Raises `ValueError` for
        one that does not fit or has no place."""
        written = bytearray()
        if strange := sorted(set(values) - {field.name for field in self.fields}):
            raise ValueError(f"there is no {', '.join(strange)} in this revision")
        for number, field in enumerate(self.fields, start=self.first):
            if self.numbered:
                written += b"%02d" % number
            text = _write(values.get(field.name), field, encoding)
            if len(text) != field.width and not (
                self.open_ended and field is self.fields[-1] and len(text) > field.width
            ):
                raise ValueError(
                    f"{field.name}: {text!r} has {len(text)} characters, not {field.width}"
                )
            written += text
        return bytes(written)


def _read(text: bytes, kind: Kind, encoding: str) -> Value:
    if kind is Kind.TEXT:
        return text.decode(encoding, "replace").rstrip(" \0")
    stripped = text.strip(b" ")
    if not stripped:
        return None
    if kind is Kind.TIME:
        try:
            return datetime.strptime(stripped.decode("ascii"), _TIME)
        except ValueError:
            return None
    if not _NUMBER.fullmatch(stripped):
        if kind is Kind.BITS:
            return None
        raise ValueError
    number = int(stripped)
    if kind is Kind.HUNDREDTHS:
        return number / 100
    if kind is Kind.FLAG:
        return bool(number)
    return number


def _write(value: Value, field: Field, encoding: str) -> bytes:
    match value:
        case None:
            return b" " * field.width
        case datetime():
            return value.strftime(_TIME).encode("ascii").rjust(TIME_WIDTH, b"0")
        case str():
            return value.encode(encoding, "replace").ljust(field.width)
        case _:
            number = round(value * 100) if field.kind is Kind.HUNDREDTHS else int(value)
            return b"%0*d" % (field.width, number)
