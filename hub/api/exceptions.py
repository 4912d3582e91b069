"""Exceptions over HTTP: what wants attention, and what is decided."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from hub.api import dock_views
from hub.api.context import Admitted, Shared, Tenant
from hub.api.dock_models import DecisionBody, ExceptionPage, ExceptionView
from hub.api.plants import Limit, PlantId
from hub.api.problems import Problem, described
from hub.calls.decisions import decide
from hub.calls.refused import RefusedError, UnknownError

router = APIRouter(prefix="/v1", tags=["exceptions"])

Number = Annotated[int, Path(ge=1, le=2**53)]
FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)


@router.get(
    "/plants/{plant}/exceptions",
    summary="What wants attention",
    responses=described(HTTPStatus.UNAUTHORIZED),
)
def exceptions(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    state: Annotated[Literal["open", "closed", "all"], Query()] = "all",
    subject: Annotated[
        str | None, Query(max_length=300, description="about this, or a part of it")
    ] = None,
    after: Annotated[
        str | None, Query(pattern=r"^[01]\.\d{1,18}$", description="`next` of the page before")
    ] = None,
    limit: Limit = 100,
) -> ExceptionPage:
    """Open ones first, then the newest."""
    with shared.reading(tenant) as connection:
        return dock_views.exceptions(connection, plant, state, after, limit, subject)


@router.get("/exceptions/{number}", summary="An exception", responses=FOUND)
def exception(number: Number, tenant: Tenant, shared: Shared) -> ExceptionView:
    """What it is, who is told, what can be done, and what was decided."""
    with shared.reading(tenant) as connection:
        found = dock_views.exception(connection, number)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no exception {number}")
    return found


@router.post(
    "/exceptions/{number}/decision",
    summary="Decide",
    responses=FOUND | described(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def decision(
    number: Number,
    body: DecisionBody,
    tenant: Tenant,
    asked: Admitted,
    shared: Shared,
) -> ExceptionView:
    """Records the decision and does what it says. Kinds that close by themselves stay open until
    their cause is gone; the others close."""
    try:
        with shared.writing() as connection:
            by = body.by or asked.actor
            decide(connection, tenant, number, body.decision, datetime.now(UTC), by, body.note)
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    except RefusedError as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    return exception(number, tenant, shared)
