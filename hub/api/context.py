"""What every route works with: the database, the caller's tenant, and one transaction for it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg_pool import ConnectionPool

from hub.api.live import Live
from hub.api.problems import Problem
from hub.sequencing.searches import Searches
from hub.store.connect import tenant as speaking_for

POOL_WAIT_S = 5.0

_bearer = HTTPBearer(auto_error=False, description="The hub's API token; not asked for in a demo")


class Context:
    """Shared by all requests of one app."""

    def __init__(
        self,
        reading: ConnectionPool,
        writing: ConnectionPool,
        live: Live,
        searches: Searches,
        token: str | None,
        tenant: str | None,
        lanes: dict[str, Callable[[], bool]],
    ) -> None:
        """`reading` is of the role `lineside_api`, `writing` of `lineside_ingest`."""
        self.live = live
        self.searches = searches
        self.lanes = lanes
        self._reading = reading
        self._writing = writing
        self._token = token.encode() if token is not None else None
        self._tenant = tenant

    def admits(self, token: str) -> bool:
        """Whether this is the token, found out in a time that tells nothing of it."""
        return self._token is None or hmac.compare_digest(token.encode(), self._token)

    def tenant(self) -> str:
        """Whom the token speaks for. Raises `Problem` if that cannot be known yet."""
        if self._tenant is None:
            with self.writing() as connection:
                owners = connection.execute("SELECT DISTINCT owner FROM plant LIMIT 2").fetchall()
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
        """A transaction that sees the rows of one tenant alone."""
        with (
            self._reading.connection(timeout=POOL_WAIT_S) as connection,
            speaking_for(connection, tenant),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection]:
        """A connection past the tenant policies: what it does must name the tenant itself."""
        with self._writing.connection(timeout=POOL_WAIT_S) as connection:
            yield connection


def context(request: Request) -> Context:
    """The app's context."""
    found: Context = request.app.state.context
    return found


def admitted(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Raises `Problem` 401 without the right token."""
    if not context(request).admits(credentials.credentials if credentials else ""):
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "a bearer token is needed, and this is not it" if credentials else "no bearer token",
            headers={"WWW-Authenticate": "Bearer"},
        )


def caller(request: Request, _admitted: Annotated[None, Depends(admitted)]) -> str:
    """The caller's tenant."""
    return context(request).tenant()


Shared = Annotated[Context, Depends(context)]
Tenant = Annotated[str, Depends(caller)]
