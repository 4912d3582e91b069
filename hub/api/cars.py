"""Cars over HTTP: all that is called for one, with its history, and what the plant does with it."""

from __future__ import annotations

from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from psycopg.rows import class_row, dict_row
from pydantic import BaseModel, ConfigDict, Field

from hub.api.call_models import CALL_EXAMPLE, CallState, HistoryEntry, calls_of, histories_of
from hub.api.commanding import COMMANDED, SAID, CarNo, Carrying, Command, CommandView
from hub.api.context import Shared, Tenant
from hub.api.plants import PlantId
from hub.api.problems import Problem, described
from hub.calls import commands, resequenced
from protocols.jis.messages import Identifier

router = APIRouter(prefix="/v1/plants/{plant}/cars", tags=["cars"])

_ORDER = """
SELECT o.production_no, o.vin, o.model, o.colour, o.options, o.pre_series, o.day, o.blocked_at,
    o.blocked_reason, o.cancelled_at, o.source AS book, q.position
FROM vehicle_order o LEFT JOIN sequence_position q ON q.production_no = o.production_no
    AND q.sequence = (SELECT max(id) FROM production_sequence WHERE plant = %(plant)s)
WHERE o.plant = %(plant)s AND o.production_no = %(car)s
"""
_PASSES = """
SELECT control_point, pass_no, passed_at FROM control_point_pass
WHERE plant = %s AND production_no = %s ORDER BY passed_at, pass_no
"""
_EVENTS = """
SELECT kind, body, actor, message_id, source_at, received_at FROM order_event
WHERE plant = %s AND production_no = %s ORDER BY id
"""


class CarPass(BaseModel):
    """A control point that the car has passed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"control_point": "TRIM-IN", "pass_no": 17, "passed_at": "2026-03-02T06:15:00Z"}
            ]
        }
    )

    control_point: str
    pass_no: int
    passed_at: datetime


class OrderEvent(BaseModel):
    """What was done with the order, before and beside its calls."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "blocked",
                    "body": {"reason": "paint rework"},
                    "actor": "key mes (8c2f5e1ab0d4)",
                    "message_id": "MES-88123",
                    "source_at": "2026-03-02T06:20:00Z",
                    "received_at": "2026-03-02T06:20:01Z",
                }
            ]
        }
    )

    kind: str
    body: dict[str, Any]
    actor: str | None
    message_id: str
    source_at: datetime
    received_at: datetime


class CarCall(CallState):
    """A call of the car, with its history."""

    history: list[HistoryEntry]


class CarView(BaseModel):
    """A car: its order, where it has passed, and all that is called for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "production_no": "0004711",
                    "vin": None,
                    "model": "M1",
                    "colour": "RED",
                    "options": ["SPORT"],
                    "pre_series": False,
                    "day": "2026-03-02",
                    "blocked_at": None,
                    "blocked_reason": None,
                    "cancelled_at": None,
                    "book": "monday",
                    "position": 42,
                    "passes": [],
                    "events": [],
                    "calls": [CALL_EXAMPLE | {"history": []}],
                }
            ]
        }
    )

    production_no: str
    vin: str | None
    model: str
    colour: str
    options: list[str]
    pre_series: bool
    day: date | None = Field(description="when it is wanted, as far as is known")
    blocked_at: datetime | None
    blocked_reason: str | None
    cancelled_at: datetime | None
    book: str
    position: int | None = Field(description="in the sequence in force")
    passes: list[CarPass]
    events: list[OrderEvent]
    calls: list[CarCall]


class Reinsertion(Command):
    """Where a car comes back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"before": "0004730"}]}
    )

    before: Identifier | None = Field(
        default=None, description="production number; null: behind all that are called"
    )
    lead_s: float | None = Field(
        default=None,
        ge=0,
        le=2_592_000,
        allow_inf_nan=False,
        description="work until it is fitted, at the plant's takt; null: the lead of each line",
    )


class Fitting(Command):
    """What the fitting stations confirm."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"part_groups": ["SEAT-FRONT"]}]}
    )

    part_groups: list[Identifier] | None = Field(
        default=None, min_length=1, max_length=500, description="null: all that the car has"
    )


class Swap(Command):
    """Which car another changes places with."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"other": "0004730"}]}
    )

    other: Identifier = Field(description="production number")


@router.get(
    "/{production_no}",
    summary="A car, its calls and their histories",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def car(plant: PlantId, production_no: CarNo, tenant: Tenant, shared: Shared) -> CarView:
    """The order and every call, reorders too, with what each source said of it, in order."""
    with shared.reading(tenant) as connection:
        with connection.cursor(row_factory=dict_row) as cursor:
            order = cursor.execute(_ORDER, {"plant": plant, "car": production_no}).fetchone()
        if order is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"no order {production_no} in plant {plant}")
        with connection.cursor(row_factory=class_row(CarPass)) as cursor:
            passes = cursor.execute(_PASSES, (plant, production_no)).fetchall()
        with connection.cursor(row_factory=class_row(OrderEvent)) as cursor:
            events = cursor.execute(_EVENTS, (plant, production_no)).fetchall()
        calls = calls_of(connection, plant, car=production_no)
        histories = histories_of(connection, [call.id for call in calls])
    return CarView(
        **order,
        passes=passes,
        events=events,
        calls=[
            CarCall(**call.model_dump(by_alias=False), history=histories.get(call.id, []))
            for call in calls
        ],
    )


@router.post("/{production_no}/block", summary="Keep a car out of the line", responses=COMMANDED)
def block(plant: PlantId, production_no: CarNo, command: Command, carry: Carrying) -> CommandView:
    """Before its call: it stands aside in the demand ahead, and all behind it are timed anew."""
    do = commands.block
    return CommandView.of(carry(command, lambda c, own, by: do(c, own, plant, production_no, by)))


@router.post("/{production_no}/unblock", summary="Let it into the line again", responses=COMMANDED)
def unblock(plant: PlantId, production_no: CarNo, command: Command, carry: Carrying) -> CommandView:
    """Where the sequence in force has it."""
    do = commands.unblock
    return CommandView.of(carry(command, lambda c, own, by: do(c, own, plant, production_no, by)))


@router.post("/{production_no}/pull-out", summary="It has left the line", responses=COMMANDED)
def pull_out(
    plant: PlantId, production_no: CarNo, command: Command, carry: Carrying
) -> CommandView:
    """After its call: suppliers do not build for it, or set the part aside. Its slots stay empty or
    those behind move up, as each line's profile says."""
    do = commands.pull_out
    return CommandView.of(carry(command, lambda c, own, by: do(c, own, plant, production_no, by)))


@router.post("/{production_no}/reinsert", summary="It comes back", responses=COMMANDED)
def reinsert(
    plant: PlantId, production_no: CarNo, command: Reinsertion, carry: Carrying
) -> CommandView:
    """Its calls keep their numbers and get a new place: sequence number, rack, slot and time."""
    return CommandView.of(
        carry(
            command,
            lambda connection, tenant, by: commands.reinsert(
                connection,
                tenant,
                plant,
                production_no,
                by,
                before=command.before,
                lead_s=command.lead_s,
            ),
        )
    )


@router.post("/{production_no}/cancel", summary="It will not be built", responses=COMMANDED)
def cancel(plant: PlantId, production_no: CarNo, command: Command, carry: Carrying) -> CommandView:
    """Ends its order and its calls; what a supplier has begun is claimed."""
    do = commands.cancel
    return CommandView.of(carry(command, lambda c, own, by: do(c, own, plant, production_no, by)))


@router.post("/{production_no}/fit", summary="Its parts are fitted", responses=COMMANDED)
def fit(plant: PlantId, production_no: CarNo, command: Fitting, carry: Carrying) -> CommandView:
    """The fitting stations confirm some part groups, or all."""
    return CommandView.of(
        carry(
            command,
            lambda connection, tenant, by: commands.fit(
                connection, tenant, plant, production_no, by, command.part_groups
            ),
        )
    )


@router.post("/{production_no}/swap", summary="Two cars change places", responses=COMMANDED)
def swap(plant: PlantId, production_no: CarNo, command: Swap, carry: Carrying) -> CommandView:
    """After their calls, and while neither part is on a truck. Where one is packed its supplier is
    asked: both calls change, or neither."""
    return CommandView.of(
        carry(
            command,
            lambda connection, tenant, by: resequenced.swap(
                connection, tenant, plant, production_no, command.other, by
            ),
        )
    )
