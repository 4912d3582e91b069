"""Racks over HTTP: their round, their content, and the way back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from hub.api import dock_views
from hub.api.context import Shared, Tenant
from hub.api.dock_models import At, LoopView, RackPage, RackPicture
from hub.api.plants import Limit, PlantId
from hub.api.problems import Problem, described
from hub.calls import dock
from hub.calls.refused import RefusedError, UnknownError
from protocols.jis.messages import Identifier

router = APIRouter(prefix="/v1/plants/{plant}/lines/{line}", tags=["racks"])

LineId = Annotated[Identifier, Path(examples=["SEAT1"])]
RackId = Annotated[Identifier, Path(examples=["SEAT1-00001"])]
Status = Literal["open", "closed", "shipped", "arrived", "unloaded", "returned"]
FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)


@router.get("/racks", summary="Racks of a line", responses=FOUND)
def racks(
    plant: PlantId,
    line: LineId,
    tenant: Tenant,
    shared: Shared,
    after: Annotated[str, Query(max_length=64, description="`next` of the page before")] = "",
    limit: Limit = 100,
    status: Annotated[list[Status] | None, Query(description="only these")] = None,
) -> RackPage:
    """Racks by name: how full each is, and by when it must leave."""
    with shared.reading(tenant) as connection:
        found = dock_views.racks(connection, plant, line, after, limit, status or ())
        if not found.items and not after:
            _require_line(dock_views.loop(connection, plant, line), plant, line)
        return found


@router.get("/racks/{rack}", summary="A rack, slot by slot", responses=FOUND)
def rack(plant: PlantId, line: LineId, rack: RackId, tenant: Tenant, shared: Shared) -> RackPicture:
    """What belongs into each slot, what stands there, and what is wrong."""
    with shared.reading(tenant) as connection:
        found = dock_views.rack(connection, plant, line, rack)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no rack {rack} of line {line} in plant {plant}")
    return found


@router.post(
    "/racks/{rack}/return",
    summary="The empty rack goes back",
    responses=FOUND | described(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def send_back(
    plant: PlantId, line: LineId, rack: RackId, body: At, tenant: Tenant, shared: Shared
) -> RackPicture:
    """Notes that the unloaded rack is on its way to the supplier. Safe to repeat."""
    try:
        with shared.writing() as connection:
            dock.send_rack_back(connection, tenant, plant, line, rack, body.at)
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    except RefusedError as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    with shared.reading(tenant) as connection:
        found = dock_views.rack(connection, plant, line, rack)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no rack {rack}")
    return found


@router.get("/loop", summary="Racks and trucks in the loop", responses=FOUND)
def loop(plant: PlantId, line: LineId, tenant: Tenant, shared: Shared) -> LoopView:
    """How many racks and trucks the line's round needs, and when its next truck must leave."""
    with shared.reading(tenant) as connection:
        return _require_line(dock_views.loop(connection, plant, line), plant, line)


def _require_line(found: LoopView | None, plant: str, line: str) -> LoopView:
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no line {line} in plant {plant}")
    return found
