"""Serves the status of a running agent over HTTP/1.1: for browsers and Prometheus on a TCP port of
this machine, for the agent's own command line on a socket in its data directory.

Only the local socket takes commands; who may open it is the file system's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from edge.http import HTML, JSON, TEXT, Answer, HttpServer, Request, is_loopback, refuse
from edge.status.figures import Figures
from edge.status.page import CONTENT_SECURITY_POLICY, page
from edge.status.recent import LoggedProblem
from edge.status.report import report
from edge.status.settings import StatusSettings
from edge.status.words import preferred

SOCKET_NAME = "agent.sock"
MAX_CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command. Refused: `said` are the reasons, and all is as it was."""

    done: bool
    said: list[str]


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
        self._server = HttpServer("status", CONTENT_SECURITY_POLICY, MAX_CLIENTS)
        self.tried = asyncio.Event()
        """Set once the local socket answers, or cannot be made for now."""

    async def serve_locally(self, directory: Path) -> None:
        """Serve on a socket in the data directory, for its owner alone, until cancelled. The caller
        holds the directory: what another agent left there is removed."""
        with short_path(directory / SOCKET_NAME) as path:
            accept = self._server.accepting(self._answer_owner, only_here=False)

            async def listen() -> asyncio.Server:
                try:
                    path.unlink(missing_ok=True)
                    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    listener.bind(str(path))
                    path.chmod(0o600)  # nobody can connect before it listens
                    return await asyncio.start_unix_server(accept, sock=listener)
                finally:
                    self.tried.set()

            try:
                await self._server.serve(str(directory / SOCKET_NAME), listen)
            finally:
                path.unlink(missing_ok=True)

    async def serve_port(self, settings: StatusSettings) -> None:
        """Serve on the TCP port until cancelled."""
        if not settings.port:
            return
        accept = self._server.accepting(self._answer, only_here=is_loopback(settings.host))

        async def listen() -> asyncio.Server:
            return await asyncio.start_server(accept, settings.host, settings.port)

        await self._server.serve(f"{settings.host}:{settings.port}", listen)

    async def _answer_owner(self, request: Request) -> Answer:
        if request.path != "/reload":
            return await self._answer(request)
        if request.method != "POST":
            return refuse(HTTPStatus.METHOD_NOT_ALLOWED)
        outcome = await self._reload()
        status = HTTPStatus.OK if outcome.done else HTTPStatus.CONFLICT
        return Answer(status, JSON, json.dumps(asdict(outcome)).encode())

    async def _answer(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return refuse(HTTPStatus.METHOD_NOT_ALLOWED)
        match request.path:
            case "/":
                language = preferred(request.headers.get(b"accept-language", ""))
                return Answer(HTTPStatus.OK, HTML, page(self._report(), language).encode())
            case "/status.json":
                return Answer(HTTPStatus.OK, JSON, json.dumps(self._report()).encode())
            case "/metrics":
                # Loaded when first asked for: a gateway that nobody scrapes does not hold it.
                from edge.status.metrics import exposition

                body, content_type = exposition(self._figures, self._gateway)
                return Answer(HTTPStatus.OK, content_type, body)
            case "/healthz":
                hangs = self._alive()
                status = HTTPStatus.SERVICE_UNAVAILABLE if hangs else HTTPStatus.OK
                return Answer(status, TEXT, f"{hangs or 'ok'}\n".encode())
        return refuse(HTTPStatus.NOT_FOUND)

    def _report(self) -> dict[str, Any]:
        return report(self._figures, self._gateway, self._recent)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[Path]:
    """The same path through its open directory: that of a socket may have but 107 characters."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
