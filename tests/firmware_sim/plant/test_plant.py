"""A plant against a real HTTP hub that counts passes, and at times is away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Response
from pydantic import AwareDatetime, BaseModel, SecretStr
from starlette.requests import Request

from firmware_sim.plant.hub import HubRefusedError
from firmware_sim.plant.plant import PlantRun, run_plant
from firmware_sim.plant.settings import PlantSettings
from firmware_sim.proxy.proxy import FaultProxy

PATIENCE_S = 60.0
CARS = [f"{number:07d}" for number in range(1, 41)]


class Pass(BaseModel):
    production_no: str
    passed_at: AwareDatetime


class CountingHub:
    """The two calls of the hub's API that a plant makes. `trouble` is answered first, in turn;
    a negative status records the pass and loses the answer."""

    def __init__(self) -> None:
        self.passes: list[str] = []
        self.times: list[datetime] = []
        self.requests = 0
        self.tokens: set[str | None] = set()
        self.trouble: list[int] = []
        self.app = FastAPI()
        self.app.get("/v1/plants/P1/sequence")(self.sequence)
        self.app.post("/v1/plants/P1/control-points/TRIM-IN/passes")(self.report)

    async def sequence(self, after: int, limit: int) -> dict[str, Any]:
        places = range(after + 1, min(after + limit, len(CARS)) + 1)
        items = [
            {
                "position": place,
                "production_no": CARS[place - 1],
                "passed": [
                    {"control_point": point}
                    for point in ["PAINT-OUT", *["TRIM-IN"] * (CARS[place - 1] in self.passes)]
                ],
            }
            for place in places
        ]
        return {"items": items, "next": places[-1] if len(places) == limit else None}

    async def report(self, car: Pass, request: Request, response: Response) -> dict[str, Any]:
        self.requests += 1
        self.tokens.add(request.headers.get("authorization"))
        trouble = self.trouble.pop(0) if self.trouble else 0
        if trouble > 0:
            raise HTTPException(trouble, "trouble made for a test")
        response.status_code = 201
        if car.production_no in self.passes:
            response.status_code = 200
        else:
            self.passes.append(car.production_no)
            self.times.append(car.passed_at)
        if trouble < 0:
            raise HTTPException(-trouble, "the answer is lost")
        return {"pass_no": self.passes.index(car.production_no) + 1, "calls": [{}, {}]}


@asynccontextmanager
async def serving(hub: CountingHub) -> AsyncIterator[int]:
    """Serve the hub on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(hub.app, log_level="error"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


def settings(port: int, **changes: Any) -> PlantSettings:
    base: dict[str, Any] = {"url": f"http://127.0.0.1:{port}/", "takt_s": 60, "speed": 1e5}
    return PlantSettings(**(base | changes))


def run(hub: CountingHub, **changes: Any) -> PlantRun:
    async def scene() -> PlantRun:
        async with asyncio.timeout(PATIENCE_S), serving(hub) as port:
            return await run_plant(settings(port, **changes), lambda _text: None)

    return asyncio.run(scene())


def test_every_car_passes_once_in_sequence() -> None:
    hub = CountingHub()
    assert run(hub) == PlantRun(cars=40, known=0, calls=80)
    assert hub.passes == CARS
    assert hub.times == sorted(hub.times)
    assert hub.requests == 40


def test_it_stops_after_so_many_cars() -> None:
    hub = CountingHub()
    assert run(hub, cars=7).cars == 7
    assert hub.passes == CARS[:7]


def test_a_second_run_goes_on_where_the_first_ended() -> None:
    hub = CountingHub()
    run(hub, cars=7)
    assert run(hub, cars=10) == PlantRun(cars=3, known=7, calls=6)
    assert hub.passes == CARS[:10]


def test_trouble_is_asked_again_and_nothing_is_lost_or_doubled() -> None:
    hub = CountingHub()
    hub.trouble = [503, 0, -500, 429, 0]
    assert run(hub, cars=5).cars == 5
    assert hub.passes == CARS[:5]


def test_a_hub_that_goes_away_gets_the_passes_late_with_their_time() -> None:
    hub = CountingHub()

    async def scene() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            serving(hub) as port,
            FaultProxy("127.0.0.1", port) as proxy,
        ):
            plant = asyncio.create_task(
                run_plant(settings(proxy.port, takt_s=0.1, speed=1), lambda _text: None)
            )
            while len(hub.passes) < 5:  # noqa: ASYNC110  the hub has no event to wait for
                await asyncio.sleep(0.01)
            await proxy.make("cut")
            cut_at = datetime.now(UTC)
            await asyncio.sleep(0.3)
            healed_at = datetime.now(UTC)
            await proxy.make("none")
            await plant
        # The cars went on while the hub was away, and it was told when.
        assert any(cut_at < passed_at < healed_at for passed_at in hub.times)

    asyncio.run(scene())
    assert hub.passes == CARS
    assert hub.times == sorted(hub.times)


def test_a_scrambled_plant_passes_the_same_cars_in_another_order() -> None:
    hub, same = CountingHub(), CountingHub()
    run(hub, cars=20, scramble=0.3, seed=5)
    assert sorted(hub.passes) == CARS[:20]
    assert hub.passes != CARS[:20]
    run(same, cars=20, scramble=0.3, seed=5)
    assert same.passes == hub.passes


def test_a_refusal_ends_the_run_with_its_reason() -> None:
    hub = CountingHub()
    hub.trouble = [404]
    with pytest.raises(HubRefusedError, match=r"404.*trouble made for a test"):
        run(hub)


def test_the_token_travels_as_a_bearer() -> None:
    hub = CountingHub()
    run(hub, cars=1, token=SecretStr("s3cret"))
    assert hub.tokens == {"Bearer s3cret"}
