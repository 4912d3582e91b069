"""The tenant that a command is told to speak for."""

from __future__ import annotations

import psycopg
import typer

from hub.orders.problems import did_you_mean


def expect_tenant(connection: psycopg.Connection, tenant: str) -> None:
    """End the command with a sentence if there is no such tenant."""
    tenants = [t for (t,) in connection.execute("SELECT id FROM tenant ORDER BY id").fetchall()]
    if tenant not in tenants:
        typer.echo(f"no tenant {tenant!r}{did_you_mean(tenant, tenants)}", err=True)
        raise typer.Exit(1)
