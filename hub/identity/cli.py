"""`lineside-hub keys …` and `lineside-hub audit`."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hub.identity import audit
from hub.identity.caller import ROLES
from hub.identity.keys import list_keys, make_key, revoke_key
from hub.identity.tenants import expect_tenant, tenant_connection
from hub.orders.problems import did_you_mean
from hub.store.cli import service_connection

keys = typer.Typer(no_args_is_help=True, help="API keys for machines: hashed, expiring, revocable.")

Tenant = Annotated[str, typer.Argument(help="Tenant the key speaks for.")]


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(keys, name="keys")
    app.command("audit")(audit_command)


@keys.command()
def add(
    tenant: Tenant,
    name: Annotated[str, typer.Argument(help="What uses it, such as mes or erp-supplier.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "plant",
    days: Annotated[int, typer.Option(min=1, max=730, help="Days until it expires.")] = 365,
) -> None:
    """Make a key and print it, this once."""
    known = next((each for each in ROLES if each == role), None)
    if known is None:
        typer.echo(f"no role {role!r}{did_you_mean(role, ROLES)}", err=True)
        raise typer.Exit(2)
    expires_at = datetime.now(UTC) + timedelta(days=days)
    actor = _actor()
    with tenant_connection(tenant) as connection:
        key = make_key(connection, tenant, name, known, expires_at, actor)
        audit.note(connection, tenant, actor, "cli", f"keys add {name} --role {role}")
    typer.echo(key)
    typer.echo(f"expires {expires_at:%Y-%m-%d}; it is not shown again", err=True)


@keys.command("list")
def list_command(tenant: Tenant) -> None:
    """The tenant's keys, past and revoked ones too."""
    with tenant_connection(tenant) as connection:
        found = list_keys(connection, tenant)
    table = Table("id", "name", "role", "made by", "expires", "last used", "state")
    now = datetime.now(UTC)
    for key in found:
        state = "revoked" if key.revoked_at else "past" if key.expires_at < now else "good"
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        table.add_row(
            key.id, key.name, key.role, key.made_by, f"{key.expires_at:%Y-%m-%d}", used, state
        )
    Console().print(table)


@keys.command()
def revoke(tenant: Tenant, key_id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """End a key: every hub refuses it within some seconds."""
    with service_connection() as connection:
        if not revoke_key(connection, tenant, key_id):
            typer.echo(f"{tenant} has no key {key_id}: see lineside-hub keys list", err=True)
            raise typer.Exit(1)
        audit.note(connection, tenant, _actor(), "cli", f"keys revoke {key_id}")
    typer.echo(f"{key_id} is revoked")


def audit_command(
    tenant: Annotated[str | None, typer.Argument(help="Of this tenant; none: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Newest entries to show.")] = 50,
) -> None:
    """What was changed, by whom, the newest first."""
    with service_connection() as connection:
        if tenant is not None:
            expect_tenant(connection, tenant)
        found = audit.entries(connection, tenant, limit=limit)
    for entry in found:
        typer.echo(f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.via}  {entry.actor}  {entry.what}")


def _actor() -> str:
    return f"user {getpass.getuser()} of the hub's machine"
