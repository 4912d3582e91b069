"""`lineside-hub webhooks …`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hub.calls.refused import RefusedError
from hub.identity.audit import note
from hub.identity.tenants import tenant_connection
from hub.settings import HubSettings
from hub.webhooks import store
from hub.webhooks.targets import TargetError, Targets
from protocols.logs import with_bare_addresses

webhooks = typer.Typer(help="Webhooks: who is told of what changes.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option(help="Whose webhooks.")]
IdArgument = Annotated[str, typer.Argument(help="The webhook, such as wh_8c2f5e1ab0d44f10.")]
_ACTOR = "command line"


class TopicName(StrEnum):
    """What can be told."""

    CALLS = "calls"
    CHANGES = "changes"
    EVENTS = "events"
    EXCEPTIONS = "exceptions"
    SHIPMENTS = "shipments"


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(webhooks, name="webhooks")


@webhooks.command("list")
def list_webhooks(tenant: TenantOption) -> None:
    """Print a tenant's webhooks, and how their endpoints answer."""
    with tenant_connection(tenant) as connection:
        found = store.list_webhooks(connection, tenant)
    if not found:
        typer.echo(f"{tenant} has no webhooks", err=True)
    for each in found:
        state = "enabled"
        if each.disabled_at is not None:
            state = f"disabled: {each.disabled_reason}"
        elif each.failing_since is not None:
            state = f"failing since {each.failing_since:%Y-%m-%d %H:%M}: {each.last_error}"
        topics = ",".join(each.topics)
        typer.echo(f"{each.id}  {each.url}  {topics}  {each.waiting} waiting  {state}")


@webhooks.command("add")
def add_webhook(
    url: Annotated[str, typer.Argument(help="Endpoint, https.")],
    topic: Annotated[list[TopicName], typer.Option(help="May be given more than once.")],
    tenant: TenantOption,
    remark: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
) -> None:
    """Subscribe; prints the id and, this once, the secret."""
    settings = HubSettings()
    try:
        Targets(settings.webhooks.allow, loopback=settings.api.is_open).check_url(url)
        with tenant_connection(tenant) as connection:
            note(connection, tenant, _ACTOR, "cli", f"webhooks add {with_bare_addresses(url)}")
            added, secret = store.add_webhook(
                connection, tenant, url, [t.value for t in topic], remark, _ACTOR
            )
    except (TargetError, RefusedError) as error:
        typer.echo(f"not added: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{added}\n{secret}")


@webhooks.command("rotate")
def rotate(webhook: IdArgument, tenant: TenantOption) -> None:
    """Draw a new secret and print it; the old one signs beside it for a day."""
    with tenant_connection(tenant) as connection:
        note(connection, tenant, _ACTOR, "cli", f"webhooks rotate {webhook}")
        secret = store.rotate_secret(connection, tenant, webhook)
        if secret is None:
            raise _unknown(webhook)
    typer.echo(secret)


@webhooks.command("remove")
def remove(webhook: IdArgument, tenant: TenantOption) -> None:
    """End a webhook, with all it has not been told."""
    with tenant_connection(tenant) as connection:
        note(connection, tenant, _ACTOR, "cli", f"webhooks remove {webhook}")
        if not store.remove_webhook(connection, tenant, webhook):
            raise _unknown(webhook)
    typer.echo(f"{webhook} is removed")


@webhooks.command("enable")
def enable(webhook: IdArgument, tenant: TenantOption) -> None:
    """Try an endpoint again that was disabled, or fails."""
    with tenant_connection(tenant) as connection:
        note(connection, tenant, _ACTOR, "cli", f"webhooks enable {webhook}")
        if not store.enable_webhook(connection, tenant, webhook):
            raise _unknown(webhook)
    typer.echo(f"{webhook} is enabled")


@webhooks.command("test")
def test(webhook: IdArgument, tenant: TenantOption) -> None:
    """Write a test message; the hub that serves delivers it."""
    with tenant_connection(tenant) as connection:
        message = store.send_test(connection, tenant, webhook)
        if message is None:
            raise _unknown(webhook)
    typer.echo(f"message {message} is written; `lineside-hub webhooks list` shows what waits")


def _unknown(webhook: str) -> typer.Exit:
    typer.echo(f"no webhook {webhook}", err=True)
    return typer.Exit(1)
