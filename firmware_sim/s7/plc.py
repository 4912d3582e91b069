"""An S7 PLC put together: its memory, the process that moves in it, its server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from firmware_sim.device.faults import Manners
from firmware_sim.device.running import run_device
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.s7.memory import Memory
from firmware_sim.s7.server import S7Server


@dataclass(frozen=True, slots=True)
class RunningS7:
    """A PLC that runs."""

    endpoint: str
    port: int
    memory: Memory
    manners: Manners
    server: S7Server


@asynccontextmanager
async def run_s7(settings: DeviceSettings, *, pdu: int = 480) -> AsyncIterator[RunningS7]:
    """Run an S7 PLC for as long as the context lasts. Raises `OSError`."""
    memory = Memory(counters=settings.counters, extra_numbers=settings.extra)
    servers: list[S7Server] = []

    @asynccontextmanager
    async def serve(manners: Manners) -> AsyncIterator[str]:
        servers.append(S7Server(memory, manners, pdu))
        async with servers[0].serve(settings.host, settings.port) as port:
            yield f"{settings.host}:{port}"

    async with run_device(settings, memory.show, serve) as (endpoint, manners):
        port = int(endpoint.rpartition(":")[2])
        yield RunningS7(endpoint, port, memory, manners, servers[0])
