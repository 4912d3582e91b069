"""Calls over HTTP: found by what they are about, each with its history; reordered, changed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from hub.api.call_models import CALL_EXAMPLE, CallState, HistoryEntry, calls_of, histories_of
from hub.api.commanding import COMMANDED, SAID, CarNo, Carrying, Command, CommandView
from hub.api.context import Shared, Tenant
from hub.api.plants import After, Limit, PlantId
from hub.api.problems import Problem, described
from hub.calls.by_phone import answer_by_phone
from hub.calls.content import change_call
from hub.calls.reorders import reorder
from hub.orders.problems import did_you_mean
from protocols.jis.messages import CallKey, Identifier, PlcInt
from protocols.jis.net import status_net
from protocols.traces import Step

router = APIRouter(prefix="/v1/plants/{plant}/calls", tags=["calls"])

LineId = Annotated[Identifier, Path(examples=["SEAT1"])]
GroupId = Annotated[Identifier, Path(examples=["SEAT-FRONT"])]
Index = Annotated[int, Path(ge=0, le=99, description="reorder index")]
Text = Annotated[str | None, Query(max_length=64)]
_ONE = "/{line}/{production_no}/{part_group}/{reorder_index}"


class CallsPage(BaseModel):
    """Calls in the order they were made. `next` goes into `after` for the following page."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [CALL_EXAMPLE], "next": None}]}
    )

    items: list[CallState]
    next: int | None


class CallWithHistory(CallState):
    """A call and every event of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [CALL_EXAMPLE | {"history": []}]})

    history: list[HistoryEntry]


class Reorder(Command):
    """Why and by when a part is called once more."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [SAID | {"required_at": "2026-03-02T10:40:00Z", "from_stock": True}]
        },
    )

    required_at: AwareDatetime | None = Field(
        default=None, description="null: when its car is to get it, or now if that is past"
    )
    from_stock: bool | None = Field(
        default=None,
        description="its car gets one from the emergency stock meanwhile, and this fills it up; "
        "null: as far as there is one, while the line works from it",
    )


class PhoneAnswer(Command):
    """What a supplier has answered to what it was asked."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"confirmed": True}]}
    )

    confirmed: bool = Field(description="false: it cannot, `reason` says why")


class Reordered(BaseModel):
    """The new call."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "P1/SEAT1/0004711/SEAT-FRONT/1", "repeated": False}]
        }
    )

    key: str
    repeated: bool


class ContentChange(Command):
    """What a call asks for from now on."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"part_no": "SF-LEATHER"}]}
    )

    part_no: Identifier | None = None
    quantity: PlcInt | None = None
    colour: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _something(self) -> ContentChange:
        if not self.content():
            raise ValueError("give at least one of part_no, quantity and colour")
        return self

    def content(self) -> dict[str, Any]:
        """What is given."""
        return self.model_dump(include={"part_no", "quantity", "colour"}, exclude_none=True)


@router.get(
    "",
    summary="Calls",
    responses=described(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)
def calls(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    line: Text = None,
    production_no: Text = None,
    part_group: Text = None,
    rack: Text = None,
    sequence_no: Annotated[
        int | None, Query(ge=1, lt=2**31, description="may be that of several: it wraps")
    ] = None,
    car: Annotated[list[str] | None, Query(description="statuses of the car")] = None,
    part: Annotated[list[str] | None, Query(description="statuses of the part")] = None,
    after: After = 0,
    limit: Limit = 100,
) -> CallsPage:
    """In the order they were made, as far as all filters fit."""
    _check(car, "car")
    _check(part, "part")
    with shared.reading(tenant) as connection:
        found = calls_of(
            connection,
            plant,
            after=after,
            limit=limit,
            line=line,
            car=production_no,
            part_group=part_group,
            rack=rack,
            sequence_no=sequence_no,
            car_status=car,
            part_status=part,
        )
    items = [CallState(**call.model_dump()) for call in found]
    return CallsPage(items=items, next=found[-1].id if len(found) == limit else None)


@router.get(
    _ONE,
    summary="A call and its history",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def call(
    plant: PlantId,
    line: LineId,
    production_no: CarNo,
    part_group: GroupId,
    reorder_index: Index,
    tenant: Tenant,
    shared: Shared,
) -> CallWithHistory:
    """Every event that any source told of it, with what it moved."""
    with shared.reading(tenant) as connection:
        found = calls_of(
            connection,
            plant,
            line=line,
            car=production_no,
            part_group=part_group,
            reorder_index=reorder_index,
        )
        if not found:
            key = f"{plant}/{line}/{production_no}/{part_group}/{reorder_index}"
            raise Problem(HTTPStatus.NOT_FOUND, f"no call {key}")
        history = histories_of(connection, [found[0].id])[found[0].id]
    return CallWithHistory(**found[0].model_dump(), history=history)


@router.post(
    f"{_ONE}/reorder",
    status_code=HTTPStatus.CREATED,
    summary="Call a part once more",
    responses=COMMANDED,
)
def reorder_call(
    plant: PlantId,
    line: LineId,
    production_no: CarNo,
    part_group: GroupId,
    reorder_index: Index,
    command: Reorder,
    carry: Carrying,
    shared: Shared,
) -> Reordered:
    """It was not in order at the line, or is lost: the new call goes before all others, with the
    emergency rack, and stands for the old one."""
    key = _key(plant, line, production_no, part_group, reorder_index)
    began_ns = shared.tracer.now()
    new, repeated = carry(
        command,
        lambda connection, tenant, by: reorder(
            connection, tenant, key, by, command.required_at, command.from_stock
        ),
    )
    if not repeated:
        shared.tracer.step(Step.RELEASE, new, began_ns, first=True)
    return Reordered(key=str(new), repeated=repeated)


@router.post(f"{_ONE}/change", summary="Change what a call asks for", responses=COMMANDED)
def change(
    plant: PlantId,
    line: LineId,
    production_no: CarNo,
    part_group: GroupId,
    reorder_index: Index,
    command: ContentChange,
    carry: Carrying,
) -> CommandView:
    """Told at once while nothing is built for it; then, and within the frozen horizon, the supplier
    is asked and decides. A line with the profile `delivery: replace` wants all three fields."""
    key = _key(plant, line, production_no, part_group, reorder_index)
    return CommandView.of(
        carry(
            command,
            lambda connection, tenant, by: change_call(
                connection, tenant, key, by, command.content()
            ),
        )
    )


@router.post(f"{_ONE}/answer", summary="Note an answer that came by phone", responses=COMMANDED)
def answer(
    plant: PlantId,
    line: LineId,
    production_no: CarNo,
    part_group: GroupId,
    reorder_index: Index,
    command: PhoneAnswer,
    carry: Carrying,
) -> CommandView:
    """What a supplier was asked of a call is made, or it is not. Of a line without a gateway, or
    one that works by hand; others answer themselves."""
    key = _key(plant, line, production_no, part_group, reorder_index)
    return CommandView.of(
        carry(
            command,
            lambda connection, tenant, by: answer_by_phone(
                connection, tenant, key, by, confirmed=command.confirmed
            ),
        )
    )


def _key(plant: str, line: str, car: str, part_group: str, reorder_index: int) -> CallKey:
    return CallKey(
        plant=plant,
        line=line,
        production_no=car,
        part_group=part_group,
        reorder_index=reorder_index,
    )


def _check(names: list[str] | None, axis: str) -> None:
    known = status_net().names("car" if axis == "car" else "part")
    for name in names or ():
        if name not in known:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"query.{axis}: no status {name!r}{did_you_mean(name, known)}",
            )
