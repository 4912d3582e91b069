"""An OPC UA server whose tags change at a set rate, as a load for the gateway.

Another maker's stack (node-opcua) where `make peers` has brought it: it gives tens of thousands of
changes a second. Otherwise the simulated PLC, which gives about 8,000.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from deploy.local.ports import free_port
from firmware_sim.line.process import extra_tags
from protocols.opcua.line import NAMESPACE
from tests.edge.plant import Child, line_plc
from tests.fixtures.node_opcua import HERE, NodeOpcua, run_node_opcua


class Load(Protocol):
    """A server with tags of type Double."""

    name: str
    most_per_s: float
    """Changes a second that it can give."""
    port: int
    nodes: list[str]

    async def change(self, per_s: float) -> None:
        """Let each tag change so often from now on, until this is called again."""

    async def made(self) -> float:
        """Changes since the rate was set."""

    async def stop(self) -> None:
        """Let nothing change any more."""


class _NodeOpcuaLoad:
    name = "node-opcua"
    most_per_s = 50_000.0

    def __init__(self, server: NodeOpcua, tags: int) -> None:
        self._server = server
        self._tags = [f"load{n:04}" for n in range(tags)]
        self._before = 0
        self.port = server.port
        self.nodes = [server.node(tag) for tag in self._tags]

    async def add_tags(self) -> None:
        for tag in self._tags:
            await self._server.add(tag, "Double", 0.0)

    async def change(self, per_s: float) -> None:
        self._before = sum((await self._server.hold()).values())
        await self._server.ramp(self._tags, per_s)

    async def made(self) -> float:
        return sum((await self._server.produced()).values()) - self._before

    async def stop(self) -> None:
        await self._server.hold()


class _PlcLoad:
    """The simulated PLC. Its rate is set at its start, so changing it restarts it."""

    name = "the simulated PLC"
    most_per_s = 8_000.0

    def __init__(self, directory: Path, tags: int) -> None:
        self._directory = directory
        self._count = tags
        self._plc: Child | None = None
        self._rate = self._since = 0.0
        self.port = free_port()
        self.nodes = [f"nsu={NAMESPACE};s={tag.node}" for tag in extra_tags(tags)]

    async def change(self, per_s: float) -> None:
        await self.stop()
        self._plc = line_plc(
            self._directory,
            self.port,
            ledger=os.devnull,
            extra_tags=self._count,
            extra_hz=per_s,
        )
        self._plc.start(120)
        self._rate, self._since = per_s * self._count, time.monotonic()

    async def made(self) -> float:
        return self._rate * (time.monotonic() - self._since)  # it does not tell

    async def stop(self) -> None:
        if self._plc is not None:
            self._plc.kill()
            self._plc = None


@asynccontextmanager
async def opcua_load(directory: Path, tags: int) -> AsyncIterator[Load]:
    """A running server with so many tags, none of which changes yet."""
    if HERE:
        async with run_node_opcua() as server:
            load = _NodeOpcuaLoad(server, tags)
            await load.add_tags()
            yield load
        return
    print("node-opcua is not here (make peers brings it): the simulated PLC gives the load")
    plc = _PlcLoad(directory, tags)
    try:
        yield plc
    finally:
        await plc.stop()
