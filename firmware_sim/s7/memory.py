"""The memory of an S7 PLC: data blocks and areas as bytes, and what stands where in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from firmware_sim.device.process import counter, extra
from firmware_sim.line.ledger import TagValue
from protocols.s7.address import Address, parse
from protocols.s7.answers import Wanted
from protocols.s7.reads import AREA_CODES, GOOD, OBJECT_MISSING, OUT_OF_RANGE
from protocols.s7.types import TEXTS, TYPES, encode_text

ADDRESSES = {
    "Force": "DB10.DBD0:REAL",
    "Stroke": "DB10.DBD4:REAL",
    "Serial": "DB10.DBB8:STRING[20]",
    "Parts": "DB10.DBD30:DINT",
    "Ok": "DB10.DBX34.0",
    "Program": "DB10.DBW36:INT",
    "At": "DB10.DBB38:DTL",
    "Guard": "M10.3",
}
"""Where the process tags are."""
COUNTERS_DB, EXTRA_DB = 100, 200
_AREAS = {code: name for name, code in AREA_CODES.items()}


class Memory:
    """Blocks by number, and the three areas. Reading and writing answer as a PLC does."""

    def __init__(self, *, counters: int = 0, extra_numbers: int = 0) -> None:
        self.blocks: dict[int, bytearray] = {10: bytearray(50)}
        if counters:
            self.blocks[COUNTERS_DB] = bytearray(4 * counters)
        if extra_numbers:
            self.blocks[EXTRA_DB] = bytearray(4 * extra_numbers)
        self.areas = {"M": bytearray(256), "I": bytearray(128), "Q": bytearray(128)}
        self._places: dict[str, Callable[[TagValue], None]] = {
            name: self._writer(parse(text)) for name, text in ADDRESSES.items()
        }
        for number in range(counters):
            at = parse(f"DB{COUNTERS_DB}.DBD{4 * number}:DINT")
            self._places[counter(number)] = self._writer(at)
        for number in range(extra_numbers):
            at = parse(f"DB{EXTRA_DB}.DBD{4 * number}:REAL")
            self._places[extra(number)] = self._writer(at)

    def show(self, name: str, value: TagValue) -> None:
        """Put a process tag's value where it belongs."""
        self._places[name](value)

    def put(self, address: str, value: object) -> None:
        """Write a value to an address, in memory that is there."""
        self._writer(parse(address))(value)

    def read(self, wanted: Wanted) -> bytes | int:
        """The bytes, or a return code."""
        where = self._where(wanted.area, wanted.db)
        if where is None:
            return OBJECT_MISSING
        if wanted.start + wanted.size > len(where):
            return OUT_OF_RANGE
        if wanted.bit is not None:
            return bytes([where[wanted.start] >> wanted.bit & 1])
        return bytes(where[wanted.start : wanted.start + wanted.size])

    def write(self, wanted: Wanted, data: bytes) -> int:
        """A return code."""
        where = self._where(wanted.area, wanted.db)
        if where is None:
            return OBJECT_MISSING
        if wanted.start + len(data) > len(where):
            return OUT_OF_RANGE
        if wanted.bit is None:
            where[wanted.start : wanted.start + len(data)] = data
        else:
            _set_bit(where, wanted.start, wanted.bit, bool(data[0]))
        return GOOD

    def _where(self, area: int, db: int) -> bytearray | None:
        name = _AREAS.get(area)
        return self.blocks.get(db) if name == "DB" else self.areas.get(name or "")

    def _writer(self, address: Address) -> Callable[[object], None]:
        where = self.blocks[address.db] if address.area == "DB" else self.areas[address.area]
        at = address.byte

        def write(value: object) -> None:
            if address.type == "BOOL":
                _set_bit(where, at, address.bit, bool(value))
                return
            if address.type in TEXTS:
                raw = encode_text(address.type, address.count or 1, str(value))
            elif address.count and isinstance(value, list):
                raw = b"".join(TYPES[address.type].write(one) for one in value)
            elif isinstance(value, int) and address.type == "DTL":  # milliseconds since the epoch
                raw = TYPES["DTL"].write(datetime.fromtimestamp(value / 1000, UTC))
            else:
                raw = TYPES[address.type].write(value)
            where[at : at + len(raw)] = raw

        return write


def _set_bit(where: bytearray, byte: int, bit: int, value: bool) -> None:
    where[byte] = where[byte] & ~(1 << bit) | value << bit
