"""A TCP proxy in front of a broker that records every MQTT packet of every connection.

It runs in a thread of its own, so that what is recorded may be anything. A packet is recorded
before it is passed on: the order of the recording is an order in which things can have happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from types import TracebackType
from typing import Self

from tests.conformance.packets import NotMqttError, PacketReader, Protocol
from tests.conformance.recording import Ended, Plant, Record, Seen

_CHUNK_BYTES = 65_536


class Tape:
    """Records in order; any thread may append."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self.numbers = itertools.count(1)

    def add(self, server: str, connection: int, *, sent: bool, packet: object) -> None:
        """Append a packet, as of now."""
        with self._lock:
            now_ms = time.time_ns() // 1_000_000
            self._records.append(Record(now_ms, server, connection, sent, packet))  # type: ignore[arg-type]

    def note(self, what: Seen | Plant) -> None:
        """Append what the host shows, or what happens to a device, now."""
        self.add("", 0, sent=False, packet=what)

    @property
    def records(self) -> list[Record]:
        """What was recorded so far."""
        with self._lock:
            return list(self._records)


class RecordingProxy:
    """Listens on `port` for as long as it is entered. `name`: the server's, in the records."""

    def __init__(self, name: str, target_port: int, tape: Tape) -> None:
        self._name = name
        self._target_port = target_port
        self._tape = tape
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy {name}")
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(60)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._tape.numbers)
        try:
            target = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        protocol = Protocol()
        pipes = {
            asyncio.create_task(self._pipe(number, reader, target[1], protocol, sent=True)): True,
            asyncio.create_task(self._pipe(number, target[0], writer, protocol, sent=False)): False,
        }
        try:
            done, _ = await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            ended = Ended(by_client=any(pipes[pipe] for pipe in done))
            self._tape.add(self._name, number, sent=ended.by_client, packet=ended)
        finally:
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
            for end in (writer, target[1]):
                end.close()

    async def _pipe(
        self,
        number: int,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        protocol: Protocol,
        *,
        sent: bool,
    ) -> None:
        packets = PacketReader(protocol)
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK_BYTES):
                try:
                    for packet in packets.feed(data):
                        self._tape.add(self._name, number, sent=sent, packet=packet)
                except NotMqttError:
                    return  # the connection ends; a broker would end it too
                sink.write(data)
                await sink.drain()
