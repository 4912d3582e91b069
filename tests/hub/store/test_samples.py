"""Samples and their minutes: one set of names, columns and answers on both storages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from hub.store import Database, tenant
from hub.store.maintenance import Maintenance, maintain
from hub.store.migrate import SQL
from hub.store.samples import RAW_SPAN, read_samples
from hub.store.settings import KeepSettings
from tests.fixtures.timescale import Storage

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make_tag(connection: psycopg.Connection) -> int:
    """A tag of the supplier seatworks; ingest's rights."""
    for name, kind in (("seatworks", "supplier"), ("carmaker", "oem"), ("other", "oem")):
        connection.execute("INSERT INTO tenant VALUES (%s, %s, %s)", [name, name, kind])
    row = connection.execute(
        "WITH g AS (INSERT INTO gateway (owner, partner, group_id, node_id) "
        "VALUES ('seatworks', 'carmaker', 'seatworks', 'gw') RETURNING id), "
        "d AS (INSERT INTO device (owner, partner, gateway, name, online, since) "
        "SELECT 'seatworks', 'carmaker', id, 'press', true, now() FROM g RETURNING id) "
        "INSERT INTO tag (owner, partner, device, name, datatype) "
        "SELECT 'seatworks', 'carmaker', id, 'force', 10 FROM d RETURNING id"
    ).fetchone()
    assert row is not None
    return int(row[0])


def insert(
    connection: psycopg.Connection, tag: int, samples: Sequence[tuple[float, float | None]]
) -> None:
    """Samples as (seconds after noon, value)."""
    for second, value in samples:
        connection.execute(
            "INSERT INTO sample (tag_id, time, value) VALUES (%s, %s, %s)",
            [tag, NOON + timedelta(seconds=second), value],
        )


def minutes(connection: psycopg.Connection, tag: int) -> list[tuple[Any, ...]]:
    """(minutes after noon, samples, low, high, mean, last)."""
    rows = connection.execute(
        "SELECT bucket, samples, low, high, total / numbers, last FROM sample_minute "
        "WHERE tag_id = %s ORDER BY bucket",
        [tag],
    ).fetchall()
    return [((row[0] - NOON) // MINUTE, *row[1:]) for row in rows]


EXPECTED = [(0, 3, 1.0, 3.0, 2.0, 3.0), (1, 2, 7.0, 7.0, 7.0, 7.0)]


def test_minutes_are_rolled_up_alike(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        # Out of order, a boundary, and a minute that ends in a sample without a number.
        insert(connection, tag, [(59.9, 3), (0, 1), (30, 2), (60, 7), (61, None)])
        assert minutes(connection, tag) == EXPECTED
        maintain(connection, NOON + 30 * MINUTE)
        assert minutes(connection, tag) == EXPECTED


def test_late_samples_change_their_minute(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        insert(connection, tag, [(0, 1), (60, 7)])
        maintain(connection, NOON + 30 * MINUTE)
        insert(connection, tag, [(30, 2), (59.9, 3), (61, None)])
        connection.execute("SELECT sample_touched(%s)", [[NOON, NOON + 61 * MINUTE / 60]])
        maintain(connection, NOON + 30 * MINUTE)
        assert minutes(connection, tag) == EXPECTED


def test_samples_outside_the_prepared_days_are_kept(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        years = [-50 * 365 * 86400.0, 0.0, 20 * 365 * 86400.0]
        insert(connection, tag, [(second, 1) for second in years])
        maintain(connection, NOON)
        # Their days get partitions later; nothing is lost, and nothing doubled.
        connection.execute("SELECT sample_prepare(%s, %s)", [NOON - 9 * DAY, NOON + 9 * DAY])
        assert connection.execute("SELECT count(*) FROM sample").fetchone() == (3,)


DAY = timedelta(days=1)


def test_tenants_read_samples_through_views_alone(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        insert(connection, tag, [(0, 1), (1, 2)])
    with storage.as_role("api") as connection:
        views = ("sample_minute_view", "sample_hour_view", "sample_day_view")
        for view, seen in (("sample_view", 2), *((view, 1) for view in views)):
            count = f"SELECT count(*) FROM {view}"
            assert connection.execute(count.encode()).fetchone() == (0,)
            for name, expected in (("seatworks", seen), ("carmaker", seen), ("other", 0)):
                with tenant(connection, name):
                    assert connection.execute(count.encode()).fetchone() == (expected,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM sample",
        "DELETE FROM sample",
        "SELECT FROM sample_minute",
        "SELECT FROM sample_day",
    ],
)
def test_the_api_has_no_rights_on_the_samples_themselves(storage: Storage, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), storage.as_role("api") as connection:
        connection.execute(statement.encode())


def test_ingest_may_not_change_what_it_stored(storage: Storage) -> None:
    for statement in ("UPDATE sample SET value = 0", "DELETE FROM sample", "TRUNCATE sample"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            storage.as_role("ingest") as connection,
        ):
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("span", "points", "expected"),
    [
        (2 * MINUTE, 10, [1.0, 9.0, -4.0, 5.0]),
        (2 * MINUTE, 2, [9.0, -4.0]),
        (RAW_SPAN + MINUTE, 2, [9.0, -4.0]),
        (RAW_SPAN + MINUTE, 5000, [9.0, -4.0, 5.0]),
    ],
    ids=["as they are", "extremes", "minutes' extremes", "minutes"],
)
def test_samples_are_read_alike(
    storage: Storage, span: timedelta, points: int, expected: list[float]
) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        insert(connection, tag, [(0, 1), (10, 9), (20, -4), (70, 5)])
    with storage.as_role("api") as connection, tenant(connection, "seatworks"):
        samples, thinned = read_samples(connection, tag, NOON, NOON + span, points)
    assert [sample.value for sample in samples] == expected
    assert thinned == (len(expected) < 4)


def test_new_columns_leave_what_is_stored_as_it_is(storage: Storage) -> None:
    """A store in the field has days of samples, compressed ones too, when it is migrated."""
    connection = storage.connection
    with connection.transaction():
        connection.execute("SET LOCAL ROLE lineside_owner")
        connection.execute("DROP VIEW sample_view; DROP FUNCTION sample_latest")
        connection.execute("ALTER TABLE sample DROP COLUMN server_time, DROP COLUMN from_history")
        tag = _filled_before_0007(storage)
        connection.execute((SQL / "0007_server_time.sql").read_bytes())
        if storage.kind == "timescale":
            hidden = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
            assert connection.execute(hidden).fetchone() == (1,)
        connection.execute(
            "INSERT INTO sample (tag_id, time, value, server_time, from_history)"
            " VALUES (%s, %s, 3, %s, true)",
            [tag, NOON + 2 * MINUTE, NOON + 3 * MINUTE],
        )
        # A day that waits in the default partition moves to one that is made with the new columns.
        connection.execute("SELECT sample_prepare(%s, %s)", [NOON - DAY, NOON + DAY])
        stored = connection.execute(
            "SELECT value, server_time, from_history FROM sample ORDER BY time"
        ).fetchall()
    assert stored == [(1.0, None, False), (2.0, None, False), (3.0, NOON + 3 * MINUTE, True)]


def _filled_before_0007(storage: Storage) -> int:
    connection = storage.connection
    connection.execute("SELECT sample_prepare(%s, %s)", [NOON, NOON])
    connection.execute("SET LOCAL ROLE lineside_ingest")
    tag = make_tag(connection)
    insert(connection, tag, [(-86400, 1), (0, 2)])
    connection.execute("SET LOCAL ROLE lineside_owner")
    if storage.kind == "timescale":
        connection.execute(
            "SELECT public.compress_chunk(chunk) FROM public.show_chunks('sample') AS chunk LIMIT 1"
        )
    return tag


_OLD_QUARANTINE = """
WITH tenant AS (INSERT INTO tenant VALUES ('seatworks', 'Seatworks', 'supplier') RETURNING id),
gateway AS (
    INSERT INTO gateway (owner, group_id, node_id) SELECT id, 'g', 'n' FROM tenant
    RETURNING id, owner
)
INSERT INTO quarantine (owner, gateway, stream, reason, raw, received_at)
SELECT owner, id, 'telemetry', 'cannot be read', '', now() - interval '2 years' FROM gateway
"""


def test_maintenance_survives_a_database_that_is_away(database: Database) -> None:
    running = Maintenance(database.dsn("ingest"), KeepSettings(), every_s=0.01)
    away = Maintenance(
        database.dsn("ingest").replace("password=ingest", "password=x"), KeepSettings()
    )
    with database.connect("ingest") as connection:
        # Before the first round: the next one that lets go of anything is an hour later.
        connection.execute(_OLD_QUARANTINE)
        connection.commit()
        for maintenance in (running, away):
            maintenance.start()
        while connection.execute("SELECT FROM quarantine").fetchone() is not None:
            connection.commit()
    assert running.alive
    assert away.alive
    for maintenance in (running, away):
        maintenance.stop()
