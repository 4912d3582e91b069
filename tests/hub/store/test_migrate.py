"""Migrations: once, in order, whole or not at all, never backwards."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.store import Database, MigrationError, migrate, schema_state
from hub.store.migrate import SQL, migrations
from hub.store.roles import bootstrap
from tests.fixtures.postgres import PASSWORDS, PROGRAMS, DatabaseServer


@pytest.fixture
def empty(database_server: DatabaseServer) -> Iterator[Database]:
    """Roles and schema, but no migration applied."""
    bootstrap(database_server.embedded.dsn(), "empty", PASSWORDS)
    yield database_server.at("empty")
    database_server.drop("empty")


@pytest.fixture
def owner(empty: Database) -> Iterator[psycopg.Connection]:
    with empty.connect("owner") as connection:
        yield connection


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the migrations, to be changed."""
    return Path(shutil.copytree(SQL, tmp_path / "sql"))


def test_a_new_database_gets_all_and_a_second_run_nothing(
    owner: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        before = migrate(owner)
    assert before.applied == ()
    assert before.pending == tuple(m.version for m in migrations("postgres"))
    said = [record.message for record in caplog.records if "samples are stored" in record.message]
    assert len(said) == 1
    assert ("TimescaleDB hypertables" if PROGRAMS else "plain PostgreSQL") in said[0]
    assert migrate(owner).pending == ()


def test_both_storages_have_every_number() -> None:
    numbers = [[m.version for m in migrations(storage)] for storage in ("postgres", "timescale")]
    assert numbers[0] == numbers[1]


def test_a_failing_file_leaves_nothing_and_what_came_before_stays(
    owner: psycopg.Connection, files: Path
) -> None:
    after = migrations("postgres", files)[-1].version
    bad = files / f"{after + 1:04d}_bad.sql"
    bad.write_text("CREATE TABLE half (n integer); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match="_bad failed: division by zero"):
        migrate(owner, files)
    assert owner.execute("SELECT to_regclass('half')").fetchone() == (None,)
    assert schema_state(owner, files).pending == (after + 1,)
    bad.write_text("CREATE TABLE half (n integer)")
    assert migrate(owner, files).pending == (after + 1,)


def test_control_points_in_use_become_known_ones(owner: psycopg.Connection, files: Path) -> None:
    later = [path for path in files.rglob("*.sql") if int(path.name[:4]) >= 6]
    texts = {path: path.read_text() for path in later}
    for path in later:
        path.unlink()
    migrate(owner, files)
    owner.commit()
    with owner.transaction():
        owner.execute("SELECT set_config('lineside.tenant', 'carmaker', true)")
        owner.execute(
            "INSERT INTO tenant VALUES ('carmaker', 'Car maker', 'oem');"
            "INSERT INTO plant VALUES ('P1', 'carmaker', 60);"
            "INSERT INTO vehicle_order (plant, production_no, owner, model, colour, given_rank,"
            " source) VALUES ('P1', '1', 'carmaker', 'M', 'RED', 1, 'day');"
            "INSERT INTO control_point_pass VALUES ('P1', 'LINE-OFF', '1', 'carmaker', 1, now()),"
            " ('P1', 'BODY', '1', 'carmaker', 1, now())"
        )
    for path, text in texts.items():
        path.write_text(text)
    migrate(owner, files)
    with owner.transaction():
        owner.execute("SELECT set_config('lineside.tenant', 'carmaker', true)")
        found = owner.execute("SELECT id, owner, rank FROM control_point ORDER BY rank").fetchall()
    assert found == [("BODY", "carmaker", 1), ("LINE-OFF", "carmaker", 2)]


def test_a_newer_schema_is_refused(owner: psycopg.Connection, files: Path) -> None:
    newest = migrations("postgres", files)[-1].version + 1
    future = files / f"{newest:04d}_future.sql"
    future.write_text("SELECT 1")
    migrate(owner, files)
    future.unlink()
    with pytest.raises(MigrationError, match=f"has migration {newest} .*knows up to {newest - 1}"):
        migrate(owner, files)


def test_a_changed_file_is_refused(owner: psycopg.Connection, files: Path) -> None:
    migrate(owner, files)
    first = files / "0001_tenants_and_fleet.sql"
    first.write_text(first.read_text() + "\n-- an afterthought\n")
    with pytest.raises(MigrationError, match="0001_tenants_and_fleet differs"):
        migrate(owner, files)


def test_a_gap_in_the_numbers_is_refused(files: Path) -> None:
    (files / "0002_plant_and_calls.sql").unlink()
    with pytest.raises(MigrationError, match="not numbered"):
        migrations("postgres", files)


def test_bootstrap_may_be_repeated(
    owner: psycopg.Connection, database_server: DatabaseServer
) -> None:
    migrate(owner)
    bootstrap(database_server.embedded.dsn(), "empty", PASSWORDS)
    assert schema_state(owner).pending == ()


def test_no_role_of_ours_is_a_superuser(owner: psycopg.Connection) -> None:
    roles = owner.execute(
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles "
        "WHERE rolname LIKE 'lineside%' ORDER BY rolname"
    ).fetchall()
    assert roles == [
        ("lineside_api", False, False, False, False),
        ("lineside_ingest", False, False, False, True),
        ("lineside_owner", False, False, False, False),
    ]
