"""The demand ahead of a supplier line over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Literal

import psycopg
from fastapi import APIRouter, Path, Query
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, Field

from hub.api.commanding import COMMANDED, SAID, Carrying, Command
from hub.api.context import Shared, Tenant
from hub.api.plants import Limit, PlantId
from hub.api.problems import Problem, described
from hub.calls.called import By, lock_plant
from hub.calls.previews import refresh_demand
from hub.calls.refused import UnknownError
from protocols.jis.messages import Identifier

router = APIRouter(prefix="/v1/plants/{plant}/lines/{line}/preview", tags=["previews"])

LineId = Annotated[Identifier, Path(examples=["SEAT1"])]

_LINE = "SELECT preview_version FROM supplier_line WHERE plant = %s AND id = %s"
# Blocked cars and forecasts, which have no place, come last.
_DEMAND = """
SELECT production_no, part_group, car AS status, part_no, quantity, colour, model, place,
    required_at, day, version, n FROM (
    SELECT *, row_number() OVER (ORDER BY place, day, production_no, part_group) AS n
    FROM demand WHERE plant = %s AND line = %s
) d WHERE n > %s ORDER BY n LIMIT %s
"""


class DemandView(BaseModel):
    """One part of one car that will be called."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "production_no": "0004711",
                    "part_group": "SEAT-FRONT",
                    "status": "planned",
                    "part_no": "SF-SPORT",
                    "quantity": 1,
                    "colour": "RED",
                    "model": "M1",
                    "place": 42,
                    "required_at": "2026-03-02T10:15:00Z",
                    "day": None,
                    "version": 7,
                }
            ]
        }
    )

    production_no: str
    part_group: str
    status: Literal["forecast", "planned", "blocked"]
    part_no: str
    quantity: int
    colour: str
    model: str | None
    place: int | None = Field(description="in the planned sequence, blocked cars left out")
    required_at: datetime | None
    day: date | None = Field(description="of a forecast")
    version: int = Field(description="the one that last told of it")
    n: int = Field(exclude=True)


class DemandPage(BaseModel):
    """Demand in the order it is required. `next` goes into `after` for the following page."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 7, "items": [], "next": None}]}
    )

    version: int = Field(description="the newest that was told; 0: none yet")
    items: list[DemandView]
    next: int | None


class Telling(Command):
    """That the demand is to be told anew."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"whole": True}]}
    )

    whole: bool = Field(default=False, description="all of it, whatever the profile says")


class Told(BaseModel):
    """What was told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 8}]})

    version: int | None = Field(description="null: nothing differed, so nothing was told")


@router.get(
    "", summary="Demand ahead", responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)
)
def preview(
    plant: PlantId,
    line: LineId,
    tenant: Tenant,
    shared: Shared,
    after: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Limit = 100,
) -> DemandPage:
    """What will be called from the line, as it was last told: planned cars by place, then forecasts
    and blocked ones."""
    with shared.reading(tenant) as connection:
        row = connection.execute(_LINE, (plant, line)).fetchone()
        if row is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"no line {line} in plant {plant}")
        with connection.cursor(row_factory=class_row(DemandView)) as cursor:
            items = cursor.execute(_DEMAND, (plant, line, after, limit)).fetchall()
    return DemandPage(
        version=row[0], items=items, next=items[-1].n if len(items) == limit else None
    )


@router.post("", summary="Tell the demand anew", responses=COMMANDED)
def tell_preview(
    plant: PlantId,
    line: LineId,
    command: Telling,
    carry: Carrying,
) -> Told:
    """It is told by itself when a sequence comes in force, an order changes, times move, and cars
    pass the control points that the line's profile names."""

    def tell(connection: psycopg.Connection, tenant: str, by: By) -> dict[str, int]:
        if line not in lock_plant(connection, tenant, plant):
            raise UnknownError(f"no line {line} in plant {plant}")
        return refresh_demand(connection, plant, by.at, [line], whole=command.whole)

    return Told(version=carry(command, tell).get(line))
