"""Gateways, tags and samples over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

import psycopg
from fastapi import APIRouter, Path, Query
from psycopg import sql
from psycopg.rows import class_row
from pydantic import AwareDatetime, Field

from hub import fleet
from hub.api import models
from hub.api.context import Shared, Tenant
from hub.api.problems import Problem, described
from hub.fleet.completeness import ONCE
from hub.store.samples import latest_samples, read_samples
from hub.store.trends import read_trend

router = APIRouter(prefix="/v1", tags=["telemetry"])

SPAN = timedelta(minutes=10)
"""What is read if no beginning is named."""
TREND_SPAN = timedelta(days=1)
LATEST_GAPS = 5
_FIRST_TIME = datetime.min.replace(tzinfo=UTC)

TagId = Annotated[int, Path(ge=1, le=2**31 - 1)]
TagIds = Annotated[
    list[Annotated[int, Field(ge=1, le=2**31 - 1)]],
    Query(alias="tag", min_length=1, max_length=500, description="may be given more than once"),
]

_CALLS_UNDER_WAY = "SELECT gateway, next_offset - watermark FROM call_stream WHERE NOT closed"
# Of those that begin among the last ones told, the ends are among these too.
_LATEST_GAPS = sql.SQL("""
WITH found AS (
    SELECT id, device, from_time, to_time, cause FROM gap WHERE gateway = %(gateway)s
    ORDER BY id DESC LIMIT 2 * %(most)s
), once AS ({once})
SELECT device, from_time, to_time, cause FROM once ORDER BY id DESC LIMIT %(most)s
""").format(once=ONCE)
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
            _gateway(connection, view, under_way.get(view.id, 0))
            for view in fleet.gateways(connection)
        ]


@router.get(
    "/gateways/{group}/{node}",
    summary="A gateway",
    responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
def gateway(group: str, node: str, tenant: Tenant, shared: Shared) -> models.Gateway:
    """One gateway, by its Sparkplug group and node."""
    with shared.reading(tenant) as connection:
        view = fleet.gateway(connection, group, node)
        if view is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"no gateway {group}/{node}")
        under_way = dict(connection.execute(_CALLS_UNDER_WAY).fetchall())
        return _gateway(connection, view, under_way.get(view.id, 0))


def _gateway(
    connection: psycopg.Connection, view: fleet.GatewayView, under_way: int
) -> models.Gateway:
    return models.Gateway(
        gateway=f"{view.group}/{view.node}",
        supplier=view.owner,
        online=view.online,
        since=view.since,
        conflict=view.conflict,
        last_data_at=view.committed_at,
        version=view.version,
        configuration=view.configuration,
        heard_at=view.heard_at,
        clock_offset_ms=view.clock_offset_ms,
        journal_records=view.journal_records,
        certificate_ends=view.certificate_ends,
        shut_out_at=view.shut_out_at,
        metrics=view.metrics,
        calls_under_way=under_way,
        gaps=_latest_gaps(connection, view.id) if view.gap_count else [],
        gap_count=view.gap_count,
    )


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
    tag: TagId,
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
    start, to = span(from_time, to_time, SPAN)
    with shared.budget.spending(tenant), shared.reading(tenant) as connection:
        found = known_tag(connection, tag)
        rows, downsampled = read_samples(connection, tag, start, to, points)
        known = completeness_of(connection, tag, start, to)
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
        gaps=named(known),
    )


@router.get(
    "/tags/{tag}/trend",
    summary="Trend of a tag",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def trend(
    tag: TagId,
    tenant: Tenant,
    shared: Shared,
    from_time: Annotated[
        AwareDatetime | None, Query(alias="from", description="default: a day before `to`")
    ] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to", description="default: now")] = None,
    points: Annotated[int, Query(ge=1, le=2000, description="at most so many intervals")] = 300,
    resolution: Annotated[
        Literal["auto", "raw", "minute", "hour", "day"],
        Query(
            description="what to read: samples, or what is aggregated of them. `auto`: the "
            "coarsest that is no coarser than the intervals, and still kept"
        ),
    ] = "auto",
) -> models.TrendPage:
    """A tag over [from, to) in at most `points` intervals, from samples or from minutes, hours or
    days (UTC) of them: the answer says from which, and its `from` and `to` are whole ones.

    Each interval has its lowest and highest with their times, the first and the last, so that a
    line through them shows every spike. Intervals without samples are left out; `gaps` names the
    times for which data are known to be missing.
    """
    start, to = span(from_time, to_time, TREND_SPAN)
    with shared.budget.spending(tenant), shared.reading(tenant) as connection:
        found = known_tag(connection, tag)
        chosen = None if resolution == "auto" else resolution
        read = read_trend(connection, tag, start, to, points, chosen)
        known = completeness_of(connection, tag, start, to)
    return models.TrendPage(
        tag=found,
        resolution=read.resolution,
        from_time=read.start,
        to_time=read.end,
        intervals=[models.TrendInterval(**asdict(interval)) for interval in read.intervals],
        complete=known.complete,
        gaps=named(known),
    )


@router.get(
    "/latest",
    summary="Last values of tags",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def latest(tags: TagIds, tenant: Tenant, shared: Shared) -> list[models.LastValue]:
    """The newest sample of each of these tags, by its source's time; `sample` is null where there
    never was one."""
    with shared.budget.spending(tenant), shared.reading(tenant) as connection:
        known_tags(connection, tags)
        newest = latest_samples(connection, tags, datetime.now(UTC))
    return [
        models.LastValue(
            tag=tag, sample=models.Sample(**asdict(newest[tag])) if tag in newest else None
        )
        for tag in dict.fromkeys(tags)
    ]


def span(
    from_time: datetime | None, to_time: datetime | None, default: timedelta
) -> tuple[datetime, datetime]:
    """Beginning and end of what is asked for. Raises `Problem` 422 if they are the wrong way."""
    to = to_time or datetime.now(UTC)
    start = from_time or max(to, _FIRST_TIME + default) - default
    if start >= to:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "query.from: must lie before query.to")
    return start, to


def known_tag(connection: psycopg.Connection, tag: int) -> models.Tag:
    """A tag that the tenant may see. Raises `Problem` 404."""
    return known_tags(connection, [tag])[tag]


def known_tags(connection: psycopg.Connection, tags: Sequence[int]) -> dict[int, models.Tag]:
    """Tags that the tenant may see, by id. Raises `Problem` 404 if one is not among them."""
    with connection.cursor(row_factory=class_row(models.Tag)) as cursor:
        rows = cursor.execute(_TAGS + "WHERE t.id = ANY (%s)", (list(tags),)).fetchall()
    found = {row.id: row for row in rows}
    for tag in tags:
        if tag not in found:
            raise Problem(HTTPStatus.NOT_FOUND, f"no tag {tag}")
    return found


def named(known: fleet.Completeness) -> list[models.Gap]:
    """What is missing, as it is answered."""
    return [
        models.Gap(device=gap.device, from_time=gap.start, to_time=gap.end, cause=gap.cause)
        for gap in known.missing
    ]


def completeness_of(
    connection: psycopg.Connection, tag: int, start: datetime, to: datetime
) -> fleet.Completeness:
    """Whether the data of a tag's device are complete."""
    row = connection.execute("SELECT device FROM tag WHERE id = %s", (tag,)).fetchone()
    known = fleet.completeness(connection, row[0], start, to) if row else None
    return known or fleet.Completeness((), pending=False, vouched=False)


def _latest_gaps(connection: psycopg.Connection, gateway: int) -> list[models.Gap]:
    with connection.cursor(row_factory=class_row(models.Gap)) as cursor:
        return cursor.execute(_LATEST_GAPS, {"gateway": gateway, "most": LATEST_GAPS}).fetchall()
