"""A controller that runs: its tool, its server, its ledger and how it misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass

from firmware_sim.device.faults import Manners
from firmware_sim.device.listening import serve_clients
from firmware_sim.line.ledger import Ledger
from firmware_sim.open_protocol.controller import Controller
from firmware_sim.open_protocol.session import Session
from firmware_sim.open_protocol.settings import ControllerSettings


@dataclass(frozen=True, slots=True)
class RunningController:
    """A controller that is on."""

    endpoint: str
    """`host:port`."""
    controller: Controller
    manners: Manners

    @property
    def port(self) -> int:
        """TCP port."""
        return int(self.endpoint.rpartition(":")[2])


@asynccontextmanager
async def run_controller(
    settings: ControllerSettings, controller: Controller | None = None
) -> AsyncIterator[RunningController]:
    """Run a controller for as long as the context lasts; one that was off goes on if it is given.
    Raises `OSError`."""
    ledger = None if settings.ledger is None else Ledger(settings.ledger)
    manners = Manners(settings.seed)
    known = controller or Controller(settings)
    known.ledger = ledger
    clients = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal clients
        session = Session(known, reader, writer, manners)
        if clients >= settings.clients:
            await session.refuse()
            return
        clients += 1
        try:
            await session.talk()
        finally:
            clients -= 1

    with nullcontext() if ledger is None else closing(ledger):
        async with serve_clients(talk, settings.host, settings.port) as port:
            tightening = asyncio.create_task(known.run())
            try:
                yield RunningController(f"{settings.host}:{port}", known, manners)
            finally:
                tightening.cancel()
                await asyncio.gather(tightening, return_exceptions=True)
