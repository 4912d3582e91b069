"""What every route works with: the database, the caller's tenant, and one transaction for it."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg_pool import ConnectionPool

from hub.api.budget import Budget
from hub.api.live import Live
from hub.api.once import ATTEMPT, HEADER, begin
from hub.api.problems import Problem
from hub.api.settings import ApiSettings
from hub.fleet.settings import Signing
from hub.identity.audit import note
from hub.identity.caller import ALLOWS, Caller
from hub.identity.keys import PREFIX, Keys
from hub.identity.oidc import Oidc, ProviderAwayError, SignInError
from hub.identity.policy import READING, permission_for
from hub.identity.rate import Rates
from hub.identity.sessions import COOKIE, Sessions
from hub.identity.settings import IdentitySettings
from hub.monitoring.health import Workers
from hub.sequencing.searches import Searches
from hub.store.connect import in_one_trip
from hub.store.connect import tenant as speaking_for
from hub.webhooks.settings import WebhookSettings
from hub.webhooks.targets import Targets
from protocols.traces import UNTRACED, CallTracer

POOL_WAIT_S = 5.0
_CAR_MAKERS = """
SELECT DISTINCT p.owner FROM plant p JOIN tenant t ON t.id = p.owner WHERE t.kind = 'oem' LIMIT 2
"""

_bearer = HTTPBearer(
    auto_error=False, description="An API key, a user's token, or the hub's own token"
)


class Context:
    """Shared by all requests of one app."""

    def __init__(
        self,
        reading: ConnectionPool,
        writing: ConnectionPool,
        live: Live,
        searches: Searches,
        settings: ApiSettings,
        identity: IdentitySettings,
        workers: Workers,
        webhooks: WebhookSettings | None = None,
        signing: Signing | None = None,
        tracer: CallTracer = UNTRACED,
    ) -> None:
        """`reading` is of the role `lineside_api`, `writing` of `lineside_ingest`.

        Raises `OSError` or `ValueError` if a secret cannot be read.
        """
        self.live = live
        self.searches = searches
        self.workers = workers
        self.signing = signing
        self.tracer = tracer
        self.rates = Rates(identity.rate)
        self.budget = Budget(identity.rate)
        self.oidc = Oidc(identity.oidc) if identity.oidc else None
        self.keys = Keys()
        self._reading = reading
        self._writing = writing
        token = settings.secret()
        self._token = token.encode() if token is not None else None
        self._tenant = settings.tenant
        self.targets = Targets((webhooks or WebhookSettings()).allow, self.open_to_all)
        self._query_ms = int(identity.rate.query_s * 1000)
        self.export_s = identity.rate.export_s
        self._sessions: Sessions | None = None

    @property
    def open_to_all(self) -> bool:
        """Whether nobody is asked who they are: a hub without a token, on loopback."""
        return self._token is None

    @property
    def sessions(self) -> Sessions:
        """Signs and reads the cookies of browsers."""
        if self._sessions is None:
            with self.writing() as connection:
                self._sessions = Sessions.of(connection)
        return self._sessions

    def bearer(self, token: str) -> Caller | None:
        """Whom a bearer token speaks for. Raises `SignInError`, `ProviderAwayError`, `Problem`."""
        if token.startswith(f"{PREFIX}_"):
            known = self.keys.known(token)
            if known is not None:
                return known
            with self.writing() as connection:
                return self.keys.look_up(connection, token)
        if self._token is not None and hmac.compare_digest(token.encode(), self._token):
            return self.operator()
        if self.oidc is not None and token.count(".") == 2:
            return self.oidc.caller(token)
        return None

    def at_hand(self, bearer: str | None) -> Caller | None:
        """Whom a bearer token, or none at all, speaks for, where that is in memory. None: it is
        not, which says nothing of the token."""
        if bearer is not None and bearer.startswith(f"{PREFIX}_"):
            return self.keys.known(bearer)
        if bearer is None:
            is_operator = self.open_to_all
        else:
            own = self._token
            is_operator = own is not None and hmac.compare_digest(bearer.encode(), own)
        return self.operator() if is_operator and self._tenant is not None else None

    def operator(self) -> Caller:
        """Whoever has the hub's own token, or sits at a hub that asks for none. Before a plant is
        loaded they speak for nobody, which is enough for a day that stands for itself."""
        try:
            tenant = self.tenant()
        except Problem:
            tenant = ""
        return Caller(tenant, "token" if self._token else "local", frozenset({"admin"}))

    def tenant(self) -> str:
        """Whom the hub's own token speaks for. Raises `Problem` if that cannot be known yet."""
        if self._tenant is None:
            with self.writing() as connection:
                owners = connection.execute(_CAR_MAKERS).fetchall()
            if len(owners) != 1:
                raise Problem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "no plant is loaded yet: lineside-hub plant load"
                    if not owners
                    else "several tenants own plants: set LINESIDE_HUB_API__TENANT",
                )
            self._tenant = str(owners[0][0])
        return self._tenant

    @contextmanager
    def reading(self, tenant: str) -> Iterator[psycopg.Connection]:
        """A transaction that sees the rows of one tenant alone, each query within its time."""
        with (
            self._reading.connection(timeout=POOL_WAIT_S) as connection,
            speaking_for(connection, tenant),
        ):
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true)", (str(self._query_ms),)
            )
            yield connection

    @contextmanager
    def exporting(self, tenant: str) -> Iterator[psycopg.Connection]:
        """As `reading`, for as long as an export may take: all that is exported is of one
        moment."""
        with self._reading.connection(timeout=POOL_WAIT_S) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with speaking_for(connection, tenant):
                connection.execute(
                    "SELECT set_config('statement_timeout', %s, true)",
                    (str(int(self.export_s * 1000)),),
                )
                yield connection

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection]:
        """A transaction past the tenant policies: what it does must name the tenant itself. In a
        request that changes something, it begins with a line of the audit log, and marks the
        request's idempotency key."""
        with self.own() as connection:
            _begin(connection)
            yield connection

    @contextmanager
    def writing_in_one_trip(self) -> Iterator[psycopg.Connection]:
        """The same; and the commit goes out with what is written last, without waiting for answers
        (`in_one_trip`): who waits for a lock of the transaction does not wait for this process."""
        with self.own() as connection, in_one_trip(connection):
            _begin(connection)
            yield connection
            connection.commit()

    @contextmanager
    def own(self) -> Iterator[psycopg.Connection]:
        """A transaction for what the hub keeps for itself; no change of anybody's data."""
        with self._writing.connection(timeout=POOL_WAIT_S) as connection:
            yield connection


def _begin(connection: psycopg.Connection) -> None:
    """What comes first in the transaction of a change."""
    asked = ASKED.get()
    if asked is not None:
        note(connection, asked.caller.tenant or None, asked.caller.actor, "api", asked.what)
        ASKED.set(None)
    attempt = ATTEMPT.get()
    if attempt is not None:
        attempt.mark(connection)


@dataclass(frozen=True, slots=True)
class Asked:
    """A change that is asked for and not yet in the audit log."""

    caller: Caller
    what: str


ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)


def context(request: Request) -> Context:
    """The app's context."""
    found: Context = request.app.state.context
    return found


async def caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Who asks, if they may ask this. Raises `Problem` 401, 403, 429."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    shared = context(request)
    wait = shared.rates.shut_out(_address(request))
    if wait is not None:
        raise too_many(wait, "too many wrong keys or tokens came from this address")
    bearer = credentials.credentials if credentials is not None else None
    found = None
    if bearer is not None or COOKIE not in request.cookies:
        found = shared.at_hand(bearer)
    if found is None:
        found = await run_in_threadpool(_identified, request, shared, credentials)
    wait = shared.rates.ask(found.actor, found.tenant)
    if wait is not None:
        raise too_many(wait, "this key or user asks too often")
    route: APIRoute = request.scope["route"]
    wanted = permission_for(request.method, [str(tag) for tag in route.tags])
    if not found.may(wanted):
        allowed = [role for role, permissions in ALLOWS.items() if wanted in permissions]
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{found.actor} has the roles {', '.join(sorted(found.roles)) or 'none'}, and this "
            f"wants one that may {wanted}: {' or '.join(allowed)}",
        )
    if wanted != "read" and request.method not in READING:
        ASKED.set(Asked(found, f"{request.method} {request.url.path}"))
    request.state.caller = found
    return found


async def once(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Lets a request with an idempotency key through once. Raises `AnsweredError` or `Problem`."""
    if HEADER not in request.headers or request.method in READING:
        return
    found = await caller(request, credentials)
    if not found.tenant:
        return  # no plant is loaded: there is nothing yet that could change
    attempt = await begin(request, context(request).own, found.tenant)
    request.state.attempt = attempt
    ATTEMPT.set(attempt)


def _identified(
    request: Request, shared: Context, credentials: HTTPAuthorizationCredentials | None
) -> Caller:
    cookie = request.cookies.get(COOKIE)
    if credentials is None and cookie is not None:
        found = shared.sessions.caller(cookie)
        if found is not None and _same_origin(request):
            return found
    if credentials is None and shared.open_to_all:
        return shared.operator()
    why = "no bearer token"
    if credentials is not None:
        try:
            found = shared.bearer(credentials.credentials)
        except SignInError as refused:
            found, why = None, str(refused)
        except ProviderAwayError as away:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, f"users cannot be checked now: {away}"
            ) from None
        else:
            why = "the key or token is unknown, revoked or past"
        if found is not None:
            return found
        if shared.open_to_all and not credentials.credentials.startswith(f"{PREFIX}_"):
            return shared.operator()
        shared.rates.refuse(_address(request))
    raise Problem(HTTPStatus.UNAUTHORIZED, why, headers={"WWW-Authenticate": "Bearer"})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _same_origin(request: Request) -> bool:
    """Whether a browser says that one of our own pages asks: a cookie goes along with any."""
    if request.method in READING:
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin", "")
    return origin.partition("://")[2] == request.headers.get("host")


def too_many(wait_s: int, why: str) -> Problem:
    """What is answered to those who ask too often."""
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"{why}; wait {wait_s} s",
        headers={"Retry-After": str(wait_s)},
    )


async def caller_tenant(found: Annotated[Caller, Depends(caller)], request: Request) -> str:
    """The caller's tenant. Raises `Problem` 503 where it cannot be known yet."""
    return found.tenant or await run_in_threadpool(context(request).tenant)


async def shared_context(request: Request) -> Context:
    """The app's context, to routes."""
    return context(request)


Shared = Annotated[Context, Depends(shared_context)]
Admitted = Annotated[Caller, Depends(caller)]
Tenant = Annotated[str, Depends(caller_tenant)]
