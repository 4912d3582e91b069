"""Trucks over HTTP: under way, at the dock, unloaded, scanned; and parts at the line."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from hub.api import dock_views
from hub.api.context import Admitted, Shared, Tenant
from hub.api.dock_models import (
    Arrival,
    Arrived,
    At,
    DeliveryReport,
    PartState,
    ReceiptView,
    Scans,
    ShipmentContent,
    ShipmentPage,
    Unloaded,
)
from hub.api.plants import Limit, PlantId
from hub.api.problems import Problem, described
from hub.api.racks import FOUND, LineId
from hub.calls import dock
from hub.calls.refused import RefusedError, UnknownError
from protocols.jis.messages import CallKey, Identifier

router = APIRouter(prefix="/v1/plants/{plant}", tags=["shipments"])

ShipmentId = Annotated[Identifier, Path(examples=["T-20260302-3"])]
WRITES = FOUND | described(HTTPStatus.UNPROCESSABLE_ENTITY)


@router.get("/shipments", summary="Shipments", responses=FOUND)
def shipments(
    plant: PlantId,
    tenant: Tenant,
    shared: Shared,
    line: Annotated[Identifier | None, Query(description="of this line alone")] = None,
    under_way: Annotated[bool, Query(description="not unloaded yet")] = False,
    after: Annotated[int | None, Query(ge=0, le=2**53, description="`next` of the last")] = None,
    limit: Limit = 100,
) -> ShipmentPage:
    """Trucks, the newest first, with their slack and the cars a late one hits."""
    with shared.reading(tenant) as connection:
        return dock_views.shipments(
            connection, plant, datetime.now(UTC), line, after, limit, under_way
        )


@router.get(
    "/lines/{line}/shipments/{shipment}",
    summary="A shipment, slot by slot",
    responses=FOUND,
)
def shipment(
    plant: PlantId, line: LineId, shipment: ShipmentId, tenant: Tenant, shared: Shared
) -> ShipmentContent:
    """The content of its dispatch advice, and what the goods receipt found."""
    with shared.reading(tenant) as connection:
        found = dock_views.shipment(connection, plant, line, shipment, datetime.now(UTC))
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no shipment {shipment} of line {line}")
    return found


@router.post(
    "/lines/{line}/shipments/{shipment}/arrival",
    summary="The truck is at the dock",
    responses=WRITES,
)
def arrival(
    plant: PlantId,
    line: LineId,
    shipment: ShipmentId,
    body: Arrival,
    tenant: Tenant,
    asked: Admitted,
    shared: Shared,
) -> Arrived:
    """Tells the supplier of each call that its part has arrived. Safe to repeat."""
    try:
        with shared.writing() as connection:
            calls = dock.arrive(
                connection, tenant, plant, line, shipment, body.at, asked.actor, body.racks
            )
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    return Arrived(calls=calls)


@router.post(
    "/lines/{line}/shipments/{shipment}/unloading",
    summary="The truck is empty",
    responses=WRITES,
)
def unloading(
    plant: PlantId, line: LineId, shipment: ShipmentId, body: At, tenant: Tenant, shared: Shared
) -> Unloaded:
    """Notes that its racks stand at the dock. Safe to repeat."""
    try:
        with shared.writing() as connection:
            return Unloaded(racks=dock.unload(connection, tenant, plant, line, shipment, body.at))
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None


@router.post(
    "/lines/{line}/shipments/{shipment}/scans",
    summary="Goods receipt by scan",
    responses=WRITES,
)
def scans(
    plant: PlantId,
    line: LineId,
    shipment: ShipmentId,
    body: Scans,
    tenant: Tenant,
    asked: Admitted,
    shared: Shared,
) -> list[ReceiptView]:
    """Holds each slot against its call: confirmed, or a variance that a person resolves."""
    try:
        with shared.writing() as connection:
            found = dock.receive(
                connection,
                tenant,
                plant,
                line,
                shipment,
                [dock.Scan(s.rack, s.slot, s.at, s.serial, s.part_no) for s in body.scans],
                body.by or asked.actor,
            )
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    return [ReceiptView.model_validate(receipt, from_attributes=True) for receipt in found]


@router.post(
    "/lines/{line}/deliveries",
    summary="What became of a delivered part",
    responses=WRITES | described(HTTPStatus.CONFLICT),
)
def deliveries(
    plant: PlantId,
    line: LineId,
    body: DeliveryReport,
    tenant: Tenant,
    asked: Admitted,
    shared: Shared,
) -> PartState:
    """Taken at the fitting station, found not in order there, sent back. Safe to repeat."""
    key = CallKey(
        plant=plant,
        line=line,
        production_no=body.production_no,
        part_group=body.part_group,
        reorder_index=body.reorder_index,
    )
    by = body.by or asked.actor
    try:
        with shared.writing() as connection:
            call = dock.report(
                connection, tenant, key, body.what, body.at, by, body.serial, body.reason
            )
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    except RefusedError as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    return PartState(key=str(call.key), car=call.car, part=call.part)
