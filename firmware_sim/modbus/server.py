"""The Modbus server: frames over TCP, or over a serial line, and the four functions that read.

After "MODBUS Application Protocol Specification V1.1b3", "MODBUS Messaging on TCP/IP Implementation
Guide V1.0b" and "MODBUS over Serial Line V1.02".
"""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from firmware_sim.device.faults import Manners
from firmware_sim.device.listening import serve_clients
from firmware_sim.modbus.memory import Memory
from protocols.modbus.crc import crc16

_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_MOST = {"coil": 2000, "discrete": 2000, "holding": 125, "input": 125}
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NO_TARGET = 1, 2, 3, 11
_RTU_REQUEST = 8
"""Bytes of a request that reads: unit, function, address, count, check sum."""


class ModbusServer:
    """Serves units to many clients."""

    def __init__(self, units: Mapping[int, Memory], manners: Manners) -> None:
        self._units = units
        self._manners = manners
        self.requests = 0

    def serve_tcp(self, host: str, port: int) -> AbstractAsyncContextManager[int]:
        """Serve as long as the context lasts; gives the port. Raises `OSError`."""
        return serve_clients(self._talk, host, port)

    @asynccontextmanager
    async def serve_serial(self) -> AsyncIterator[str]:
        """Serve on a pseudo terminal as long as the context lasts; gives the serial port."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        line = asyncio.create_task(self._serve_line(ours))
        try:
            yield os.ttyname(theirs)
        finally:
            line.cancel()
            await asyncio.gather(line, return_exceptions=True)
            os.close(ours)
            os.close(theirs)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            number, _, size, unit = struct.unpack(">HHHB", await reader.readexactly(7))
            answer = self._answer(unit, await reader.readexactly(size - 1))
            if answer is None:
                continue
            head = struct.pack(">HHHB", number, 0, len(answer) + 1, unit)
            sent = await self._manners.spoil(head + answer)
            if sent is None:
                return
            writer.write(sent)
            await writer.drain()

    async def _serve_line(self, ours: int) -> None:
        """Answer on a serial line. What is no frame is thrown away, as a unit does that waits for
        the pause between two."""
        loop = asyncio.get_running_loop()
        os.set_blocking(ours, False)
        come: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(ours, lambda: come.put_nowait(os.read(ours, 256)))
        try:
            buffer = b""
            while True:
                buffer = (buffer + await come.get())[-_RTU_REQUEST:]
                if len(buffer) < _RTU_REQUEST or crc16(buffer[:-2]) != buffer[-2:]:
                    continue
                answer = self._answer(buffer[0], buffer[1:-2])
                if answer is not None:
                    frame = buffer[:1] + answer
                    sent = await self._manners.spoil(frame + crc16(frame))
                    os.write(ours, sent or b"")
                buffer = b""
        finally:
            loop.remove_reader(ours)

    def _answer(self, unit: int, pdu: bytes) -> bytes | None:
        """What a unit says; None if it is not there, and nobody says so."""
        self.requests += 1
        hidden = self._manners.now.hidden
        memory = self._units.get(unit)
        if memory is None or f"unit {unit}" in hidden:
            return _exception(pdu, _NO_TARGET) if "gateway" in hidden else None
        table = _TABLES.get(pdu[0]) if pdu else None
        if table is None or len(pdu) != 5 or table in hidden:
            return _exception(pdu, _ILLEGAL_FUNCTION)
        start, count = struct.unpack_from(">HH", pdu, 1)
        if not 1 <= count <= _MOST[table]:
            return _exception(pdu, _ILLEGAL_VALUE)
        entries = memory.read(table, start, count)
        if entries is None:
            return _exception(pdu, _ILLEGAL_ADDRESS)
        if self._manners.now.answer == "short":
            entries = entries[:-1] or entries
        data = _packed(entries) if table in ("coil", "discrete") else b"".join(entries)
        if self._manners.now.answer == "short" and count == 1:
            data = data[:-1]
        return bytes((pdu[0], len(data))) + data


def _exception(pdu: bytes, code: int) -> bytes:
    return bytes(((pdu[0] if pdu else 0) | 0x80, code))


def _packed(bits: list[bytes]) -> bytes:
    """Eight bits a byte, the first one lowest."""
    packed = bytearray((len(bits) + 7) // 8)
    for number, bit in enumerate(bits):
        packed[number >> 3] |= bit[0] << (number & 7)
    return bytes(packed)
