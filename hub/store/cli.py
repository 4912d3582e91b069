"""`lineside-hub migrate` and `lineside-hub db …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.settings import HubSettings
from hub.store.connect import Database, open_database
from hub.store.migrate import MigrationError, migrate, schema_state
from hub.store.roles import ROLES, bootstrap

db = typer.Typer(help="The hub's database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.command("migrate")(migrate_command)
    app.add_typer(db, name="db")


def migrate_command() -> None:
    """Bring the schema up to date."""
    settings = HubSettings()
    with open_database(settings.database, settings.data_dir) as database:
        applied = migrate_database(database)
    typer.echo(f"applied {len(applied)} migrations" if applied else "the schema is up to date")


def migrate_database(database: Database) -> tuple[int, ...]:
    """Migrate as the owner; the numbers applied. Ends the command if that is not possible."""
    try:
        with database.connect("owner") as connection:
            return migrate(connection).pending
    except MigrationError as error:
        typer.echo(f"cannot migrate: {error}", err=True)
        raise typer.Exit(1) from None


@db.command("status")
def status() -> None:
    """Schema, storage and sizes."""
    settings = HubSettings()
    with (
        open_database(settings.database, settings.data_dir) as database,
        database.connect("owner") as connection,
    ):
        try:
            state = schema_state(connection)
        except MigrationError as error:
            typer.echo(f"schema     {error}", err=True)
            raise typer.Exit(1) from None
        server, size = connection.execute(
            "SELECT current_setting('server_version'), "
            "pg_size_pretty(pg_database_size(current_database()))"
        ).fetchone() or ("", "")
        typer.echo(f"server     PostgreSQL {server}, database of {size}")
        typer.echo(f"samples    {state.storage}")
        typer.echo(f"schema     {len(state.applied)} applied, {len(state.pending)} pending")
        if state.pending:
            raise typer.Exit(1)


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
    passwords = {role: (passwords_dir / role).read_text().strip() for role in ROLES}
    bootstrap(admin_dsn, database, passwords)
    typer.echo(f"database {database} is ready for: lineside-hub migrate")
