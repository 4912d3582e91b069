"""`/metrics`, `/healthz` and `/readyz` on a port of their own, in a thread beside the workers.

The API has the last two as well. This port is there in a process without the API too, and keeps
figures about all tenants away from those who may reach the API.
"""

from __future__ import annotations

import logging
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from hub.monitoring.health import Workers, answers
from hub.store import Database

logger = logging.getLogger(__name__)

_SLOWEST_S = 10
"""A client that says nothing for so long is let go."""


class MonitoringEndpoint:
    """A context manager; listens from its construction on. Raises `OSError` with what to do."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        workers: Workers,
        database: Database,
    ) -> None:
        class Handler(_Handler):
            def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
                return _answer(path, registry, workers, database)

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True

        try:
            self._server = Server((host, port), Handler)
        except OSError as error:
            raise OSError(
                f"{host}:{port} cannot be listened on ({error.strerror}); "
                "choose another in LINESIDE_HUB_MONITORING__PORT"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitoring")

    def __enter__(self) -> Self:
        self._thread.start()
        logger.info("metrics on port %d", self.port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answer(
    path: str, registry: CollectorRegistry, workers: Workers, database: Database
) -> tuple[HTTPStatus, str, bytes]:
    """Status, content type and body for a path."""
    match path.partition("?")[0]:
        case "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)
        case "/healthz":
            health = workers.health()
            status = HTTPStatus.OK if all(health.parts.values()) else _UNAVAILABLE
            return status, "application/json", health.model_dump_json().encode()
        case "/readyz":
            readiness = workers.readiness(answers(database))
            status = HTTPStatus.OK if readiness.ready else _UNAVAILABLE
            return status, "application/json", readiness.model_dump_json().encode()
        case _:
            text = b"there are /metrics, /healthz and /readyz\n"
            return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", text


_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE


class _Handler(BaseHTTPRequestHandler):
    timeout = _SLOWEST_S

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        raise NotImplementedError

    def do_GET(self) -> None:
        status, content_type, body = self.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "lineside-hub"

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: they come every few seconds for ever."""
