"""Control of a running proxy from another process, by lines that are a `FaultCommand`, such as
{"fault": "cut", "seconds": 3}."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractAsyncContextManager

from firmware_sim.control import CommandRefusedError, send_line, serve_commands
from firmware_sim.proxy.faults import FaultCommand, FaultCommandError, parse_command
from firmware_sim.proxy.proxy import FaultProxy


def serve_control(proxy: FaultProxy, host: str, port: int) -> AbstractAsyncContextManager[int]:
    """Listen for commands as long as the context lasts; gives the port. Raises `OSError`."""

    async def obey(line: bytes) -> dict[str, object]:
        await proxy.obey(parse_command(line))
        return dataclasses.asdict(proxy.faults)

    return serve_commands(obey, host, port)


async def send_command(host: str, port: int, command: FaultCommand) -> str:
    """Send one command to a proxy's control port and return its answer. Raises `OSError` if there
    is none, `FaultCommandError` if it is refused."""
    try:
        return await send_line(host, port, command.model_dump_json())
    except CommandRefusedError as error:
        raise FaultCommandError(str(error)) from None
