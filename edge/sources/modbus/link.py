"""A connection to Modbus units, on pymodbus, which works in the event loop: no thread is needed.

Four things are done otherwise than its client would by itself. It neither repeats requests nor
connects anew: when, and what was missed meanwhile, is ours to know. A connection that is lost ends
the request under way, which would wait for its time-out. Registers stay bytes, where it would make
an integer of each. And an answer must have the length that was asked for.
"""

from __future__ import annotations

import asyncio
import termios
import time
from collections.abc import Sequence

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)

from edge.sources.modbus.config import ModbusSettings
from edge.sources.polled.link import LinkError, Outcome, Read, Refused, Silent
from protocols.modbus.address import BIT_TABLES
from protocols.plc import Block, Space

MOST_BITS = 2000
"""Coils or discrete inputs in one request."""
_EXCEPTIONS = {
    1: "the unit does not know this function",
    2: "the unit has no such address",
    3: "the unit does not give so many at once",
    4: "the unit has failed",
    8: "the unit's memory is damaged",
}
_AWAY = {
    5: "the unit is busy with an earlier request",
    6: "the unit is busy",
    10: "the gateway has no path to the unit",
    11: "the unit does not answer the gateway",
}
"""Exceptions that say nothing of an address: the unit as a whole cannot answer now."""
_PARITIES = {"none": "N", "even": "E", "odd": "O"}
_BITS_OF_A_CHARACTER = 11


class _RawHolding(ReadHoldingRegistersResponse):
    """Holding registers as bytes."""

    raw = b""

    def decode(self, data: bytes) -> None:
        self.raw = data[1 : 1 + data[0]]


class _RawInput(ReadInputRegistersResponse):
    """Input registers as bytes."""

    raw = b""

    def decode(self, data: bytes) -> None:
        self.raw = data[1 : 1 + data[0]]


_REQUESTS: dict[str, tuple[type[ModbusPDU], type[ModbusPDU]]] = {
    "coil": (ReadCoilsRequest, ReadCoilsResponse),
    "discrete": (ReadDiscreteInputsRequest, ReadDiscreteInputsResponse),
    "input": (ReadInputRegistersRequest, _RawInput),
    "holding": (ReadHoldingRegistersRequest, _RawHolding),
}


class ModbusLink:
    """One connection. Make it with `open`."""

    def __init__(self, settings: ModbusSettings, units: frozenset[int]) -> None:
        """`units`: all that are asked on it."""
        self._settings = settings
        self._units = units
        self._mute: set[int] = set()
        """Units whose last request had no answer."""
        self._pause_s = 0.0
        if settings.serial_port is not None:
            # A line must rest for 3.5 characters between two frames, at least 1.75 ms.
            self._pause_s = max(0.00175, 3.5 * _BITS_OF_A_CHARACTER / settings.baud_rate)
            self._client: AsyncModbusTcpClient | AsyncModbusSerialClient = AsyncModbusSerialClient(
                settings.serial_port,
                baudrate=settings.baud_rate,
                parity=_PARITIES[settings.parity],
                stopbits=settings.stop_bits,
                timeout=settings.timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._on_connect,
            )
        else:
            rtu = settings.framing == "rtu"
            self._client = AsyncModbusTcpClient(
                settings.host or "",
                port=settings.port,
                framer=FramerType.RTU if rtu else FramerType.SOCKET,
                timeout=settings.timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._on_connect,
            )
        self._client.register(_RawHolding)
        self._client.register(_RawInput)

    @classmethod
    async def open(cls, settings: ModbusSettings, units: frozenset[int]) -> ModbusLink:
        """Connect. Raises `LinkError`."""
        link = cls(settings, units)
        try:
            connected = await link._client.connect()
        except (ModbusException, OSError, ValueError) as error:  # pyserial's are OSErrors
            connected, reason = False, f": {error}"
        except termios.error as error:  # of a serial port that cannot do what it is told
            connected, reason = (
                False,
                f" with this baud rate, parity and stop bits: {error.args[1]}",
            )
        except BaseException:
            await link.close()
            raise
        else:
            reason = ""
        if not connected:
            await link.close()
            what = "open the serial port" if settings.serial_port else "connect"
            hint = (
                "is it there, and may this user read it?"
                if settings.serial_port
                else ("is it on, and is its port open?")
            )
            raise LinkError(f"{settings.endpoint}: cannot {what}{reason}; {hint}")
        return link

    def max_size(self, space: Space) -> int:
        """Registers, or bits, in one request."""
        most = self._settings.max_registers
        return min(MOST_BITS, 16 * most) if space[0] in BIT_TABLES else most

    async def read(self, blocks: Sequence[Block]) -> list[Outcome]:
        """What becomes of each block. Raises `LinkError`."""
        outcomes: list[Outcome] = []
        given_up: dict[int, Silent] = {}
        for block in blocks:
            unit = block.space[1]
            outcome: Outcome = given_up[unit] if unit in given_up else await self._read(block)
            if isinstance(outcome, Silent):
                given_up[unit] = outcome
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None:
        """End the connection."""
        self._client.close()

    async def _read(self, block: Block) -> Outcome:
        table, unit = block.space
        ask, expected = _REQUESTS[table]
        request = ask(address=block.start, count=block.size, dev_id=unit)
        try:
            answer = await self._execute(request)
        except TimeoutError:
            self._mute.add(unit)
            if self._mute >= self._units:
                raise LinkError(f"no answer for {self._settings.timeout_s:g} s") from None
            return Silent(f"unit {unit}", f"no answer for {self._settings.timeout_s:g} s")
        self._mute.discard(unit)
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            if code in _AWAY:
                return Silent(f"unit {unit}", f"{_AWAY[code]} (exception {code})")
            return Refused(f"{_EXCEPTIONS.get(code, 'refused')} (exception {code})")
        if type(answer) is not expected:
            raise LinkError(f"unit {unit} answers another request than the one it was sent")
        data = _bytes_of(answer, block)
        if data is None:
            return Refused("the unit's answer has not the length that was asked for")
        return Read(data, time.time_ns() // 1000)

    async def _execute(self, request: ModbusPDU) -> ModbusPDU:
        """One request; `TimeoutError` if there is no answer. Raises `LinkError`."""
        if self._pause_s:
            await asyncio.sleep(self._pause_s)
        if not self._client.connected:  # else it would connect anew
            raise LinkError(self._reason())
        try:
            answer: ModbusPDU = await self._client.execute(False, request)
            # It waits by `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that
            # comes together with the answer.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError
            return answer
        except ModbusException as error:
            if not self._client.connected:
                raise LinkError(self._reason()) from None
            if "No response" in str(error):
                raise TimeoutError from None
            raise LinkError(str(error)) from None

    def _on_connect(self, connected: bool) -> None:
        """A connection that is lost ends the request under way."""
        waiting = self._client.ctx.response_future
        if not connected and not waiting.done():
            waiting.set_exception(ConnectionException("closed"))
            waiting.exception()  # if nobody waits, nobody misses it

    def _reason(self) -> str:
        return f"{self._settings.endpoint}: the connection was closed"


def _bytes_of(answer: ModbusPDU, block: Block) -> bytes | None:
    """Two bytes a register, or one a bit; None if they are not as many as were asked for."""
    if block.space[0] in BIT_TABLES:
        bits = answer.bits
        # Bits come in whole bytes.
        return bytes(bits[: block.size]) if 0 <= len(bits) - block.size < 8 else None
    raw: bytes = answer.raw  # type: ignore[attr-defined]  # as `_REQUESTS` says
    return raw if len(raw) == 2 * block.size else None
