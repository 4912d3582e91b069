"""Gateways, tags and samples over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import psycopg
from fastapi import APIRouter, Path, Query
from psycopg.rows import class_row
from pydantic import AwareDatetime

from hub import fleet
from hub.api import models
from hub.api.context import Shared, Tenant
from hub.api.problems import Problem, described
from hub.store.samples import read_samples

router = APIRouter(prefix="/v1", tags=["telemetry"])

SPAN = timedelta(minutes=10)
"""What is read if no beginning is named."""
LATEST_GAPS = 5
_FIRST_TIME = datetime.min.replace(tzinfo=UTC)

_CALLS_UNDER_WAY = "SELECT gateway, next_offset - watermark FROM call_stream WHERE NOT closed"
_LATEST_GAPS = """
SELECT device, from_time, to_time, cause FROM gap WHERE gateway = %s ORDER BY id DESC LIMIT %s
"""
_TAGS = """
SELECT t.id, g.group_id || '/' || g.node_id AS gateway, d.name AS device, t.name, t.unit, t.datatype
FROM tag t JOIN device d ON d.id = t.device JOIN gateway g ON g.id = d.gateway
"""


@router.get("/gateways", summary="Gateways", responses=described(HTTPStatus.UNAUTHORIZED))
def gateways(tenant: Tenant, shared: Shared) -> list[models.Gateway]:
    """The suppliers' gateways and their health."""
    with shared.reading(tenant) as connection:
        under_way = dict(connection.execute(_CALLS_UNDER_WAY).fetchall())
        return [
            models.Gateway(
                gateway=f"{view.group}/{view.node}",
                supplier=view.owner,
                online=view.online,
                since=view.since,
                conflict=view.conflict,
                last_data_at=view.committed_at,
                metrics=view.metrics,
                calls_under_way=under_way.get(view.id, 0),
                gaps=_latest_gaps(connection, view.id) if view.gap_count else [],
                gap_count=view.gap_count,
            )
            for view in fleet.gateways(connection)
        ]


@router.get("/tags", summary="Tags", responses=described(HTTPStatus.UNAUTHORIZED))
def tags(
    tenant: Tenant,
    shared: Shared,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="`id` of the last tag seen")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> list[models.Tag]:
    """Process values by id; fewer than `limit` means that these are the last."""
    with (
        shared.reading(tenant) as connection,
        connection.cursor(row_factory=class_row(models.Tag)) as cursor,
    ):
        return cursor.execute(
            _TAGS + "WHERE t.id > %s ORDER BY t.id LIMIT %s", (after, limit)
        ).fetchall()


@router.get(
    "/tags/{tag}/samples",
    summary="Samples of a tag",
    responses=described(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
)
def samples(
    tag: Annotated[int, Path(ge=1, le=2**31 - 1)],
    tenant: Tenant,
    shared: Shared,
    from_time: Annotated[
        AwareDatetime | None, Query(alias="from", description="default: 10 minutes before `to`")
    ] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to", description="default: now")] = None,
    points: Annotated[int, Query(ge=2, le=5000, description="at most so many samples")] = 600,
) -> models.SamplePage:
    """Samples in [from, to), at most `points`.

    More than that are thinned out to the lowest and the highest of each of points/2 intervals, so
    that spikes stay visible. `gaps` names the times for which data are known to be missing;
    `complete` says that none are, and that none are still under way.
    """
    to = to_time or datetime.now(UTC)
    start = from_time or max(to, _FIRST_TIME + SPAN) - SPAN
    if start >= to:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "query.from: must lie before query.to")
    with shared.reading(tenant) as connection:
        with connection.cursor(row_factory=class_row(models.Tag)) as cursor:
            found = cursor.execute(_TAGS + "WHERE t.id = %s", (tag,)).fetchone()
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"no tag {tag}")
        rows, downsampled = read_samples(connection, tag, start, to, points)
        known = _completeness(connection, tag, start, to)
    return models.SamplePage(
        tag=found,
        downsampled=downsampled,
        samples=[
            models.Sample(
                time=row.time,
                value=row.value,
                text=row.text,
                quality=row.quality,
                server_time=row.server_time,
                from_history=row.from_history,
            )
            for row in rows
        ],
        complete=known.complete,
        gaps=[
            models.Gap(device=gap.device, from_time=gap.start, to_time=gap.end, cause=gap.cause)
            for gap in known.missing
        ],
    )


def _completeness(
    connection: psycopg.Connection, tag: int, start: datetime, to: datetime
) -> fleet.Completeness:
    row = connection.execute("SELECT device FROM tag WHERE id = %s", (tag,)).fetchone()
    known = fleet.completeness(connection, row[0], start, to) if row else None
    return known or fleet.Completeness((), pending=False, vouched=False)


def _latest_gaps(connection: psycopg.Connection, gateway: int) -> list[models.Gap]:
    with connection.cursor(row_factory=class_row(models.Gap)) as cursor:
        return cursor.execute(_LATEST_GAPS, (gateway, LATEST_GAPS)).fetchall()
