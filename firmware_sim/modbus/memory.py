"""The tables of a Modbus unit, and what stands where in them."""

from __future__ import annotations

from collections.abc import Callable

from firmware_sim.device.process import counter, extra
from firmware_sim.line.ledger import TagValue
from protocols.modbus.address import Address, parse
from protocols.modbus.values import NUMBERS, Order, encode, encode_text

ADDRESSES = {
    "Force": "holding:0:float32",
    "Stroke": "holding:2:float32",
    "Serial": "holding:4:string[20]",
    "Parts": "holding:14:int32",
    "Program": "holding:16:uint16",
    "At": "holding:18:int64",
    "Ok": "coil:0",
    "Guard": "discrete:3",
}
"""Where the process tags are; At is milliseconds since the epoch."""
COUNTERS_AT, EXTRA_AT = 100, 1000
"""Counters are int32 in holding registers, numbers for load float32 in input registers."""


class Memory:
    """Tables that have some entries and lack others. Registers are bytes, two each; a bit is one
    byte."""

    def __init__(self, *, counters: int = 0, extra_numbers: int = 0) -> None:
        self.entries: dict[str, dict[int, bytes]] = {
            "coil": dict.fromkeys(range(16), b"\x00"),
            "discrete": dict.fromkeys(range(16), b"\x00"),
            "input": {},
            "holding": dict.fromkeys(range(22), b"\x00\x00"),
        }
        self._places: dict[str, Address] = {name: parse(a) for name, a in ADDRESSES.items()}
        for number in range(counters):
            self._places[counter(number)] = parse(f"holding:{COUNTERS_AT + 2 * number}:int32")
        for number in range(extra_numbers):
            self._places[extra(number)] = parse(f"input:{EXTRA_AT + 2 * number}:float32")
        self._writers: dict[str, Callable[[TagValue], None]] = {
            name: self._writer(address, Order.ABCD) for name, address in self._places.items()
        }

    def show(self, name: str, value: TagValue) -> None:
        """Put a process tag's value where it belongs."""
        self._writers[name](value)

    def put(self, address: str, value: object, order: Order = Order.ABCD) -> None:
        """Write a value to an address; it is there from now on."""
        self._writer(parse(address), order)(value)

    def remove(self, address: str) -> None:
        """From now on there is no such address."""
        at = parse(address)
        for number in range(at.number, at.number + at.size):
            self.entries[at.table].pop(number, None)

    def read(self, table: str, start: int, count: int) -> list[bytes] | None:
        """Its entries; None if one is not there."""
        entries = self.entries[table]
        try:
            return [entries[number] for number in range(start, start + count)]
        except KeyError:
            return None

    def _writer(self, address: Address, order: Order) -> Callable[[object], None]:
        entries = self.entries[address.table]

        def write(value: object) -> None:
            if address.in_bits:
                for number, bit in enumerate(value if isinstance(value, list) else [value]):
                    entries[address.number + number] = bytes([bool(bit)])
                return
            if address.bit is not None:
                word = int.from_bytes(entries.get(address.number, b"\0\0"), "big")
                word = word & ~(1 << address.bit) | bool(value) << address.bit
                raw = word.to_bytes(2, "big")
            elif address.type == "string":
                raw = encode_text(str(value), address.count, order)
            else:
                values = value if isinstance(value, list) else [value]
                raw = b"".join(encode(address.type, one, order) for one in values)
            for at in range(0, len(raw), 2):
                entries[address.number + at // 2] = raw[at : at + 2]

        assert address.type in NUMBERS or address.type in ("bool", "string")  # noqa: S101
        return write
