"""Serves the status of a running agent over HTTP/1.1: for browsers and Prometheus on a TCP port of
this machine, for the agent's own command line on a socket in its data directory.

h11 reads and writes HTTP, asyncio carries it: a web framework would cost more memory than all of
the agent's own code. Only the local socket takes commands; who may open it is the file system's
business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11

from edge.status.condition import Condition
from edge.status.figures import Figures
from edge.status.page import CONTENT_SECURITY_POLICY, page
from edge.status.recent import LoggedProblem
from edge.status.report import report
from edge.status.settings import StatusSettings, is_loopback
from edge.status.words import preferred

logger = logging.getLogger(__name__)

SOCKET_NAME = "agent.sock"
MAX_CLIENTS = 16
IDLE_S = 15.0
"""Time for a client to send a request; one that sends none is dropped."""
RETRY_S = 10.0
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command. Refused: `said` are the reasons, and all is as it was."""

    done: bool
    said: list[str]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    content_type: str
    body: bytes


class StatusEndpoint:
    """The HTTP server. `reload` is called for `POST /reload` on the local socket; `alive` says what
    hangs, or nothing."""

    def __init__(
        self,
        figures: Figures,
        gateway: tuple[str, str],
        recent: Iterable[LoggedProblem],
        *,
        reload: Callable[[], Awaitable[Outcome]],
        alive: Callable[[], str | None],
    ) -> None:
        self._figures = figures
        self._gateway = gateway
        self._recent = recent
        self._reload = reload
        self._alive = alive
        self._clients: set[asyncio.Task[None]] = set()

    async def serve_locally(self, directory: Path) -> None:
        """Serve on a socket in the data directory, for its owner alone, until cancelled. The caller
        holds the directory: what another agent left there is removed."""
        with short_path(directory / SOCKET_NAME) as path:

            async def listen() -> asyncio.Server:
                path.unlink(missing_ok=True)
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                listener.bind(str(path))
                path.chmod(0o600)  # nobody can connect before it listens
                return await asyncio.start_unix_server(self._accept_local, sock=listener)

            try:
                await self._serve(str(directory / SOCKET_NAME), listen)
            finally:
                path.unlink(missing_ok=True)

    async def serve_port(self, settings: StatusSettings) -> None:
        """Serve on the TCP port until cancelled."""
        if not settings.port:
            return

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            only_here = is_loopback(settings.host)
            self._begin(self._converse(reader, writer, commands=False, only_here=only_here))

        async def listen() -> asyncio.Server:
            return await asyncio.start_server(accept, settings.host, settings.port)

        await self._serve(f"{settings.host}:{settings.port}", listen)

    async def _serve(self, where: str, listen: Callable[[], Awaitable[asyncio.Server]]) -> None:
        """Serve until cancelled; where it is not possible, it is tried again and again."""
        condition = Condition(logger, f"status on {where}")
        while True:
            try:
                server = await listen()
            except OSError as error:
                condition.fail(f"{error.strerror or error}; it is tried again")
                await asyncio.sleep(RETRY_S)
                continue
            condition.recover()
            await self._until_cancelled(server)

    async def _until_cancelled(self, server: asyncio.Server) -> None:
        try:
            await server.serve_forever()
        finally:
            server.close()
            for client in list(self._clients):
                client.cancel()

    def _accept_local(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin(self._converse(reader, writer, commands=True, only_here=False))

    def _begin(self, conversation: Any) -> None:
        client = asyncio.create_task(conversation)
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        commands: bool,
        only_here: bool,
    ) -> None:
        """Answer one client's requests until it goes."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
        try:
            if len(self._clients) > MAX_CLIENTS:
                return
            while connection.states == {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}:
                async with asyncio.timeout(IDLE_S):
                    request = await _next_request(connection, reader)
                if request is None:
                    return
                answer = await self._answer(request, commands=commands, only_here=only_here)
                writer.write(_encode(connection, request, answer))
                await writer.drain()
                connection.start_next_cycle()
        except h11.RemoteProtocolError as error:
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                status = HTTPStatus(error.error_status_hint)
                refusal = _Answer(status, _TEXT, f"{error}\n".encode())
                writer.write(_encode(connection, None, refusal))
        except (OSError, TimeoutError, h11.LocalProtocolError):
            pass  # it has gone, or wants no more
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: h11.Request, *, commands: bool, only_here: bool) -> _Answer:
        headers = {name: value.decode("latin-1") for name, value in request.headers}
        if only_here and not is_loopback(_host_of(headers.get(b"host", ""))):
            # A page elsewhere may have had its own name point here, to read this with its scripts.
            what = "this port answers to localhost only\n"
            return _Answer(HTTPStatus.MISDIRECTED_REQUEST, _TEXT, what.encode())
        method = request.method.decode("latin-1")
        path = request.target.decode("latin-1").partition("?")[0]
        if path == "/reload" and commands:
            if method != "POST":
                return _refuse(HTTPStatus.METHOD_NOT_ALLOWED)
            outcome = await self._reload()
            status = HTTPStatus.OK if outcome.done else HTTPStatus.CONFLICT
            return _Answer(status, _JSON, json.dumps(asdict(outcome)).encode())
        if method not in ("GET", "HEAD"):
            return _refuse(HTTPStatus.METHOD_NOT_ALLOWED)
        match path:
            case "/":
                language = preferred(headers.get(b"accept-language", ""))
                body = page(self._report(), language).encode()
                return _Answer(HTTPStatus.OK, "text/html; charset=utf-8", body)
            case "/status.json":
                return _Answer(HTTPStatus.OK, _JSON, json.dumps(self._report()).encode())
            case "/metrics":
                # Loaded when first asked for: a gateway that nobody scrapes does not hold it.
                from edge.status.metrics import exposition

                body, content_type = exposition(self._figures, self._gateway)
                return _Answer(HTTPStatus.OK, content_type, body)
            case "/healthz":
                hangs = self._alive()
                status = HTTPStatus.SERVICE_UNAVAILABLE if hangs else HTTPStatus.OK
                return _Answer(status, _TEXT, f"{hangs or 'ok'}\n".encode())
        return _refuse(HTTPStatus.NOT_FOUND)

    def _report(self) -> dict[str, Any]:
        return report(self._figures, self._gateway, self._recent)


async def _next_request(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> h11.Request | None:
    """The next request, read to its end; None if the client has gone."""
    request: h11.Request | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(16_384))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.ConnectionClosed):
            return None


def _encode(connection: h11.Connection, request: h11.Request | None, answer: _Answer) -> bytes:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept-Language"),
    ]
    if request is None:
        headers.append(("Connection", "close"))
    response = h11.Response(status_code=answer.status, reason=answer.status.phrase, headers=headers)
    parts = [connection.send(response)]
    if request is None or request.method != b"HEAD":
        parts.append(connection.send(h11.Data(data=answer.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part is not None)


def _refuse(status: HTTPStatus) -> _Answer:
    return _Answer(status, _TEXT, f"{status.phrase}\n".encode())


def _host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[Path]:
    """The same path through its open directory: that of a socket may have but 107 characters."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
