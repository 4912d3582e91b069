"""Numbered SQL files, each applied once, forward only, in its own transaction.

A number names one file in `sql/`, or one in each of `sql/postgres/` and `sql/timescale/`: storage
of samples differs by what the server offers, everything else is the same.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import errors

logger = logging.getLogger(__name__)

Storage = Literal["postgres", "timescale"]
SQL = Path(__file__).parent / "sql"

_LOCK = 0x4C494E45
"""Advisory lock that keeps two migrations of one database apart."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS lineside.schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    storage    text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(RuntimeError):
    """The schema cannot be brought up to date; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file as it is; a file that was applied is never changed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What has been applied, and what this release would apply."""

    storage: Storage
    applied: tuple[int, ...]
    pending: tuple[int, ...]


def migrations(storage: Storage, root: Path = SQL) -> list[Migration]:
    """All migrations for one storage, in order: 1, 2, 3 … without gaps."""
    found = [
        Migration(int(path.name[:4]), path.stem, path.read_text())
        for folder in (root, root / storage)
        for path in folder.glob("[0-9][0-9][0-9][0-9]_*.sql")
    ]
    found.sort(key=lambda migration: migration.version)
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"migrations for {storage} are not numbered 1, 2, 3 …: {numbers}")
    return found


def schema_state(connection: psycopg.Connection, root: Path = SQL) -> SchemaState:
    """Compare the database with this release. Raises `MigrationError` if they cannot agree."""
    known = connection.execute("SELECT to_regclass('lineside.schema_migration')").fetchone()
    rows: list[tuple[int, str, str, str]] = []
    if known is not None and known[0] is not None:
        rows = connection.execute(
            "SELECT version, name, storage, checksum FROM lineside.schema_migration "
            "ORDER BY version"
        ).fetchall()
    storage = _storage(connection, {row[2] for row in rows})
    files = {migration.version: migration for migration in migrations(storage, root)}
    newest = max(files)
    for version, name, _, checksum in rows:
        if version > newest:
            raise MigrationError(
                f"the database has migration {version} ({name}), this release knows up to "
                f"{newest}: run the release that applied it, or a newer one"
            )
        if files[version].checksum != checksum:
            raise MigrationError(
                f"migration {files[version].name} differs from what was applied as {name}: "
                "restore the file; changes go into a new migration"
            )
    applied = tuple(row[0] for row in rows)
    return SchemaState(storage, applied, tuple(sorted(files.keys() - set(applied))))


def migrate(connection: psycopg.Connection, root: Path = SQL) -> SchemaState:
    """Apply what is pending, as lineside_owner. Returns the state from before: what was pending is
    now applied.

    Raises `MigrationError`; a file that fails is rolled back whole, those before it stay.
    """
    with _alone(connection):
        with connection.transaction():
            connection.execute(_LEDGER)
        with connection.transaction():
            before = schema_state(connection, root)
        files = {migration.version: migration for migration in migrations(before.storage, root)}
        for version in before.pending:
            _apply(connection, files[version], before.storage)
    logger.info(
        "samples are stored in %s; schema at migration %d",
        "TimescaleDB hypertables"
        if before.storage == "timescale"
        else "plain PostgreSQL partitions (this server offers no TimescaleDB)",
        max(files),
    )
    return before


class _alone:  # noqa: N801 - used as a context manager
    """Holds the migration lock of the database."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])

    def __exit__(self, *_: object) -> None:
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _apply(connection: psycopg.Connection, migration: Migration, storage: Storage) -> None:
    try:
        with connection.transaction():
            connection.execute("SET LOCAL search_path = lineside")
            connection.execute(migration.sql)  # our own file, no input
            connection.execute(
                "INSERT INTO schema_migration (version, name, storage, checksum) "
                "VALUES (%s, %s, %s, %s)",
                [migration.version, migration.name, storage, migration.checksum],
            )
    except psycopg.Error as error:
        raise MigrationError(f"migration {migration.name} failed: {error}") from error
    logger.info("applied migration %s", migration.name)


def _storage(connection: psycopg.Connection, used: set[str]) -> Storage:
    """The storage this database began with, or, for a new one, the best the server offers."""
    if "timescale" in used:
        return "timescale"
    if "postgres" in used:
        return "postgres"
    row = connection.execute(
        "SELECT installed_version IS NOT NULL FROM pg_available_extensions "
        "WHERE name = 'timescaledb'"
    ).fetchone()
    if row is None:
        return "postgres"
    if not row[0]:
        _install_timescale(connection)
    return "timescale"


def _install_timescale(connection: psycopg.Connection) -> None:
    try:
        connection.execute("CREATE EXTENSION timescaledb SCHEMA public")
    except errors.InsufficientPrivilege:
        raise MigrationError(
            "the server offers TimescaleDB, but lineside_owner may not install it: as a superuser, "
            "run CREATE EXTENSION timescaledb SCHEMA public in this database"
        ) from None
