"""The hub's public API as a plant uses it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from firmware_sim.plant.settings import PlantSettings

logger = logging.getLogger(__name__)

RETRY_FIRST_S = 0.2
RETRY_MOST_S = 5.0
"""A request that failed is repeated after a wait that doubles from the first to the second."""
PAGE = 500


class HubRefusedError(Exception):
    """The hub understood the request and will not have it; repeating it is of no use."""


@dataclass(frozen=True, slots=True)
class PlannedCar:
    """A car of the sequence. `passed`: the hub knows it has passed our control point."""

    production_no: str
    passed: bool


@dataclass(frozen=True, slots=True)
class PassRecord:
    """The hub's answer to a pass. `calls` counts the calls that it released."""

    pass_no: int
    calls: int
    repeated: bool


class HubClient:
    """An asynchronous context manager. A hub that is away or overloaded is asked again for ever:
    every request may be repeated without harm."""

    def __init__(self, settings: PlantSettings) -> None:
        token = settings.token
        self._base = f"/v1/plants/{settings.plant}"
        self._control_point = settings.control_point
        self._http = httpx.AsyncClient(
            base_url=settings.url.rstrip("/"),
            headers={}
            if token is None
            else {"Authorization": f"Bearer {token.get_secret_value()}"},
            timeout=10.0,
        )
        self._away = False

    async def __aenter__(self) -> HubClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def sequence(self, most: int | None) -> list[PlannedCar]:
        """The first `most` cars of the sequence in force, or all. Raises `HubRefusedError`."""
        cars: list[PlannedCar] = []
        after: int | None = 0
        while after is not None and (most is None or len(cars) < most):
            wanted = PAGE if most is None else min(PAGE, most - len(cars))
            response = await self._ask(
                "GET", f"{self._base}/sequence", params={"after": after, "limit": wanted}
            )
            page = response.json()
            cars += [self._planned(item) for item in page["items"]]
            after = page["next"]
        return cars

    async def report_pass(self, production_no: str, passed_at: datetime) -> PassRecord:
        """Report a pass until the hub has it. Raises `HubRefusedError`."""
        response = await self._ask(
            "POST",
            f"{self._base}/control-points/{self._control_point}/passes",
            json={"production_no": production_no, "passed_at": passed_at.isoformat()},
        )
        body = response.json()
        return PassRecord(
            body["pass_no"], len(body["calls"]), response.status_code == httpx.codes.OK
        )

    async def say(self, path: str, body: dict[str, Any]) -> Any:
        """Post something about the plant until the hub has it; its answer. Raises
        `HubRefusedError`."""
        return (await self._ask("POST", f"{self._base}/{path}", json=body)).json()

    def _planned(self, item: dict[str, Any]) -> PlannedCar:
        points = {passed["control_point"] for passed in item.get("passed", [])}
        return PlannedCar(item["production_no"], self._control_point in points)

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        wait_s = RETRY_FIRST_S
        while True:
            try:
                response = await self._http.request(method, path, **request)
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    self._note_back()
                    return response
                trouble = f"{response.status_code} {response.text[:200]}"
                if response.status_code != 429 and response.status_code < 500:
                    raise HubRefusedError(f"{method} {path}: {trouble}")
            self._note_away(trouble)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MOST_S)

    def _note_away(self, trouble: str) -> None:
        if not self._away:
            logger.warning("the hub is away (%s); asking again until it answers", trouble)
        self._away = True

    def _note_back(self) -> None:
        if self._away:
            logger.warning("the hub is back")
        self._away = False
