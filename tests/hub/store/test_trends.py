"""Minutes, hours and days of samples: what they say, on both storages, rolled up or not yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.store.maintenance import let_go
from hub.store.policies import apply_policies
from hub.store.settings import KeepSettings
from tests.fixtures.timescale import LastingStorage
from tests.hub.store.test_samples import make_tag

MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
WIDTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": DAY}

Reading = tuple[timedelta, float | None, int]
"""Time after midnight, value, quality."""

# Multiples of a quarter: their sums are exact in any order.
_VALUES = st.one_of(
    st.integers(-40, 40).map(lambda quarters: quarters / 4), st.none(), st.just(math.nan)
)
_READINGS = st.lists(
    st.tuples(
        st.integers(0, 2 * 86_400 - 1).map(lambda second: timedelta(seconds=second)),
        _VALUES,
        st.sampled_from([192, 192, 0, 500]),
    ),
    max_size=25,
)


def store(
    connection: psycopg.Connection, tag: int, start: datetime, some: Sequence[Reading]
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sample (tag_id, time, value, quality) VALUES (%s, %s, %s, %s)",
            [(tag, start + after, value, quality) for after, value, quality in some],
        )
    connection.execute("SELECT sample_touched(%s)", [[start + reading[0] for reading in some]])


def expected(
    start: datetime, readings: Sequence[Reading], width: timedelta
) -> list[tuple[Any, ...]]:
    """The rows of a class, computed from the samples by themselves."""

    def bucket(reading: Reading) -> datetime:
        return start + reading[0] // width * width

    rows = []
    for begin, grouped in groupby(sorted(readings, key=bucket), bucket):
        group = list(grouped)
        numbers = [
            (start + after, value)
            for after, value, _ in group
            if value is not None and not math.isnan(value)
        ]
        row: list[Any] = [begin, len(group), sum(q not in range(192, 256) for _, _, q in group)]
        row += [start + max(after for after, _, _ in group), len(numbers)]
        if numbers:
            low = min(numbers, key=lambda n: (n[1], n[0]))
            high = min(numbers, key=lambda n: (-n[1], n[0]))
            row += [sum(value for _, value in numbers), low[1], low[0], high[1], high[0]]
            row += [*reversed(min(numbers)), *reversed(max(numbers))]
        rows.append((*row, *[None] * (14 - len(row))))
    return rows


def stored(connection: psycopg.Connection, tag: int, name: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT bucket, samples, bad, latest, numbers, total, low, low_at, high, high_at,"
        f" first, first_at, last, last_at FROM sample_{name} WHERE tag_id = %s ORDER BY bucket",
        [tag],
    ).fetchall()


def check(
    connection: psycopg.Connection, tag: int, start: datetime, readings: Sequence[Reading]
) -> None:
    for name, width in WIDTHS.items():
        assert stored(connection, tag, name) == expected(start, readings, width), name


def new_tag(connection: psycopg.Connection, name: str) -> int:
    row = connection.execute(
        "INSERT INTO tag (owner, partner, device, name, datatype)"
        " SELECT owner, partner, id, %s, 10 FROM device RETURNING id",
        [name],
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_minutes_hours_and_days_say_what_the_samples_say(
    lasting_storage: LastingStorage,
) -> None:
    """Fresh, rolled up, and with more that came late: all three levels, by any samples."""
    connection = lasting_storage.connection
    make_tag(connection)
    examples = count()

    # Housekeeping comes to the fresh ones' first day at most: what it has passed, only its next
    # round takes in.
    @settings(max_examples=15)
    @given(_READINGS, _READINGS, _READINGS, st.integers(0, 3 * 86_400 - 5 * 3600))
    def property_holds(
        first: list[Reading], late: list[Reading], fresh: list[Reading], passed_s: int
    ) -> None:
        number = next(examples)
        # Each on days of its own: what came before is rolled up, and these are fresh.
        start = MIDNIGHT + 4 * number * DAY
        now = start + timedelta(seconds=passed_s)
        tag = new_tag(connection, f"tag {number}")
        store(connection, tag, start, first)
        check(connection, tag, start, first)
        lasting_storage.keep_house(now)
        check(connection, tag, start, first)
        store(connection, tag, start, late)
        lasting_storage.keep_house(now + timedelta(hours=5))
        check(connection, tag, start, first + late)
        fresh = [(after + 3 * DAY, value, quality) for after, value, quality in fresh]
        store(connection, tag, start, fresh)
        check(connection, tag, start, first + late + fresh)

    property_holds()


KEEP = KeepSettings(samples_days=10, minute_trends_days=45, hour_trends_days=400)


def kept(connection: psycopg.Connection) -> dict[str, int]:
    rows = {}
    for name in ("", *(f"_{width}" for width in WIDTHS)):
        row = connection.execute(f"SELECT count(*) FROM sample{name}".encode()).fetchone()
        assert row is not None
        rows[name.removeprefix("_") or "sample"] = int(row[0])
    return rows


def test_each_class_is_let_go_by_itself(lasting_storage: LastingStorage) -> None:
    connection = lasting_storage.connection
    tag = make_tag(connection)
    noons = [(DAY / 2 - day * DAY, float(day), 192) for day in range(120)]
    store(connection, tag, MIDNIGHT, noons)
    lasting_storage.keep_house(MIDNIGHT + DAY, KEEP)
    rows = kept(connection)
    assert rows["sample"] == 10
    # Minutes go by whole weeks or months.
    assert 45 <= rows["minute"] <= 45 + 31
    assert (rows["hour"], rows["day"]) == (120, 120)
    state = connection.execute(
        "SELECT class, kept_since FROM sample_state WHERE isfinite(kept_since) ORDER BY width"
    )
    assert state.fetchall() == [
        ("sample", MIDNIGHT - 9 * DAY),
        ("minute", MIDNIGHT - 44 * DAY),
        ("hour", MIDNIGHT - 399 * DAY),
    ]


def test_what_comes_when_its_samples_are_gone_leaves_the_trends_as_they_are(
    lasting_storage: LastingStorage,
) -> None:
    connection = lasting_storage.connection
    tag = make_tag(connection)
    then = [(DAY / 2 - day * DAY, float(day), 192) for day in (0, 20, 60)]
    store(connection, tag, MIDNIGHT, then)
    lasting_storage.keep_house(MIDNIGHT + DAY, KEEP)
    store(connection, tag, MIDNIGHT, [(after, 1000.0, 192) for after, _, _ in then])
    lasting_storage.keep_house(MIDNIGHT + DAY, KEEP)
    assert [row[8] for row in stored(connection, tag, "day")] == [60.0, 20.0, 1000.0]
    assert kept(connection)["sample"] == 2


def test_what_is_not_aggregated_yet_is_not_let_go(lasting_storage: LastingStorage) -> None:
    connection = lasting_storage.connection
    tag = make_tag(connection)
    store(connection, tag, MIDNIGHT, [(timedelta(), 1.0, 192)])
    with lasting_storage.as_role("ingest"):
        let_go(connection, MIDNIGHT + 500 * DAY, KeepSettings())
    assert kept(connection)["sample"] == 1


def test_trends_of_a_store_with_years_of_samples_are_made_day_by_day(
    lasting_storage: LastingStorage,
) -> None:
    """As after the migration that made them: what was stored before is rolled up from its
    beginning, passing over the years when nothing came."""
    connection = lasting_storage.connection
    tag = make_tag(connection)
    readings = [
        (day * DAY + after, 1.0, 192)
        for day in (-14_000, -300, -299, -1)
        for after in (timedelta(), timedelta(hours=5))
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sample (tag_id, time, value) VALUES (%s, %s, %s)",
            [(tag, MIDNIGHT + after, value) for after, value, _ in readings],
        )
    lasting_storage.keep_house(
        MIDNIGHT, KeepSettings(samples_days=None, minute_trends_days=None, hour_trends_days=None)
    )
    check(connection, tag, MIDNIGHT, readings)


def test_policies_are_applied_once(lasting_storage: LastingStorage) -> None:
    connection = lasting_storage.connection
    with lasting_storage.as_role("owner"):
        changed = apply_policies(connection, KeepSettings())
        assert apply_policies(connection, KeepSettings()) == []
        again = apply_policies(connection, KeepSettings(samples_days=30, chunk_hours=6))
    if lasting_storage.kind == "postgres":
        assert (changed, again) == ([], [])
        return
    assert len(changed) == 6
    assert again == [
        "chunks of samples that begin from now on hold 6:00:00",
        "continuous_aggregate of sample_minute every 0:01:00, "
        "start_offset 29 days, 0:00:00, end_offset 0:02:00",
    ]
    tag = make_tag(connection)
    now = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - 5 * DAY
    store(connection, tag, now, [(timedelta(), 1.0, 192), (timedelta(seconds=1), 2.0, 192)])
    for (job,) in connection.execute(
        "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_schema = 'lineside'"
        " ORDER BY proc_name DESC, hypertable_name DESC"
    ).fetchall():
        connection.execute(f"CALL public.run_job({job})".encode())
    packed = connection.execute(
        "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
    )
    assert packed.fetchone() == (1,)
    check(
        connection,
        tag,
        now - DAY / 2,
        [(DAY / 2, 1.0, 192), (DAY / 2 + timedelta(seconds=1), 2.0, 192)],
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples_days": None, "minute_trends_days": 30},
        {"minute_trends_days": 30},
        {"hour_trends_days": 100},
        {"samples_days": 0},
        {"chunk_hours": 1000},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, int | None]) -> None:
    with pytest.raises(ValidationError):
        KeepSettings.model_validate(wrong)
