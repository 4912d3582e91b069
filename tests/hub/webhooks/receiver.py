"""A webhook's receiver: real HTTP, which checks signatures as another maker's library does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.fixtures.http_server import served


@dataclass
class Receiver:
    """What came, and what is answered."""

    url: str = ""
    secret: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    """Messages that were answered well, in order; each with `id`."""
    tried: list[dict[str, Any]] = field(default_factory=list)
    """All that came."""
    answer: Callable[[dict[str, Any]], int] = lambda _: 204
    """The status for a message."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, key: str) -> list[str]:
        """Types of the messages about a call, in the order they were taken."""
        with self.lock:
            return [m["type"] for m in self.got if m["data"].get("key") == key]

    def types(self) -> list[str]:
        with self.lock:
            return [m["type"] for m in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on loopback, for as long as this is open."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if receiver.secret:
                Webhook(receiver.secret).verify(body, dict(self.headers.items()))
            message = json.loads(body) | {"id": self.headers["webhook-id"]}
            with receiver.lock:
                receiver.tried.append(message)
                status = receiver.answer(message)
                if status < 300:
                    receiver.got.append(message)
            self.send_response(status)
            if status >= 300:
                self.send_header("location", receiver.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/in"
    with served(server):
        yield receiver
