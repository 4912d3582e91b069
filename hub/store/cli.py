"""`lineside-hub migrate` and `lineside-hub db …`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from pydantic import BaseModel, ValidationError

from hub.orders.problems import nearest
from hub.settings import HubSettings
from hub.store.connect import Database, open_database
from hub.store.embedded import EmbeddedError
from hub.store.migrate import MigrationError, SchemaState, migrate, schema_state
from hub.store.policies import apply_policies
from hub.store.roles import ROLES, bootstrap
from hub.store.settings import KeepSettings
from hub.store.status import StoreStatus, store_status

db = typer.Typer(help="The hub's database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.command("migrate")(migrate_command)
    app.add_typer(db, name="db")


def misconfigured(error: ValidationError) -> typer.Exit:
    """Say which environment variables are wrong; raise what is returned to end the command."""
    for problem in error.errors(include_url=False, include_input=False):
        name = _variable(problem["loc"])
        if problem["type"] == "extra_forbidden":
            text = f"is no setting{nearest(name, _beside(problem['loc']))}"
        else:
            text = problem["msg"]
        typer.echo(f"{name}: {text}", err=True)
    return typer.Exit(2)


def _variable(way: Iterable[int | str]) -> str:
    return "LINESIDE_HUB_" + "__".join(str(part) for part in way).upper()


def _beside(way: Sequence[int | str]) -> list[str]:
    """The variables of the settings that are known beside this one."""
    model: type[BaseModel] = HubSettings
    for part in way[:-1]:
        field = model.model_fields.get(str(part))
        group = None if field is None else field.annotation
        if not isinstance(group, type) or not issubclass(group, BaseModel):
            return []
        model = group
    return [_variable((*way[:-1], name)) for name in model.model_fields]


@contextmanager
def configured_database() -> Iterator[Database]:
    """The database of the settings; ends the command with a sentence if it cannot be had."""
    try:
        settings = HubSettings()
        with open_database(settings.database, settings.data_dir) as database:
            yield database
    except ValidationError as error:
        raise misconfigured(error) from None
    except (psycopg.OperationalError, EmbeddedError, OSError) as error:
        typer.echo(f"no database: {str(error).strip()}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def service_connection() -> Iterator[psycopg.Connection]:
    """A connection of the role `lineside_ingest`, to a schema that is up to date."""
    with configured_database() as database:
        with database.connect("owner") as connection:
            if _state(connection).pending:
                typer.echo("the schema is not up to date: run lineside-hub migrate", err=True)
                raise typer.Exit(1)
        with database.connect("ingest") as connection:
            yield connection


def migrate_command() -> None:
    """Bring the schema up to date, and TimescaleDB's jobs in line with the settings."""
    keep = _keep()
    with configured_database() as database:
        applied = migrate_database(database, keep)
    typer.echo(f"applied {len(applied)} migrations" if applied else "the schema is up to date")


def migrate_database(database: Database, keep: KeepSettings) -> tuple[int, ...]:
    """Migrate as the owner and apply the storage policies; the numbers applied. Ends the command if
    that is not possible."""
    try:
        with database.connect("owner") as connection:
            applied = migrate(connection).pending
        with database.connect("owner", autocommit=True) as connection:
            apply_policies(connection, keep)
        return applied
    except MigrationError as error:
        typer.echo(f"cannot migrate: {error}", err=True)
        raise typer.Exit(1) from None


def _state(connection: psycopg.Connection) -> SchemaState:
    try:
        return schema_state(connection)
    except MigrationError as error:
        typer.echo(f"schema: {error}", err=True)
        raise typer.Exit(1) from None


@db.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Schema, storage and sizes; how far trends are made, and the jobs that make them."""
    keep = _keep()
    with configured_database() as database, database.connect("owner") as connection:
        state = _state(connection)
        found = None if state.pending else store_status(connection, state.storage, keep)
    if as_json:
        schema = {"applied": len(state.applied), "pending": list(state.pending)}
        typer.echo(json.dumps({"schema": schema} | (found.as_json() if found else {})))
    else:
        typer.echo(f"samples    {state.storage}")
        typer.echo(f"schema     {len(state.applied)} applied, {len(state.pending)} pending")
        if found:
            _print_status(found)
    if state.pending:
        raise typer.Exit(1)


def _print_status(found: StoreStatus) -> None:
    typer.echo(f"server     PostgreSQL {found.server}, database of {_size(found.database_bytes)}")
    for one in found.classes:
        lying = one.lying
        said = [f"{lying.parts} {'chunks' if found.storage == 'timescale' else 'partitions'}"]
        if lying.ratio is not None:
            said.append(f"{lying.compressed_parts} of them compressed {lying.ratio:.1f} times")
        said.append(_size(lying.bytes))
        if one.aggregated_until is not None:
            said.append(f"made up to {one.aggregated_until:%Y-%m-%d %H:%M}Z, the rest when read")
        said.append(f"kept {one.keep_days} days" if one.keep_days else "kept for ever")
        if one.kept_since is not None:
            said.append(f"since {one.kept_since:%Y-%m-%d}")
        typer.echo(f"{one.name:<10} {', '.join(said)}")
    if found.late_minutes:
        typer.echo(f"late       {found.late_minutes} minutes to be made again")
    for job in found.jobs:
        run = "has not run yet"
        if job.last_run is not None:
            done = job.last_success_at
            run = f"{job.last_run}, done {f'{done:%Y-%m-%d %H:%M}Z' if done else 'never'}"
        typer.echo(
            f"job        {job.procedure} of {job.relation} every {job.every}: {run}, "
            f"{job.failures} failures; {job.settings}"
        )


def _size(number: int) -> str:
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _keep() -> KeepSettings:
    try:
        return HubSettings().keep
    except ValidationError as error:
        raise misconfigured(error) from None


@db.command("bootstrap")
def bootstrap_command(
    admin_dsn: Annotated[
        str, typer.Option(help="Connection string of a superuser, without its password.")
    ],
    passwords_dir: Annotated[
        Path, typer.Option(help="Folder with a password in each of: owner, ingest, api.")
    ],
    database: Annotated[str, typer.Option(help="Database to make.")] = "lineside",
) -> None:
    """Make roles, database and schema on a server of your own; afterwards no superuser is needed.

    The superuser's password is read from PGPASSWORD or ~/.pgpass as libpq does.
    """
    try:
        passwords = {role: (passwords_dir / role).read_text().strip() for role in ROLES}
        bootstrap(admin_dsn, database, passwords)
    except (OSError, psycopg.Error) as error:
        typer.echo(f"not prepared: {str(error).strip()}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"database {database} is ready for: lineside-hub migrate")
