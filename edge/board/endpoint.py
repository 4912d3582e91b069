"""Serves the boards of a gateway's lines, live, from what is on its disk: with or without a hub.

Whoever reaches its address can read it; buttons are for those who are signed in (`guard.py`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import resources
from types import MappingProxyType
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote

from pydantic import TypeAdapter, ValidationError

from edge.board.connections import ConnectionWatch
from edge.board.entries import Entries
from edge.board.guard import COOKIE, SHIFT_S, Guard, LockedError
from edge.board.page import chooser, render, shell
from edge.board.settings import BoardSettings
from edge.board.words import known, word
from edge.calls.actions import Action, ActionError
from edge.calls.desk import Desk
from edge.http import EVENTS, HTML, JSON, Answer, HttpServer, Request, is_loopback, refuse
from edge.journal import JournalError
from edge.sources.manual.station import Station
from edge.status.figures import Figures
from edge.status.words import Language, preferred
from protocols.refusal import first_problem

logger = logging.getLogger(__name__)

MAX_CLIENTS = 32
MAX_BODY = 16_384
MAX_FIELDS = 300
BEAT_S = 1.0
"""So often a board hears that it is live."""
AT_MOST_EVERY_S = 0.2
LONGEST_ETA_MIN = 7 * 24 * 60
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STYLE, _SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
_STATIC = {
    "/board.css": _STYLE,
    "/entry.css": _STYLE,
    "/shared.js": _SCRIPT,
    "/board.js": _SCRIPT,
    "/entry.js": _SCRIPT,
}
_ACTION: TypeAdapter[Action] = TypeAdapter(Action)


class BoardEndpoint:
    """The HTTP server of the boards. `lines` gives their names, and `stations` holds the stations,
    as they are now: both may change meanwhile."""

    def __init__(
        self,
        desk: Desk,
        figures: Figures,
        lines: Callable[[], Iterable[str]],
        settings: BoardSettings,
        stations: Mapping[str, Station] = MappingProxyType({}),
    ) -> None:
        self._desk = desk
        self._entries = Entries(stations)
        self._lines = lines
        self._settings = settings
        self._guard = Guard(settings.pin)
        self._server = HttpServer("board", POLICY, MAX_CLIENTS, MAX_BODY)
        self._connections = ConnectionWatch(figures)
        self._changed: set[asyncio.Event] = set()
        self._drawn: dict[tuple[str, Language], tuple[float, dict[str, str]]] = {}
        self._stale = True

    async def serve(self) -> None:
        """Serve until cancelled."""
        settings = self._settings
        if not settings.port:
            return
        accept = self._server.accepting(self._answer, only_here=is_loopback(settings.host))

        async def listen() -> asyncio.Server:
            return await asyncio.start_server(accept, settings.host, settings.port)

        self._desk.watchers.add(self._on_change)
        watching = asyncio.create_task(self._connections.run())
        try:
            await self._server.serve(f"{settings.host}:{settings.port}", listen)
        finally:
            watching.cancel()
            self._desk.watchers.discard(self._on_change)

    def _on_change(self) -> None:
        self._stale = True
        for event in self._changed:
            event.set()

    async def _answer(self, request: Request) -> Answer:
        if request.method == "POST":
            return await self._on_post(request)
        if request.method not in ("GET", "HEAD"):
            return refuse(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.path in _STATIC:
            body = resources.files("edge.board").joinpath(f"static{request.path}").read_bytes()
            return Answer(HTTPStatus.OK, _STATIC[request.path], body)
        lines, stations = sorted(self._lines()), self._entries.names
        kind, _, rest = request.path.strip("/").partition("/")
        if request.path == "/" and len(lines) + len(stations) != 1:
            html = chooser(lines, stations, _language(request))
            return Answer(HTTPStatus.OK, HTML, html.encode())
        if kind == "entry" or (request.path == "/" and stations):
            return self._entry_page(request, unquote(rest) if kind else stations[0])
        line = lines[0] if request.path == "/" else unquote(rest)
        if line not in lines or kind not in ("", "line", "live"):
            return refuse(HTTPStatus.NOT_FOUND)
        if kind == "live":
            events = self._live(line, _language(request))
            headers = (("X-Accel-Buffering", "no"),)
            return Answer(HTTPStatus.OK, EVENTS, headers=headers, events=events)
        return await self._page(request, line)

    async def _page(self, request: Request, line: str) -> Answer:
        session = self._guard.session(request)
        language = _language(request)
        sections = await self._draw(line, language)
        name, token = (session.name, session.token) if session else (None, "")
        html = shell(line, language, sections, name, token, self._guard.needs_pin)
        headers = (("Set-Cookie", f"lang={language}; Path=/; SameSite=Strict"),)
        return Answer(HTTPStatus.OK, HTML, html.encode(), headers)

    def _entry_page(self, request: Request, station: str) -> Answer:
        if station not in self._entries.names:
            return refuse(HTTPStatus.NOT_FOUND)
        session = self._guard.session(request)
        language = _language(request)
        html = self._entries.page(station, language, session, self._guard.needs_pin)
        headers = (("Set-Cookie", f"lang={language}; Path=/; SameSite=Strict"),)
        return Answer(HTTPStatus.OK, HTML, html.encode(), headers)

    async def _draw(self, line: str, language: Language) -> dict[str, str]:
        """The sections of a board, made once for all who look at it."""
        now = time.monotonic()
        if self._stale:
            self._stale = False
            self._drawn.clear()
        at, sections = self._drawn.get((line, language), (0.0, {}))
        if not sections or now - at > BEAT_S / 2:
            view = await self._desk.run(self._desk.store.view, line)
            counts = await self._desk.run(self._desk.store.counts)
            connections = self._connections.of(line, counts.events_pending)
            sections = render(view, connections, language)
            self._drawn[line, language] = now, sections
        return sections

    async def _live(self, line: str, language: Language) -> AsyncIterator[bytes]:
        """Server-sent events: each section when it has changed, and a beat with our clock."""
        changed = asyncio.Event()
        self._changed.add(changed)
        sent: dict[str, str] = {}
        try:
            while True:
                changed.clear()
                for key, html in (await self._draw(line, language)).items():
                    if sent.get(key) != html:
                        sent[key] = html
                        yield _event(key, html)
                yield _event("beat", str(time.time_ns() // 1_000_000))
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await changed.wait()
                        await asyncio.sleep(AT_MOST_EVERY_S)
        finally:
            self._changed.discard(changed)

    # --- what people do ------------------------------------------------------------------------

    async def _on_post(self, request: Request) -> Answer:
        if not self._guard.from_own_page(request):
            return refuse(HTTPStatus.FORBIDDEN)
        kind = request.headers.get(b"content-type", "").partition(";")[0].strip()
        if request.path == "/sign-out":
            self._guard.sign_out(request)
            gone = f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
            headers = (("Set-Cookie", gone), ("Location", "/"))
            return Answer(HTTPStatus.SEE_OTHER, HTML, b"", headers)
        if kind != "application/x-www-form-urlencoded":
            return refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            text = request.body.decode()
            fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
        except ValueError:
            return refuse(HTTPStatus.BAD_REQUEST)
        language = _language(request)
        if request.path == "/sign-in":
            return self._sign_in(request, fields, language)
        if request.path == "/act":
            return await self._act(request, fields, language)
        if request.path == "/record":
            return await self._record(request, fields, language)
        return refuse(HTTPStatus.NOT_FOUND)

    def _sign_in(self, request: Request, fields: dict[str, str], language: Language) -> Answer:
        name = fields.get("name", "").strip()
        if not 0 < len(name) <= 64 or not name.isprintable():
            return _told(
                HTTPStatus.UNPROCESSABLE_ENTITY, "no.bad", language, word("name", language)
            )
        try:
            cookie = self._guard.sign_in(name, fields.get("pin", ""), request.peer)
        except LockedError:
            logger.warning(
                "board: %s gives too many wrong PINs; not heard for a minute", request.peer
            )
            return _told(HTTPStatus.TOO_MANY_REQUESTS, "locked", language)
        if cookie is None:
            return _told(HTTPStatus.FORBIDDEN, "wrong_pin", language)
        kept = f"{COOKIE}={cookie}; Path=/; Max-Age={int(SHIFT_S)}; HttpOnly; SameSite=Strict"
        return _told(HTTPStatus.OK, "did.confirmed", language, headers=(("Set-Cookie", kept),))

    async def _act(self, request: Request, fields: dict[str, str], language: Language) -> Answer:
        session = self._guard.may_press(request, fields.pop("token", ""))
        if session is None:
            return _told(HTTPStatus.UNAUTHORIZED, "no.signed_out", language)
        try:
            action = _ACTION.validate_python(_filled(fields, session.name))
        except (ValidationError, ValueError) as error:
            text = (
                first_problem(error, "form") if isinstance(error, ValidationError) else str(error)
            )
            return _told(HTTPStatus.UNPROCESSABLE_ENTITY, "no.bad", language, text)
        if action.line not in self._lines():
            return refuse(HTTPStatus.NOT_FOUND)
        try:
            said = await self._desk.run(self._desk.store.act, action)
        except ActionError as error:
            if error.code == "wrong_part":
                self._desk.on_wrong_part(action.line, action.target, error.detail)
            return _told(HTTPStatus.CONFLICT, f"no.{error.code}", language, error.detail)
        logger.info("board: %s by %s: %s", action.verb, action.by, action.target)
        self._desk.on_event()
        self._desk.ring([action.line])
        code = "did.depart" if action.verb == "depart" else f"did.{said}"
        return _told(HTTPStatus.OK, code, language, said)

    async def _record(self, request: Request, fields: dict[str, str], language: Language) -> Answer:
        session = self._guard.may_press(request, fields.pop("token", ""))
        if session is None:
            return _told(HTTPStatus.UNAUTHORIZED, "no.signed_out", language)
        try:
            return await self._entries.record(fields, session.name, language)
        except JournalError as error:
            logger.error("board: an entry is not recorded: %s", error)
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, "no.waits", language)


def _filled(fields: dict[str, str], name: str) -> dict[str, Any]:
    """A form's fields as those of an action. Raises `ValueError`."""
    given: dict[str, Any] = {key: value for key, value in fields.items() if value != ""}
    given["by"] = name
    scans = {int(k[5:]): v.strip() for k, v in fields.items() if k.startswith("scan-")}
    if scans:
        given = {k: v for k, v in given.items() if not k.startswith("scan-")}
        given["scans"] = scans
    if "racks" in given:
        given["racks"] = str(given["racks"]).split(",")
    if (minutes := given.pop("minutes", None)) is not None:
        if not 0 < int(minutes) <= LONGEST_ETA_MIN:
            raise ValueError(f"minutes {minutes}: 1 … {LONGEST_ETA_MIN}")
        now = datetime.now(UTC).replace(microsecond=0, second=0)
        given["eta"] = now + timedelta(minutes=int(minutes))
    return given


def _told(
    status: HTTPStatus,
    code: str,
    language: Language,
    detail: str = "",
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    text = word(code, language)
    if code == "no.not_possible":
        detail = word(f"part.{detail}", language) if known(f"part.{detail}") else detail
    body = {"code": code, "text": text.replace("{}", detail)}
    return Answer(status, JSON, json.dumps(body, ensure_ascii=False).encode(), headers)


def _event(kind: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {kind}\n{lines}\n".encode()


def _language(request: Request) -> Language:
    """As the address asks, or as the page was last asked for, or as the browser prefers."""
    asked = dict(parse_qsl(request.query)).get("lang")
    for language in get_args(Language):
        if asked == language:
            chosen: Language = language
            return chosen
    cookies = request.headers.get(b"cookie", "")
    for language in get_args(Language):
        if f"lang={language}" in cookies.replace(" ", "").split(";"):
            kept: Language = language
            return kept
    return preferred(request.headers.get(b"accept-language", ""))
