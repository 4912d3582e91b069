"""The API's connections, so many at most: who holds one without asking anything gives way to who
asks."""

from __future__ import annotations

import asyncio
import resource
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST = 4000
"""Connections of one process; a hundred suppliers and all screens of a plant have some hundreds."""
REQUEST_S = 60.0
"""Time for a request to come whole, the first of a connection too."""
_OTHER_FILES = 512
"""Descriptors for what is no connection of the API."""


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with a bound. Beyond it the connection that has waited longest for a whole
    request is dropped, and if each is being answered, the new one."""

    most: ClassVar[int] = MOST
    _waiting: ClassVar[dict[BoundedHttp, None]] = {}
    """Without a whole request, the longest first."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            next(iter(self._waiting)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._come()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        if self._late is None:
            self._wait()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._come()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._waiting.setdefault(self)  # its keep-alive ends by itself

    def _wait(self) -> None:
        self._waiting.setdefault(self)
        self._late = self.loop.call_later(REQUEST_S, self._drop)

    def _come(self) -> None:
        self._waiting.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _drop(self) -> None:
        self.transport.abort()


def open_files() -> int:
    """Let this process have as many descriptors as it may; returns how many connections the API
    can then have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, hard - _OTHER_FILES))
