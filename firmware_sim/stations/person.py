"""A person at a station without electronics, who types what they found into the gateway's page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

logger = logging.getLogger(__name__)

_RETRY_S = 1.0
_DATA = re.compile(r'data-(token|ticket)="([^"]*)"')


class RefusedError(Exception):
    """The page does not take what was entered; the text says why."""


class Person:
    """At one station of a gateway; tries again for as long as the gateway is away."""

    def __init__(self, board: str, station: str, name: str) -> None:
        origin = board.rstrip("/")
        self._client = httpx.AsyncClient(base_url=origin, headers={"Origin": origin}, timeout=10.0)
        self._station = station
        self._name = name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def enter(self, fields: Mapping[str, str]) -> None:
        """Record a part: one form with one ticket, sent until it is answered. Raises
        `RefusedError`."""
        ticket = ""
        away = False
        while True:
            try:
                page = await self._page()
                ticket = ticket or page["ticket"]
                form = {"station": self._station, "ticket": ticket, "token": page["token"]}
                answer = await self._client.post("/record", data={**form, **fields})
            except httpx.HTTPError as error:
                if not away:
                    logger.warning("%s: the gateway does not answer: %r", self._station, error)
                away = True
            else:
                if answer.is_success:
                    return
                if answer.is_client_error and answer.status_code != httpx.codes.UNAUTHORIZED:
                    raise RefusedError(f"{self._station}: {answer.status_code} {answer.text}")
            await asyncio.sleep(_RETRY_S)

    async def _page(self) -> dict[str, str]:
        """Token and ticket of the form, as one who is signed in has them."""
        data = await self._look()
        if not data["token"]:
            (await self._client.post("/sign-in", data={"name": self._name})).raise_for_status()
            data = await self._look()
        return data

    async def _look(self) -> dict[str, str]:
        page = await self._client.get(f"/entry/{self._station}")
        page.raise_for_status()
        return dict(_DATA.findall(page.text))
