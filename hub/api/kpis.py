"""Key figures over HTTP, each with the things behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from psycopg.rows import class_row
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub import kpi
from hub.api.context import Shared, Tenant
from hub.api.plants import Limit, PlantId
from hub.api.problems import Problem, described
from hub.orders.problems import did_you_mean
from protocols.jis.messages import Identifier

router = APIRouter(prefix="/v1/plants/{plant}", tags=["key figures"])

NEWEST = 2**53
_STOPS = """
SELECT id, message_id AS stop, cause, partner AS supplier, line, began_at, ended_at,
    extract(epoch FROM coalesce(ended_at, now()) - began_at)::float8 / 60 AS minutes
FROM line_stop WHERE plant = %s AND began_at < %s AND coalesce(ended_at, 'infinity') > %s
    AND id < %s
ORDER BY id DESC LIMIT %s
"""
SPAN = timedelta(hours=24)
Name = Annotated[str, Path(max_length=64, examples=["delivery_precision"])]
FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


class GroupView(BaseModel):
    """What a group comes to. Null where there is nothing to go by."""

    model_config = ConfigDict(from_attributes=True)

    supplier: str | None
    line: str | None
    shift: str | None
    shift_start: datetime | None
    cause: str | None = Field(description="of line stops")
    counted: int
    excluded: int = Field(description="pre-series, or in an emergency mode")
    good: int | None
    share: float | None = Field(description="good, of those counted")
    p50: float | None
    p99: float | None
    max: float | None
    total: float | None


class FigureView(BaseModel):
    """A key figure."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "delivery_precision",
                    "title": "Racks within their slot",
                    "title_zh": "料架准时率",
                    "unit": "s",
                    "what": "racks",
                    "groups": [
                        {
                            "supplier": None, "line": "SEAT1", "shift": None, "shift_start": None,
                            "cause": None, "counted": 40, "excluded": 2, "good": 38, "share": 0.95,
                            "p50": -120, "p99": 940, "max": 1100, "total": -4800,
                        }
                    ],
                }
            ]
        }
    )  # fmt: skip

    name: str
    title: str
    title_zh: str
    unit: str
    what: str = Field(description="what is counted: calls, racks, stops or exceptions")
    groups: list[GroupView]


class RowView(BaseModel):
    """One thing behind a figure."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    thing: str = Field(
        description="key of the call, name of the rack, cause of the stop, subject of the exception"
    )
    line: str | None
    supplier: str | None
    at: datetime
    value: float | None
    good: bool | None
    excluded: bool


class RowPage(BaseModel):
    """The things behind a figure. `next` goes into `after` for the following page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": 812, "thing": "P1/SEAT1/0004711/SEAT-FRONT/0", "line": "SEAT1",
                            "supplier": "seatworks", "at": "2026-03-02T06:15:00Z", "value": 0.41,
                            "good": None, "excluded": False,
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )  # fmt: skip

    items: list[RowView]
    next: int | None


class AdherenceView(BaseModel):
    """How well cars kept to the sequence: every definition of the trade, since they disagree."""

    model_config = ConfigDict(from_attributes=True)

    cars: int
    missing: int
    extra: int
    exact: float = Field(description="in the planned place")
    within: float = Field(description="at most `tolerance` places off")
    tolerance: int
    in_order: float = Field(description="longest increasing subsequence, as a share")
    not_overtaken: float = Field(description="one less the back-runners")
    successors: float = Field(description="neighbours by plan that still are")
    inversions: int
    scrambling_max: int
    scrambling_sigma: float


class AdherenceGroupView(BaseModel):
    """Adherence of a group of cars."""

    model_config = ConfigDict(from_attributes=True)

    supplier: str | None
    line: str | None
    shift: str | None
    shift_start: datetime | None
    excluded: int
    adherence: AdherenceView


class AdherencePage(BaseModel):
    """Adherence to the sequence that was in force when the time began."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sequence": 4,
                    "groups": [
                        {
                            "supplier": None, "line": "SEAT1", "shift": None, "shift_start": None,
                            "excluded": 0,
                            "adherence": {
                                "cars": 10, "missing": 0, "extra": 0, "exact": 0.5, "within": 0.9,
                                "tolerance": 1, "in_order": 0.9, "not_overtaken": 0.9,
                                "successors": 0.667, "inversions": 4, "scrambling_max": 4,
                                "scrambling_sigma": 1.41,
                            },
                        }
                    ],
                }
            ]
        }
    )  # fmt: skip

    sequence: int | None
    groups: list[AdherenceGroupView]


class AdherenceCar(BaseModel):
    """A car behind the adherence, as it passed."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="1, 2, 3 … as they passed, those left out too")
    production_no: str
    passed_at: datetime
    planned: int | None = Field(description="its place by plan; null: it is left out")
    actual: int | None = Field(description="its place as they passed")
    places_off: int | None = Field(description="below 0: earlier than planned")
    overtaken: bool | None = Field(description="a later planned car has passed it")
    excluded: bool
    calls: list[str] = Field(description="keys of its calls")


class AdherenceCars(BaseModel):
    """The cars behind the adherence. `next` goes into `after` for the following page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "number": 7, "production_no": "0004703",
                            "passed_at": "2026-03-02T06:07:00Z", "planned": 3, "actual": 7,
                            "places_off": 4, "overtaken": True, "excluded": False,
                            "calls": ["P1/SEAT1/0004703/SEAT-FRONT/0"],
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )  # fmt: skip

    items: list[AdherenceCar]
    next: int | None


class StopView(BaseModel):
    """A time in which the plant's line stood."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 3, "stop": "MES-88123", "cause": "missing part",
                    "supplier": "seatworks", "line": "SEAT1",
                    "began_at": "2026-03-02T08:00:00Z", "ended_at": None, "minutes": 4.5,
                }
            ]
        }
    )  # fmt: skip

    id: int
    stop: str = Field(description="the message that began it, by which it is ended")
    cause: str
    supplier: str | None = Field(description="that caused it, if one did")
    line: str | None
    began_at: datetime
    ended_at: datetime | None
    minutes: float


class StopPage(BaseModel):
    """A page of them. `next` goes into `before` for the following page."""

    items: list[StopView]
    next: int | None = Field(examples=[None])


def scope(
    plant: PlantId,
    from_time: Annotated[
        AwareDatetime | None, Query(alias="from", description="default: 24 h before `to`")
    ] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to", description="default: now")] = None,
    line: Annotated[Identifier | None, Query()] = None,
    supplier: Annotated[str | None, Query(max_length=63)] = None,
    by: Annotated[list[kpi.By] | None, Query(description="told apart by; default: line")] = None,
    window_s: Annotated[
        float, Query(ge=0, le=86_400, description="how far from its slot a rack may arrive")
    ] = 900,
) -> kpi.Scope:
    """What a figure is asked of. Raises `Problem` 422."""
    end = to_time or datetime.now(UTC)
    start = from_time or end - SPAN
    if start >= end:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "query.from: must lie before query.to")
    by_what: frozenset[kpi.By] = frozenset(by if by is not None else ("line",))
    return kpi.Scope(plant, start, end, line, supplier, window_s, by_what)


Asked = Annotated[kpi.Scope, Depends(scope)]


@router.get("/kpis", summary="All key figures", responses=FOUND)
def figures(tenant: Tenant, shared: Shared, asked: Asked) -> list[FigureView]:
    """Each figure of the scope, in groups."""
    with shared.reading(tenant) as connection:
        return [_figure(name, kpi.compute(connection, name, asked)) for name in kpi.FIGURES]


@router.get("/kpis/adherence", summary="Sequence adherence", responses=FOUND)
def adherence(
    tenant: Tenant,
    shared: Shared,
    asked: Asked,
    control_point: Annotated[
        Identifier | None, Query(description="default: where each line's parts are called")
    ] = None,
    tolerance: Annotated[int, Query(ge=0, le=1000)] = 1,
) -> AdherencePage:
    """How the cars passed, against the sequence in force when the time began."""
    with shared.reading(tenant) as connection:
        sequence, groups = kpi.adherence(connection, asked, control_point, tolerance)
    return AdherencePage(
        sequence=sequence, groups=[AdherenceGroupView.model_validate(group) for group in groups]
    )


@router.get("/kpis/adherence/rows", summary="The cars behind the adherence", responses=FOUND)
def adherence_rows(
    tenant: Tenant,
    shared: Shared,
    asked: Asked,
    control_point: Annotated[
        Identifier | None, Query(description="default: where each line's parts are called")
    ] = None,
    after: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")] = 0,
    limit: Limit = 100,
) -> AdherenceCars:
    """Each car with its place by plan and as it passed, and its calls."""
    with shared.reading(tenant) as connection:
        found = kpi.cars_behind(connection, asked, control_point)[after : after + limit]
    return AdherenceCars(
        items=[AdherenceCar.model_validate(car) for car in found],
        next=found[-1].number if len(found) == limit else None,
    )


@router.get("/kpis/{figure}", summary="A key figure", responses=FOUND)
def figure(figure: Name, tenant: Tenant, shared: Shared, asked: Asked) -> FigureView:
    """One figure of the scope, in groups."""
    _require(figure)
    with shared.reading(tenant) as connection:
        return _figure(figure, kpi.compute(connection, figure, asked))


@router.get("/kpis/{figure}/rows", summary="What is behind a key figure", responses=FOUND)
def rows(
    figure: Name,
    tenant: Tenant,
    shared: Shared,
    asked: Asked,
    after: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")] = 0,
    limit: Limit = 100,
) -> RowPage:
    """The calls, racks or stops that a figure is made of, and which of them count."""
    _require(figure)
    with shared.reading(tenant) as connection:
        found = kpi.rows_behind(connection, figure, asked, after, limit)
    return RowPage(
        items=[RowView.model_validate(row) for row in found],
        next=found[-1].id if len(found) == limit else None,
    )


@router.get("/stops", summary="Line stops", responses=FOUND)
def stops(
    tenant: Tenant,
    shared: Shared,
    asked: Asked,
    before: Annotated[
        int, Query(ge=1, le=NEWEST, description="`next` of the page before")
    ] = NEWEST,
    limit: Limit = 100,
) -> StopPage:
    """Times in which the line stood, those told of last first."""
    values = (asked.plant, asked.end, asked.start, before, limit)
    with (
        shared.reading(tenant) as connection,
        connection.cursor(row_factory=class_row(StopView)) as cursor,
    ):
        items = cursor.execute(_STOPS, values).fetchall()
    return StopPage(items=items, next=items[-1].id if len(items) == limit else None)


def _require(name: str) -> None:
    if name not in kpi.FIGURES:
        hint = did_you_mean(name, [*kpi.FIGURES, "adherence"])
        raise Problem(HTTPStatus.NOT_FOUND, f"no key figure {name}{hint}")


def _figure(name: str, groups: list[kpi.FigureGroup]) -> FigureView:
    known = kpi.FIGURES[name]
    return FigureView(
        name=name,
        title=known.title,
        title_zh=known.title_zh,
        unit=known.unit,
        what=known.what,
        groups=[GroupView.model_validate(group) for group in groups],
    )
