"""Labels of racks over HTTP, as PDF and as ZPL for label printers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from hub.api.context import Context, Shared, Tenant
from hub.api.plants import PlantId
from hub.api.problems import Problem, described
from hub.calls.refused import RefusedError, UnknownError
from hub.labels.racks import rack_labels
from protocols.jis.messages import Identifier
from protocols.labels.pdf import rack_labels_pdf
from protocols.labels.rack import RackLabel
from protocols.labels.zpl import rack_labels_zpl

router = APIRouter(prefix="/v1/plants/{plant}/lines/{line}/racks/{rack}", tags=["labels"])

LineId = Annotated[Identifier, Path(examples=["SEAT1"])]
RackId = Annotated[Identifier, Path(examples=["SEAT1-00001"])]
_REFUSED = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class Pdf(Response):
    """A PDF document."""

    media_type = "application/pdf"


class Zpl(Response):
    """Commands for a label printer."""

    media_type = "text/plain; charset=us-ascii"


@router.get(
    "/label.pdf",
    summary="A rack's label as PDF",
    response_class=Pdf,
    responses=_REFUSED
    | {
        200: {
            "description": "A5 landscape; a page for each 48 slots",
            "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def label_pdf(plant: PlantId, line: LineId, rack: RackId, tenant: Tenant, shared: Shared) -> Pdf:
    """Unloading point, slots with their parts, and two codes that say the licence plate."""
    return Pdf(rack_labels_pdf(_labels(shared, tenant, plant, line, rack)))


@router.get(
    "/label.zpl",
    summary="A rack's label as ZPL",
    response_class=Zpl,
    responses=_REFUSED
    | {
        200: {
            "description": "A format for each 48 slots",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "^XA^CI28^PW1680…^XZ"}
            },
        }
    },
)
def label_zpl(
    plant: PlantId,
    line: LineId,
    rack: RackId,
    tenant: Tenant,
    shared: Shared,
    dots: Annotated[Literal["8", "12"], Query(description="the printer's dots per mm")] = "8",
) -> Zpl:
    """The same label for a label printer."""
    return Zpl(rack_labels_zpl(_labels(shared, tenant, plant, line, rack), int(dots)))


def _labels(shared: Context, tenant: str, plant: str, line: str, rack: str) -> list[RackLabel]:
    try:
        with shared.reading(tenant) as connection:
            return rack_labels(connection, plant, line, rack)
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    except RefusedError as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
