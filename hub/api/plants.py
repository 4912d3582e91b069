"""Plants over HTTP: passes in; sequence, lines and calls out."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import psycopg
from fastapi import APIRouter, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from psycopg.rows import class_row

from hub.api import models
from hub.api.context import Context, Shared, Tenant
from hub.api.problems import Problem, described
from hub.calls.release import Release, UnfitError, UnknownError, release
from hub.orders.problems import did_you_mean
from protocols.jis.messages import Identifier
from protocols.traces import Step

router = APIRouter(prefix="/v1/plants", tags=["plants"])

Limit = Annotated[int, Query(ge=1, le=500, description="items on a page")]
After = Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")]
PlantId = Annotated[Identifier, Path(examples=["P1"])]

_PLANTS = """
SELECT p.id, p.takt_s, s.id AS sequence, s.method,
    (SELECT count(*) FROM vehicle_order o WHERE o.plant = p.id) AS cars
FROM plant p LEFT JOIN LATERAL (
    SELECT id, method FROM production_sequence WHERE plant = p.id ORDER BY id DESC LIMIT 1
) s ON true ORDER BY p.id
"""
_CONTROL_POINTS = """
SELECT c.id, coalesce(l.pass_no, 0) AS passes, l.production_no AS last_production_no,
    l.passed_at AS last_passed_at, q.position AS last_position
FROM control_point c
LEFT JOIN LATERAL (
    SELECT * FROM control_point_pass x WHERE x.plant = %(plant)s AND x.control_point = c.id
    ORDER BY pass_no DESC LIMIT 1
) l ON true
LEFT JOIN sequence_position q ON q.sequence = %(sequence)s AND q.production_no = l.production_no
WHERE c.plant = %(plant)s ORDER BY c.rank
"""
_PASSES = """
SELECT pass_no, production_no, passed_at FROM control_point_pass
WHERE plant = %s AND control_point = %s AND pass_no > %s ORDER BY pass_no LIMIT %s
"""
_SEQUENCE = """
SELECT q.position, o.production_no, o.model, o.colour, o.options, coalesce(p.passed, '[]') AS passed
FROM sequence_position q
JOIN vehicle_order o ON o.plant = q.plant AND o.production_no = q.production_no
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('control_point', control_point, 'pass_no', pass_no,
        'passed_at', passed_at) ORDER BY passed_at) AS passed
    FROM control_point_pass x WHERE x.plant = q.plant AND x.production_no = q.production_no
) p ON true
WHERE q.sequence = %s AND q.position > %s ORDER BY q.position LIMIT %s
"""
# Numbers have no gap, so that those shipped are all but the others, and need not be counted.
_LINES = """
SELECT l.id, l.partner AS supplier, g.group_id || '/' || g.node_id AS gateway, l.unloading_point,
    l.rack_slots, jsonb_strip_nulls(coalesce(c.calls, '{}') || jsonb_build_object('shipped',
        nullif(l.next_call_no - 1 - coalesce(c.total, 0), 0))) AS calls,
    (SELECT count(*) FROM jis_call WHERE plant = l.plant AND line = l.id
        AND acknowledged_at IS NULL) AS unacknowledged,
    (SELECT min(call_no) FROM jis_call WHERE plant = l.plant AND line = l.id
        AND status <> 'shipped' AND status <> 'refused') AS first_open_call_no
FROM supplier_line l JOIN gateway g ON g.id = l.gateway
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(status, n) AS calls, sum(n) AS total FROM (
        SELECT status, count(*) AS n FROM jis_call
        WHERE plant = l.plant AND line = l.id AND status <> 'shipped' GROUP BY status
    ) s
) c ON true
WHERE l.plant = %s ORDER BY l.id
"""
_CALLS = """
SELECT concat_ws('/', c.plant, c.line, c.production_no, c.part_group, c.reorder_index) AS key,
    c.call_no, c.sequence_no, c.production_no, c.part_group,
    c.part_no, c.quantity, c.colour, c.unloading_point, c.rack, c.slot, c.status, e.serial,
    c.called_at, c.required_at, c.released_at, c.acknowledged_at
FROM jis_call c LEFT JOIN LATERAL (
    SELECT serial FROM call_event WHERE call = c.id AND kind = 'produced' ORDER BY id DESC LIMIT 1
) e ON true
WHERE c.plant = %s AND c.line = %s AND c.call_no > %s ORDER BY c.call_no LIMIT %s
"""


@router.post(
    "/{plant}/control-points/{control_point}/passes",
    status_code=HTTPStatus.CREATED,
    summary="A car has passed a control point",
    responses={
        200: {"model": models.Pass, "description": "Known already; nothing was changed"},
        **described(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
async def report_pass(
    plant: PlantId,
    control_point: Annotated[Identifier, Path(examples=["TRIM-IN"])],
    report: models.PassReport,
    response: Response,
    tenant: Tenant,
    shared: Shared,
) -> models.Pass:
    """Records the pass and releases the calls of the part groups that this control point fixes.

    Safe to repeat: a pass that is known gives the same answer, with status 200.
    """

    def carry_out() -> Release:
        began_ns = shared.tracer.now()
        with shared.writing_in_one_trip() as connection:
            released = release(
                connection,
                tenant,
                plant,
                control_point,
                report.production_no,
                report.passed_at,
                now=datetime.now(UTC),
            )
        if shared.tracer.on and not released.repeated:
            for call in released.calls:
                shared.tracer.step(Step.RELEASE, call.key, began_ns)
        return released

    asked_ns = shared.tracer.now()
    try:
        done = await run_in_threadpool(carry_out)
    except UnknownError as unknown:
        raise Problem(HTTPStatus.NOT_FOUND, str(unknown)) from None
    except UnfitError as unfit:
        raise Problem(HTTPStatus.CONFLICT, str(unfit)) from None
    if done.repeated:
        response.status_code = HTTPStatus.OK
    elif shared.tracer.on:
        _trace_pass(shared, control_point, report, done, asked_ns)
    return models.Pass(
        pass_no=done.pass_no,
        calls=[
            models.ReleasedCall(key=str(call.key), call_no=call.call_no, line=call.key.line)
            for call in done.calls
        ],
    )


def _trace_pass(
    shared: Context, control_point: str, report: models.PassReport, done: Release, asked_ns: int
) -> None:
    """The request, at the head of the trace of each call that came of it."""
    for call in done.calls:
        shared.tracer.step(
            Step.PASS,
            call.key,
            asked_ns,
            more={
                "lineside.control_point": control_point,
                "lineside.passed_at": report.passed_at.isoformat(),
            },
        )


@router.get(
    "/{plant}/control-points/{control_point}/passes",
    summary="Cars that passed a control point",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def passes(
    plant: PlantId,
    control_point: Annotated[Identifier, Path(examples=["TRIM-IN"])],
    tenant: Tenant,
    shared: Shared,
    after: After = 0,
    limit: Limit = 100,
) -> models.PassPage:
    """In the order they passed."""
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        points = [point.id for point in _control_points(connection, plant, None)]
        if control_point not in points:
            hint = did_you_mean(control_point, points)
            raise Problem(
                HTTPStatus.NOT_FOUND, f"no control point {control_point} in plant {plant}{hint}"
            )
        with connection.cursor(row_factory=class_row(models.PassedCar)) as cursor:
            items = cursor.execute(_PASSES, (plant, control_point, after, limit)).fetchall()
    return models.PassPage(items=items, next=items[-1].pass_no if len(items) == limit else None)


@router.get("", summary="Plants", responses=described(HTTPStatus.UNAUTHORIZED))
def plants(tenant: Tenant, shared: Shared) -> list[models.Plant]:
    """The plants the caller may see, and how far their cars have come at each control point."""
    with shared.reading(tenant) as connection:
        rows = connection.execute(_PLANTS).fetchall()
        return [
            models.Plant(
                id=plant,
                takt_s=takt_s,
                sequence=sequence,
                method=method,
                cars=cars,
                control_points=_control_points(connection, plant, sequence),
            )
            for plant, takt_s, sequence, method, cars in rows
        ]


@router.get(
    "/{plant}/sequence",
    summary="The pearl chain",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def sequence(
    plant: PlantId, tenant: Tenant, shared: Shared, after: After = 0, limit: Limit = 100
) -> models.SequencePage:
    """The cars of the production sequence in force, by position."""
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        row = connection.execute(
            "SELECT max(id) FROM production_sequence WHERE plant = %s", (plant,)
        ).fetchone()
        current = row[0] if row else None
        with connection.cursor(row_factory=class_row(models.SequencePosition)) as cursor:
            items = cursor.execute(_SEQUENCE, (current, after, limit)).fetchall()
    more = items[-1].position if len(items) == limit else None
    return models.SequencePage(sequence=current, items=items, next=more)


@router.get(
    "/{plant}/lines",
    summary="Supplier lines",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def lines(plant: PlantId, tenant: Tenant, shared: Shared) -> list[models.Line]:
    """The suppliers' lines of a plant, with their calls counted by status."""
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        with connection.cursor(row_factory=class_row(models.Line)) as cursor:
            return cursor.execute(_LINES, (plant,)).fetchall()


@router.get(
    "/{plant}/lines/{line}/calls",
    summary="Calls of a line",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def calls(
    plant: PlantId,
    line: Annotated[Identifier, Path(examples=["SEAT1"])],
    tenant: Tenant,
    shared: Shared,
    after: After = 0,
    limit: Limit = 100,
) -> models.CallPage:
    """Calls by number, with their rack and slot, and where each stands."""
    with shared.reading(tenant) as connection:
        known = connection.execute(
            "SELECT FROM supplier_line WHERE plant = %s AND id = %s", (plant, line)
        ).fetchone()
        if known is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"no line {line} in plant {plant}")
        with connection.cursor(row_factory=class_row(models.CallView)) as cursor:
            items = cursor.execute(_CALLS, (plant, line, after, limit)).fetchall()
    more = items[-1].call_no if len(items) == limit else None
    return models.CallPage(items=items, next=more)


def require_plant(connection: psycopg.Connection, plant: str) -> None:
    """Raises `Problem` 404 if the tenant that the connection speaks for owns no such plant."""
    if connection.execute("SELECT FROM plant WHERE id = %s", (plant,)).fetchone() is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no plant {plant}")


def _control_points(
    connection: psycopg.Connection, plant: str, sequence: int | None
) -> list[models.ControlPoint]:
    with connection.cursor(row_factory=class_row(models.ControlPoint)) as cursor:
        return cursor.execute(_CONTROL_POINTS, {"plant": plant, "sequence": sequence}).fetchall()
