"""Emergency modes of supplier lines over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from hub.api import dock_views
from hub.api.context import Admitted, Shared, Tenant
from hub.api.dock_models import ModeBody, ModePage, ModeView
from hub.api.plants import Limit, PlantId
from hub.api.problems import Problem, described
from hub.api.racks import FOUND, LineId
from hub.calls.modes import set_mode
from hub.calls.refused import RefusedError, UnknownError

router = APIRouter(prefix="/v1/plants/{plant}", tags=["modes"])

NEWEST = 2**63 - 1


@router.get("/modes", summary="How each line works", responses=described(HTTPStatus.UNAUTHORIZED))
def modes(plant: PlantId, tenant: Tenant, shared: Shared) -> list[ModeView]:
    """The mode in force of each supplier line."""
    with shared.reading(tenant) as connection:
        return dock_views.modes(connection, plant)


@router.get("/lines/{line}/modes", summary="Modes a line was in", responses=FOUND)
def history(
    plant: PlantId,
    line: LineId,
    tenant: Tenant,
    shared: Shared,
    before: Annotated[
        int, Query(ge=1, le=NEWEST, description="`next` of the page before")
    ] = NEWEST,
    limit: Limit = 100,
) -> ModePage:
    """Who set which mode, when and why; the newest first. Empty: it always was normal."""
    with shared.reading(tenant) as connection:
        found = dock_views.modes_of_line(connection, plant, line, before, limit)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no line {line} in plant {plant}")
    return found


@router.post(
    "/lines/{line}/modes",
    summary="Set a line's mode",
    responses=FOUND | described(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def put(
    plant: PlantId,
    line: LineId,
    body: ModeBody,
    tenant: Tenant,
    asked: Admitted,
    shared: Shared,
) -> ModeView:
    """Goes over to a mode and tells the line's gateway. Safe to repeat. Calls made or required
    while it is not `normal` count in no key figure."""
    try:
        with shared.writing() as connection:
            set_mode(
                connection,
                tenant,
                plant,
                line,
                body.mode,
                datetime.now(UTC),
                body.by or asked.actor,
                body.reason,
                anyway=body.anyway,
            )
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    except RefusedError as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    with shared.reading(tenant) as connection:
        return dock_views.modes(connection, plant, line)[0]
