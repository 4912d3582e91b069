"""A connection to one S7 PLC, on python-snap7, which blocks: so it works in a thread of its own.

python-snap7's client would raise at the first piece of a request that the PLC refuses, waits five
seconds whatever it is told, and starts each receive with a new time-out. So its transport
(`ISOTCPConnection`) and its codec (`S7Protocol`) are used below the client: each piece keeps its
own return code, and a request that has no answer after `timeout_s` has its socket shut, which ends
the thread's wait at once, as does a cancellation.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from snap7.connection import ISOTCPConnection
from snap7.error import S7Error, S7ProtocolError
from snap7.s7protocol import S7Protocol

from edge.sources.polled.link import LinkError, Outcome, Read, Refused
from edge.sources.s7.config import S7Settings
from protocols.plc import Block, Space
from protocols.s7.reads import AREA_CODES, AnswerError, Piece, most_bytes, pack, reason, unpack

_T = TypeVar("_T")
_LEAST_PDU = 112
"""A PLC that offers less has sent something else."""
_BROKEN = (S7Error, OSError, AnswerError, struct.error, IndexError, KeyError, ValueError, TypeError)
"""What python-snap7 raises over a lost connection, or over bytes that are no answer."""


class S7Link:
    """One connection. Make it with `open`."""

    def __init__(self, settings: S7Settings, host: str) -> None:
        local_tsap, remote_tsap = settings.tsaps
        self._settings = settings
        self._connection = ISOTCPConnection(host, settings.port, local_tsap, remote_tsap)
        self._protocol = S7Protocol()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"s7 {settings.device}")
        self._asked_at = 0.0
        self._pdu = 0

    @classmethod
    async def open(cls, settings: S7Settings) -> S7Link:
        """Connect. Raises `LinkError`."""
        where = f"{settings.host}:{settings.port}"
        try:
            async with asyncio.timeout(settings.timeout_s):
                found = await asyncio.get_running_loop().getaddrinfo(
                    settings.host, settings.port, family=socket.AF_INET, type=socket.SOCK_STREAM
                )
        except OSError as error:  # a time-out is one too
            raise LinkError(f"{settings.host} has no address: {error or 'no answer'}") from None
        link = cls(settings, str(found[0][4][0]))
        try:
            await link._in_thread(link._connect)
        except LinkError as error:
            await link.close()
            raise LinkError(f"{where}: {error}{_hint(str(error))}") from None
        except BaseException:
            await link.close()
            raise
        return link

    def max_size(self, _space: Space) -> int:
        """Bytes of one piece."""
        return most_bytes(self._pdu)

    async def read(self, blocks: Sequence[Block]) -> list[Outcome]:
        """What becomes of each block. Raises `LinkError`."""
        return await self._in_thread(lambda: self._read(blocks))

    async def close(self) -> None:
        """End the connection; it is told to the PLC if that does not take long."""
        with contextlib.suppress(LinkError):
            await self._in_thread(self._connection.disconnect)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        """Run it in the thread; when that takes too long, or nobody waits any more, shut the
        socket. Raises `LinkError`."""
        self._asked_at = time.monotonic()
        doing = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            while not (await asyncio.wait([doing], timeout=self._settings.timeout_s / 2))[0]:
                if time.monotonic() - self._asked_at > self._settings.timeout_s:
                    self._shut()
        except asyncio.CancelledError:
            self._shut()
            await asyncio.wait([doing])
            doing.exception()  # taken note of: nobody waits for it any more
            raise
        try:
            return doing.result()
        except _BROKEN as error:
            if time.monotonic() - self._asked_at > self._settings.timeout_s:
                raise LinkError(f"no answer for {self._settings.timeout_s:g} s") from None
            raise LinkError(str(error) or type(error).__name__) from None

    def _shut(self) -> None:
        connected = self._connection.socket
        if connected is not None:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    # From here on in the thread.

    def _connect(self) -> None:
        self._connection.connect(self._settings.timeout_s)
        request = self._protocol.build_setup_communication_request(
            pdu_length=self._settings.pdu_bytes
        )
        agreed = self._ask(request)["parameters"]["pdu_length"]
        if not _LEAST_PDU <= agreed <= self._settings.pdu_bytes:
            raise AnswerError(f"the PLC wants PDUs of {agreed} bytes")
        self._pdu = agreed

    def _ask(self, request: bytes) -> dict[str, Any]:
        self._asked_at = time.monotonic()
        self._connection.send_data(request)
        answer = self._protocol.parse_response(self._connection.receive_data())
        if answer["sequence"] != self._protocol.sequence:
            raise AnswerError("the PLC answers another request than the one it was sent")
        return answer

    def _read(self, blocks: Sequence[Block]) -> list[Outcome]:
        found: list[bytes] = [b""] * len(blocks)
        failed: dict[int, str] = {}
        times_us = [0] * len(blocks)
        for request in pack(blocks, self._pdu):
            self._read_pieces(blocks, request, found, failed)
            now_us = time.time_ns() // 1000
            for piece in request:
                times_us[piece.block] = now_us
        return [
            Refused(failed[n]) if n in failed else Read(data, times_us[n])
            for n, data in enumerate(found)
        ]

    def _read_pieces(
        self,
        blocks: Sequence[Block],
        pieces: Sequence[Piece],
        found: list[bytes],
        failed: dict[int, str],
    ) -> None:
        wanted = []
        for piece in pieces:
            area, db = blocks[piece.block].space
            wanted.append((AREA_CODES[area], db, piece.start, piece.size))
        try:
            answer = self._ask(self._protocol.build_multi_read_request(wanted))
        except S7ProtocolError as error:
            if error.error_code is None:
                raise  # no answer of a PLC
            if len(pieces) == 1:
                failed[pieces[0].block] = str(error)
                return
            for piece in pieces:  # one of them is why the PLC refused them all
                self._read_pieces(blocks, [piece], found, failed)
            return
        told = unpack(answer.get("raw_data", b""), [piece.size for piece in pieces])
        for piece, data in zip(pieces, told, strict=True):
            if isinstance(data, int):
                failed[piece.block] = reason(data)
            else:
                found[piece.block] += data


def _hint(reason: str) -> str:
    """What the one at the PLC may look at."""
    if "refused" in reason:
        return "; is it a PLC, and is its port open?"
    if "got 0x80" in reason or "got 0x70" in reason:
        return "; rack and slot may be wrong, or all of its connections of this type are in use"
    return ""
