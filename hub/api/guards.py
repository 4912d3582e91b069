"""What is turned away before it reaches a route: a body too large, a Host that is not this machine.

Plain ASGI, because FastAPI's own answers to both are plain text, and ours are problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import answer

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class BodyLimit:
    """Refuses bodies of more than `max_bytes`, whether their length was declared or not.

    `larger` names paths, by their beginning, that take more.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        max_bytes = max(
            (most for start, most in self._larger.items() if path.startswith(start)),
            default=self._max_bytes,
        )
        detail = f"the body has more than {max_bytes} bytes"
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            await answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > max_bytes:
                # Of Starlette's own kind: the route that reads the body passes on no other.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, counted, send)


class LocalNamesOnly:
    """Refuses requests that name another host than this machine.

    Where no token is asked for, the browser's own rules are what keeps other sites' pages out, and
    a page that has its name resolved to loopback would pass them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_local(Headers(scope=scope).get("host", "")):
            detail = "without a token the hub answers to localhost only; this request names another"
            await answer(HTTPStatus.BAD_REQUEST, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_local(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        host = name
    return host.lower() in _LOCAL_NAMES
