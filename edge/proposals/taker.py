"""Takes what the hub proposes: asks now and then, puts a checked configuration in force, and goes
back to the one before if the hub does not answer over it in time."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from edge.apart import ask_apart
from edge.config import EdgeConfig
from edge.proposals.files import ProposalFiles, Trial, given_up
from edge.proposals.settings import ProposalSettings
from edge.status import Condition, Figures
from edge.status.endpoint import Outcome

logger = logging.getLogger(__name__)

_LOOK_S = 60.0
"""How often it is looked whether proposals are taken."""
_ANSWERED_S = 0.2
_JITTER = 0.2


class Taker:
    """One gateway's. `run` never ends by itself."""

    def __init__(
        self,
        files: ProposalFiles,
        config: Callable[[], EdgeConfig],
        figures: Figures,
        reload: Callable[[], Awaitable[Outcome]],
    ) -> None:
        """`config`: that which runs; `reload` goes over to the file as it is, or says why not."""
        self._files = files
        self._config = config
        self._figures = figures
        self._reload = reload
        self._condition = Condition(logger, "proposals of the hub")

    async def run(self) -> None:
        """End the trial that a restart cut off, then ask until cancelled."""
        await self._resume()
        while True:
            settings = self._config().hub.proposals
            if settings is None:
                await asyncio.sleep(_LOOK_S)
                continue
            spread = random.uniform(-_JITTER, _JITTER)  # noqa: S311 - jitter, not a secret
            await asyncio.sleep(settings.every_s * (1 + spread))
            try:
                number = await self._ask()
                if number is not None:
                    await self._try(number)
                    await self._ask()
            except OSError as error:
                self._condition.fail(str(error))

    async def _resume(self) -> None:
        try:
            trial = await asyncio.to_thread(self._files.trial)
            if trial is None:
                return
            notes = await asyncio.to_thread(self._files.notes)
            if notes.last == trial.number and notes.decided is not None:  # only this was missing
                if notes.decided.decision == "applied":
                    await asyncio.to_thread(self._files.confirm)
                else:
                    await self._go_back(trial)
            elif given_up(trial):
                await self._roll_back(trial, "the agent did not keep running with it")
            else:
                await self._judge(trial, self._figures.started, 0)
        except OSError as error:
            self._condition.fail(str(error))

    async def _ask(self) -> int | None:
        """The number of a proposal that was staged. Raises `OSError`, `TimeoutError` too."""
        answer = await ask_apart("edge.proposals", self._files.config)
        try:
            told = json.loads(answer)
        except ValueError:
            told = {"failed": "the process that asks for them failed"}
        if "failed" in told:
            self._condition.fail(told["failed"])
            return None
        self._condition.recover()
        staged: int | None = told["staged"]
        return staged

    async def _try(self, number: int) -> None:
        """Raises `OSError`."""
        since, births = datetime.now(UTC), self._figures.uplink.births
        trial = await asyncio.to_thread(self._files.begin, number)
        logger.info("proposal %d of the hub: on trial; the one before is %s", number, trial.kept)
        outcome = await self._reload()
        if not outcome.done:
            reason = "; ".join(outcome.said)
            logger.error("proposal %d of the hub is refused: %s", number, reason)
            await asyncio.to_thread(self._files.note, number, "refused", reason)
            await asyncio.to_thread(self._files.roll_back, trial)
            return
        await self._judge(trial, since, births)

    async def _judge(self, trial: Trial, since: datetime, births: int) -> None:
        """Wait until the hub has answered a birth that came after these, or go back. Raises
        `OSError`."""
        settings = self._config().hub.proposals or ProposalSettings()
        try:
            async with asyncio.timeout(settings.confirm_s):
                await self._answered(since, births)
        except TimeoutError:
            reason = f"the hub has not answered within {settings.confirm_s:g} s"
            await self._roll_back(trial, reason)
            return
        await asyncio.to_thread(self._files.note, trial.number, "applied")
        await asyncio.to_thread(self._files.confirm)
        logger.info("proposal %d of the hub: applied", trial.number)

    async def _answered(self, since: datetime, births: int) -> None:
        uplink = self._figures.uplink
        while True:
            heard = uplink.last_answer
            if uplink.host_online and uplink.births > births and heard and heard > since:
                return
            await asyncio.sleep(_ANSWERED_S)

    async def _roll_back(self, trial: Trial, reason: str) -> None:
        logger.error("proposal %d of the hub is rolled back: %s", trial.number, reason)
        await asyncio.to_thread(self._files.note, trial.number, "rolled_back", reason)
        await self._go_back(trial)

    async def _go_back(self, trial: Trial) -> None:
        await asyncio.to_thread(self._files.roll_back, trial)
        outcome = await self._reload()
        if not outcome.done:
            logger.error("the configuration before is refused too: %s", "; ".join(outcome.said))
