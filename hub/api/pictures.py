"""Pictures of gateways over HTTP: which there are, and fetched on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Admitted, Context, Shared, Tenant
from hub.api.problems import Problem, described
from hub.pictures.demand import TooMuchError, ask
from protocols.inspection import MediaType, PictureEvent, PictureState

router = APIRouter(prefix="/v1/pictures", tags=["pictures"])

FetchState = Literal["asked", "arriving", "there", "gone", "failed"]
_NEWEST = 2**63 - 1
_FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_SUFFIX: dict[str | None, str] = {"image/jpeg": "jpg", "video/x-msvideo": "avi"}

_SELECT = """
SELECT p.id, g.group_id || '/' || g.node_id AS gateway, d.name AS device, p.event, p.found_by,
    p.found_key, p.what, p.serial, p.happened_at, p.state, p.reason, p.media_type, p.size,
    encode(p.sha256, 'hex') AS sha256, p.frames, p.taken_from, p.taken_to, p.fetch_state,
    p.fetch_reason,
    p.here
FROM inspection_picture p
JOIN tag t ON t.id = p.tag JOIN device d ON d.id = t.device JOIN gateway g ON g.id = d.gateway
"""
_OF_PARTS = f"{_SELECT} WHERE p.serial = ANY (%s) ORDER BY p.happened_at, p.id LIMIT 100"
_ONE = f"{_SELECT} WHERE p.id = %s"
_PAGE = f"{_SELECT} WHERE p.id < %s ORDER BY p.id DESC LIMIT %s"
_PLACES = "SELECT at FROM picture_part WHERE picture = %s ORDER BY at"
_PART = "SELECT data FROM picture_part WHERE picture = %s AND at = %s"

PICTURE_EXAMPLE: dict[str, Any] = {
    "id": 17,
    "gateway": "seatworks/gw-seat",
    "device": "camera-1",
    "event": "nok",
    "found_by": "tightening-3",
    "found_key": "0000004711@2026-03-02T07:01:40",
    "what": "Torque",
    "serial": "S-88123",
    "happened_at": "2026-03-02T07:01:40Z",
    "state": "kept",
    "reason": "",
    "media_type": "video/x-msvideo",
    "size": 1840233,
    "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "frames": 40,
    "taken_from": "2026-03-02T07:01:35.2Z",
    "taken_to": "2026-03-02T07:01:43.1Z",
    "fetch_state": "arriving",
    "fetch_reason": "",
    "here": 786432,
}


class PictureView(BaseModel):
    """A picture or clip that a camera of a gateway took of an event. It stays there until it is
    asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [PICTURE_EXAMPLE]})

    id: int
    gateway: str
    device: str = Field(description="the camera")
    event: PictureEvent
    found_by: str = Field(description="device whose result it is, or plant/line")
    found_key: str = Field(description="key of that result")
    what: str = Field(description="characteristic, or what is wrong")
    serial: str | None
    happened_at: datetime = Field(description="by the station's clock")
    state: PictureState = Field(
        description="at the gateway: kept, dropped for newer ones, or missed: there is none"
    )
    reason: str = Field(description="why there is none, or none any more")
    media_type: MediaType | None
    size: int | None = Field(description="bytes")
    sha256: str | None
    frames: int | None
    taken_from: datetime | None = Field(description="first frame, by the gateway's clock")
    taken_to: datetime | None = Field(description="last frame")
    fetch_state: FetchState | None = Field(
        description="on its way to the hub: asked, arriving, there; gone: its gateway does not "
        "have it any more; failed; null: nobody has asked, or it was let go here"
    )
    fetch_reason: str = Field(description="why it is gone or failed")
    here: int = Field(description="bytes that have come to the hub")


class PicturePage(BaseModel):
    """Pictures, the newest first. `next` goes into `before` for the following page."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [PICTURE_EXAMPLE], "next": None}]}
    )

    items: list[PictureView]
    next: int | None


PictureId = Annotated[int, Path(ge=1, le=_NEWEST, examples=[17])]


def of_parts(connection: psycopg.Connection, *serials: str) -> Sequence[PictureView]:
    """Pictures of events of parts, by time; at most 100."""
    with connection.cursor(row_factory=class_row(PictureView)) as cursor:
        return cursor.execute(_OF_PARTS, (list(serials),)).fetchall()


@router.get("", summary="Pictures that gateways have taken", responses=_FOUND)
def pictures(
    tenant: Tenant,
    shared: Shared,
    before: Annotated[int, Query(ge=1, le=_NEWEST)] = _NEWEST,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> PicturePage:
    """Of all events, those without a serial too; and why there is none of some."""
    with (
        shared.reading(tenant) as connection,
        connection.cursor(row_factory=class_row(PictureView)) as cursor,
    ):
        found = cursor.execute(_PAGE, (before, limit)).fetchall()
    return PicturePage(items=found, next=found[-1].id if len(found) == limit else None)


@router.get("/{picture}", summary="A picture, and how far it has come", responses=_FOUND)
def one(picture: PictureId, tenant: Tenant, shared: Shared) -> PictureView:
    """Where it is; its bytes are `content`."""
    return _found(shared, tenant, picture)


@router.post(
    "/{picture}/fetch",
    status_code=HTTPStatus.ACCEPTED,
    summary="Fetch a picture from its gateway",
    responses=_FOUND | described(HTTPStatus.CONFLICT),
)
def fetch(picture: PictureId, caller: Admitted, tenant: Tenant, shared: Shared) -> PictureView:
    """It comes beside the gateway's other data, so it may take a while; `GET` says how far it is.
    One that is on its way or here stays so. 409: there is none."""
    known = _found(shared, tenant, picture)
    if known.state != "kept":
        raise Problem(
            HTTPStatus.CONFLICT, f"its gateway has no such picture: {known.reason or known.state}"
        )
    try:
        with shared.writing() as connection:
            ask(connection, picture, caller.actor)
    except TooMuchError as error:
        raise Problem(HTTPStatus.CONFLICT, f"{error}; wait until some are there") from None
    return _found(shared, tenant, picture)


@router.get(
    "/{picture}/content",
    summary="The picture or clip itself",
    response_class=StreamingResponse,
    responses=_FOUND
    | described(HTTPStatus.CONFLICT)
    | {
        200: {
            "description": "JPEG, or AVI with Motion JPEG; its SHA-256 is the ETag",
            "content": {"image/jpeg": _FILE, "video/x-msvideo": _FILE},
        }
    },
)
def content(picture: PictureId, tenant: Tenant, shared: Shared) -> StreamingResponse:
    """As the gateway has taken it. 409: it is not here; `fetch` it first."""
    known = _found(shared, tenant, picture)
    if known.fetch_state != "there":
        raise Problem(
            HTTPStatus.CONFLICT,
            f"it is not here ({known.fetch_state or 'nobody has fetched it'}): "
            f"POST /v1/pictures/{picture}/fetch",
        )
    with shared.reading(tenant) as connection:
        places = [at for (at,) in connection.execute(_PLACES, (picture,)).fetchall()]
    name = f"picture-{picture}.{_SUFFIX.get(known.media_type, 'bin')}"
    return StreamingResponse(
        _pieces(shared, tenant, picture, places),
        media_type=known.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(known.size),
            "ETag": f'"{known.sha256}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _pieces(shared: Context, tenant: str, picture: int, places: Sequence[int]) -> Iterator[bytes]:
    """No connection to the database is held while a slow reader reads."""
    for at in places:
        with shared.reading(tenant) as connection:
            row = connection.execute(_PART, (picture, at)).fetchone()
        if row is None:
            raise RuntimeError(f"picture {picture} was let go while it was read")
        yield bytes(row[0])


def _found(shared: Context, tenant: str, picture: int) -> PictureView:
    with (
        shared.reading(tenant) as connection,
        connection.cursor(row_factory=class_row(PictureView)) as cursor,
    ):
        found = cursor.execute(_ONE, (picture,)).fetchone()
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"you have no picture {picture}")
    return found
