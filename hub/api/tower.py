"""The control tower: pages of the hub, rendered here, kept up to date by the live events.

Each address is a whole page, or with the header `X-Part` its content alone, which the page fetches
anew when something has changed. Who needs a token to see anything gets an empty page that asks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Cookie, Header, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import ValidationError

from hub import fleet, kpi
from hub.api import dock_views
from hub.api.bookings import read_stock
from hub.api.context import Shared, caller
from hub.api.modes import NEWEST
from hub.api.pictures import of_parts
from hub.api.problems import Problem
from hub.web.board import colours_of, read_board, the_plant
from hub.web.render import render
from hub.web.stories import read_call, read_car, steps
from hub.web.words import Language, language_of, words
from protocols.jis.messages import CallKey

router = APIRouter(prefix="/tower", include_in_schema=False)

LANGUAGE_COOKIE = "lineside_language"
DAY = timedelta(days=1)
_SEVERITY = {"critical": 0, "warning": 1, "info": 2}
CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
)


@router.get("")
@router.get("/{path:path}")
async def tower(
    request: Request,
    shared: Shared,
    path: str = "",
    lang: Annotated[str | None, Query(max_length=10)] = None,
    kept: Annotated[str | None, Cookie(alias=LANGUAGE_COOKIE)] = None,
    accept_language: Annotated[str, Header(max_length=500)] = "",
    authorization: Annotated[str, Header(max_length=8000)] = "",
    x_part: Annotated[str | None, Header(max_length=10)] = None,
) -> HTMLResponse:
    """A page, or its content alone."""
    language = language_of(lang or kept, accept_language)
    try:
        found = await caller(request, _bearer(authorization))
    except Problem as refused:
        if x_part is not None or refused.status != HTTPStatus.UNAUTHORIZED:
            raise
        return _page(language, path, "", status=HTTPStatus.OK, asked=lang)
    try:
        tenant = found.tenant or shared.tenant()
    except Problem as none:
        if x_part is not None:  # asked again until there is one
            raise
        title = words(language)["not_set_up"]
        said = render("missing", language, title=title, what=none.detail)
        return _page(language, path, said, status=none.status, asked=lang)
    with shared.reading(tenant) as connection:
        content = _content(connection, path, language, request.query_params)
    status = HTTPStatus.OK
    if content is None:
        status = HTTPStatus.NOT_FOUND
        content = render("missing", language, what=path)
    if x_part is not None:
        return HTMLResponse(content, status)
    return _page(language, path, content, status=status, asked=lang)


def _bearer(header: str) -> HTTPAuthorizationCredentials | None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    return HTTPAuthorizationCredentials(scheme=scheme, credentials=token)


def _page(
    language: Language, path: str, content: str, *, status: HTTPStatus, asked: str | None
) -> HTMLResponse:
    where = f"/tower/{path}" if path else "/tower"
    answer = HTMLResponse(
        render("page", language, content=content, here=where),
        status,
        headers={"Content-Security-Policy": CONTENT_SECURITY, "Cache-Control": "no-store"},
    )
    if asked is not None:
        answer.set_cookie(
            LANGUAGE_COOKIE, language, max_age=31_536_000, samesite="lax", httponly=True
        )
    return answer


def _content(
    connection: psycopg.Connection, path: str, language: Language, query: Any
) -> str | None:
    """What stands on a page; None for one that is about nothing there is."""
    now = datetime.now(UTC)
    if path == "gateways":
        return render("gateways", language, gateways=fleet.gateways(connection), now=now)
    plant = the_plant(connection)
    if plant is None:
        return render("missing", language, what="plant")
    name, takt_s = plant
    parts = [part for part in path.split("/") if part]
    colours = colours_of(connection, name)

    def draw(template: str, **values: Any) -> str:
        return render(template, language, colours, plant=name, takt_s=takt_s, now=now, **values)

    match parts:
        case []:
            open_ones = dock_views.exceptions(connection, name, "open", limit=200).items
            open_ones.sort(key=lambda e: (e.decision is not None, _SEVERITY[e.severity], -e.id))
            board = read_board(connection, name, takt_s, now)
            return draw("tower", board=board, exceptions=open_ones)
        case ["cars", car]:
            story = read_car(connection, name, car)
            if story is None:
                return None
            about = dock_views.exceptions(connection, name, subject=f"{name}/{car}").items
            return draw("car", car=story[0], passes=story[1], calls=story[2], exceptions=about)
        case ["calls", line, car, group, index] if index.isdigit():
            try:
                key = CallKey(
                    plant=name,
                    line=line,
                    production_no=car,
                    part_group=group,
                    reorder_index=int(index),
                )
            except ValidationError:
                return None
            told = read_call(connection, key)
            if told is None:
                return None
            call, events = told
            about = dock_views.exceptions(connection, name, subject=str(key)).items
            on_car = {status for e in events for status in (e.car_before, e.car_after)}
            on_part = {status for e in events for status in (e.part_before, e.part_after)}
            built = {e.serial for e in events if e.serial and e.kind in ("produced", "inspected")}
            return draw(
                "call",
                call=call,
                events=events,
                pictures=of_parts(connection, *built),
                exceptions=about,
                car_steps=steps("car", call.car, on_car),
                part_steps=steps("part", call.part, on_part),
            )
        case ["racks", line, rack]:
            picture = dock_views.rack(connection, name, line, rack)
            if picture is None:
                return None
            about = dock_views.exceptions(connection, name, subject=f"{name}/{line}/{rack}").items
            return draw("rack", rack=picture, exceptions=about)
        case ["shipments", line, shipment]:
            truck = dock_views.shipment(connection, name, line, shipment, now)
            if truck is None:
                return None
            about = dock_views.exceptions(
                connection, name, subject=f"{name}/{line}/{shipment}"
            ).items
            return draw("shipment", truck=truck, exceptions=about)
        case ["exceptions", number] if number.isdigit():
            exception = dock_views.exception(connection, int(number))
            return None if exception is None else draw("exception", exception=exception)
        case ["lines", line]:
            loop = dock_views.loop(connection, name, line)
            history = dock_views.modes_of_line(connection, name, line, NEWEST, 100)
            if loop is None or history is None:
                return None
            return draw(
                "line",
                line=line,
                loop=loop,
                mode=dock_views.modes(connection, name, line)[0],
                history=history.items,
                stock=read_stock(connection, name, line),
                racks=dock_views.racks_under_way(connection, name),
            )
        case ["figures"]:
            scope = kpi.Scope(name, now - DAY, now)
            groups = {each: kpi.compute(connection, each, scope) for each in kpi.FIGURES}
            _, kept = kpi.adherence(connection, scope)
            return draw("figures", figures=kpi.FIGURES, groups=groups, adherence=kept)
        case ["figures", "adherence"]:
            scope = kpi.Scope(name, now - DAY, now, line=query.get("line"))
            return draw("cars", cars=kpi.cars_behind(connection, scope)[:500])
        case ["figures", figure] if figure in kpi.FIGURES:
            scope = kpi.Scope(name, now - DAY, now, line=query.get("line"))
            rows = kpi.rows_behind(connection, figure, scope, 0, 500)
            return draw("rows", name=figure, figure=kpi.FIGURES[figure], rows=rows)
    return None
