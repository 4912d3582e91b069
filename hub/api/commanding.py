"""What all commands of the plant share over HTTP: who gives them, as which message, and what came
of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import psycopg
from fastapi import Depends, Path
from psycopg import errors
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.api.context import ASKED, Admitted, Shared, Tenant
from hub.api.problems import Problem, described
from hub.calls.called import By
from hub.calls.calling import UnfitError
from hub.calls.commands import Done
from hub.calls.refused import RefusedError, UnknownError
from hub.sequencing.calendar import CalendarError
from protocols.jis.messages import Identifier

TRIES = 3
"""Of a command that waited in a ring with another; the database ends one of the two."""

Result = TypeVar("Result")
CarNo = Annotated[Identifier, Path(examples=["0004711"])]

COMMANDED: dict[int | str, dict[str, Any]] = described(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
SAID: dict[str, Any] = {
    "message_id": "MES-88123",
    "at": "2026-03-02T06:20:00Z",
    "reason": "paint rework",
}
"""An example of what every command says."""


class Command(BaseModel):
    """What every command says beside its subject."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SAID]})

    message_id: str = Field(
        default_factory=lambda: str(uuid4()),
        min_length=1,
        max_length=100,
        description="given again, the command changes nothing; by default each is its own",
    )
    at: AwareDatetime = Field(
        default_factory=lambda: datetime.now(UTC),
        description="when it was so, by the plant's clock; by default now",
    )
    reason: str = Field(default="", max_length=500, description="told to the suppliers")


class CommandView(BaseModel):
    """What came of a command."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "calls": ["P1/SEAT1/0004711/SEAT-FRONT/0"],
                    "asked": [],
                    "left": ["P1/TRIM1/0004711/DOOR-TRIM/0"],
                    "repeated": False,
                }
            ]
        }
    )

    calls: list[str] = Field(description="keys of the calls that it was carried out on")
    asked: list[str] = Field(description="of these, those whose supplier is asked and decides")
    left: list[str] = Field(description="calls that stand where it has no meaning")
    repeated: bool = Field(description="it was carried out before; nothing was changed now")

    @classmethod
    def of(cls, done: Done) -> CommandView:
        """As it is shown."""
        return cls(
            calls=[str(key) for key in done.calls],
            asked=[str(key) for key in done.asked],
            left=[str(key) for key in done.left],
            repeated=done.repeated,
        )


class Carry:
    """Carries out the commands of one request."""

    def __init__(self, shared: Shared, caller: Admitted, tenant: Tenant) -> None:
        self.tenant = tenant
        self._shared = shared
        self._caller = caller

    def __call__(
        self, command: Command, do: Callable[[psycopg.Connection, str, By], Result]
    ) -> Result:
        """Carry out a command, given the caller's tenant, in one transaction. Raises `Problem`."""
        by = By(self._caller.actor, command.message_id, command.at, command.reason)
        asked = ASKED.get()
        for last in (*[False] * (TRIES - 1), True):
            ASKED.set(asked)
            try:
                with self._shared.writing() as connection:
                    return do(connection, self.tenant, by)
            except UnknownError as unknown:
                raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
            except (RefusedError, UnfitError, CalendarError) as refused:
                raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
            except errors.DeadlockDetected:
                if last:
                    raise
        raise AssertionError("the last try returns or raises")


Carrying = Annotated[Carry, Depends()]
