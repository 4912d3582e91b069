"""HTTP/1.1 for the few pages a gateway serves: h11 reads and writes it, asyncio carries it. A web
framework would cost more memory than all of the agent's own code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

import h11

from edge.status.condition import Condition

logger = logging.getLogger(__name__)

IDLE_S = 15.0
"""Time for a client to send a request; one that sends none is dropped."""
RETRY_S = 10.0
SEND_S = 30.0
"""Time for a client to take what is sent; one that does not is dropped."""
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read to its end."""

    method: str
    path: str
    query: str
    headers: Mapping[bytes, str]
    body: bytes
    peer: str
    """Address of the client; empty on a local socket."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. With `events` it has no end: what comes out of them is sent as it comes."""

    status: HTTPStatus
    content_type: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    events: AsyncIterator[bytes] | None = None


Handler = Callable[[Request], Awaitable[Answer]]


class _TooLargeError(Exception):
    """The body is larger than is read."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


def refuse(status: HTTPStatus) -> Answer:
    """A refusal that says no more than its name."""
    return Answer(status, TEXT, f"{status.phrase}\n".encode())


class HttpServer:
    """Serves on as many listeners as it is told to."""

    def __init__(self, name: str, policy: str, max_clients: int, max_body: int = 0) -> None:
        """`policy`: the Content-Security-Policy of all answers."""
        self._name = name
        self._policy = policy
        self._max_clients = max_clients
        self._max_body = max_body
        self._clients: set[asyncio.Task[None]] = set()

    def accepting(
        self, handle: Handler, *, only_here: bool
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        """The callback of a listener. `only_here`: answer to the names of this machine alone, as a
        page elsewhere may have its own name point here, to read this with its scripts."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            client = asyncio.create_task(self._converse(reader, writer, handle, only_here))
            self._clients.add(client)
            client.add_done_callback(self._clients.discard)

        return accept

    async def serve(self, where: str, listen: Callable[[], Awaitable[asyncio.Server]]) -> None:
        """Serve until cancelled; where it is not possible, it is tried again and again."""
        condition = Condition(logger, f"{self._name} on {where}")
        while True:
            try:
                server = await listen()
            except OSError as error:
                condition.fail(f"{error.strerror or error}; it is tried again")
                await asyncio.sleep(RETRY_S)
                continue
            condition.recover()
            try:
                await server.serve_forever()
            finally:
                server.close()
                for client in list(self._clients):
                    client.cancel()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handle: Handler,
        only_here: bool,
    ) -> None:
        """Answer one client's requests until it goes."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        try:
            if len(self._clients) > self._max_clients:
                return
            while connection.states == {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}:
                async with asyncio.timeout(IDLE_S):
                    request = await self._next_request(connection, reader, address)
                if request is None:
                    return
                if only_here and not is_loopback(host_of(request.headers.get(b"host", ""))):
                    what = b"this port answers to localhost only\n"
                    answer = Answer(HTTPStatus.MISDIRECTED_REQUEST, TEXT, what)
                else:
                    answer = await handle(request)
                await self._send(connection, writer, request.method, answer)
                if answer.events is not None:
                    return
                connection.start_next_cycle()
        except (h11.RemoteProtocolError, _TooLargeError) as error:
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                status = HTTPStatus(getattr(error, "error_status_hint", 413))
                refusal = Answer(status, TEXT, f"{error}\n".encode(), (("Connection", "close"),))
                writer.write(self._encode(connection, "GET", refusal))
        except (OSError, TimeoutError, h11.LocalProtocolError):
            pass  # it has gone, or wants no more
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _send(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, method: str, answer: Answer
    ) -> None:
        writer.write(self._encode(connection, method, answer))
        if answer.events is None:
            await writer.drain()
            return
        async with contextlib.aclosing(answer.events) as events:  # type: ignore[type-var]
            async for event in events:
                writer.write(connection.send(h11.Data(data=event)) or b"")
                async with asyncio.timeout(SEND_S):
                    await writer.drain()

    async def _next_request(
        self, connection: h11.Connection, reader: asyncio.StreamReader, peer: str
    ) -> Request | None:
        """The next request, read to its end; None if the client has gone."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    raise h11.RemoteProtocolError("send the body at once", error_status_hint=417)
                connection.receive_data(await reader.read(16_384))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                # One that takes no bodies passes over them.
                body += event.data if self._max_body else b""
                if len(body) > self._max_body:
                    raise _TooLargeError(f"a body of at most {self._max_body} bytes is read")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                path, _, query = head.target.decode("latin-1").partition("?")
                headers = {name: value.decode("latin-1") for name, value in head.headers}
                method = head.method.decode("latin-1")
                return Request(method, path, query, headers, bytes(body), peer)
            elif isinstance(event, h11.ConnectionClosed):
                return None

    def _encode(self, connection: h11.Connection, method: str, answer: Answer) -> bytes:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Security-Policy", self._policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
            ("Vary", "Accept-Language"),
            *answer.headers,
        ]
        if answer.events is None:
            headers.append(("Content-Length", str(len(answer.body))))
        response = h11.Response(
            status_code=answer.status, reason=answer.status.phrase, headers=headers
        )
        parts: list[Any] = [connection.send(response)]
        if answer.events is None:
            if method != "HEAD":
                parts.append(connection.send(h11.Data(data=answer.body)))
            parts.append(connection.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part is not None)
