"""Addresses as engineers write them: `DB10.DBD4:REAL`, `M10.3`, `IW64:INT`, `DB1.DBB8:STRING[20]`.

    [%] area [offset] [. bit] [: TYPE [length]]

- Areas: `DBn.DBX`, `DBn.DBB`, `DBn.DBW`, `DBn.DBD`, `DBn.DBL`; `M`, `I` (`E`) and `Q` (`A`), each
  alone for a bit or followed by `B`, `W`, `D` or `L` for 1, 2, 4 or 8 bytes.
- Without a type a bit is a BOOL, and the others are BYTE, WORD, DWORD and LWORD.
- A letter other than `B` must agree with the size of the type; with `B` any type may begin.
- `INT[10]` are ten of them in a row, `BOOL[16]` bits; `STRING[20]`, `WSTRING[20]`, `CHAR[20]` and
  `WCHAR[20]` are one text.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from protocols.plc.kinds import Field
from protocols.s7.types import (
    ALIASES,
    MOST_CHARS,
    MOST_WCHARS,
    TEXT_ENCODING,
    TEXTS,
    TYPES,
    array_field,
    bit_field,
    bits_field,
    scalar_field,
    text_field,
)

AreaName = Literal["DB", "M", "I", "Q"]
MOST_BYTES = 65_536
"""An area or a block has no more."""
_AREAS: dict[str, AreaName] = {"M": "M", "I": "I", "E": "I", "Q": "Q", "A": "Q"}
_WIDTHS = {"B": 1, "W": 2, "D": 4, "L": 8}
_LETTERS = {size: letter for letter, size in _WIDTHS.items()}
_DEFAULTS = {"X": "BOOL", "B": "BYTE", "W": "WORD", "D": "DWORD", "L": "LWORD"}
_SHAPE = re.compile(
    r"^%?(?:DB(?P<db>\d{1,5})\.DB(?P<dbletter>[XBWDL])|(?P<area>[MIEQA])(?P<letter>[XBWDL]?))"
    r"(?P<byte>\d{1,5})(?:\.(?P<bit>\d+))?"
    r"(?::(?P<type>[A-Z_0-9]+)(?:\[(?P<count>\d{1,5})\])?)?$"
)
_EXAMPLES = "DB10.DBD4:REAL, DB10.DBX2.0, DB1.DBB8:STRING[20], M10.3, IW64:INT"
_KNOWN = (*TYPES, "BOOL", *TEXTS, *ALIASES)


class AddressError(ValueError):
    """The text is no address; it says why, and what may have been meant."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a value is, and what it is."""

    area: AreaName
    db: int
    """Number of the data block; 0 elsewhere."""
    byte: int
    bit: int
    """0 to 7, of a BOOL."""
    type: str
    """Canonical name, such as INT or STRING."""
    count: int
    """Elements of an array, characters of a text; 0 for a single value."""

    def __str__(self) -> str:
        """The address in its one canonical form."""
        prefix = f"DB{self.db}.DB" if self.area == "DB" else self.area
        if self.type == "BOOL":
            letter = "X" if self.area == "DB" else ""
            many = f":BOOL[{self.count}]" if self.count else ""
            return f"{prefix}{letter}{self.byte}.{self.bit}{many}"
        plain = self.type in TYPES and TYPES[self.type].code and not self.count
        size = TYPES[self.type].size if plain else 1
        many = f"[{self.count}]" if self.count else ""
        return f"{prefix}{_LETTERS.get(size, 'B')}{self.byte}:{self.type}{many}"

    @property
    def space(self) -> tuple[AreaName, int]:
        """What is addressed by its bytes from 0 on."""
        return self.area, self.db

    @property
    def type_name(self) -> str:
        """For people: INT, INT[10], STRING[20]."""
        return f"{self.type}[{self.count}]" if self.count else self.type

    def field(self, encoding: str = TEXT_ENCODING) -> Field:
        """How its bytes are read; `encoding` is that of CHAR and STRING."""
        if self.type == "BOOL":
            return bits_field(self.bit, self.count) if self.count else bit_field(self.bit)
        if self.type in TEXTS:
            return text_field(self.type, self.count or 1, encoding)
        s7_type = TYPES[self.type]
        return array_field(s7_type, self.count) if self.count else scalar_field(s7_type)


def parse(text: str) -> Address:
    """Read an address. Raises `AddressError`."""
    found = _SHAPE.match("".join(text.upper().split()))
    if found is None:
        raise AddressError(_explain(text))
    letter = found["dbletter"] or found["letter"] or "X"
    bit = found["bit"]
    name, count = _type(text, found["type"] or _DEFAULTS[letter], found["count"])
    if letter == "X" and name != "BOOL":
        raise AddressError(
            f"{text!r}: a bit is a BOOL, no {name}; for a {name} write "
            f"{_prefix(found)}B{found['byte']}:{name}{f'[{count}]' if count else ''}"
        )
    if letter == "X" and bit is None:
        raise AddressError(f"{text!r} names no bit; write .0 to .7 after the byte")
    if bit is not None and (letter != "X" or int(bit) > 7):
        what = "bits are 0 to 7" if letter == "X" else "only a bit has a number after the point"
        raise AddressError(f"{text!r}: {what}")
    if name == "BOOL" and letter != "X":
        x = "X" if found["db"] else ""
        raise AddressError(f"{text!r}: a BOOL is a bit; write {_prefix(found)}{x}{found['byte']}.0")
    _check_width(text, found, letter, name, count)
    area: AreaName = "DB" if found["db"] else _AREAS[found["area"]]
    address = Address(area, int(found["db"] or 0), int(found["byte"]), int(bit or 0), name, count)
    if area == "DB" and not 1 <= address.db <= 65_535:
        raise AddressError(f"{text!r}: data blocks are numbered 1 to 65535")
    if address.byte + address.field().size > MOST_BYTES:
        raise AddressError(f"{text!r} ends beyond byte {MOST_BYTES - 1}, the last there can be")
    return address


def _type(text: str, name: str, count_text: str | None) -> tuple[str, int]:
    name = ALIASES.get(name, name)
    if name not in TYPES and name not in TEXTS and name != "BOOL":
        near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_KNOWN)}"
        raise AddressError(f"{text!r}: there is no type {name}; {hint}")
    count = int(count_text) if count_text is not None else 0
    if count_text is not None and count == 0:
        raise AddressError(f"{text!r}: a length is 1 or more")
    if name in ("STRING", "WSTRING") and not count:
        count = MOST_CHARS
    if (name == "STRING" and count > MOST_CHARS) or (name == "WSTRING" and count > MOST_WCHARS):
        most = MOST_CHARS if name == "STRING" else MOST_WCHARS
        raise AddressError(f"{text!r}: a {name} has at most {most} characters")
    if count and name in TYPES and not TYPES[name].code:
        raise AddressError(f"{text!r}: {name} cannot be read as an array; give each its own tag")
    return name, count


def _check_width(text: str, found: re.Match[str], letter: str, name: str, count: int) -> None:
    width = _WIDTHS.get(letter, 0)
    if width <= 1 or name not in TYPES or TYPES[name].size == width:
        if width <= 1 or name in TYPES:
            return
        fitting, says = "B", f"{name} begins at a byte"
    else:
        size = TYPES[name].size
        fitting, says = _LETTERS.get(size, "B"), f"{name} has {size} bytes, {letter} says {width}"
    many = f"[{count}]" if count else ""
    raise AddressError(
        f"{text!r}: {says}; write {_prefix(found)}{fitting}{found['byte']}:{name}{many}"
    )


def _prefix(found: re.Match[str]) -> str:
    return f"DB{found['db']}.DB" if found["db"] else str(found["area"])


def _explain(text: str) -> str:
    """What is wrong with a text that has no address's form."""
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    bare = "".join(text.upper().split())
    nodes7 = re.match(r"^DB(\d+),([A-Z]+)(\d+)(\.\d+)?$", bare)
    if nodes7:
        letter = {"X": "X", "BOOL": "X", "B": "B", "BYTE": "B", "W": "W", "WORD": "W"}.get(
            nodes7[2]
        )
        types = {"R": "REAL", "I": "INT", "DI": "DINT", "S": "STRING"} | {t: t for t in TYPES}
        name = types.get(nodes7[2], "")
        width = _LETTERS.get(TYPES[name].size, "B") if name in TYPES else "B"
        suffix = f":{name}" if name and not letter else ""
        return (
            f"{shown!r} is no address; did you mean "
            f"DB{nodes7[1]}.DB{letter or width}{nodes7[3]}{nodes7[4] or ''}{suffix}?"
        )
    short = re.match(r"^%?DB(\d+)\.([XBWDL]?)(\d+)(.*)$", bare)
    if short:
        letter = short[2] or ("X" if short[4].startswith(".") else "B")
        return f"{shown!r} is no address; did you mean DB{short[1]}.DB{letter}{short[3]}{short[4]}?"
    return f"{shown!r} is no address; write it like {_EXAMPLES}"
