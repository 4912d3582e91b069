"""A database that is dumped and put back on another server, as deploy/README.md describes it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from hub.calls.epochs import begin_all_anew
from hub.calls.release import release
from hub.store import Database, migrate
from hub.store.connect import tenant
from hub.store.embedded import program
from hub.store.roles import bootstrap
from tests.fixtures.postgres import PASSWORDS, DatabaseServer, temporary_server
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at


@pytest.fixture
def used(database: Database) -> Database:
    """A hub's database with calls, and with samples of two days."""
    make_world(database)
    with database.connect("ingest") as connection:
        for car in (1, 2, 3):
            release(connection, OWNER, PLANT, POINT, f"{car:07d}", passed_at(car))
        connection.execute(_SAMPLES)
    return database


_SAMPLES = """
WITH device AS (
    INSERT INTO device (owner, partner, gateway, name, online, since)
    SELECT owner, partner, id, 'press', true, now() FROM gateway LIMIT 1
    RETURNING id, owner, partner
), tag AS (
    INSERT INTO tag (owner, partner, device, name, datatype)
    SELECT owner, partner, id, 'Force', 10 FROM device RETURNING id
)
INSERT INTO sample (tag_id, time, value, quality)
SELECT id, timestamptz '2026-03-02' + n * interval '10 min', n, 192
FROM tag, generate_series(0, 287) n
"""


_HAS_TIMESCALE = "SELECT FROM pg_extension WHERE extname = 'timescaledb'"


def rows(connection: psycopg.Connection) -> dict[str, int]:
    """Number of rows by table."""
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'lineside'::regnamespace"
        " AND relkind IN ('r', 'p') ORDER BY relname"
    ).fetchall()
    return {
        name: connection.execute(f'SELECT count(*) FROM lineside."{name}"').fetchall()[0][0]
        for (name,) in tables
    }


def pg(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)


def without_warnings(said: str) -> list[str]:
    """Of what `pg_dump` says: TimescaleDB's own tables refer to one another, of which it warns."""
    return [line for line in said.splitlines() if not re.search("warning|detail|hint", line)]


def put_back(dsn: str, dump: Path) -> None:
    """Into a database that has been bootstrapped, as a superuser."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute(_HAS_TIMESCALE).fetchone() is None:
            restored = pg("pg_restore", "--clean", "--if-exists", "-d", dsn, dump)
        else:
            connection.execute("DROP SCHEMA lineside")
            connection.execute("SELECT public.timescaledb_pre_restore()")
            restored = pg("pg_restore", "-d", dsn, dump)
            connection.execute("SELECT public.timescaledb_post_restore()")
    assert restored.stderr == ""
    assert restored.returncode == 0


def test_what_was_dumped_is_there_again_and_calls_begin_anew(
    used: Database, database_server: DatabaseServer, tmp_path: Path
) -> None:
    name = used.conninfo.split("dbname=")[1].split()[0]
    of_superuser = database_server.embedded.dsn(name)
    dumped = pg("pg_dump", "-Fc", "-f", tmp_path / "hub.dump", "-d", of_superuser)
    assert (dumped.returncode, without_warnings(dumped.stderr)) == (0, [])
    with temporary_server() as other:
        bootstrap(other.embedded.dsn(), "lineside", PASSWORDS)
        to = other.embedded.dsn("lineside")
        put_back(to, tmp_path / "hub.dump")
        with psycopg.connect(of_superuser) as before, psycopg.connect(to) as after:
            kept = rows(before)
            assert kept["jis_call"] == 9
            assert kept["sample"] == 288
            assert rows(after) == kept
        back = other.at("lineside")
        with back.connect("owner") as connection:
            assert migrate(connection).pending == ()
        with back.connect("api") as connection:
            seen = "SELECT count(*) FROM jis_call"
            assert connection.execute(seen).fetchone() == (0,)
            with tenant(connection, "trimworks"):
                assert connection.execute(seen).fetchone() == (3,)
        with back.connect("ingest") as connection:
            assert begin_all_anew(connection)["seatworks/gw-seat"].carried == 6
            assert release(connection, OWNER, PLANT, POINT, "0000004", passed_at(4)).pass_no == 4


def test_a_dump_by_a_role_that_tenants_bind_is_refused(used: Database, tmp_path: Path) -> None:
    dsn = make_conninfo(used.dsn("owner"))
    refused = pg("pg_dump", "-Fc", "-f", tmp_path / "hub.dump", "-d", dsn)
    assert refused.returncode != 0
    assert "row-level security" in refused.stderr
