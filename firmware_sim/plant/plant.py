"""A plant at work: a car passes the control point each takt, and the hub is told of each pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware_sim.plant.hub import HubClient
from firmware_sim.plant.scramble import scramble
from firmware_sim.plant.settings import PlantSettings


@dataclass(frozen=True, slots=True)
class PlantRun:
    """What a run came to. `cars` counts those passed, `known` those that had passed before it."""

    cars: int
    known: int
    calls: int


async def run_plant(settings: PlantSettings, say: Callable[[str], None]) -> PlantRun:
    """Pass the cars of the sequence in force, skipping those that passed in an earlier run; returns
    once the hub has every pass. The line does not wait for the hub: passes that it cannot take yet
    are reported late, in order, with the time at which they happened. `say` is told of progress.
    Raises `HubRefusedError`."""
    async with HubClient(settings) as hub:
        planned = await hub.sequence(settings.cars)
        order = scramble(planned, settings.scramble, settings.window, settings.seed)
        cars = [car.production_no for car in order if not car.passed]
        say(f"ready {len(cars)} cars of {settings.plant} at {settings.control_point}")
        passes: asyncio.Queue[tuple[str, datetime]] = asyncio.Queue()
        moving = asyncio.create_task(_move(cars, settings.takt_s / settings.speed, passes))
        try:
            calls = await _report(hub, len(cars), passes, say)
        finally:
            moving.cancel()
        return PlantRun(len(cars), len(planned) - len(cars), calls)


async def _move(
    cars: list[str], takt_s: float, passes: asyncio.Queue[tuple[str, datetime]]
) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for production_no in cars:
        passes.put_nowait((production_no, datetime.now(UTC)))
        due += takt_s
        await asyncio.sleep(due - loop.time())


async def _report(
    hub: HubClient,
    count: int,
    passes: asyncio.Queue[tuple[str, datetime]],
    say: Callable[[str], None],
) -> int:
    calls = 0
    for number in range(1, count + 1):
        production_no, passed_at = await passes.get()
        record = await hub.report_pass(production_no, passed_at)
        calls += record.calls
        say(
            f"passed {number}/{count}: car {production_no}, pass {record.pass_no}, "
            f"{record.calls} calls, {passes.qsize()} waiting"
        )
    return calls
