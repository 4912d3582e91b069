"""The S7 server: connections, frames and jobs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firmware_sim.device.faults import Manners
from firmware_sim.s7.memory import Memory
from protocols.s7 import answers
from protocols.s7.answers import Request, RequestError, Wanted
from protocols.s7.reads import OBJECT_MISSING

logger = logging.getLogger(__name__)

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
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve as long as the context lasts; gives the port. Raises `OSError`."""
        listener = await asyncio.start_server(self._talk, host, port)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            for talk in self._talks:
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as one
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        try:
            await self._serve_one(reader, writer)
        except (OSError, EOFError):
            pass  # the client has gone
        except RequestError as error:
            logger.info("connection closed: %s", error)
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
