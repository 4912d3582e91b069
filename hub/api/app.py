"""The hub's HTTP application: the API below /v1, and the page that shows it at /."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.responses import FileResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from psycopg_pool import PoolTimeout

from hub.api import (
    bookings,
    calls,
    cars,
    day_searches,
    days,
    edi,
    enrolment,
    exceptions,
    export,
    kpis,
    labels,
    mix_bank,
    modes,
    orders,
    part_changes,
    parts,
    pictures,
    plants,
    previews,
    problems,
    proposals,
    racks,
    resequence,
    searches,
    sequencing,
    shipments,
    sign_in,
    stops,
    telemetry,
    tower,
    webhooks,
)
from hub.api import identity as identity_routes
from hub.api.context import Context, Shared, Tenant, once
from hub.api.guards import BodyLimit, LocalNamesOnly
from hub.api.live import Live, TooManyError
from hub.api.once import AnsweredError, KeepAnswers
from hub.api.openapi import describe
from hub.api.settings import ApiSettings
from hub.fleet.settings import Signing
from hub.identity.settings import IdentitySettings
from hub.monitoring.health import Health, Readiness, Workers
from hub.sequencing.searches import Searches
from hub.store.connect import Database
from hub.webhooks.settings import WebhookSettings
from protocols.traces import UNTRACED, CallTracer

MAX_BODY_BYTES = 262_144
"""A search that limits the place of each of 5,000 cars has some 230,000."""
POOL_SIZE = 8
WEB = Path(__file__).parents[1] / "web"
CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
)

DESCRIPTION = """
Report control points, read the pearl chain, search for a better one and put it in force, read the
suppliers' lines and their calls, the gateways' health and the process values.

Every request carries a bearer token: an API key (`lsk_…`), a token of the identity provider, or
the hub's own. Its tenant decides what can be seen, its roles what can be done: plant, supplier,
auditor, admin. Errors are RFC 9457 problems. Pages are followed by giving `next` back as `after`.
`GET /v1/live` is a stream of server-sent events that names what has changed.
"""

router = APIRouter()


def create_app(
    database: Database,
    settings: ApiSettings,
    workers: Workers | None = None,
    identity: IdentitySettings | None = None,
    told: WebhookSettings | None = None,
    signing: Signing | None = None,
    tracer: CallTracer = UNTRACED,
) -> FastAPI:
    """The application. `workers`: the parts that run beside it. `signing`: what signs gateways,
    if anything does. `tracer`: tells of the passes that call.

    Raises `OSError` or `ValueError` if a token or secret cannot be read.
    """
    live = Live(database.dsn("ingest"))
    token = settings.secret()
    users = identity or IdentitySettings()
    if users.oidc is not None:
        users.oidc.secret()  # what cannot be read is said now, not at the first sign-in

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        live.start(asyncio.get_running_loop())
        with (
            database.pool("api", max_size=POOL_SIZE) as reading,
            database.pool("ingest", max_size=POOL_SIZE) as writing,
        ):
            running = Searches(settings.search_cores or os.cpu_count() or 1)
            app.state.context = Context(
                reading,
                writing,
                live,
                running,
                settings,
                users,
                workers or Workers({}),
                told,
                signing,
                tracer,
            )
            yield
            live.close()
            await asyncio.to_thread(live.stop)
            await asyncio.to_thread(running.close)

    app = FastAPI(
        title="Lineside hub",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(once)],
        docs_url=None,
        redoc_url=None,
    )
    app.state.live = live
    problems.install(app)

    @app.exception_handler(AnsweredError)
    async def _answered(_request: Request, before: AnsweredError) -> Response:
        return before.response

    app.add_middleware(KeepAnswers, transaction=lambda: app.state.context.own())
    app.add_middleware(
        BodyLimit,
        max_bytes=MAX_BODY_BYTES,
        larger={days.router.prefix: days.MAX_BODY_BYTES, edi.FILES: edi.MAX_BODY_BYTES},
    )
    if token is None:
        app.add_middleware(LocalNamesOnly)
    app.add_middleware(problems.Unforeseen)
    app.include_router(plants.router)
    for part in (orders, cars, calls, previews, part_changes, stops):
        app.include_router(part.router)
    app.include_router(sequencing.router)
    app.include_router(resequence.router)
    app.include_router(searches.router)
    app.include_router(mix_bank.router)
    app.include_router(days.router)
    app.include_router(day_searches.router)
    app.include_router(telemetry.router)
    app.include_router(parts.router)
    app.include_router(pictures.router)
    app.include_router(export.router)
    app.include_router(racks.router)
    app.include_router(shipments.router)
    app.include_router(exceptions.router)
    app.include_router(modes.router)
    app.include_router(bookings.router)
    app.include_router(kpis.router)
    app.include_router(labels.router)
    app.include_router(edi.router)
    app.include_router(webhooks.router)
    app.include_router(identity_routes.router)
    app.include_router(enrolment.router)
    app.include_router(proposals.router)
    app.include_router(sign_in.router)
    app.include_router(tower.router)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=WEB / "static"))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's own way
    return app


@router.get(
    "/v1/live",
    tags=["live"],
    summary="What changes, as it happens",
    response_class=EventSourceResponse,
    responses=problems.described(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def live_events(
    tenant: Tenant,
    shared: Shared,
    tag: Annotated[int | None, Query(ge=1, description="also tell of samples of this tag")] = None,
    last_event_id: Annotated[str | None, Header(description="the last id seen, to resume")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `sequence`, `calls`, `gateways`, `samples`, `racks`, `shipments`,
    `exceptions`, `modes`, `stops` name what to fetch again;
    `reset` comes first, or when too much was missed, and means everything. Resumes by
    `Last-Event-ID`."""
    try:
        async for told in shared.live.watch(tenant, tag, last_event_id):
            yield ServerSentEvent(event=told.event, data=told.data, id=told.id)
    except TooManyError:
        yield ServerSentEvent(event="full", data={}, retry=10_000)


@router.get(
    "/healthz",
    tags=["health"],
    summary="Whether the hub's process works",
    responses={503: {"model": Health, "description": "A part has failed: start it anew"}},
)
def healthz(shared: Shared, response: Response) -> Health:
    """200 if all parts run in this process work; needs no token."""
    health = shared.workers.health()
    if not all(health.parts.values()):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return health


@router.get(
    "/readyz",
    tags=["health"],
    summary="Whether the hub can do its work now",
    responses={503: {"model": Readiness, "description": "It cannot, for what it names"}},
)
def readyz(shared: Shared, response: Response) -> Readiness:
    """200 if the database answers too, and every part has its broker; needs no token."""
    try:
        with shared.writing() as connection:
            connection.execute("SELECT 1")
        answers = True
    except (psycopg.Error, PoolTimeout):
        answers = False
    readiness = shared.workers.readiness(answers)
    if not readiness.ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return readiness


@router.get("/", include_in_schema=False)
def page() -> FileResponse:
    """The live page."""
    return FileResponse(
        WEB / "index.html",
        headers={"Content-Security-Policy": CONTENT_SECURITY, "Cache-Control": "no-cache"},
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Made once, when it is first asked for."""
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema
