"""Each released schema with rows in all its tables is migrated on: every row is still there.

One database goes through all versions. At each, every table gets a row that only that version can
have written, made from the catalogue: what a new migration adds is filled without anybody thinking
of it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from hub.store import migrate, tenant
from hub.store.migrate import SQL
from hub.store.roles import bootstrap
from hub.store.samples import read_samples
from tests.fixtures.postgres import PASSWORDS, DatabaseServer
from tests.fixtures.timescale import LastingStorage

Row = dict[str, Any]

FIRST = datetime(2026, 3, 4, tzinfo=UTC)
FILLED_BY_MIGRATIONS = {
    "schema_migration",
    "net_status",
    "net_move",
    "sample_rollup",
    "sample_class",
    "sample_dirty",
    "sample_first",
}
"""Not anybody's data: the net, and the store's own notes."""
MADE_ANEW = {23: {"sample_minute_rolled"}}
"""What a migration throws away because it is computed again from the rest."""
GIVEN: dict[tuple[str, str], float | str | datetime] = {
    ("sample", "value"): 7.0,
    ("part_change", "from_position"): 7,
    ("inspection_picture", "state"): "missed",
    **{(f"sample_{name}_rolled", "bucket"): FIRST for name in ("minute", "hour", "day")},
}
"""Values that no rule here would find."""

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'lineside'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
_COLUMNS = """
SELECT attname, atttypid::regtype::text,
    attidentity <> '' OR attgenerated <> '',
    attnotnull AND NOT atthasdef
FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_KEYS = """
SELECT confrelid::regclass::text, array_agg(a.attname::text ORDER BY k.at),
    array_agg(f.attname::text ORDER BY k.at)
FROM pg_constraint c, unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (own, theirs, at),
    pg_attribute a, pg_attribute f
WHERE c.contype = 'f' AND c.conrelid = %s::regclass AND c.conrelid <> c.confrelid
    AND a.attrelid = c.conrelid AND a.attnum = k.own
    AND f.attrelid = c.confrelid AND f.attnum = k.theirs
GROUP BY c.oid, confrelid
"""
_CHECKS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'c' AND conrelid = %s::regclass
"""
_ONE_OF = re.compile(r"\((\w+) = ANY \(ARRAY\['([^']*)'")


@pytest.fixture
def unmigrated(
    lasting_storage: LastingStorage, database_server: DatabaseServer
) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database without a migration; each statement commits."""
    if lasting_storage.kind == "timescale":
        connection = lasting_storage.connection
        connection.execute("DROP SCHEMA lineside CASCADE")
        connection.execute("CREATE SCHEMA lineside AUTHORIZATION lineside_owner")
        yield connection
        return
    bootstrap(database_server.embedded.dsn(), "upgraded", PASSWORDS)
    with psycopg.connect(database_server.embedded.dsn("upgraded"), autocommit=True) as connection:
        connection.execute("SET search_path = lineside; SET timezone = 'UTC'")
        yield connection
    database_server.drop("upgraded")


def test_every_row_of_every_version_is_there_after_the_upgrade(
    unmigrated: psycopg.Connection, tmp_path: Path
) -> None:
    files = Path(shutil.copytree(SQL, tmp_path / "sql"))
    numbered = {path: int(path.name[:4]) for path in files.rglob("*.sql")}
    later = {path: (number, path.read_text()) for path, number in numbered.items() if number > 1}
    for path in later:
        path.unlink()
    newest = max(numbered.values())
    stored: list[dict[str, Row]] = []
    for version in range(1, newest + 1):
        for path, (number, text) in later.items():
            if number == version:
                path.write_text(text)
        before = everything(unmigrated)
        unmigrated.execute("SET ROLE lineside_owner")
        migrate(unmigrated, files)
        unmigrated.execute("RESET ROLE")
        nothing_is_lost(before, everything(unmigrated), MADE_ANEW.get(version, set()), version)
        stored.append(fill(unmigrated, version))
    read_what_was_stored(unmigrated, stored)


def everything(connection: psycopg.Connection) -> dict[str, list[Row]]:
    """All rows of all tables."""
    found = {}
    for (name,) in connection.execute(_TABLES).fetchall():
        if name not in FILLED_BY_MIGRATIONS:
            rows = connection.execute(
                sql.SQL("SELECT to_jsonb(t) FROM lineside.{} t").format(sql.Identifier(name))
            )
            found[name] = [row for (row,) in rows.fetchall()]
    return found


def nothing_is_lost(
    before: dict[str, list[Row]], after: dict[str, list[Row]], made_anew: set[str], version: int
) -> None:
    for name, rows in before.items():
        if name in made_anew:
            continue
        assert name in after, f"{version} drops {name}"
        assert len(after[name]) >= len(rows), f"{version} loses rows of {name}"
        for row in rows:
            assert any(
                all(kept[column] == value for column, value in row.items() if column in kept)
                for kept in after[name]
            ), f"{version} changes {row} of {name}"


def fill(connection: psycopg.Connection, version: int) -> dict[str, Row]:
    """A row in each table, with parents where it needs them; by table."""
    waiting = {
        name: connection.execute(_KEYS, [name]).fetchall()
        for (name,) in connection.execute(_TABLES).fetchall()
        if name not in FILLED_BY_MIGRATIONS
    }
    if "sample" in waiting:
        waiting["sample"] = [("tag", ["tag_id"], ["id"])]  # known to us; a key would cost too much
    made: dict[str, Row] = {}
    while waiting:
        ready = [
            name
            for name, keys in waiting.items()
            if not {parent for parent, _, _ in keys} & waiting.keys()
        ]
        assert ready, f"tables that refer to one another: {sorted(waiting)}"
        for name in ready:
            made[name] = insert(connection, name, waiting.pop(name), made, version)
    return made


def insert(
    connection: psycopg.Connection,
    name: str,
    keys: list[tuple[str, list[str], list[str]]],
    made: dict[str, Row],
    version: int,
) -> Row:
    checks = " ".join(check for (check,) in connection.execute(_CHECKS, [name]).fetchall())
    allowed = dict(reversed(_ONE_OF.findall(checks)))
    values: Row = {}
    for column, kind, generated, required in connection.execute(_COLUMNS, [name]).fetchall():
        if (name, column) in GIVEN:
            values[column] = GIVEN[name, column]
        elif required and not generated:
            values[column] = allowed.get(column) or plain_value(kind, column, version)
    for parent, own, theirs in keys:
        for column, referred in zip(own, theirs, strict=True):
            if column in values and parent in made:
                values[column] = made[parent][referred]
    with connection.transaction():
        if name != "sample":
            # Rows as they stand, not as triggers would have them: those belong to their version.
            connection.execute("SET LOCAL session_replication_role = replica")
        row = connection.execute(
            sql.SQL(
                "INSERT INTO lineside.{0} AS t ({1}) VALUES ({2}) RETURNING to_jsonb(t)"
            ).format(
                sql.Identifier(name),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        ).fetchone()
    assert row is not None
    return dict(row[0])


def plain_value(kind: str, column: str, version: int) -> Any:
    """A value of that type that tells the version."""
    if kind.endswith("[]"):
        return []
    by_kind = {
        "text": f"{column.replace('_', '-')}-{version}",
        "boolean": True,
        "jsonb": Jsonb({"version": version}),
        "bytea": bytes([version]),
        "interval": timedelta(minutes=version),
        "timestamp with time zone": FIRST + timedelta(days=version),
        "date": (FIRST + timedelta(days=version)).date(),
        "uuid": f"00000000-0000-0000-0000-{version:012d}",
        "int8multirange": "{}",
    }
    return by_kind.get(kind, version)


def read_what_was_stored(connection: psycopg.Connection, stored: list[dict[str, Row]]) -> None:
    """The newest release reads the samples of each version, as their owner."""
    for version, made in enumerate(stored, start=1):
        if "sample" not in made:
            continue
        connection.execute("SET ROLE lineside_api")
        with tenant(connection, made["tag"]["owner"]):
            at = FIRST + timedelta(days=version)
            for span in (timedelta(hours=1), timedelta(days=1)):
                read, _ = read_samples(connection, made["tag"]["id"], at, at + span, 10)
                assert [sample.value for sample in read] == [7.0]
        connection.execute("RESET ROLE")
