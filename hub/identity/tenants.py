"""The tenant that a command is told to speak for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import typer

from hub.orders.problems import did_you_mean
from hub.store.cli import service_connection


def expect_tenant(connection: psycopg.Connection, tenant: str) -> None:
    """End the command with a sentence if there is no such tenant."""
    tenants = [t for (t,) in connection.execute("SELECT id FROM tenant ORDER BY id").fetchall()]
    if tenant not in tenants:
        typer.echo(f"no tenant {tenant!r}{did_you_mean(tenant, tenants)}", err=True)
        raise typer.Exit(1)


@contextmanager
def tenant_connection(tenant: str) -> Iterator[psycopg.Connection]:
    """`service_connection` for a tenant that there is."""
    with service_connection() as connection:
        expect_tenant(connection, tenant)
        yield connection
