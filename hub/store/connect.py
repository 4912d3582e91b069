"""Connections to the hub's database, per role, and the tenant they speak for."""

from __future__ import annotations

import json
import os
import secrets
import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg_pool import ConnectionPool

from hub.store.embedded import EmbeddedPostgres
from hub.store.roles import ROLES, Role, bootstrap, role_name

if TYPE_CHECKING:  # settings know the store's own; not the other way round
    from hub.settings import DatabaseSettings

CONNECT_TIMEOUT_S = 5
"""A server that takes the connection and then says nothing holds nobody longer."""
SILENCE_MS = 20_000
"""A server that no longer acknowledges what it is sent, its power gone, is given up after this."""


@dataclass(frozen=True)
class Database:
    """Where the hub's database is and how each role proves itself."""

    conninfo: str
    """libpq connection string without user and password."""
    passwords: Mapping[Role, str]

    def dsn(self, role: Role) -> str:
        """Connection string of one role."""
        return make_conninfo(
            self.conninfo,
            user=role_name(role),
            password=self.passwords[role],
            application_name=f"lineside-hub {role}",
            connect_timeout=CONNECT_TIMEOUT_S,
            tcp_user_timeout=SILENCE_MS,
        )

    def connect(self, role: Role, *, autocommit: bool = False) -> psycopg.Connection:
        """A new connection; close it, or use it in a `with`. Raises `psycopg.OperationalError`."""
        return psycopg.connect(self.dsn(role), autocommit=autocommit)

    def pool(self, role: Role, *, min_size: int = 1, max_size: int = 4) -> ConnectionPool:
        """A pool, opened; the caller closes it. A connection that died is noticed when taken."""
        return ConnectionPool(
            self.dsn(role),
            min_size=min_size,
            max_size=max_size,
            check=_check,
            name=f"lineside-{role}",
            open=True,
        )


def _check(connection: psycopg.Connection) -> None:
    """Raises `psycopg.OperationalError` if the server has left. It says so at its end of the
    connection, or the system does: where nothing is to be read, nobody is asked."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


@contextmanager
def in_transaction(connection: psycopg.Connection) -> Iterator[None]:
    """All within is of one transaction: the one that has begun, else one of its own. Without the
    savepoint of `connection.transaction`: what is refused in here must be so before it writes."""
    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        with connection.transaction():
            yield
    else:
        yield


@contextmanager
def in_one_trip(connection: psycopg.Connection) -> Iterator[None]:
    """Statements within are sent without waiting for each other's answers. What one of them does
    wrong is raised where a result is fetched, or at the end; within another one nothing ends."""
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        yield
        return
    with connection.pipeline():
        yield


@contextmanager
def tenant(connection: psycopg.Connection, tenant_id: str) -> Iterator[psycopg.Connection]:
    """A transaction that speaks for one tenant: policies and views admit its rows alone.

    The setting ends with the transaction, so a pooled connection carries none to its next user.
    """
    with connection.transaction():
        connection.execute("SELECT set_config('lineside.tenant', %s, true)", [tenant_id])
        yield connection


@contextmanager
def open_database(settings: DatabaseSettings, data_dir: Path) -> Iterator[Database]:
    """The database the settings name; without a host the embedded one below `data_dir`.

    The embedded server runs while this is open (and as long as another process has it open).
    """
    if settings.host is not None:
        yield Database(
            make_conninfo(
                host=settings.host,
                port=settings.port,
                dbname=settings.name,
                sslmode=settings.sslmode,
            ),
            {role: settings.secret(role) for role in ROLES},
        )
        return
    with EmbeddedPostgres(data_dir / "postgres", programs=settings.programs) as server:
        passwords = _embedded_passwords(server, settings.name)
        host, port = server.address
        yield Database(make_conninfo(host=host, port=port, dbname=settings.name), passwords)


def _embedded_passwords(server: EmbeddedPostgres, database: str) -> Mapping[Role, str]:
    """Passwords of the roles; at first use they are drawn and the roles and database are made.

    The file is written last: an interrupted first use is done again from the start.
    """
    path = server.directory / "roles.json"
    if path.exists():
        known: dict[Role, str] = json.loads(path.read_text())
        return known
    passwords: dict[Role, str] = {role: secrets.token_urlsafe(24) for role in ROLES}
    bootstrap(server.dsn(), database, passwords)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(passwords, file)
    fresh.replace(path)
    return passwords
