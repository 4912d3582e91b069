"""Modbus units put together: their tables, the process that moves in the first, their server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from firmware_sim.device.faults import Manners
from firmware_sim.device.running import run_device
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.modbus.memory import Memory
from firmware_sim.modbus.server import ModbusServer


@dataclass(frozen=True, slots=True)
class RunningModbus:
    """Units that run."""

    endpoint: str
    """`host:port`, or the serial port."""
    memory: Memory
    """Of the first unit, in which the press is."""
    units: dict[int, Memory]
    manners: Manners
    server: ModbusServer

    @property
    def port(self) -> int:
        """TCP port."""
        return int(self.endpoint.rpartition(":")[2])


@asynccontextmanager
async def run_modbus(
    settings: DeviceSettings, *, serial: bool = False, units: int = 1
) -> AsyncIterator[RunningModbus]:
    """Run units 1, 2, … for as long as the context lasts: on a TCP port, or on a pseudo terminal.
    Raises `OSError`."""
    memories = {n: Memory() for n in range(2, units + 1)}
    memories[1] = Memory(counters=settings.counters, extra_numbers=settings.extra)
    servers: list[ModbusServer] = []

    @asynccontextmanager
    async def serve(manners: Manners) -> AsyncIterator[str]:
        server = ModbusServer(memories, manners)
        servers.append(server)
        if serial:
            async with server.serve_serial() as name:
                yield name
        else:
            async with server.serve_tcp(settings.host, settings.port) as port:
                yield f"{settings.host}:{port}"

    async with run_device(settings, memories[1].show, serve) as (endpoint, manners):
        yield RunningModbus(endpoint, memories[1], memories, manners, servers[0])
