"""How a device misbehaves on command."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocols.refusal import first_problem

AnswerName = Literal["right", "garbage", "partial", "silent", "short", "close"]


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What is wrong at the moment. The default is a healthy device."""

    answer: AnswerName = "right"
    """garbage: random bytes; partial: half of the answer, then nothing; silent: none at all; short:
    an answer of the right form with too few data; close: the connection is closed."""
    delay_s: float = 0.0
    """Each answer comes so much later."""
    hidden: frozenset[str] = frozenset()
    """What it says does not exist: blocks, tables, units, as the device names them."""


class MisbehaveCommand(BaseModel):
    """Asks for a misbehaviour; what is not given stays. It ends after `seconds`, if given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: AnswerName | None = None
    delay_s: float | None = Field(default=None, ge=0, le=60)
    hide: str | None = None
    show: str | None = None
    seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _something(self) -> MisbehaveCommand:
        if (self.answer, self.delay_s, self.hide, self.show) == (None,) * 4:
            raise ValueError("give answer, delay_s, hide or show")
        return self


class Manners:
    """How a device behaves now."""

    def __init__(self, seed: int = 1) -> None:
        self.now = Misbehaviour()
        self._chance = random.Random(seed)  # noqa: S311  a simulation
        self._ends: set[asyncio.Task[None]] = set()

    async def obey(self, line: bytes) -> dict[str, object]:
        """Do what a command line says. Raises `ValueError`."""
        try:
            command = MisbehaveCommand.model_validate_json(line)
        except ValidationError as error:
            raise ValueError(first_problem(error, "command")) from None
        self.make(command)
        return {**dataclasses.asdict(self.now), "hidden": sorted(self.now.hidden)}

    def make(self, command: MisbehaveCommand) -> None:
        """Begin a misbehaviour, and end it after its time."""
        before = self.now
        hidden = (before.hidden | {command.hide or ""}) - {command.show or "", ""}
        self.now = Misbehaviour(
            command.answer or before.answer,
            before.delay_s if command.delay_s is None else command.delay_s,
            hidden,
        )
        if command.seconds is not None:
            end = asyncio.create_task(self._end(command.seconds, before))
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)

    async def _end(self, seconds: float, before: Misbehaviour) -> None:
        await asyncio.sleep(seconds)
        self.now = before

    async def spoil(self, answer: bytes) -> bytes | None:
        """What is sent in place of a right answer; None: the connection is closed."""
        if self.now.delay_s:
            await asyncio.sleep(self.now.delay_s)
        match self.now.answer:
            case "garbage":
                return self._chance.randbytes(len(answer))
            case "partial":
                return answer[: len(answer) // 2]
            case "silent":
                return b""
            case "close":
                return None
        return answer
