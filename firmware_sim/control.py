"""Control of a running simulator from another process: JSON lines over a local TCP port.

Each line is a command. Each is answered by a line: {"ok": true, "faults": {…}}, which is what is
wrong now, or {"ok": false, "error": "…"}.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Obey = Callable[[bytes], Awaitable[dict[str, object]]]
"""Does what a line says; returns the faults that hold now. Raises `ValueError` for a line that is
no command, `OSError` if it cannot be done."""


class CommandRefusedError(ValueError):
    """The simulator refuses the command; the text says why."""


@asynccontextmanager
async def serve_commands(obey: Obey, host: str, port: int) -> AsyncIterator[int]:
    """Listen for commands as long as the context lasts; gives the port. Raises `OSError`."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for line in reader:
                writer.write(json.dumps(await _answer(obey, line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # the other end has gone, or sent a line beyond all measure
        finally:
            writer.close()

    listener = await asyncio.start_server(talk, host, port)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


async def send_line(host: str, port: int, line: str) -> str:
    """Send one command and return its answer. Raises `OSError` if there is none,
    `CommandRefusedError` if it is refused."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(line.encode() + b"\n")
        answer = await reader.readline()
    finally:
        writer.close()
    if not answer:
        raise ConnectionResetError("the simulator left without an answer")
    if not json.loads(answer)["ok"]:
        raise CommandRefusedError(json.loads(answer)["error"])
    return answer.decode().strip()


async def _answer(obey: Obey, line: bytes) -> dict[str, object]:
    try:
        return {"ok": True, "faults": await obey(line)}
    except (ValueError, OSError) as error:
        return {"ok": False, "error": str(error)}
