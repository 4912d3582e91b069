"""The S7 server: connections, frames and jobs."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager

from firmware_sim.device.faults import Manners
from firmware_sim.device.listening import serve_clients
from firmware_sim.s7.memory import Memory
from protocols.s7 import answers
from protocols.s7.answers import Request, Wanted
from protocols.s7.reads import OBJECT_MISSING

_NO_ACCESS = 0x8104


class S7Server:
    """Serves the memory to many clients. It agrees to PDUs of at most `pdu` bytes, and answers a
    job whose answer would be longer with an error, as a PLC does."""

    def __init__(self, memory: Memory, manners: Manners, pdu: int = 480) -> None:
        self._memory = memory
        self._manners = manners
        self._pdu = pdu
        self.jobs = 0
        """Read jobs so far."""

    def serve(self, host: str, port: int) -> AbstractAsyncContextManager[int]:
        """Serve as long as the context lasts; gives the port. Raises `OSError`."""
        return serve_clients(self._talk, host, port)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pdu = self._pdu
        while True:
            head = await reader.readexactly(answers.TPKT_HEAD)
            frame = head + await reader.readexactly(answers.frame_size(head) - len(head))
            kind, rest = answers.cotp(frame)
            if kind == answers.CONNECT_REQUEST:
                reply = answers.connect_confirm(frame)
            elif kind == answers.DATA:
                job = answers.request(rest)
                if job.function == answers.SETUP:
                    pdu = min(self._pdu, job.pdu)
                reply = answers.data_frame(self._answer(job, pdu))
            else:
                return  # disconnect
            sent = await self._manners.spoil(reply)
            if sent is None:
                return
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    def _answer(self, job: Request, pdu: int) -> bytes:
        if job.function == answers.SETUP:
            return answers.setup_answer(job, pdu)
        if job.function == answers.READ:
            self.jobs += 1
            if "jobs" in self._manners.now.hidden:
                return answers.refusal(job, _NO_ACCESS)
            pieces = [self._read(wanted) for wanted in job.wanted]
            if self._manners.now.answer == "short":
                pieces = [p[:-1] if isinstance(p, bytes) else p for p in pieces]
            answer = answers.read_answer(job, pieces)
            return answer if len(answer) <= pdu else answers.refusal(job, 0x8500)
        if job.function == answers.WRITE:
            pairs = zip(job.wanted, job.written, strict=True)
            return answers.write_answer(job, [self._memory.write(w, data) for w, data in pairs])
        return answers.refusal(job)

    def _read(self, wanted: Wanted) -> bytes | int:
        hidden = self._manners.now.hidden
        return OBJECT_MISSING if f"DB{wanted.db}" in hidden else self._memory.read(wanted)
