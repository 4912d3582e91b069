"""One connection through the proxy: two pipes whose bytes suffer the faults of the moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable

from firmware_sim.proxy.faults import Faults

CHUNK_BYTES = 65_536
_QUEUE_CHUNKS = 16
"""What a delayed pipe holds before it stops reading; the rest stays with the sender."""


class Link:
    """A client's connection and the one to the target behind it."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        faults: Callable[[], Faults],
        chance: random.Random,
    ) -> None:
        self._client = client
        self._faults = faults
        self._chance = chance
        self._writers = [client[1]]
        self.lost_bytes = False
        """Bytes have vanished: the link must not live on once the line is healthy."""

    async def carry(self, host: str, port: int) -> None:
        """Connect to the target and carry bytes until either end leaves or the link is reset. A
        target that cannot be reached resets the client."""
        try:
            target = await asyncio.open_connection(host, port)
        except OSError:
            self.reset()
            return
        self._writers.append(target[1])
        reader, writer = self._client
        orderly = False
        try:
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(self._pipe(reader, target[1]))
                pipes.create_task(self._pipe(target[0], writer))
            orderly = True
        except* OSError:
            pass
        finally:
            self._close() if orderly else self.reset()

    def reset(self) -> None:
        """Tear both connections down at once, as a crash would; what was under way is lost."""
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            # Linger 0 sends a reset in place of an orderly end. A socket already closed has none.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _close(self) -> None:
        """Let both connections go in order; what is buffered still arrives."""
        for writer in self._writers:
            writer.close()

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes one way. Reading and writing are apart: a delay costs no throughput."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUE_CHUNKS)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._read(source, under_way))
            ends.create_task(self._write(under_way, sink))

    async def _read(
        self, source: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await source.read(CHUNK_BYTES)
            faults = self._faults()
            if faults.half_open:
                self.lost_bytes = True
                if not data:
                    return  # the other end is not even told that this one has left
                continue
            if data and self._chance.random() < faults.drop:
                raise ConnectionResetError("dropped by the proxy")
            await under_way.put((loop.time() + faults.delay_s, data))
            if not data:
                return

    async def _write(
        self, under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                sink.write_eof()
                return
            await self._send(data, sink)

    async def _send(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        """Send a chunk, in tenths of a second's worth if the line is throttled."""
        start = 0
        while start < len(data):
            rate = self._faults().throttle
            size = len(data) if rate is None else max(1, int(rate / 10))
            piece = data[start : start + size]
            sink.write(piece)
            await sink.drain()
            start += len(piece)
            if rate is not None:
                await asyncio.sleep(len(piece) / rate)
