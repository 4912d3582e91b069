"""What registers mean: integers and floating-point numbers of 16 to 64 bits, text, single bits.

The standard knows registers of 16 bits, high byte first, and nothing more ("MODBUS Application
Protocol Specification V1.1b3", 4.2). What is longer lies in several of them, in an order that each
maker chooses: `Order`, named by the bytes A (highest) to D of a number of 32 bits.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import Any

from protocols.plc.kinds import Field, Kind, PlcValue

REGISTER_BYTES = 2
TEXT_ENCODING = "latin-1"


class Order(StrEnum):
    """How the bytes of a number lie in its registers."""

    ABCD = "ABCD"
    """High word first, high byte first: as the standard's own examples."""
    CDAB = "CDAB"
    """Low word first, high byte first."""
    BADC = "BADC"
    """High word first, low byte first."""
    DCBA = "DCBA"
    """Low word first, low byte first."""


NUMBERS: dict[str, tuple[str, Kind]] = {
    "int16": ("h", Kind.INT),
    "uint16": ("H", Kind.INT),
    "int32": ("i", Kind.INT),
    "uint32": ("I", Kind.LONG),
    "int64": ("q", Kind.LONG),
    "uint64": ("Q", Kind.ULONG),
    "float32": ("f", Kind.FLOAT),
    "float64": ("d", Kind.FLOAT),
}
"""Letter for `struct`, and kind, by type."""


def ordered(raw: bytes, order: Order) -> bytes:
    """The bytes of a number, high byte first, from its registers; and back: it is its own
    inverse."""
    if order is Order.ABCD:
        return raw
    if order is Order.DCBA:
        return raw[::-1]
    if order is Order.BADC:
        return _swapped(raw)
    return _swapped(raw[::-1])


def number_field(name: str, order: Order) -> Field:
    """One number."""
    code, kind = NUMBERS[name]
    whole = struct.Struct(f">{code}")
    if order is Order.ABCD or (whole.size == REGISTER_BYTES and order is Order.CDAB):
        return Field(whole.size, kind, code, lambda raw: whole.unpack(raw)[0])
    return Field(whole.size, kind, "", lambda raw: whole.unpack(ordered(raw, order))[0])


def array_field(name: str, count: int, order: Order) -> Field:
    """Numbers one after the other, each in the order of its own bytes."""
    code, kind = NUMBERS[name]
    one, whole = struct.calcsize(f">{code}"), struct.Struct(f">{count}{code}")

    def decode(raw: bytes) -> PlcValue:
        parts = (ordered(raw[at : at + one], order) for at in range(0, len(raw), one))
        return list(whole.unpack(b"".join(parts)))

    return Field(whole.size, kind, "", decode, array=True)


def text_field(chars: int, order: Order, encoding: str = TEXT_ENCODING) -> Field:
    """Two characters a register, to the first NUL. The order of words does not concern text."""
    swap = order in (Order.BADC, Order.DCBA)

    def decode(raw: bytes) -> str:
        text = (_swapped(raw) if swap else raw)[:chars]
        return text.partition(b"\0")[0].decode(encoding, "replace")

    return Field(chars + chars % 2, Kind.TEXT, "", decode)


def bit_field(bit: int, order: Order) -> Field:
    """A bit of a register; 0 is the lowest."""
    low = order in (Order.BADC, Order.DCBA)
    byte = (bit < 8) != low
    mask = 1 << bit % 8
    return Field(REGISTER_BYTES, Kind.BOOL, "", lambda raw: bool(raw[byte] & mask))


def encode(name: str, value: Any, order: Order = Order.ABCD) -> bytes:
    """The registers of a number. Raises `ValueError` for what the type cannot hold."""
    try:
        return ordered(struct.pack(f">{NUMBERS[name][0]}", value), order)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} is no {name}: {error}") from None


def encode_text(
    text: str, chars: int, order: Order = Order.ABCD, encoding: str = TEXT_ENCODING
) -> bytes:
    """The registers of a text, filled up with NUL. Raises `ValueError` if it is too long."""
    raw = text.encode(encoding)
    if len(raw) > chars:
        raise ValueError(f"{len(raw)} characters where there is room for {chars}")
    raw = raw.ljust(chars + chars % 2, b"\0")
    return _swapped(raw) if order in (Order.BADC, Order.DCBA) else raw


def _swapped(raw: bytes) -> bytes:
    out = bytearray(raw)
    out[::2], out[1::2] = raw[1::2], raw[::2]
    return bytes(out)
