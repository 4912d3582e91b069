"""Requests that change something count once if they carry an `Idempotency-Key`.

Implements draft-ietf-httpapi-idempotency-key-header: the same request under the same key gets the
stored answer, another request under it 422, one that comes while the first is under way 409. Keys
are the tenant's own and are kept for a day. Routers need no code for it: `once` is a dependency of
the whole app, and `KeepAnswers` stores what they answer.

A key that is taken when the hub dies is free again after `ABANDONED_S`, unless the change was
committed: that is marked in the change's own transaction (`Context.writing`), and such a request is
never carried out a second time.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import psycopg
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import Problem
from hub.identity.policy import READING

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT = timedelta(hours=24)
ABANDONED_S = 60.0
"""A request without an answer for so long has none to come."""
MAX_KEPT_BYTES = 262_144

Transaction = Callable[[], AbstractContextManager[psycopg.Connection]]

_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
_KEPT_HEADERS = ("content-type", "location", "retry-after")
_COMES_AGAIN = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Answers that are not about the request itself, so that it may be tried again under its key."""

_FORGET = "DELETE FROM idempotency_key WHERE begun_at < clock_timestamp() - %s"
_TAKE = """
INSERT INTO idempotency_key (owner, key, fingerprint) VALUES (%s, %s, %s)
ON CONFLICT DO NOTHING RETURNING begun_at
"""
_FIND = """
SELECT fingerprint, begun_at, changed, status, headers, body,
    extract(epoch FROM clock_timestamp() - begun_at)
FROM idempotency_key WHERE owner = %s AND key = %s
"""
_TAKE_OVER = """
UPDATE idempotency_key SET begun_at = clock_timestamp()
WHERE owner = %s AND key = %s AND begun_at = %s AND NOT changed AND status IS NULL
RETURNING begun_at
"""
_CHANGED = """
UPDATE idempotency_key SET changed = true
WHERE owner = %s AND key = %s AND begun_at = %s AND status IS NULL RETURNING key
"""
_ANSWERED = """
UPDATE idempotency_key SET status = %s, headers = %s, body = %s
WHERE owner = %s AND key = %s AND begun_at = %s
"""
_GIVE_BACK = """
DELETE FROM idempotency_key
WHERE owner = %s AND key = %s AND begun_at = %s AND NOT changed AND status IS NULL
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that has taken its key."""

    owner: str
    key: str
    begun_at: datetime

    @property
    def identity(self) -> tuple[str, str, datetime]:
        return self.owner, self.key, self.begun_at

    def mark(self, connection: psycopg.Connection) -> None:
        """Note, in the transaction of a change, that it was made. Raises `Problem` if this request
        took so long that another one has taken its key over."""
        if connection.execute(_CHANGED, self.identity).fetchone() is None:
            raise _under_way()


ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""The attempt that this request is."""


class AnsweredError(Exception):
    """The request was answered before: so."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def read_key(text: str) -> str:
    """The key in a header: a string of RFC 8941, or that without its quotes. Raises `Problem`."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"{HEADER}: 1 to 255 printable ASCII characters in quotes, such as "
            '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        )
    return found[1] or found[2]


def fingerprint(request: Request, body: bytes) -> bytes:
    """What makes two requests the same."""
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        digest.update(part.encode() + b"\0")
    digest.update(body)
    return digest.digest()


async def begin(request: Request, transaction: Transaction, owner: str) -> Attempt:
    """Take the key of a request that has one. Raises `AnsweredError` or `Problem`."""
    key = read_key(request.headers[HEADER])
    same = fingerprint(request, await request.body())
    return await run_in_threadpool(_take, transaction, owner, key, same)


def _take(transaction: Transaction, owner: str, key: str, same: bytes) -> Attempt:
    with transaction() as connection:
        connection.execute(_FORGET, (KEPT,))
        # Looked for first: an insertion would wait for the change that the first request makes.
        row = connection.execute(_FIND, (owner, key)).fetchone()
        if row is None:
            taken = connection.execute(_TAKE, (owner, key, same)).fetchone()
            if taken is None:
                raise _under_way()  # another one was faster by a moment
            return Attempt(owner, key, taken[0])
        known, begun_at, changed, status, headers, body, age_s = row
        if known != same:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"{HEADER} {key!r} was used for another request; each needs a key of its own",
            )
        if status is not None:
            raise AnsweredError(_again(status, headers, body))
        if changed and age_s > ABANDONED_S:
            raise Problem(
                HTTPStatus.CONFLICT,
                "this request was carried out, and its answer is lost; read what it changed",
            )
        if age_s > ABANDONED_S:
            taken = connection.execute(_TAKE_OVER, (owner, key, begun_at)).fetchone()
            if taken is not None:
                return Attempt(owner, key, taken[0])
        raise _under_way()


def _under_way() -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "the first request under this key is still under way; ask again",
        headers={"Retry-After": "1"},
    )


def _again(status: int, headers: dict[str, str], body: bytes | None) -> Response:
    if body is None:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"this request was answered with {status}, and that answer is not kept: it held a "
            "secret or was too large; read what it changed",
        )
    response = Response(bytes(body), status_code=status, headers=headers)
    response.headers[REPLAYED] = "true"
    return response


class KeepAnswers:
    """Stores the answer to each request that has taken a key, before it is sent."""

    def __init__(self, app: ASGIApp, transaction: Transaction) -> None:
        self._app = app
        self._transaction = transaction

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] in READING
            or HEADER not in Headers(scope=scope)
        ):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            if state.get("attempt") is None:
                await send(message)
                return
            messages.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await run_in_threadpool(self._settle, state["attempt"], messages)
                for each in messages:
                    await send(each)

        try:
            await self._app(scope, receive, keep)
        except Exception:
            attempt = state.get("attempt")
            if attempt is not None:
                await run_in_threadpool(self._settle, attempt, [])
            raise

    def _settle(self, attempt: Attempt, messages: Iterable[Message]) -> None:
        """Store the answer, or give the key back where it may be tried again."""
        started = [m for m in messages if m["type"] == "http.response.start"]
        try:
            with self._transaction() as connection:
                if not started or _may_come_again(started[0]["status"]):
                    connection.execute(_GIVE_BACK, attempt.identity)
                    return
                body = b"".join(m.get("body", b"") for m in messages)
                headers = MutableHeaders(raw=started[0]["headers"])
                kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
                secret = "no-store" in headers.get("cache-control", "")
                stored = None if secret or len(body) > MAX_KEPT_BYTES else body
                connection.execute(
                    _ANSWERED, (started[0]["status"], Jsonb(kept), stored, *attempt.identity)
                )
        except (psycopg.Error, PoolTimeout) as error:
            text = str(error).strip().partition("\n")[0]
            logger.warning("the answer under key %r is not kept: %s", attempt.key, text)


def _may_come_again(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _COMES_AGAIN
