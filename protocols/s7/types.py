"""The elementary types of S7 controllers: how many bytes, and what they mean. All big endian.

Sources: "SIMATIC Programming with STEP 7" (S5TIME, DATE, DATE_AND_TIME, STRING), "S7-1200/S7-1500
programming guideline" and the TIA Portal online help (DTL, LTIME, LTOD, LDT, WSTRING).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from protocols.plc.kinds import Field, Kind, PlcValue, UnreadableError

TEXT_ENCODING = "latin-1"
MOST_CHARS = 254
"""Characters of a STRING; a WSTRING may have 16382."""
MOST_WCHARS = 16_382
_DAY_0 = date(1990, 1, 1)
_EPOCH = datetime(1970, 1, 1)
_S5_BASES_MS = (10, 100, 1000, 10_000)
_DTL = struct.Struct(">HBBBBBBI")


@dataclass(frozen=True, slots=True)
class S7Type:
    """One elementary type."""

    name: str
    size: int
    kind: Kind
    code: str = ""
    """Its letter for `struct`, if that is all there is to it."""
    decode: Callable[[bytes], PlcValue] | None = None
    encode: Callable[[Any], bytes] | None = None

    def read(self, raw: bytes) -> PlcValue:
        """From exactly `size` bytes. Raises `UnreadableError`."""
        if self.decode is not None:
            return self.decode(raw)
        value: PlcValue = struct.unpack(f">{self.code}", raw)[0]
        return value

    def write(self, value: Any) -> bytes:
        """Raises `ValueError` for what the type cannot hold."""
        if self.encode is not None:
            return self.encode(value)
        try:
            return struct.pack(f">{self.code}", value)
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{value!r} is no {self.name}: {error}") from None


def _s5time(raw: bytes) -> int:
    base, digits = raw[0] >> 4, _bcd(bytes((raw[0] & 0x0F, raw[1])))
    if base > 3:
        raise UnreadableError(f"S5TIME with time base {base}")
    return (digits[0] * 100 + digits[1]) * _S5_BASES_MS[base]


def _to_s5time(ms: int) -> bytes:
    for base, step in enumerate(_S5_BASES_MS):
        if 0 <= ms <= 999 * step and ms % step == 0:
            count = ms // step
            return bytes((base << 4 | count // 100, count % 100 // 10 << 4 | count % 10))
    raise ValueError(f"{ms} ms is no S5TIME")


def _date(raw: bytes) -> str:
    return (_DAY_0 + timedelta(days=int.from_bytes(raw, "big"))).isoformat()


def _to_date(text: str) -> bytes:
    return _sized((date.fromisoformat(text) - _DAY_0).days, 2, text)


def _date_and_time(raw: bytes) -> datetime:
    year, month, day, hour, minute, second, high = _bcd(raw[:7])
    # The last nibble is the day of the week, which says nothing new.
    if raw[7] >> 4 > 9:
        raise UnreadableError(f"DATE_AND_TIME {raw.hex()} is not BCD")
    ms = high * 10 + (raw[7] >> 4)
    year += 1900 if year >= 90 else 2000
    try:
        return datetime(year, month, day, hour, minute, second, ms * 1000)
    except ValueError as error:
        raise UnreadableError(f"DATE_AND_TIME {raw.hex()}: {error}") from None


def _to_date_and_time(value: datetime) -> bytes:
    if not 1990 <= value.year <= 2089:
        raise ValueError(f"{value} is no DATE_AND_TIME: it holds 1990 to 2089")
    ms = value.microsecond // 1000
    parts = (value.year % 100, value.month, value.day, value.hour, value.minute, value.second)
    digits = [*parts, ms // 10]
    last = ms % 10 << 4 | value.isoweekday() % 7 + 1
    return bytes([d // 10 << 4 | d % 10 for d in digits] + [last])


def _dtl(raw: bytes) -> datetime:
    year, month, day, _, hour, minute, second, ns = _DTL.unpack(raw)
    try:
        return datetime(year, month, day, hour, minute, second, ns // 1000)
    except ValueError as error:
        raise UnreadableError(f"DTL {raw.hex()}: {error}") from None


def _to_dtl(value: datetime) -> bytes:
    return _DTL.pack(
        value.year,
        value.month,
        value.day,
        value.isoweekday() % 7 + 1,
        value.hour,
        value.minute,
        value.second,
        value.microsecond * 1000,
    )


def _ldt(raw: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int.from_bytes(raw, "big", signed=True) // 1000)


def _to_ldt(value: datetime) -> bytes:
    since = value - _EPOCH
    us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return (us * 1000).to_bytes(8, "big", signed=True)


def _bcd(raw: bytes) -> list[int]:
    digits = []
    for byte in raw:
        high, low = byte >> 4, byte & 0x0F
        if high > 9 or low > 9:
            raise UnreadableError(f"{raw.hex()} is not BCD")
        digits.append(high * 10 + low)
    return digits


def _sized(number: int, size: int, value: object) -> bytes:
    try:
        return number.to_bytes(size, "big")
    except OverflowError:
        raise ValueError(f"{value!r} does not fit into {size} bytes") from None


_INTEGERS = {
    "BYTE": "B", "USINT": "B", "SINT": "b", "WORD": "H", "UINT": "H", "INT": "h", "DINT": "i",
    "TIME": "i",
}  # fmt: skip
"""Integers of which an Int32 holds all; TIME is milliseconds."""
TYPES: dict[str, S7Type] = {
    name: S7Type(name, struct.calcsize(code), Kind.INT, code) for name, code in _INTEGERS.items()
}
TYPES |= {
    t.name: t
    for t in (
        S7Type("DWORD", 4, Kind.LONG, "I"),
        S7Type("UDINT", 4, Kind.LONG, "I"),
        S7Type("TOD", 4, Kind.LONG, "I"),  # milliseconds since midnight
        S7Type("LINT", 8, Kind.LONG, "q"),
        S7Type("LTIME", 8, Kind.LONG, "q"),  # nanoseconds
        S7Type("LTOD", 8, Kind.LONG, "q"),  # nanoseconds since midnight
        S7Type("LWORD", 8, Kind.ULONG, "Q"),
        S7Type("ULINT", 8, Kind.ULONG, "Q"),
        S7Type("REAL", 4, Kind.FLOAT, "f"),
        S7Type("LREAL", 8, Kind.FLOAT, "d"),
        S7Type("S5TIME", 2, Kind.INT, "", _s5time, _to_s5time),  # read as milliseconds
        S7Type("DATE", 2, Kind.TEXT, "", _date, _to_date),
        S7Type("DT", 8, Kind.INSTANT, "", _date_and_time, _to_date_and_time),
        S7Type("DTL", 12, Kind.INSTANT, "", _dtl, _to_dtl),
        S7Type("LDT", 8, Kind.INSTANT, "", _ldt, _to_ldt),
    )
}
ALIASES = {
    "DATE_AND_TIME": "DT",
    "DATE_AND_LTIME": "LDT",
    "TIME_OF_DAY": "TOD",
    "LTIME_OF_DAY": "LTOD",
}
TEXTS = ("CHAR", "WCHAR", "STRING", "WSTRING")
"""Types of text; they are made for a length."""


def text_size(name: str, chars: int) -> int:
    """Bytes of a text type of so many characters."""
    return {"CHAR": chars, "WCHAR": 2 * chars, "STRING": chars + 2, "WSTRING": 2 * chars + 4}[name]


def decode_text(name: str, chars: int, raw: bytes, encoding: str = TEXT_ENCODING) -> str:
    """Text of a text type. Raises `UnreadableError`.

    An array of characters ends at its first NUL, if it has one. A byte that the encoding does not
    know becomes U+FFFD.
    """
    if name == "CHAR":
        return raw.partition(b"\0")[0].decode(encoding, "replace")
    if name == "WCHAR":
        return raw.decode("utf-16-be", "replace").partition("\0")[0]
    if name == "STRING":
        length = raw[1]
        if length > min(raw[0], chars):
            raise UnreadableError(
                f"STRING says {length} of {raw[0]} characters, and {chars} were read; "
                "is the address that of a STRING, and the length right?"
            )
        return raw[2 : 2 + length].decode(encoding, "replace")
    most, length = struct.unpack_from(">HH", raw)
    if length > min(most, chars):
        raise UnreadableError(
            f"WSTRING says {length} of {most} characters, and {chars} were read; "
            "is the address that of a WSTRING, and the length right?"
        )
    return raw[4 : 4 + 2 * length].decode("utf-16-be", "replace")


def encode_text(name: str, chars: int, text: str, encoding: str = TEXT_ENCODING) -> bytes:
    """The inverse of `decode_text`. Raises `ValueError` if the text is too long."""
    body = text.encode(encoding if name in ("CHAR", "STRING") else "utf-16-be")
    size = text_size(name, chars)
    length = len(body) // (1 if name in ("CHAR", "STRING") else 2)
    if length > chars:
        raise ValueError(f"{length} characters in a {name} of {chars}")
    head = b""
    if name == "STRING":
        head = bytes((chars, length))
    elif name == "WSTRING":
        head = struct.pack(">HH", chars, length)
    return (head + body).ljust(size, b"\0")


def bit_field(bit: int) -> Field:
    """A bit of a byte."""
    mask = 1 << bit
    return Field(1, Kind.BOOL, "", lambda raw: bool(raw[0] & mask))


def bits_field(bit: int, count: int) -> Field:
    """Bits from a bit of the first byte on."""

    def decode(raw: bytes) -> list[bool]:
        return [bool(raw[n >> 3] >> (n & 7) & 1) for n in range(bit, bit + count)]

    return Field((bit + count + 7) // 8, Kind.BOOL, "", decode, array=True)


def text_field(name: str, chars: int, encoding: str) -> Field:
    """Text of a text type."""
    size = text_size(name, chars)
    return Field(size, Kind.TEXT, "", lambda raw: decode_text(name, chars, raw, encoding))


def scalar_field(s7_type: S7Type) -> Field:
    """One value."""
    return Field(s7_type.size, s7_type.kind, s7_type.code, s7_type.read)


def array_field(s7_type: S7Type, count: int) -> Field:
    """Values one after the other; of a type that `struct` reads."""
    whole = struct.Struct(f">{count}{s7_type.code}")
    return Field(whole.size, s7_type.kind, "", lambda raw: list(whole.unpack(raw)), array=True)
