"""Parts over HTTP: all that was measured of one, wherever it was."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Shared, Tenant
from hub.api.pictures import PICTURE_EXAMPLE, PictureView, of_parts
from hub.api.plants import After, Limit
from hub.api.problems import Problem, described
from protocols.inspection import Code, Verdict

router = APIRouter(prefix="/v1/parts", tags=["parts"])

_CALLS = """
SELECT concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
    c.plant, c.line, c.production_no, c.part_group, c.part_no, c.vin,
    coalesce(c.serial = %(serial)s, false) AS its_part, c.status AS part
FROM jis_call c WHERE c.id IN (SELECT call FROM call_event WHERE serial = %(serial)s)
ORDER BY c.id LIMIT 100
"""
_RESULTS = """
SELECT r.id, g.group_id || '/' || g.node_id AS gateway, d.name AS device, r.key, r.characteristic,
    r.value, r.lower, r.upper, r.nominal, r.unit, r.verdict, r.tool, r.programme, r.operator,
    r.measured_at, r.received_at, encode(r.raw_sha256, 'hex') AS raw_sha256,
    r.code, r.reason
FROM inspection_result r
JOIN tag t ON t.id = r.tag JOIN device d ON d.id = t.device JOIN gateway g ON g.id = d.gateway
WHERE r.serial = %(serial)s AND (%(after)s = 0 OR (r.measured_at, r.id) >
    (SELECT p.measured_at, p.id FROM inspection_result p WHERE p.id = %(after)s))
ORDER BY r.measured_at, r.id LIMIT %(limit)s
"""

_CALL_EXAMPLE: dict[str, Any] = {
    "key": "P1/SEAT1/0004711/SEAT-FRONT/0",
    "plant": "P1",
    "line": "SEAT1",
    "production_no": "0004711",
    "part_group": "SEAT-FRONT",
    "part_no": "SF-SPORT",
    "vin": None,
    "its_part": True,
    "part": "packed",
}
_RESULT_EXAMPLE: dict[str, Any] = {
    "gateway": "seatworks/gw-seat",
    "device": "tightening-3",
    "key": "0000004711@2026-03-02T07:01:40",
    "characteristic": "Torque",
    "value": 25.14,
    "lower": 23.0,
    "upper": 27.0,
    "nominal": 25.0,
    "unit": "Nm",
    "verdict": "ok",
    "tool": "PF6000-3/1",
    "programme": "12",
    "operator": None,
    "measured_at": "2026-03-02T07:01:40Z",
    "received_at": "2026-03-02T07:01:40.4Z",
    "raw_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "code": {
        "text": "#06123SF-SPORTS-88123",
        "form": "car maker",
        "parts": {"supplier": "06123", "part_number": "SF-SPORT", "serial": "S-88123"},
    },
    "reason": None,
}


class PartCall(BaseModel):
    """A call whose events name the serial."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CALL_EXAMPLE]})

    key: str = Field(description="plant/line/production_no/part_group/reorder_index")
    plant: str
    line: str
    production_no: str = Field(description="the car")
    part_group: str
    part_no: str
    vin: str | None
    its_part: bool = Field(
        description="false: it was scanned for the call, or built for it before another one"
    )
    part: str = Field(description="status of the call's part")


class ResultView(BaseModel):
    """One characteristic of the part, as one station found it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULT_EXAMPLE]})

    gateway: str
    device: str = Field(description="where")
    key: str = Field(description="of the operation at its device; its characteristics share it")
    characteristic: str
    value: float | None = Field(description="null: attributive, or not measured")
    lower: float | None = Field(description="limit")
    upper: float | None = Field(description="limit")
    nominal: float | None
    unit: str
    verdict: Verdict
    tool: str | None = Field(description="tool, gauge or channel that measured")
    programme: str | None = Field(description="parameter set, programme or plan")
    operator: str | None
    measured_at: datetime = Field(description="by the station's clock")
    received_at: datetime
    raw_sha256: str = Field(description="of the device's own message")
    code: Code | None = Field(
        description="that the serial was read from, where the gateway knows the forms of codes"
    )
    reason: str | None = Field(description="that a person gave, such as why it is out of limits")


class FoundResult(ResultView):
    """A result with the id that pages go by."""

    id: int = Field(exclude=True)


class PartResults(BaseModel):
    """What is known of a part."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "serial": "S-88123",
                    "calls": [_CALL_EXAMPLE],
                    "results": [_RESULT_EXAMPLE],
                    "pictures": [PICTURE_EXAMPLE],
                    "next": None,
                }
            ]
        }
    )

    serial: str
    calls: list[PartCall] = Field(description="at most 100")
    results: list[ResultView] = Field(description="by the time they were measured at")
    pictures: list[PictureView] = Field(description="of events of it, at most 100")
    next: int | None = Field(description="give it back as `after`; null: this was the last page")


@router.get(
    "/{serial:path}/results",
    summary="Everything measured of a part",
    responses=described(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)
def results(
    serial: Annotated[str, Path(min_length=1, max_length=128, examples=["S-88123"])],
    tenant: Tenant,
    shared: Shared,
    after: After = 0,
    limit: Limit = 100,
) -> PartResults:
    """What, where, when and with what; and the calls, so the cars, that the part was for. A part of
    which nothing is known is not found."""
    if "\0" in serial:
        raise Problem(HTTPStatus.NOT_FOUND, "no serial has a NUL character")
    asked = {"serial": serial, "after": after, "limit": limit}
    with shared.reading(tenant) as connection:
        with connection.cursor(row_factory=class_row(PartCall)) as cursor:
            calls = cursor.execute(_CALLS, asked).fetchall()
        with connection.cursor(row_factory=class_row(FoundResult)) as cursor:
            found = cursor.execute(_RESULTS, asked).fetchall()
        pictures = of_parts(connection, serial)
    if not (calls or found or pictures or after):
        raise Problem(HTTPStatus.NOT_FOUND, f"nothing is known of a part {serial}")
    return PartResults(
        serial=serial,
        calls=calls,
        results=[ResultView(**result.model_dump()) for result in found],
        pictures=pictures,
        next=found[-1].id if len(found) == limit else None,
    )
