"""Ingest from the broker to committed rows, against bare binary COPY of the same rows.

    python -m tests.benchmarks.bench_ingest [--rows 1000000] [--rounds 5] [--gateways 500]

Records of 100 samples are encoded beforehand and sent by another process, a connection for each
gateway, as fast as the hub answers. The bare side copies the same rows, already encoded, over
psycopg into the same table with the same indexes, in commits as large as ingest's were on average.
Both commit durably, in turns, on the embedded PostgreSQL with its ordinary settings. CPU is that of
the process which ingests, or copies; the database's own is the same on both sides. Gateways and
broker run on the same cores beside the hub, and nothing beside bare COPY: what they use is told,
and what else the machine is busy with costs ingest more than bare COPY, which needs one core only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from deploy.local.database import own_database
from hub.ingest import Ingest, IngestSettings
from hub.ingest.rows import COLUMNS, HEADER, TRAILER, AliasTable, RowBuffer
from hub.store import Database, migrate
from protocols.mqtt.broker import BrokerSettings
from protocols.sparkplug import DataType, decode_samples
from protocols.streams import draw_epoch
from tests.benchmarks.fleet import FIRST_ALIAS, SAMPLES, START_MS, Fleet, record
from tests.benchmarks.gateway import cpu_s as process_cpu_s
from tests.benchmarks.report import AtLeast, Goal, Row, interleaved, report

FEW = 8
TAGS = 8000
"""Of all gateways together."""
GROUPS = 4
GOAL = AtLeast(0.8)
ROWS_PER_COMMIT = 50_000
"""Of bare COPY beside two workers."""
SETTINGS = IngestSettings(rebirth_every_s=60)


@dataclass(frozen=True, slots=True)
class Turn:
    """One round of one side: rows/s, CPU seconds a row, rows a commit; and what gateways and broker
    took of the machine beside it, in CPU seconds a row."""

    rate: float
    cpu_s: float
    rows_per_commit: float
    gateways_cpu_s: float = 0.0
    broker_cpu_s: float = 0.0


def empty(database: Database) -> None:
    """No samples, and a day's partition for those to come."""
    with database.connect("owner") as conn:
        conn.execute("TRUNCATE sample")
    with database.connect("ingest") as conn:
        day = datetime.fromtimestamp(START_MS / 1000, UTC)
        conn.execute("SELECT sample_prepare(%s, %s)", [day, day + timedelta(days=1)])


def register(database: Database, fleet: Fleet) -> None:
    with database.connect("ingest") as conn, conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenant VALUES ('seatworks', 'Seatworks', 'supplier')"
            " ON CONFLICT DO NOTHING"
        )
        cursor.executemany(
            "INSERT INTO gateway (owner, group_id, node_id) VALUES ('seatworks', %s, %s)"
            " ON CONFLICT DO NOTHING",
            list(fleet.registry()),
        )


def ingest_turn(database: Database, running: LocalBroker, fleet: Fleet, records: int) -> Turn:
    """All records of all gateways, by way of the broker."""
    empty(database)
    others = [pid for pid in (fleet.pid, running.process.pid) if pid is not None]
    with Ingest(database, settings_of(running), SETTINGS) as ingest:
        wait_connected(ingest)
        fleet.born(draw_epoch(), records)
        beside = [process_cpu_s(pid) for pid in others]
        commits, cpu = ingest.figures.commits, time.process_time()
        seconds = fleet.run().seconds
        cpu, commits = time.process_time() - cpu, ingest.figures.commits - commits
        beside = [process_cpu_s(pid) - was for pid, was in zip(others, beside, strict=True)]
    rows = records * fleet.gateways * SAMPLES
    with database.connect("ingest") as conn:
        (stored,) = conn.execute("SELECT count(*) FROM sample").fetchone() or (0,)
    if stored != rows:
        raise AssertionError(f"{stored} rows stored of {rows}")
    gateways, broker = (used / rows for used in beside)
    return Turn(rows / seconds, cpu / rows, rows / commits, gateways, broker)


def settings_of(broker: LocalBroker) -> BrokerSettings:
    return BrokerSettings(host=broker.host, port=broker.port, tls=False)


def wait_connected(ingest: Ingest) -> None:
    while ingest.trouble is not None:
        time.sleep(0.02)
    time.sleep(0.5)  # its subscription


def bare_turn(database: Database, fleet: Fleet, records: int, rows_per_commit: float) -> Turn:
    """The same rows by bare COPY."""
    empty(database)
    with database.connect("ingest", autocommit=True) as conn:
        pieces = encoded_rows(conn, fleet, records, rows_per_commit)
        started, cpu = time.perf_counter(), time.process_time()
        for piece in pieces:
            with (
                conn.transaction(),
                conn.cursor() as cursor,
                cursor.copy(f"COPY sample ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.write(HEADER)
                copy.write(piece)
                copy.write(TRAILER)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    rows = records * fleet.gateways * SAMPLES
    return Turn(rows / seconds, cpu / rows, rows_per_commit)


def encoded_rows(
    conn: psycopg.Connection, fleet: Fleet, records: int, rows_per_commit: float
) -> Sequence[bytes]:
    """The rows of all records as COPY takes them, the gateways' in turns, a piece for each
    commit."""
    tables: dict[str, AliasTable] = {}
    for gateway in (node for _, node in fleet.registry()):
        tags = conn.execute(
            "SELECT t.id FROM tag t JOIN device d ON d.id = t.device"
            " JOIN gateway g ON g.id = d.gateway WHERE g.node_id = %s ORDER BY t.id",
            [gateway],
        )
        tables[gateway] = AliasTable(
            {FIRST_ALIAS + n: (tag, DataType.Double) for n, (tag,) in enumerate(tags)}, {}
        )
    rows = RowBuffer()
    pieces = []
    for offset in range(records):
        samples = decode_samples(record(1, offset, fleet.tags))
        for table in tables.values():
            rows.append(samples, 2, table, START_MS)
            if rows.rows >= rows_per_commit:
                pieces.append(rows.slice(0, rows.size))
                rows.clear()
    if rows.rows:
        pieces.append(rows.slice(0, rows.size))
    return pieces


def throughput(
    name: str, database: Database, running: LocalBroker, fleet: Fleet, rows: int, rounds: int
) -> tuple[float, list[Row]]:
    """Ingest and bare COPY in turns: ingest's rows/s, and what there is to report."""
    records = max(1, rows // SAMPLES // fleet.gateways)
    register(database, fleet)
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(ingest_turn(database, running, fleet, records))
        bare.append(bare_turn(database, fleet, records, ours[-1].rows_per_commit))
    ratios = [mine.rate / other.rate for mine, other in zip(ours, bare, strict=True)]
    middle = sorted(range(rounds), key=lambda n: ratios[n])[rounds // 2]
    size = ours[middle].rows_per_commit
    return ours[middle].rate, [
        Row(
            name,
            ours[middle].rate,
            bare[middle].rate,
            "values/s",
            f"{fleet.gateways} gateways; {size:,.0f} values a commit; ratios "
            + ", ".join(f"{ratio:.2f}" for ratio in ratios),
        ),
        Row(
            f"{name}: CPU",
            statistics.median(turn.cpu_s for turn in ours) * 1e9,
            statistics.median(turn.cpu_s for turn in bare) * 1e9,
            "ns a value",
            "beside the hub, on the same cores: the gateways' process"
            f" {statistics.median(turn.gateways_cpu_s for turn in ours) * 1e9:.0f}, the broker"
            f" {statistics.median(turn.broker_cpu_s for turn in ours) * 1e9:.0f}",
        ),
    ]


def work(database: Database, broker: BrokerSettings, stopping: Any) -> None:
    """One of several workers, in a process of its own."""
    with Ingest(database, broker, SETTINGS.model_copy(update={"shared": True})):
        stopping.wait()


@contextmanager
def workers(database: Database, broker: BrokerSettings, number: int) -> Iterator[None]:
    """So many, once each has groups."""
    context = multiprocessing.get_context("spawn")
    stopping = context.Event()
    running = [
        context.Process(target=work, args=(database, broker, stopping)) for _ in range(number)
    ]
    for process in running:
        process.start()
    try:
        with database.connect("ingest", autocommit=True) as conn:
            while conn.execute(
                "SELECT count(DISTINCT worker) = %s AND bool_and(worker IS NOT NULL)"
                " FROM ingest_lease WHERE name <> 'STATE'",
                [number],
            ).fetchone() != (True,):
                time.sleep(0.1)
        time.sleep(1)  # their subscriptions
        yield
    finally:
        stopping.set()
        for process in running:
            process.join(10)
            process.kill()


def two_workers(
    database: Database, broker: BrokerSettings, fleet: Fleet, rows: int, rounds: int
) -> Row:
    """Both together, beside the same rows by one bare COPY."""
    records = max(1, rows // SAMPLES // fleet.gateways)
    ours, bare = [], []
    with workers(database, broker, 2):
        for _ in range(rounds):
            empty(database)
            fleet.born(draw_epoch(), records)
            ours.append(records * fleet.gateways * SAMPLES / fleet.run().seconds)
            bare.append(bare_turn(database, fleet, records, ROWS_PER_COMMIT).rate)
    ratios = sorted(mine / other for mine, other in zip(ours, bare, strict=True))
    return Row(
        "two workers",
        statistics.median(ours),
        statistics.median(bare),
        "values/s",
        f"{fleet.groups} groups; beside one COPY; ratios "
        + ", ".join(f"{ratio:.2f}" for ratio in ratios),
    )


def lag(database: Database, broker: BrokerSettings, fleet: Fleet, rate: float) -> list[Row]:
    """From a record's sending to the answer that it is committed, at half of `rate` values/s."""
    seconds = 10
    a_second = rate / 2 / SAMPLES
    empty(database)
    with Ingest(database, broker, SETTINGS) as ingest:
        wait_connected(ingest)
        fleet.born(draw_epoch(), max(1, int(seconds * a_second / fleet.gateways)), a_second)
        lags = sorted(fleet.run().lags_s)
    note = f"{len(lags)} records at {rate / 2:,.0f} values/s, sent until answered"
    return [
        Row("lag p50", lags[len(lags) // 2] * 1000, None, "ms", note),
        Row("lag p99", lags[len(lags) * 99 // 100] * 1000, None, "ms"),
    ]


def build_rates() -> list[Row]:
    """Values/s of decoding and of building rows alone, per CPU second."""
    payload = record(1, 5, TAGS)
    samples = decode_samples(payload)
    table = AliasTable({FIRST_ALIAS + n: (n + 1, DataType.Double) for n in range(TAGS)}, {})
    rows = RowBuffer()

    def build() -> None:
        rows.clear()
        rows.append(samples, 2, table, START_MS)

    def both() -> None:
        rows.clear()
        rows.append(decode_samples(payload), 2, table, START_MS)

    taken = interleaved(
        {"decode": lambda: decode_samples(payload), "build rows": build, "decode and build": both},
        rounds=5,
        seconds_per_turn=0.2,
    )
    return [
        Row(name, SAMPLES / seconds, None, "values/s of CPU") for name, seconds in taken.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gateways", type=int, default=500, help="of the run with many")
    arguments = parser.parse_args()
    kind: type[LocalBroker] = EmbeddedBroker if Mosquitto.executable() is None else Mosquitto
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="lineside-bench-") as folder,
        own_database(Path(folder)) as database,
        kind(Path(folder) / kind.kind) as running,
    ):
        with database.connect("owner") as conn:
            migrate(conn)
        broker = settings_of(running)
        size = arguments.rows, arguments.rounds
        few = f"ingest over {kind.kind}"
        many = f"{arguments.gateways} gateways over {kind.kind}"
        with Fleet(broker, FEW, GROUPS, TAGS // FEW) as fleet:
            rate, found = throughput(
                few, database, running, fleet, arguments.rows, arguments.rounds
            )
            rows += [*found, *lag(database, broker, fleet, rate)]
            if kind is Mosquitto:  # the other one speaks no MQTT 5
                rows.append(two_workers(database, broker, fleet, *size))
        with Fleet(broker, arguments.gateways, GROUPS, max(1, TAGS // arguments.gateways)) as fleet:
            _, found = throughput(many, database, running, fleet, *size)
            rows += found
    rows += build_rates()
    goals: dict[str, Goal] = {few: GOAL, many: GOAL}
    if not report("ingest", rows, goals):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
