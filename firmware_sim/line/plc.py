"""A line PLC put together: server, hand-over, production and results around one memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass

from firmware_sim.line.counters import Counters, RetainedNumbers
from firmware_sim.line.handover import HandOverDesk
from firmware_sim.line.ledger import Ledger
from firmware_sim.line.load import Load
from firmware_sim.line.production import Production
from firmware_sim.line.recount import uncounted
from firmware_sim.line.results import ResultRing
from firmware_sim.line.server import PlcServer
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import LineState, RetentiveMemory
from firmware_sim.line.tags import TagBoard
from protocols.opcua.line import NAMESPACE

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningLine:
    """A PLC that runs. `state` is its memory, alive: look, do not touch."""

    endpoint: str
    state: LineState


@asynccontextmanager
async def run_line(settings: LineSettings) -> AsyncIterator[RunningLine]:
    """Run a line PLC for as long as the context lasts. Raises `StateError` for a bad state file,
    `OSError` if a file cannot be written or the port is taken; an error inside the PLC ends the
    context, in an `ExceptionGroup`."""
    memory = RetentiveMemory(settings.state)
    memory.save()  # a file that cannot be written must show before the first call is taken
    kept = None if settings.state is None else settings.state.with_suffix(".counters")
    ledger = None if settings.ledger is None else Ledger(settings.ledger)
    with (
        nullcontext() if ledger is None else closing(ledger),
        RetainedNumbers(kept, settings.counters) as numbers,
    ):
        if ledger is not None and settings.ledger is not None:
            for entry in uncounted(settings.ledger, memory.state):
                ledger.add(entry)
        async with PlcServer(NAMESPACE, settings.host, settings.port) as server:
            tags = TagBoard(server, ledger)
            ring = ResultRing(
                server,
                memory,
                ledger,
                acknowledged=lambda: production.wake(),
                details=settings.details,
            )
            production = Production(
                server, memory, tags, settings, call_left_queue=lambda: desk.room_made()
            )
            desk = HandOverDesk(server, memory, ledger, settings, ring, taken=production.wake)
            load = Load(tags, settings.extra_tags, settings.extra_hz)
            counters = Counters(server, tags, numbers, settings.counters, settings.counter_hz)
            for part in (desk, ring, production, load, counters):
                await part.add_nodes()
            await server.listen()
            logger.info("line %s/%s at %s", settings.plant, settings.line, server.endpoint)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(desk.serve()),
                    group.create_task(ring.serve()),
                    group.create_task(production.serve(ring)),
                ]
                if settings.extra_tags:
                    tasks.append(group.create_task(load.serve()))
                if settings.counters:
                    tasks.append(group.create_task(counters.serve()))
                try:
                    yield RunningLine(server.endpoint, memory.state)
                finally:
                    for task in tasks:
                        task.cancel()
