"""The main questions over many samples, on the embedded PostgreSQL, as the API's role asks them.

    python -m tests.benchmarks.hub_queries [--rows 50000000]

Some minutes for fifty million, and 100 bytes of disk for each. 2000 tags on 10 devices have a value
every 10 s; they are stored in the order of time, as ingest stores them. Each question is asked of
50 tags, devices or times drawn by a fixed seed; the figures are the median and the slowest of them.
With LINESIDE_HUB_DATABASE__PROGRAMS of a PostgreSQL that has TimescaleDB all is asked a second time
once the chunks are compressed, as the hub's policy does with those older than a day.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from deploy.local.database import own_database
from hub.ingest.rows import COLUMNS, HEADER, TRAILER, AliasTable, RowBuffer
from hub.store import Database, migrate
from hub.store.connect import tenant
from hub.store.maintenance import maintain
from hub.store.migrate import Storage
from hub.store.samples import latest_samples
from hub.store.settings import KeepSettings
from hub.store.status import Lying, store_status
from hub.store.trends import read_trend
from protocols.sparkplug import DataType, decode_samples, encode_samples
from tests.benchmarks.report import Row, report

DEVICES = 10
TAGS = 2000
EVERY_MS = 10_000
START = datetime(2026, 3, 4, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
ASKED = 50
TREND_POINTS = 500
BUILD_WINDOW = timedelta(minutes=2)
COMMIT_STEPS = 25
"""Steps of time in a commit: 50,000 rows."""

_WINDOW = """
SELECT s.tag_id, s.time, s.value, s.text, s.quality FROM sample_view s
WHERE s.tag_id = ANY(%s) AND s.time >= %s AND s.time < %s ORDER BY s.tag_id, s.time
"""


def make_tags(conn: psycopg.Connection) -> list[list[int]]:
    """The ids of the tags of each device."""
    conn.execute("INSERT INTO tenant VALUES ('seatworks', 'Seatworks', 'supplier')")
    conn.execute("INSERT INTO gateway (owner, group_id, node_id) VALUES ('seatworks', 'g', 'n')")
    conn.execute(
        "INSERT INTO device (owner, gateway, name, online, since)"
        " SELECT owner, id, 'device ' || n, true, now()"
        " FROM gateway, generate_series(1, %s) AS n",
        [DEVICES],
    )
    conn.execute(
        "INSERT INTO tag (owner, device, name, datatype) SELECT owner, id, 'tag ' || n, %s"
        " FROM device, generate_series(1, %s) AS n",
        [DataType.Double, TAGS // DEVICES],
    )
    tags: dict[int, list[int]] = {}
    for device, tag in conn.execute("SELECT device, id FROM tag ORDER BY device, id"):
        tags.setdefault(device, []).append(tag)
    return list(tags.values())


def load(conn: psycopg.Connection, tags: list[int], steps: int) -> float:
    """A value of each tag at each step of time; the seconds that it took to store them."""
    conn.execute(
        "SELECT sample_prepare(%s, %s)",
        [START, START + timedelta(milliseconds=steps * EVERY_MS)],
    )
    table = AliasTable({n: (tag, DataType.Double) for n, tag in enumerate(tags, 10)}, {})
    aliases, types = array("Q", range(10, 10 + TAGS)), bytes([DataType.Double]) * TAGS
    rows, chance, storing_s = RowBuffer(), random.Random(1), 0.0
    walks = [chance.uniform(0, 1000) for _ in tags]
    for step in range(steps):
        now_ms = START_MS + step * EVERY_MS
        # A walk, read to two decimals: what a sensor gives, neither constant nor pure noise.
        walks = [walk + chance.random() - 0.5 for walk in walks]
        values = array("d", [round(walk, 2) for walk in walks])
        payload = encode_samples(
            *(0, now_ms, 1, 1, 2, step, aliases, array("q", [now_ms]) * TAGS, types, values),
            *({}, None, False),
        )
        rows.append(decode_samples(payload), 2, table, now_ms)
        if (step + 1) % COMMIT_STEPS and step + 1 < steps:
            continue
        began = time.perf_counter()
        with (
            conn.transaction(),
            conn.cursor() as cursor,
            cursor.copy(f"COPY sample ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(HEADER)
            copy.write(rows.slice(0, rows.size))
            copy.write(TRAILER)
        storing_s += time.perf_counter() - began
        rows.clear()
    return storing_s


def ask(name: str, conn: psycopg.Connection, question: Callable[[], int]) -> list[Row]:
    """How long a question takes. It returns how many rows it got."""
    taken, got = [], []
    for _ in range(ASKED):
        with tenant(conn, "seatworks"):
            began = time.perf_counter()
            got.append(question())
            taken.append((time.perf_counter() - began) * 1000)
    note = f"{statistics.median(got):,.0f} rows; the slowest {max(taken):,.1f} ms"
    return [Row(name, statistics.median(taken), None, "ms", note)]


def questions(database: Database, devices: list[list[int]], steps: int, how: str = "") -> list[Row]:
    """Each question. `how` the samples lie goes behind its name."""
    chance = random.Random(2)
    tags = [tag for device in devices for tag in device]
    end = START + timedelta(milliseconds=steps * EVERY_MS)
    span = timedelta(hours=24)

    def some_time(before: timedelta) -> datetime:
        return START + chance.random() * max(end - START - before, timedelta(0))

    with database.connect("api") as conn:

        def last(count: int) -> int:
            return len(latest_samples(conn, chance.sample(tags, count), end))

        def trend() -> int:
            start = some_time(span)
            return len(
                read_trend(conn, chance.choice(tags), start, start + span, TREND_POINTS).intervals
            )

        def window() -> int:
            start = some_time(BUILD_WINDOW)
            asked = [chance.choice(devices), start, start + BUILD_WINDOW]
            return len(conn.execute(_WINDOW, asked).fetchall())

        return [
            *ask(f"last value of a tag{how}", conn, lambda: last(1)),
            *ask(f"last values of 200 tags{how}", conn, lambda: last(200)),
            *ask(f"24-hour trend of a tag{how}", conn, trend),
            *ask(f"all 200 tags in a build window{how}", conn, window),
        ]


def lying(conn: psycopg.Connection, storage: Storage) -> Lying:
    """How the samples lie on disk."""
    return store_status(conn, storage, KeepSettings()).classes[0].lying


def roll_up(database: Database, storage: Storage, until: datetime) -> None:
    """All trends, by the hub's own housekeeping or as TimescaleDB's jobs would."""
    if storage == "postgres":
        with database.connect("ingest", autocommit=True) as conn:
            maintain(conn, until)
        return
    with database.connect("owner", autocommit=True) as conn:
        for width in ("minute", "hour", "day"):
            conn.execute(
                "CALL public.refresh_continuous_aggregate(%s, NULL, %s::timestamptz)",
                [f"lineside.sample_{width}", until],
            )


def compress(database: Database) -> float:
    """Compress all chunks of samples; the seconds that it took."""
    began = time.perf_counter()
    with database.connect("owner", autocommit=True) as conn:
        conn.execute("SELECT public.compress_chunk(c) FROM public.show_chunks('sample') c")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000_000)
    steps = max(1, parser.parse_args().rows // TAGS)
    rows, end = steps * TAGS, START + timedelta(milliseconds=steps * EVERY_MS)
    with (
        tempfile.TemporaryDirectory(prefix="lineside-bench-") as folder,
        own_database(Path(folder)) as database,
    ):
        with database.connect("owner") as conn:
            storage = migrate(conn).storage
        with database.connect("ingest", autocommit=True) as conn:
            devices = make_tags(conn)
            storing_s = load(conn, [tag for device in devices for tag in device], steps)
        began = time.perf_counter()
        roll_up(database, storage, end)
        rolling_s = time.perf_counter() - began
        with database.connect("owner", autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE")
            loose = lying(conn, storage)
        found = [
            Row("stored", rows / storing_s, None, "values/s", f"{rows:,} values by bare COPY"),
            Row("rolled up", rows / rolling_s, None, "values/s"),
            Row("on disk, with indexes", loose.bytes / rows, None, "bytes a value"),
            *questions(database, devices, steps),
        ]
        if storage == "timescale":
            compressing_s = compress(database)
            with database.connect("owner", autocommit=True) as conn:
                conn.execute("VACUUM ANALYZE")
                packed = lying(conn, storage)
            found += [
                Row("compressed", rows / compressing_s, None, "values/s"),
                Row("on disk, compressed", packed.bytes / rows, None, "bytes a value"),
                *questions(database, devices, steps, ", compressed"),
            ]
    report("hub-queries" if storage == "postgres" else "hub-queries-timescale", found, {})


if __name__ == "__main__":
    main()
