"""Whether a process works, and whether it can do its work now.

These are two questions. A process that has failed is to be started anew (`/healthz`); one whose
database or broker is away only has to wait, and would gain nothing by a restart (`/readyz`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import psycopg
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field

from hub.store import Database

_CONNECT_S = 2


class Worker(Protocol):
    """A part of the hub with threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def alive(self) -> bool:
        """Whether its threads run."""

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work although it runs, other than the database; None: nothing."""


class Health(BaseModel):
    """Whether the parts that run in this process work."""

    parts: dict[str, bool] = Field(examples=[{"calls": True, "ingest": True, "webhooks": True}])


class Readiness(BaseModel):
    """Whether this process can do its work now."""

    ready: bool
    troubles: list[str] = Field(
        description="what keeps it from it", examples=[["the database cannot be reached"]]
    )


class Workers:
    """Those of one process by name; the first word of a name is the part it belongs to."""

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self._workers = workers

    def health(self) -> Health:
        """Of each part, whether all its workers run."""
        parts: dict[str, bool] = {}
        for name, worker in self._workers.items():
            part = name.partition(" ")[0]
            parts[part] = parts.get(part, True) and worker.alive
        return Health(parts=parts)

    def readiness(self, database_answers: bool) -> Readiness:
        """Together with whether the database answers."""
        troubles = [] if database_answers else ["the database cannot be reached"]
        for name, worker in self._workers.items():
            if not worker.alive:
                troubles.append(f"{name} has failed")
            elif (trouble := worker.trouble) is not None:
                troubles.append(f"{name}: {trouble}")
        return Readiness(ready=not troubles, troubles=troubles)


def answers(database: Database) -> bool:
    """Whether the database takes a connection and answers, within seconds."""
    try:
        with psycopg.connect(database.dsn("ingest"), connect_timeout=_CONNECT_S) as connection:
            connection.execute("SELECT 1")
    except (psycopg.Error, PoolTimeout):
        return False
    return True
