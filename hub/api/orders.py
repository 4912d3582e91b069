"""Orders over HTTP: one by one, as a plant's own system has them."""

from __future__ import annotations

from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Query, Response
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.api.commanding import COMMANDED, SAID, CarNo, Carrying, Command, CommandView
from hub.api.context import Shared, Tenant
from hub.api.plants import Limit, PlantId, require_plant
from hub.api.problems import Problem, described
from hub.calls.called import By, lock_plant
from hub.calls.commands import note_order, tell_order
from hub.calls.content import change_order
from hub.orders.day_model import ProductionNo
from hub.orders.plant import Name
from hub.orders.single import KnownError, SingleOrder, add_order

router = APIRouter(prefix="/v1/plants/{plant}/orders", tags=["orders"])

Vin = Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")]
Options = Annotated[list[Name], Field(max_length=500)]
State = Literal["open", "blocked", "cancelled"]
ORDER: dict[str, Any] = {
    "production_no": "0004711",
    "model": "M1",
    "colour": "RED",
    "options": ["SPORT"],
    "vin": "WVWZZZ1JZXW000001",
    "pre_series": False,
    "day": "2026-03-02",
    "book": "monday",
}

_LIST = """
SELECT o.production_no, o.model, o.colour, o.options, o.vin, o.pre_series, o.day, o.source AS book,
    o.blocked_at, o.cancelled_at
FROM vehicle_order o
WHERE o.plant = %(plant)s AND o.production_no > %(after)s
    AND (%(state)s::text IS NULL OR %(state)s = CASE
        WHEN o.cancelled_at IS NOT NULL THEN 'cancelled'
        WHEN o.blocked_at IS NOT NULL THEN 'blocked' ELSE 'open' END)
    AND (%(book)s::text IS NULL OR o.source = %(book)s)
ORDER BY o.production_no LIMIT %(limit)s
"""


class NewOrder(BaseModel):
    """An order."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ORDER]})

    production_no: ProductionNo
    model: str = Field(min_length=1, max_length=64)
    colour: Name
    options: Options = []
    vin: Vin | None = None
    pre_series: bool = Field(
        default=False, description="trial car: kept out of key figures and settlement"
    )
    day: date | None = Field(default=None, description="when it is wanted, as far as is known")
    book: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="order book that it joins, made if it is not there; null: one for its day",
    )


class OrderView(BaseModel):
    """An order as it stands."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [ORDER | {"blocked_at": None, "cancelled_at": None}]}
    )

    production_no: str
    model: str
    colour: str
    options: list[str]
    vin: str | None
    pre_series: bool
    day: date | None
    book: str
    blocked_at: datetime | None
    cancelled_at: datetime | None


class OrdersPage(BaseModel):
    """Orders by production number. `next` goes into `after` for the following page."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [], "next": None}]})

    items: list[OrderView]
    next: str | None


class OrderChange(Command):
    """What of an order changes; what is not named stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"colour": "BLUE"}]}
    )

    model: str | None = Field(default=None, min_length=1, max_length=64)
    colour: Name | None = None
    options: Options | None = None
    vin: Vin | None = None
    pre_series: bool | None = None
    day: date | None = None

    @model_validator(mode="after")
    def _something(self) -> OrderChange:
        if not self.fields():
            raise ValueError("name at least one thing that changes")
        return self

    def fields(self) -> dict[str, Any]:
        """What is named."""
        return self.model_dump(exclude=set(Command.model_fields), exclude_none=True)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="An order",
    responses={
        200: {"model": OrderView, "description": "Known already; nothing was changed"},
        **COMMANDED,
    },
)
def create_order(
    plant: PlantId,
    order: NewOrder,
    response: Response,
    carry: Carrying,
) -> OrderView:
    """It is forecast to suppliers from now on, until a sequence has it. Safe to repeat."""
    command = Command(message_id=f"order {order.production_no}")
    day = order.day or command.at.date()
    single = SingleOrder(
        **order.model_dump(exclude={"book", "options"}),
        options=tuple(order.options),
        book=order.book or f"orders {day}",
    )

    def create(connection: psycopg.Connection, tenant: str, by: By) -> bool:
        lock_plant(connection, tenant, plant)
        try:
            new = add_order(connection, plant, single)
        except KnownError as known:
            raise Problem(HTTPStatus.CONFLICT, str(known)) from None
        if new:
            note_order(connection, plant, single.production_no, "ordered", by)
            tell_order(connection, tenant, plant, by.at)
        return new

    if not carry(command, create):
        response.status_code = HTTPStatus.OK
    return OrderView(
        **order.model_dump(exclude={"book"}), book=single.book, blocked_at=None, cancelled_at=None
    )


@router.get(
    "", summary="Orders", responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)
)
def orders(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    state: State | None = None,
    book: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[str, Query(max_length=64, description="`next` of the page before")] = "",
    limit: Limit = 100,
) -> OrdersPage:
    """By production number."""
    values = {"plant": plant, "state": state, "book": book, "after": after, "limit": limit}
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        with connection.cursor(row_factory=class_row(OrderView)) as cursor:
            items = cursor.execute(_LIST, values).fetchall()
    return OrdersPage(items=items, next=items[-1].production_no if len(items) == limit else None)


@router.patch("/{production_no}", summary="An order changes", responses=COMMANDED)
def patch_order(
    plant: PlantId,
    production_no: CarNo,
    command: OrderChange,
    carry: Carrying,
) -> CommandView:
    """Its calls follow: those of another part are changed, or their supplier is asked; those it
    needs no more are cancelled; those it needs beside are called by express."""
    return CommandView.of(
        carry(
            command,
            lambda connection, tenant, by: change_order(
                connection, tenant, plant, production_no, by, command.fields()
            ),
        )
    )
