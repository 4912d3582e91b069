"""A simulated device that runs: its process, its server, its ledger and its control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext

from firmware_sim.device.faults import Manners
from firmware_sim.device.process import Process, Show
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.line.ledger import Ledger

Serve = Callable[[Manners], AbstractAsyncContextManager[str]]
"""Serves clients for as long as the context lasts; gives the address."""


@asynccontextmanager
async def run_device(
    settings: DeviceSettings, show: Show, serve: Serve
) -> AsyncIterator[tuple[str, Manners]]:
    """Run a device for as long as the context lasts; gives its address and its manners. Raises
    `OSError` if the port is taken or the ledger cannot be written."""
    ledger = None if settings.ledger is None else Ledger(settings.ledger)
    manners = Manners(settings.seed)
    with nullcontext() if ledger is None else closing(ledger):
        process = Process(settings, show, ledger)
        async with serve(manners) as address:
            moving = asyncio.create_task(process.run())
            try:
                yield address, manners
            finally:
                moving.cancel()
                await asyncio.gather(moving, return_exceptions=True)
