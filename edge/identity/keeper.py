"""Keeps an enrolled gateway's certificate good: the next one is asked for long before the one in
force ends, tried at a broker, and only then takes its place.

Until a broker has let the next one in, the one in force stays: both are good meanwhile. A gateway
that was never enrolled is looked at now and then, in case that it is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from edge.apart import ask_apart
from edge.backoff import Backoff
from edge.identity.files import Enrolment, IdentityFiles
from edge.identity.settings import EstSettings
from edge.link import Link, LinkError
from edge.status import Condition
from edge.status.figures import IdentityFigures
from protocols.mqtt.broker import BrokerSettings

logger = logging.getLogger(__name__)

_LOOK_S = 60.0
_FIRST_WAIT_S, _MOST_WAIT_S = 5.0, 3600.0
_TRIES_LEFT = 10
"""However short a certificate's time may be, so many attempts fit into what is left of it."""
_LEAST_WAIT_S = 1.0
_SPREAD = 0.1
"""Of the time between renewal and end: gateways enrolled on one day do not all come at once."""


class RenewalError(Exception):
    """No next certificate is in force; the text says why."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        """That the authority wants to pass before it is asked again."""


class Keeper:
    """The certificate of one gateway. `run` never ends by itself."""

    def __init__(
        self,
        files: IdentityFiles,
        figures: IdentityFigures,
        brokers: Callable[[], Sequence[BrokerSettings]],
        est: Callable[[], EstSettings | None],
        client_id: str,
        connect_anew: Callable[[], Awaitable[None]],
    ) -> None:
        """`brokers` and `est` say which the gateway has now; `connect_anew` ends the connections
        that were made with the certificate before, and makes new ones."""
        self._files = files
        self._figures = figures
        self._brokers = brokers
        self._est = est
        self._client_id = client_id
        self._connect_anew = connect_anew
        self._condition = Condition(logger, "certificate")
        self._backoff = Backoff(_FIRST_WAIT_S, _MOST_WAIT_S)
        self._lateness = random.random()  # noqa: S311 - jitter, not a secret

    async def run(self) -> None:
        """Look, and renew when it is time, until cancelled."""
        while True:
            before = await asyncio.to_thread(self._files.changed_at)
            await self._pause(await self._look(), before)

    async def _pause(self, wait_s: float, before: int | None) -> None:
        """Until the next look; less if somebody enrols this gateway anew after `before`."""
        until = time.monotonic() + wait_s
        while (left_s := until - time.monotonic()) > _LOOK_S:
            await asyncio.sleep(_LOOK_S)
            if await asyncio.to_thread(self._files.changed_at) != before:
                return
        await asyncio.sleep(max(0.0, left_s))

    async def _look(self) -> float:
        """Do what is to be done now. Returns the seconds to the next look."""
        try:
            await asyncio.to_thread(self._files.settle)
            held = await asyncio.to_thread(self._files.enrolment)
            self._figures.not_after = held.not_after if held else None
            if held is None or not self._due(held):
                self._well()
                return _until(self._due_at(held)) if held else _LOOK_S
            await self._renew(held)
        except (OSError, ValueError, RenewalError) as error:
            self._figures.reason = str(error)
            self._condition.fail(f"is not renewed: {error}")
            asked_s = error.wait_s if isinstance(error, RenewalError) else 0.0
            return max(self._wait_s(), asked_s)
        return 0.0

    def _well(self) -> None:
        self._backoff.reset()
        self._figures.reason = ""
        self._condition.recover()

    def _due_at(self, held: Enrolment) -> datetime:
        return held.renew_at + (held.not_after - held.renew_at) * _SPREAD * self._lateness

    def _due(self, held: Enrolment) -> bool:
        return datetime.now(UTC) >= self._due_at(held)

    def _wait_s(self) -> float:
        """How long after an attempt that failed."""
        wait_s = max(_LEAST_WAIT_S, self._backoff.next_s())
        ends = self._figures.not_after
        left_s = (ends - datetime.now(UTC)).total_seconds() if ends else 0.0
        return min(wait_s, max(_LEAST_WAIT_S, left_s / _TRIES_LEFT)) if left_s > 0 else wait_s

    async def _renew(self, held: Enrolment) -> None:
        """The next certificate, in force. Raises `RenewalError`, `OSError`, `ValueError`."""
        following = await asyncio.to_thread(self._files.next_enrolment)
        if following is None or following.not_after <= max(held.not_after, datetime.now(UTC)):
            await self._ask()
            following = await asyncio.to_thread(self._files.next_enrolment)
            if following is None:
                raise RenewalError("what was asked for is not on the disk")
        proven_at = [each for each in self._brokers() if self._files.prove(each)]
        if proven_at and held.not_after > datetime.now(UTC):
            await self._try(proven_at)
        await asyncio.to_thread(self._files.take_next)
        self._figures.not_after = following.not_after
        self._figures.renewals += 1
        logger.info("certificate: renewed, good until %s", f"{following.not_after:%Y-%m-%d %H:%M}Z")
        if proven_at:
            await self._connect_anew()

    async def _ask(self) -> None:
        """Who certifies this gateway, in a process of its own. Raises `RenewalError`."""
        est = self._est()
        told = est.model_dump_json() if est is not None else "null"
        try:
            answer = await ask_apart("edge.identity", self._files.folder.parent, told)
        except TimeoutError as error:
            raise RenewalError(str(error)) from None
        try:
            said = json.loads(answer)
        except ValueError:
            raise RenewalError("the process that asks for it failed") from None
        if "refused" in said:
            raise RenewalError(said["refused"], said.get("wait_s", 0.0))

    async def _try(self, brokers: Sequence[BrokerSettings]) -> None:
        """Whether one of them lets the next certificate in. Raises `RenewalError`."""
        following = {"cert_file": self._files.next_proof, "key_file": self._files.next_proof}
        refused = ""
        for settings in brokers:
            try:
                link = Link(
                    settings.model_copy(update=following), self._client_id, clean_session=True
                )
            except LinkError as error:
                refused = str(error)
                continue
            try:
                await link.connect()
            except LinkError as error:
                refused = str(error)
            else:
                return
            finally:
                await link.close()
        raise RenewalError(f"the next one is not let in yet: {refused}")


def _until(at: datetime) -> float:
    left: timedelta = at - datetime.now(UTC)
    return min(_LOOK_S, max(0.0, left.total_seconds()))
