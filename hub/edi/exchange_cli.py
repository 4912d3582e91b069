"""`lineside-hub edi import|export|watch|profile|log|forecast`: partners without a gateway."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from hub.edi.folders import Folders, write_out
from hub.edi.forecasts import forecasts_of
from hub.edi.inbound import import_file, utc_now
from hub.edi.log import messages_of
from hub.edi.outbound import export
from hub.edi.partners import Partner, partners_of, store_partner
from hub.edi.profiles import read_profile
from hub.identity.audit import NEWEST, note
from hub.identity.tenants import expect_tenant, tenant_connection
from hub.orders.cli import refusing
from hub.store.cli import configured_database, service_connection
from protocols.edifact.problems import EdifactError
from protocols.edifact.profile import EdiProfile
from protocols.edifact.syntax import Limits

TenantOption = Annotated[str, typer.Option(help="Whose partners these are.")]
OutOption = Annotated[
    Path, typer.Option(file_okay=False, exists=True, help="Folder that files are written into.")
]


def register(edi: typer.Typer) -> None:
    """Add these commands to `edi`."""
    edi.command("import")(import_files)
    edi.command("export")(export_files)
    edi.command("watch")(watch)
    edi.command("profile")(profile)
    edi.command("log")(log)
    edi.command("forecast")(forecast)


def import_files(
    paths: Annotated[list[Path], typer.Argument(help="EDIFACT interchanges.")],
) -> None:
    """Take files: each whole or not at all, and once however often it comes."""
    failed = False
    with service_connection() as connection:
        for path in paths:
            try:
                with path.open("rb") as file:
                    data = file.read(Limits().size + 1)
                imported = import_file(connection, data, utc_now())
                connection.commit()
            except EdifactError as error:
                failed = True
                for problem in error.problems:
                    typer.echo(f"{path}: {problem}", err=True)
                continue
            except OSError as error:
                failed = True
                typer.echo(f"{path}: {error.strerror}", err=True)
                continue
            for problem in imported.problems:
                typer.echo(f"{path}: {problem}", err=True)
            failed |= imported.status == "refused"
            kinds = ", ".join(kind for kind, _ in imported.messages)
            typer.echo(
                f"{path}: interchange {imported.interchange} of {imported.partner} "
                f"({kinds}): {imported.status}"
            )
    if failed:
        raise typer.Exit(1)


def export_files(tenant: TenantOption, out: OutOption) -> None:
    """Write what waits for partners by EDI: calls, forecasts, and answers to their files."""
    with tenant_connection(tenant) as connection:
        try:
            export(connection, tenant, utc_now())
        except EdifactError as error:
            typer.echo(f"cannot be written, and waits:\n{error}", err=True)
            raise typer.Exit(1) from None
        count = write_out(connection, tenant, out)
    typer.echo(f"{out}: {count} file{'' if count == 1 else 's'}")


def watch(
    tenant: TenantOption,
    incoming: Annotated[
        Path,
        typer.Option("--in", file_okay=False, exists=True, help="Folder that files come into."),
    ],
    out: OutOption,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Take files as they come, and write those that go, until SIGTERM or Ctrl-C."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    folders = Folders(tenant, incoming, out)
    with configured_database() as database, database.connect("ingest", autocommit=True) as given:
        expect_tenant(given, tenant)
        typer.echo(f"watching {incoming}")
        folders.watch(given, stopping, every)


def profile(
    partner: Annotated[str, typer.Argument(help="The partner's tenant.")],
    tenant: TenantOption,
    plant: Annotated[str | None, typer.Option(help="Our plant that its files are about.")] = None,
    our_id: Annotated[str | None, typer.Option(help="We, in UNB.")] = None,
    their_id: Annotated[str | None, typer.Option(help="They, in UNB.")] = None,
    our_qualifier: Annotated[str, typer.Option(help="Such as OD or ZZ.")] = "",
    their_qualifier: Annotated[str, typer.Option(help="Such as OD or ZZ.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="Which code means what (YAML); else the generic one.")
    ] = None,
) -> None:
    """Say how a partner by EDI is spoken with; without options, show it."""
    with refusing("refused"), tenant_connection(tenant) as connection:
        if plant is None or our_id is None or their_id is None:
            if (plant, our_id, their_id) != (None, None, None):
                typer.echo("--plant, --our-id and --their-id go together", err=True)
                raise typer.Exit(2)
            _show(connection, tenant, partner)
            return
        codes = read_profile(file) if file else EdiProfile()
        try:
            store_partner(
                connection,
                Partner(
                    *(tenant, partner, plant, our_id, our_qualifier, their_id, their_qualifier),
                    codes.model_dump(mode="json"),
                ),
            )
            note(connection, tenant, "command line", "cli", f"edi profile {partner}")
        except psycopg.IntegrityError as error:
            text = str(error).partition("\n")[0]
            typer.echo(
                f"not stored: no such tenant or plant, or the ids are taken: {text}", err=True
            )
            raise typer.Exit(1) from None
    typer.echo(f"{partner}: {their_id} speaks with {our_id} as {codes.name} has it")


def log(
    tenant: TenantOption,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")] = 50,
) -> None:
    """Print the latest messages, the newest first."""
    with tenant_connection(tenant) as connection:
        found = messages_of(connection, tenant, NEWEST, limit)
    for each in found:
        typer.echo(
            f"{each.at:%Y-%m-%d %H:%M:%S}  {each.direction:3}  {each.partner}  {each.kind:6}  "
            f"{each.interchange}/{each.reference}  {each.status}"
        )
        for error in each.errors:
            typer.echo(f"    {error}")


def forecast(
    plant: Annotated[str, typer.Argument(help="Our plant, which the forecasts are for.")],
    part_no: Annotated[str | None, typer.Option(help="This part alone.")] = None,
) -> None:
    """Print what customers expect to need of our parts, against what they have called."""
    with service_connection() as connection:
        found = forecasts_of(connection, plant, part_no=part_no, limit=10_000)
    if not found:
        typer.echo(f"no forecast for plant {plant}", err=True)
        raise typer.Exit(1)
    for part in found:
        typer.echo(f"{part.part_no} of {part.partner}, {part.document_no}:")
        for each in part.periods:
            beyond = "  beyond the forecast" if each.open < 0 else ""
            typer.echo(
                f"    {each.first_day} to {each.last_day}  expected {each.expected:f}  "
                f"called {each.called}  open {each.open:f}  {', '.join(each.firmness)}{beyond}"
            )


def _show(connection: psycopg.Connection, tenant: str, partner: str) -> None:
    found = partners_of(connection, tenant, partner)
    if not found:
        typer.echo(f"{tenant} has no partner {partner} by EDI", err=True)
        raise typer.Exit(1)
    (known,) = found
    typer.echo(f"{known.partner}: plant {known.plant}, {known.their_id} speaks with {known.our_id}")
    typer.echo(known.codes.model_dump_json(indent=2))
