"""Ingest from the broker to committed rows, against bare binary COPY of the same rows.

    python -m tests.benchmarks.bench_ingest [--rows 1000000] [--rounds 3]

Records of 100 samples are encoded beforehand and published by another process, in order and as fast
as the hub answers, with the window an edge gateway has. The bare side copies the same rows, already
encoded, over psycopg into the same table, each commit as large as ingest's were on average. Both
commit durably, in turns, on the embedded PostgreSQL with its ordinary settings.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
from paho.mqtt.client import MQTTMessage

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from hub.ingest import Ingest, IngestSettings
from hub.ingest.rows import COLUMNS, HEADER, TRAILER, AliasTable, RowBuffer
from hub.settings import DatabaseSettings
from hub.store import Database, migrate, open_database
from protocols.jis.envelope import parse_answer
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug import (
    DataType,
    Metric,
    Payload,
    decode,
    decode_samples,
    encode,
    encode_samples,
)
from protocols.streams import draw_epoch
from tests.benchmarks.report import AtLeast, Row, interleaved, report

GROUP, NODE, DEVICE = "seatworks", "gw-seat", "line"
SAMPLES = 100
"""Samples of a record."""
TAGS = 1000
FIRST_ALIAS = 10
START_MS = 1_795_000_000_000
WINDOW = 128
"""Records in flight of one gateway; as in the edge's uplink."""
GATEWAYS = 8
GOAL = AtLeast(0.5)


class Publisher:
    """Gateways in one process and one connection: births, records in order, a window each."""

    def __init__(self, broker: BrokerSettings, records: int) -> None:
        self._records = records
        self._waiting = threading.Condition()
        self._committed = dict.fromkeys(range(GATEWAYS), -1)
        self._client = make_client(broker, "publisher", clean_session=True)
        self._client.on_message = self._heard
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._client.subscribe(f"spBv1.0/{GROUP}/NCMD/+")

    def birth(self, epoch: int) -> None:
        """All gateways are born, and the hub has answered."""
        self._epoch = epoch
        for gateway in range(GATEWAYS):
            for payload, topic in births(gateway, epoch):
                self._client.publish(topic, payload)
        self._wait(lambda: min(self._committed.values()) >= 0)
        self._payloads = [record(epoch, offset) for offset in range(self._records)]

    def run(self) -> float:
        """Publish all records of all gateways; seconds until the last is answered."""
        topics = [f"spBv1.0/{GROUP}/DDATA/{node(gateway)}/{DEVICE}" for gateway in range(GATEWAYS)]
        sent = [0] * GATEWAYS
        started = time.perf_counter()
        while min(sent) < self._records:
            moved = False
            for gateway, topic in enumerate(topics):
                until = min(self._records, self._committed[gateway] + WINDOW)
                for offset in range(sent[gateway], until):
                    self._client.publish(topic, self._payloads[offset])
                    moved = True
                sent[gateway] = max(sent[gateway], until)
            if not moved:
                with self._waiting:
                    self._waiting.wait(0.01)
        self._wait(lambda: min(self._committed.values()) == self._records)
        return time.perf_counter() - started

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, met: Callable[[], bool]) -> None:
        with self._waiting:
            if not self._waiting.wait_for(met, timeout=120):
                raise TimeoutError(f"the hub stands at {self._committed}")

    def _heard(self, _client: object, _userdata: object, message: MQTTMessage) -> None:
        for metric in decode(bytes(message.payload)).metrics:
            if metric.name == "Stream/Cursor":
                answer = parse_answer(str(metric.value).encode())
                if answer.epoch == self._epoch:
                    gateway = int(message.topic.rpartition("-")[2])
                    with self._waiting:
                        self._committed[gateway] = answer.watermark
                        self._waiting.notify_all()


def publish(connection: Connection, broker: BrokerSettings, records: int) -> None:
    """The publishing process: an epoch comes in, seconds go out; None ends it."""
    publisher = Publisher(broker, records)
    while (epoch := connection.recv()) is not None:
        publisher.birth(epoch)
        connection.send("born")
        connection.recv()
        connection.send(publisher.run())
        for gateway in publisher._committed:
            publisher._committed[gateway] = -1
    publisher.close()


def node(gateway: int) -> str:
    return f"gw-{gateway}"


def births(gateway: int, epoch: int) -> Iterator[tuple[bytes, str]]:
    """NBIRTH and DBIRTH of a gateway, with their topics."""
    int64 = DataType.Int64
    state = (("Stream/Epoch", epoch), ("Stream/First Kept", 0), ("Stream/Next", 0))
    metrics = [Metric(name, datatype=int64, value=value) for name, value in state]
    yield encode(Payload(START_MS, metrics, 0)), f"spBv1.0/{GROUP}/NBIRTH/{node(gateway)}"
    metrics = [
        Metric("Stream/Epoch", 1, datatype=int64),
        Metric("Stream/Offset", 2, datatype=int64),
        *(Metric(f"tag {n}", FIRST_ALIAS + n, datatype=DataType.Double) for n in range(TAGS)),
    ]
    topic = f"spBv1.0/{GROUP}/DBIRTH/{node(gateway)}/{DEVICE}"
    yield encode(Payload(START_MS, metrics, 1)), topic


def record(epoch: int, offset: int) -> bytes:
    """Record `offset` of a stream: every tag in turn, a millisecond apart."""
    first = offset * SAMPLES
    count = range(first, first + SAMPLES)
    return encode_samples(
        offset % 254 + 2,
        START_MS,
        1,
        epoch,
        2,
        offset,
        array("Q", [FIRST_ALIAS + n % TAGS for n in count]),
        array("q", [START_MS + n for n in count]),
        bytes([DataType.Double]) * SAMPLES,
        array("d", [n * 0.25 for n in count]),
        {},
        None,
        False,
    )


def encoded_rows(table: AliasTable, records: int) -> bytes:
    """The rows of these many records as COPY takes them."""
    rows = RowBuffer()
    for offset in range(records):
        rows.append(decode_samples(record(1, offset)), 2, table, START_MS)
    return rows.slice(0, rows.size)


def bare_copy(conn: psycopg.Connection, rows: bytes, commits: int) -> float:
    """Seconds for `commits` transactions of one COPY each."""
    started = time.perf_counter()
    for _ in range(commits):
        with (
            conn.transaction(),
            conn.cursor() as cursor,
            cursor.copy(f"COPY sample ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(HEADER)
            copy.write(rows)
            copy.write(TRAILER)
    return time.perf_counter() - started


def empty(database: Database) -> None:
    """No samples, and a day's partition for those to come."""
    with database.connect("owner") as conn:
        conn.execute("TRUNCATE sample")
    with database.connect("ingest") as conn:
        day = datetime.fromtimestamp(START_MS / 1000, UTC)
        conn.execute("SELECT sample_prepare(%s, %s)", [day, day + timedelta(days=1)])


def register(database: Database) -> None:
    with database.connect("ingest") as conn:
        conn.execute("INSERT INTO tenant VALUES ('seatworks', 'Seatworks', 'supplier')")
        for gateway in range(GATEWAYS):
            conn.execute(
                "INSERT INTO gateway (owner, group_id, node_id) VALUES ('seatworks', %s, %s)",
                [GROUP, node(gateway)],
            )


@dataclass(frozen=True, slots=True)
class Turn:
    """One round: rows/s from the broker, rows/s of bare COPY, rows of a commit."""

    ours: float
    bare: float
    rows_per_commit: float


def measure(database: Database, broker: LocalBroker, records: int, rounds: int) -> list[Turn]:
    """Ingest and bare COPY in turns."""
    settings = BrokerSettings(host=broker.host, port=broker.port, tls=False)
    near, far = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=publish, args=(far, settings, records)
    )
    process.start()
    turns = []
    total = records * SAMPLES * GATEWAYS
    try:
        for _ in range(rounds):
            empty(database)
            with Ingest(database, settings, IngestSettings(rebirth_every_s=60)):
                time.sleep(1)
                near.send(draw_epoch())
                near.recv()
                near.send("go")
                seconds = near.recv()
            with database.connect("ingest", autocommit=True) as conn:
                stored, commits = conn.execute(
                    "SELECT count(*), count(DISTINCT xmin::text) FROM sample"
                ).fetchone() or (0, 0)
                if stored != total:
                    raise AssertionError(f"{stored} rows stored of {total}")
                tags = conn.execute("SELECT id FROM tag ORDER BY id LIMIT %s", [TAGS]).fetchall()
                table = AliasTable(
                    {FIRST_ALIAS + n: (tag, DataType.Double) for n, (tag,) in enumerate(tags)}, {}
                )
                records_per_commit = round(records * GATEWAYS / commits)
                rows = encoded_rows(table, records_per_commit)
                empty(database)
                bare_s = bare_copy(conn, rows, commits)
            rows_per_commit = records_per_commit * SAMPLES
            turns.append(Turn(total / seconds, rows_per_commit * commits / bare_s, rows_per_commit))
        near.send(None)
    finally:
        near.close()
        process.join(10)
        process.kill()
    return turns


def build_rates() -> dict[str, float]:
    """Rows/s of decoding and of building rows alone, per CPU second."""
    payload = record(1, 5)
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
    return {name: SAMPLES / seconds for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    records = max(1, arguments.rows // SAMPLES // GATEWAYS)
    brokers: list[type[LocalBroker]] = [EmbeddedBroker]
    if Mosquitto.executable() is not None:
        brokers.insert(0, Mosquitto)
    rows = []
    goals = {}
    with (
        tempfile.TemporaryDirectory(prefix="lineside-bench-") as folder,
        open_database(DatabaseSettings(), Path(folder)) as database,
    ):
        with database.connect("owner") as conn:
            migrate(conn)
        register(database)
        for kind in brokers:
            with kind(Path(folder) / kind.kind) as broker:
                turns = measure(database, broker, records, arguments.rounds)
            middle = sorted(turns, key=lambda turn: turn.ours / turn.bare)[len(turns) // 2]
            name = f"ingest over {kind.kind}"
            goals[name] = GOAL
            rows.append(
                Row(
                    name,
                    middle.ours,
                    middle.bare,
                    "rows/s",
                    f"{middle.rows_per_commit:,.0f} rows a commit; ratios "
                    + ", ".join(f"{turn.ours / turn.bare:.2f}" for turn in turns),
                )
            )
    rows += [Row(name, rate, None, "rows/s of CPU") for name, rate in build_rates().items()]
    if not report("ingest", rows, goals):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
