"""EDIFACT over HTTP: the files that come from partners and go to them, the record of messages, and
what partners expect to need against what they have called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Shared, Tenant
from hub.api.plants import After, Limit, PlantId
from hub.api.problems import FieldProblem, Problem, described
from hub.edi.forecasts import forecasts_of
from hub.edi.inbound import import_file, utc_now
from hub.edi.log import messages_of
from hub.orders.problems import MAX_SHOWN
from protocols.edifact.problems import EdifactError
from protocols.edifact.problems import Problem as EdifactProblem
from protocols.edifact.syntax import Limits

router = APIRouter(prefix="/v1", tags=["edi"])

FILES = f"{router.prefix}/edi/files"
MAX_BODY_BYTES = Limits().size
NEWEST = 2**63 - 1
_FILES = """
SELECT id, partner, name, octet_length(body) AS bytes, made_at, written_at FROM edi_file
WHERE id > %s ORDER BY id LIMIT %s
"""
_FILE = "SELECT name, body FROM edi_file WHERE id = %s"
_FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(from_attributes=True, json_schema_extra={"examples": [fields]})


class EdiFile(BaseModel):
    """A file that goes to a partner."""

    model_config = _example(
        id=12, partner="trimworks", name="trimworks-00000004.edi", bytes=1804,
        made_at="2026-03-02T06:20:00Z", written_at=None,
    )  # fmt: skip

    id: int
    partner: str
    name: str
    bytes: int
    made_at: datetime
    written_at: datetime | None = Field(
        description="into the folder that is watched; null: not yet"
    )


class EdiFilePage(BaseModel):
    """A page of them, the oldest first."""

    items: list[EdiFile]
    next: int | None = Field(description="give as `after` for the next page; null: it was the last")


class EdiTaken(BaseModel):
    """A file of a partner that was taken."""

    model_config = _example(
        partner="trimworks", interchange="100", status="taken", messages=[["DESADV", "1"]]
    )

    partner: str
    interchange: str
    status: Literal["taken", "duplicate"] = Field(
        description="duplicate: the same file was taken before, and nothing was changed now"
    )
    messages: list[tuple[str, str]] = Field(description="kind and reference of each")


class EdiMessage(BaseModel):
    """A message that came or went."""

    model_config = _example(
        id=40, partner="trimworks", direction="in", kind="DESADV", interchange="100", reference="1",
        document_no="LS-1", status="taken", errors=[], at="2026-03-02T06:21:00Z",
    )  # fmt: skip

    id: int
    partner: str
    direction: Literal["in", "out"]
    kind: str = Field(description="empty of a file that could not be read")
    interchange: str
    reference: str
    document_no: str
    status: Literal["taken", "refused", "duplicate", "sent"]
    errors: list[str] = Field(description="each with its segment and reason")
    at: datetime


class EdiMessagePage(BaseModel):
    """A page of them, the newest first."""

    items: list[EdiMessage]
    next: int | None = Field(
        description="give as `before` for the next page; null: it was the last"
    )


class ForecastPeriod(BaseModel):
    """Days of a forecast, the first to the last."""

    model_config = ConfigDict(from_attributes=True)

    first_day: date
    last_day: date
    expected: float
    cumulative: float | None
    firmness: list[str] = Field(description="firm, production, material, forecast")
    called: int = Field(description="of calls required on these days, without cancelled ones")
    open: float = Field(description="expected and not called; below 0: called beyond it")


class ForecastOfPart(BaseModel):
    """What a customer expects to need of a part, against what it has called."""

    model_config = _example(
        part_no="S-1", partner="carmaker", document_no="F80", issued_at="2026-03-03T06:03:00Z",
        periods=[
            {
                "first_day": "2026-03-09", "last_day": "2026-03-15", "expected": 80.0,
                "cumulative": 1280.0, "firmness": ["production"], "called": 12, "open": 68.0,
            }
        ],
    )  # fmt: skip

    part_no: str
    partner: str
    document_no: str
    issued_at: datetime
    periods: list[ForecastPeriod]


class ForecastPage(BaseModel):
    """A page of them, by part number."""

    items: list[ForecastOfPart]
    next: str | None = Field(
        description="give as `after` for the next page; null: it was the last", examples=[None]
    )


class Edifact(Response):
    """An EDIFACT interchange."""

    media_type = "application/EDIFACT"


@router.get("/edi/files", summary="Files to partners", responses=described(HTTPStatus.UNAUTHORIZED))
def files(tenant: Tenant, shared: Shared, after: After = 0, limit: Limit = 100) -> EdiFilePage:
    """What `lineside-hub edi export` or `watch` has made: calls, forecasts, answers."""
    with (
        shared.reading(tenant) as connection,
        connection.cursor(row_factory=class_row(EdiFile)) as cursor,
    ):
        items = cursor.execute(_FILES, (after, limit)).fetchall()
    return EdiFilePage(items=items, next=items[-1].id if len(items) == limit else None)


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/edi/files",
    summary="A file of a partner",
    responses=described(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                Edifact.media_type: {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "UNA:+.? 'UNB+UNOC:3+TRIM9:ZZ+CAR01:ZZ+…'UNZ+1+100'",
                }
            },
        }
    },
)
def take_file(data: Annotated[bytes, Depends(_body)], tenant: Tenant, shared: Shared) -> EdiTaken:
    """Takes an interchange whole or not at all, and once however often it comes. What is refused
    is answered 422, with segment and reason of each problem. The partner's own answer (CONTRL) is
    among the files that go to it."""
    try:
        with shared.writing() as connection:
            taken = import_file(connection, data, utc_now(), bearer=tenant)
    except EdifactError as error:
        raise _refused(error.problems) from None
    if taken.problems:
        raise _refused(taken.problems)
    return EdiTaken.model_validate(taken)


def _refused(found: Sequence[EdifactProblem]) -> Problem:
    each = [FieldProblem(where="body", what=str(problem)) for problem in found[:MAX_SHOWN]]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(found[0]), errors=each)


@router.get(
    "/edi/files/{number}",
    summary="A file to a partner",
    response_class=Edifact,
    responses=_FOUND
    | {
        200: {
            "description": "The interchange, byte by byte",
            "content": {
                "application/EDIFACT": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "UNA:+.? 'UNB+UNOC:3+CAR01:ZZ+TRIM9:ZZ+…'UNZ+1+00000004'",
                }
            },
        }
    },
)
def file(number: Annotated[int, Path(ge=1, le=2**53)], tenant: Tenant, shared: Shared) -> Edifact:
    """To be fetched by a partner, or by who carries files to it. As often as wanted."""
    with shared.reading(tenant) as connection:
        row = connection.execute(_FILE, (number,)).fetchone()
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no file {number}")
    name = str(row[0])
    return Edifact(bytes(row[1]), headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get(
    "/edi/messages", summary="The record of messages", responses=described(HTTPStatus.UNAUTHORIZED)
)
def messages(
    tenant: Tenant,
    shared: Shared,
    before: Annotated[
        int, Query(ge=1, le=NEWEST, description="`next` of the page before")
    ] = NEWEST,
    limit: Limit = 100,
) -> EdiMessagePage:
    """What came and went by file, and what was refused of it and why; the newest first."""
    with shared.reading(tenant) as connection:
        found = messages_of(connection, tenant, before, limit)
    items = [EdiMessage.model_validate(each) for each in found]
    return EdiMessagePage(items=items, next=items[-1].id if len(items) == limit else None)


@router.get(
    "/plants/{plant}/part-forecasts",
    summary="Forecasts of customers against their calls",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def part_forecasts(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    part_no: Annotated[str | None, Query(max_length=64, description="this part alone")] = None,
    after: Annotated[
        str | None, Query(max_length=200, description="`next` of the page before")
    ] = None,
    limit: Limit = 100,
) -> ForecastPage:
    """The newest forecast of each part, period by period, with what was called for those days."""
    part, _, partner = (after or "").partition("\t")
    with shared.reading(tenant) as connection:
        found = forecasts_of(connection, plant, part_no=part_no, after=(part, partner), limit=limit)
    items = [ForecastOfPart.model_validate(each, from_attributes=True) for each in found]
    last = f"{found[-1].part_no}\t{found[-1].partner}" if len(found) == limit else None
    return ForecastPage(items=items, next=last)
