"""The emergency stock of a line's parts with each booking of it, and the claims that settlement
will ask for, over HTTP."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Query
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Shared, Tenant
from hub.api.plants import After, Limit, PlantId
from hub.api.problems import Problem, described
from hub.api.racks import FOUND, LineId
from hub.calls.emergency_stock import levels
from hub.orders.profile import stored_profile

router = APIRouter(prefix="/v1/plants/{plant}")

_PROFILE = "SELECT profile FROM supplier_line WHERE plant = %s AND id = %s"
_BOOKINGS = """
SELECT b.id,
    concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
    b.part_group, b.part_no, b.sets, b.actor, b.reason, b.source_at AS at
FROM stock_booking b JOIN jis_call c ON c.id = b.call
WHERE b.plant = %(plant)s AND b.line = %(line)s AND (%(after)s = 0 OR b.id < %(after)s)
ORDER BY b.id DESC LIMIT %(limit)s
"""
_CLAIMS = """
SELECT b.id, b.line, b.partner AS supplier, CASE WHEN c.id IS NOT NULL THEN
    concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index)
    END AS key, b.kind, b.by_whom, b.part_no, b.quantity, b.serial, b.reason, b.source_at AS at
FROM claim b LEFT JOIN jis_call c ON c.id = b.call
WHERE b.plant = %(plant)s AND (%(line)s::text IS NULL OR b.line = %(line)s) AND b.id > %(after)s
ORDER BY b.id LIMIT %(limit)s
"""
_BOOKING: dict[str, Any] = {
    "id": 7,
    "key": "P1/SEAT1/0004711/SEAT-FRONT/0",
    "part_group": "SEAT-FRONT",
    "part_no": "SF-SPORT",
    "sets": -1,
    "actor": "user lee",
    "reason": "exception 12, nok_at_line: scratch",
    "at": "2026-03-02T08:00:00Z",
}
_CLAIM: dict[str, Any] = {
    "id": 3,
    "line": "SEAT1",
    "supplier": "seatworks",
    "key": "P1/SEAT1/0004711/SEAT-FRONT/0",
    "kind": "nok_at_line",
    "by_whom": "supplier",
    "part_no": "SF-SPORT",
    "quantity": 1,
    "serial": "S-0000123",
    "reason": "scratch",
    "at": "2026-03-02T08:00:00Z",
}


class StockBooking(BaseModel):
    """A set that was taken out of the stock, or came back into it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BOOKING]})

    id: int
    key: str = Field(description="the call whose car got it, or whose part filled it up")
    part_group: str
    part_no: str
    sets: Literal[-1, 1]
    actor: str
    reason: str
    at: datetime


class EmergencyStock(BaseModel):
    """What the plant keeps of a line's parts for when one is not there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "line": "SEAT1",
                    "agreed": 20,
                    "levels": {"SEAT-FRONT": 19, "SEAT-REAR": 20},
                    "bookings": [_BOOKING],
                    "next": None,
                }
            ]
        }
    )

    line: str
    agreed: int = Field(description="sets that are to be there, by the line's profile")
    levels: dict[str, int] = Field(description="sets that there are, by part group")
    bookings: list[StockBooking] = Field(description="the newest first")
    next: int | None = Field(description="give as `after` for the next page; null: it was the last")


class Claim(BaseModel):
    """What settlement will ask for: built in vain, or not in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CLAIM]})

    id: int
    line: str
    supplier: str
    key: str | None = Field(description="null: nothing was called for it yet")
    kind: Literal["obsolete", "changed_late", "nok_at_line", "preview_broken"]
    by_whom: Literal["plant", "supplier"] = Field(description="who has caused it")
    part_no: str
    quantity: int
    serial: str | None
    reason: str
    at: datetime


class ClaimPage(BaseModel):
    """A page of them, the oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_CLAIM], "next": None}]})

    items: list[Claim]
    next: int | None = Field(description="give as `after` for the next page; null: it was the last")


@router.get(
    "/lines/{line}/emergency-stock",
    summary="A line's emergency stock",
    tags=["modes"],
    responses=FOUND,
)
def emergency_stock(
    plant: PlantId,
    line: LineId,
    tenant: Tenant,
    shared: Shared,
    after: After = 0,
    limit: Limit = 100,
) -> EmergencyStock:
    """How many sets there are, what was taken for which car, and what filled it up again."""
    with shared.reading(tenant) as connection:
        found = read_stock(connection, plant, line, after, limit)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no line {line} in plant {plant}")
    return found


@router.get(
    "/claims",
    summary="What settlement will ask for",
    tags=["exceptions"],
    responses=described(HTTPStatus.UNAUTHORIZED),
)
def claims(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    line: Annotated[str | None, Query(max_length=64, description="of this line alone")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> ClaimPage:
    """Parts that were built in vain or were not in order, each with who has caused it."""
    values = {"plant": plant, "line": line, "after": after, "limit": limit}
    with (
        shared.reading(tenant) as connection,
        connection.cursor(row_factory=class_row(Claim)) as cursor,
    ):
        items = cursor.execute(_CLAIMS.encode(), values).fetchall()
    return ClaimPage(items=items, next=items[-1].id if len(items) == limit else None)


def read_stock(
    connection: psycopg.Connection, plant: str, line: str, after: int = 0, limit: int = 100
) -> EmergencyStock | None:
    """A line's stock with a page of its bookings; None: there is no such line."""
    row = connection.execute(_PROFILE, (plant, line)).fetchone()
    if row is None:
        return None
    values = {"plant": plant, "line": line, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(StockBooking)) as cursor:
        bookings = cursor.execute(_BOOKINGS.encode(), values).fetchall()
    return EmergencyStock(
        line=line,
        agreed=stored_profile(row[0]).emergency_stock,
        levels=levels(connection, plant, line),
        bookings=bookings,
        next=bookings[-1].id if len(bookings) == limit else None,
    )
