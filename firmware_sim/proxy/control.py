"""Control of a running proxy from another process: JSON lines over a local TCP port.

Each line is a `FaultCommand`, such as {"fault": "cut", "seconds": 3}. Each is answered by a line:
{"ok": true, "faults": {…}} or {"ok": false, "error": "…"}.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firmware_sim.proxy.faults import FaultCommand, FaultCommandError, parse_command
from firmware_sim.proxy.proxy import FaultProxy


@asynccontextmanager
async def serve_control(proxy: FaultProxy, host: str, port: int) -> AsyncIterator[int]:
    """Listen for commands as long as the context lasts; gives the port. Raises `OSError`."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for line in reader:
                writer.write(json.dumps(await _answer(proxy, line)).encode() + b"\n")
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


async def send_command(host: str, port: int, command: FaultCommand) -> str:
    """Send one command to a proxy's control port and return its answer. Raises `OSError` if there
    is none, `FaultCommandError` if it is refused."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(command.model_dump_json().encode() + b"\n")
        answer = await reader.readline()
    finally:
        writer.close()
    if not answer:
        raise ConnectionResetError("the proxy left without an answer")
    if not json.loads(answer)["ok"]:
        raise FaultCommandError(json.loads(answer)["error"])
    return answer.decode().strip()


async def _answer(proxy: FaultProxy, line: bytes) -> dict[str, object]:
    try:
        await proxy.obey(parse_command(line))
    except (FaultCommandError, OSError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "faults": dataclasses.asdict(proxy.faults)}
