"""Trends and last values as a tenant reads them, on both storages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hub.store import tenant
from hub.store.samples import latest_samples
from hub.store.settings import KeepSettings
from hub.store.trends import Resolution, Trend, read_trend
from tests.fixtures.timescale import LastingStorage, Storage
from tests.hub.store.test_samples import NOON, insert, make_tag
from tests.hub.store.test_trends import new_tag

DAY = timedelta(days=1)
MIDNIGHT = NOON - DAY / 2


def trend(
    connection: psycopg.Connection,
    tag: int,
    start: datetime,
    end: datetime,
    points: int,
    resolution: Resolution | None = None,
) -> Trend:
    connection.execute("SET ROLE lineside_api")
    try:
        with tenant(connection, "carmaker"):
            return read_trend(connection, tag, start, end, points, resolution)
    finally:
        connection.execute("RESET ROLE")


@pytest.mark.parametrize("resolution", ["raw", "minute", "hour", "day"])
def test_a_spike_stays_in_whatever_it_is_read_from(
    storage: Storage, resolution: Resolution
) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        insert(connection, tag, [(0, 1), (30, 900), (60, -5), (7200, 2), (7260, None), (90000, 3)])
    read = trend(storage.connection, tag, MIDNIGHT, MIDNIGHT + 2 * DAY, 2, resolution)
    first, second = read.intervals
    assert (read.resolution, read.start, read.end) == (resolution, MIDNIGHT, MIDNIGHT + 2 * DAY)
    assert (first.time, first.samples, first.numbers, first.mean) == (MIDNIGHT, 5, 4, 898 / 4)
    assert (first.high, first.high_at) == (900, NOON + timedelta(seconds=30))
    assert (first.low, first.low_at) == (-5, NOON + timedelta(seconds=60))
    assert (first.first, first.first_at) == (1, NOON)
    assert (first.last, first.last_at) == (2, NOON + timedelta(hours=2))
    assert (second.time, second.samples, second.high) == (MIDNIGHT + DAY, 1, 3)


@pytest.mark.parametrize(
    ("span", "points", "resolution"),
    [
        (timedelta(hours=1), 300, "raw"),
        (timedelta(hours=5), 300, "minute"),
        (12 * DAY, 300, "minute"),
        (13 * DAY, 300, "hour"),
        (400 * DAY, 300, "day"),
        (DAY, 1, "day"),
    ],
)
def test_what_is_read_is_no_coarser_than_what_is_drawn(
    storage: Storage, span: timedelta, points: int, resolution: Resolution
) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
    assert (
        trend(storage.connection, tag, MIDNIGHT, MIDNIGHT + span, points).resolution == resolution
    )


def test_where_samples_are_gone_the_finest_that_is_left_is_read(
    lasting_storage: LastingStorage,
) -> None:
    connection = lasting_storage.connection
    tag = make_tag(connection)
    insert(connection, tag, [(-86400.0 * day, day) for day in (0, 20, 60)])
    keep = KeepSettings(samples_days=10, minute_trends_days=45, hour_trends_days=400)
    connection.execute(
        "SELECT sample_touched(array_agg(time)) FROM sample WHERE tag_id = %s", [tag]
    )
    lasting_storage.keep_house(MIDNIGHT + DAY, keep)
    for day, resolution in ((0, "raw"), (20, "minute"), (60, "hour")):
        start = NOON - day * DAY
        read = trend(connection, tag, start, start + timedelta(hours=1), 300)
        assert (read.resolution, [one.high for one in read.intervals]) == (resolution, [day])


def test_a_time_within_a_bucket_brings_the_whole_of_it(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        insert(connection, tag, [(1, 5), (3599, 7)])
    start = NOON + timedelta(minutes=20)
    read = trend(storage.connection, tag, start, start + timedelta(minutes=10), 9, "hour")
    assert (read.start, read.end) == (NOON, NOON + timedelta(hours=1))
    assert [(one.low, one.high) for one in read.intervals] == [(5, 7)]


def test_nothing_is_told_of_others_tags(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        insert(connection, tag, [(0, 1)])
    for name, seen in (("seatworks", 1), ("carmaker", 1), ("other", 0)):
        with storage.as_role("api") as connection, tenant(connection, name):
            read = read_trend(connection, tag, MIDNIGHT, MIDNIGHT + DAY, 10, "minute")
            assert len(read.intervals) == seen
            assert len(latest_samples(connection, [tag], NOON)) == seen


def test_the_last_value_is_found_however_old_it_is(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        old, older, none = (new_tag(connection, name) for name in ("old", "older", "none"))
        insert(connection, tag, [(0, 1), (9, 2), (5, 3)])
        insert(connection, old, [(-10 * 86400.0, 4)])
        insert(connection, older, [(-9000 * 86400.0, 5)])
        connection.execute(
            "INSERT INTO sample (tag_id, time, text, quality) VALUES (%s, %s, 'run', 0)",
            [old, NOON - 9 * DAY],
        )
    with storage.as_role("api") as connection, tenant(connection, "seatworks"):
        found = latest_samples(connection, [tag, old, older, none], NOON + timedelta(hours=1))
    assert {at: (one.value, one.text, one.quality) for at, one in found.items()} == {
        tag: (2, None, 192),
        old: (None, "run", 0),
        older: (5, None, 192),
    }


def test_times_at_the_ends_of_the_calendar_are_taken(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
    first, last = (moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max))
    for resolution in (None, "raw", "day"):
        assert trend(storage.connection, tag, first, last, 7, resolution).intervals == []
