"""Addresses of Modbus data as they stand in manuals: `40001`, `400123:float32`, `holding:0:uint16`.

    table and number [. bit] [: type [length]]

- `coil:n`, `discrete:n`, `input:n` and `holding:n` count as the protocol does, from 0 to 65535;
  `hr`, `ir`, `di` and `co` are the same for short.
- Five or six digits count as manuals do, from 1: 0xxxx coils, 1xxxx discrete inputs, 3xxxx input
  registers, 4xxxx holding registers. So `40001` is `holding:0`.
- Coils and discrete inputs are bits (`bool`); a register without a type is a uint16.
- `.3` is a bit of a register, 0 the lowest. `int16[4]` are four in a row, `bool[16]` as many
  coils; `string[12]` is one text of twelve characters in six registers.
"""

from __future__ import annotations

import difflib
import re
import struct
from dataclasses import dataclass
from typing import Literal

from protocols.modbus.values import (
    NUMBERS,
    REGISTER_BYTES,
    TEXT_ENCODING,
    Order,
    array_field,
    bit_field,
    number_field,
    text_field,
)
from protocols.plc.kinds import Field, Kind

TableName = Literal["coil", "discrete", "input", "holding"]
BIT_TABLES: tuple[TableName, ...] = ("coil", "discrete")
MOST = 65_536
"""Entries of a table."""
_DIGITS: dict[str, TableName] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_NAMES: dict[str, TableName] = {
    "coil": "coil", "co": "coil",
    "discrete": "discrete", "di": "discrete",
    "input": "input", "ir": "input",
    "holding": "holding", "hr": "holding",
}  # fmt: skip
_SHAPE = re.compile(
    r"^(?:(?P<digits>\d{5,6})|(?P<table>[a-z]+):(?P<number>\d{1,5}))"
    r"(?:\.(?P<bit>\d{1,2}))?(?::(?P<type>[a-z0-9]+)(?:\[(?P<count>\d{1,5})\])?)?$"
)
_ALIASES = {
    "bit": "bool", "boolean": "bool", "word": "uint16", "short": "int16", "dword": "uint32",
    "int": "int16", "uint": "uint16", "dint": "int32", "udint": "uint32", "lint": "int64",
    "ulint": "uint64", "real": "float32", "float": "float32", "lreal": "float64",
    "double": "float64",
}  # fmt: skip
_EXAMPLES = "40001, 30010:float32, holding:0:uint16, coil:5, 40010.3, holding:20:string[12]"
_KNOWN = (*NUMBERS, "bool", "string")


class AddressError(ValueError):
    """The text is no address; it says why, and what may have been meant."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a value is, and what it is."""

    table: TableName
    number: int
    """From 0, as it travels."""
    bit: int | None
    """Of a register."""
    type: str
    count: int
    """Elements of an array, characters of a text; 0 for a single value."""

    def __str__(self) -> str:
        """The address in its one canonical form."""
        many = f"[{self.count}]" if self.count else ""
        if self.bit is not None:
            return f"{self.table}:{self.number}.{self.bit}"
        if self.table in BIT_TABLES and not self.count:
            return f"{self.table}:{self.number}"
        return f"{self.table}:{self.number}:{self.type}{many}"

    @property
    def in_bits(self) -> bool:
        """Whether its table is one of bits and not of registers."""
        return self.table in BIT_TABLES

    @property
    def type_name(self) -> str:
        """For people: uint16, int16[4], string[12]."""
        return f"{self.type}[{self.count}]" if self.count else self.type

    @property
    def size(self) -> int:
        """Registers, or bits of a table of bits."""
        if self.in_bits:
            return self.count or 1
        if self.type == "bool":
            return 1
        if self.type == "string":
            return (self.count + 1) // 2
        return _registers(self.type) * (self.count or 1)

    def field(self, order: Order = Order.ABCD, encoding: str = TEXT_ENCODING) -> Field:
        """How its bytes are read: two a register, or one a bit (0 or 1) in a table of bits."""
        if self.in_bits:
            if self.count:
                return Field(
                    self.count, Kind.BOOL, "", lambda raw: [bool(b) for b in raw], array=True
                )
            return Field(1, Kind.BOOL, "?", lambda raw: bool(raw[0]))
        if self.bit is not None:
            return bit_field(self.bit, order)
        if self.type == "string":
            return text_field(self.count, order, encoding)
        if self.count:
            return array_field(self.type, self.count, order)
        return number_field(self.type, order)


def parse(text: str) -> Address:
    """Read an address. Raises `AddressError`."""
    found = _SHAPE.match("".join(text.lower().split()))
    if found is None:
        raise AddressError(_explain(text))
    table, number = _place(text, found)
    in_bits = table in BIT_TABLES
    bit = int(found["bit"]) if found["bit"] is not None else None
    default = "bool" if in_bits or bit is not None else "uint16"
    name = _type(text, found["type"] or default)
    count = int(found["count"]) if found["count"] is not None else 0
    if found["count"] is not None and not count:
        raise AddressError(f"{text!r}: a length is 1 or more")
    if name == "string" and not count:
        raise AddressError(f"{text!r}: how long is the text? Write string[12] for 12 characters")
    if in_bits and (name != "bool" or bit is not None):
        what = f"a {table} is one bit and no {name}" if bit is None else f"a {table} has no bits"
        raise AddressError(f"{text!r}: {what}; write {table}:{number}")
    if not in_bits and name == "bool" and bit is None:
        raise AddressError(f"{text!r}: which bit of the register? Write {table}:{number}.0")
    if bit is not None and (bit > 15 or name != "bool" or count):
        what = "bits are 0 to 15" if bit > 15 else "a bit of a register is a single bool"
        raise AddressError(f"{text!r}: {what}")
    address = Address(table, number, bit, name, count)
    if number + address.size > MOST:
        raise AddressError(f"{text!r} ends beyond number {MOST - 1}, the last there can be")
    return address


def _place(text: str, found: re.Match[str]) -> tuple[TableName, int]:
    if found["table"] is not None:
        table = _NAMES.get(found["table"])
        if table is None:
            near = difflib.get_close_matches(found["table"], _NAMES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_NAMES)}"
            raise AddressError(f"{text!r}: there is no table {found['table']}; {hint}")
        return table, int(found["number"])
    digits = found["digits"]
    table = _DIGITS.get(digits[0])
    if table is None:
        raise AddressError(
            f"{text!r}: numbers begin with 0 (coils), 1 (discrete inputs), 3 (input registers) or "
            "4 (holding registers)"
        )
    number = int(digits[1:]) - 1
    if number < 0:
        raise AddressError(f"{text!r}: numbers of manuals begin at {digits[:-1]}1")
    return table, number


def _type(text: str, name: str) -> str:
    name = _ALIASES.get(name, name)
    if name not in _KNOWN:
        near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_KNOWN)}"
        raise AddressError(f"{text!r}: there is no type {name}; {hint}")
    return name


def _registers(name: str) -> int:
    return struct.calcsize(f">{NUMBERS[name][0]}") // REGISTER_BYTES


def _explain(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    bare = "".join(text.lower().split())
    if re.fullmatch(r"\d{1,4}(:.*)?", bare):
        return f"{shown!r} names no table; did you mean holding:{bare}?"
    if named := re.fullmatch(r"([a-z]+)[ .]?(\d+)(.*)", bare):
        near = difflib.get_close_matches(named[1], _NAMES, n=1, cutoff=0.4)
        if near and (named[1] in _NAMES or len(named[1]) > 2):
            return f"{shown!r} is no address; did you mean {near[0]}:{named[2]}{named[3]}?"
    return f"{shown!r} is no address; write it like {_EXAMPLES}"
