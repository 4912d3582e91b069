"""Complete, or the gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from hub.fleet import Completeness, MissingSpan, completeness
from hub.store import Database


def at(hour: int) -> datetime:
    return datetime(2026, 11, 22, hour, tzinfo=UTC)


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    """A gateway with the devices `line` (1) and `press` (2), online since 01:00, with a stream."""
    with database.connect("ingest", autocommit=True) as connection:
        for statement in (
            "INSERT INTO tenant VALUES ('a', 'A', 'supplier')",
            "INSERT INTO gateway (owner, group_id, node_id) VALUES ('a', 'a', 'gw')",
            "INSERT INTO device (owner, gateway, name, online, since)"
            " VALUES ('a', 1, 'line', true, now()), ('a', 1, 'press', true, now())",
            "INSERT INTO gateway_status (gateway, owner, online, since, delivery)"
            " VALUES (1, 'a', true, '2026-11-22 01:00+00', 'stream')",
            "INSERT INTO stream_cursor (gateway, stream, epoch, owner, watermark)"
            " VALUES (1, 'telemetry', 5, 'a', 7)",
        ):
            connection.execute(statement.encode())
        yield connection


def gap(conn: psycopg.Connection, device: str | None, start: object, end: object) -> None:
    conn.execute(
        "INSERT INTO gap (owner, gateway, device, stream, from_time, to_time, cause)"
        " VALUES ('a', 1, %s, 'telemetry', %s, %s, 'queue overflow')",
        [device, start, end],
    )


def said(conn: psycopg.Connection, device: int = 1) -> Completeness:
    found = completeness(conn, device, at(6), at(10))
    assert found is not None
    return found


def test_complete(conn: psycopg.Connection) -> None:
    assert said(conn) == Completeness((), pending=False, vouched=True)
    assert said(conn).complete


def test_gaps_that_touch_the_interval_are_named(conn: psycopg.Connection) -> None:
    gap(conn, "line", at(7), at(8))
    gap(conn, None, None, at(6))  # ends where the interval begins
    gap(conn, None, at(9), None)
    gap(conn, "press", at(7), at(8))
    gap(conn, "line", at(10), at(11))  # begins where it ends
    assert said(conn).missing == (
        MissingSpan("line", at(7), at(8), "queue overflow"),
        MissingSpan(None, at(9), None, "queue overflow"),
    )
    assert not said(conn).complete


def test_a_gap_without_an_end_ends_when_it_is_told_again_with_it(conn: psycopg.Connection) -> None:
    gap(conn, "line", at(2), at(3))
    gap(conn, "line", at(2), None)  # of a backlog, which comes newest first
    gap(conn, "line", at(4), None)
    gap(conn, None, at(4), at(5))  # not of the device alone
    assert said(conn).missing == (MissingSpan("line", at(4), None, "queue overflow"),)
    gap(conn, "line", at(3), at(4))  # the clock was set back meanwhile
    assert said(conn).complete


def test_what_begins_again_at_the_same_time_is_open_again(conn: psycopg.Connection) -> None:
    """A unit that answers once within a poll and not again was read last before it."""
    for end in (None, at(3), None):
        gap(conn, "line", at(2), end)
    assert said(conn).missing == 2 * (MissingSpan("line", at(2), None, "queue overflow"),)
    gap(conn, "line", at(2), at(5))
    assert said(conn).complete


def test_backlog_is_pending(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE stream_cursor SET ahead = '{[9,12)}'")
    assert said(conn) == Completeness((), pending=True, vouched=True)


@pytest.mark.parametrize(("since", "pending"), [(at(9), True), (at(10), False)])
def test_offline_is_pending_from_then_on(
    conn: psycopg.Connection, since: datetime, pending: bool
) -> None:
    conn.execute("UPDATE gateway_status SET online = false, since = %s", [since])
    assert said(conn).pending is pending


def test_foreign_node_is_never_vouched_for(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE gateway_status SET delivery = 'standard'")
    assert not said(conn).complete
    assert not said(conn).vouched


def test_device_that_is_not_there(conn: psycopg.Connection) -> None:
    assert completeness(conn, 99, at(6), at(10)) is None
