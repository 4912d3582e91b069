"""From the POST of a control point to the acknowledgement in the database, one car at a time.

    python -m tests.benchmarks.bench_calls [--cars 300] [--broker embedded|mosquitto]

Real parts, each a process of its own: PostgreSQL with fsync, the broker, `lineside-hub serve`, and
a gateway's call lane with its file on disk. A pass is measured until another connection sees its
calls acknowledged, which is after three durable commits: the release, the gateway's inbox, and the
acknowledgement. In turns with it, the bare thing: commit a row, publish at QoS 1, have it answered
at QoS 1 by another process, commit a row.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import psycopg

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Process
from edge.calls import CallLane, CallStore, Desk
from edge.status import Figures
from hub.calls.notify import CHANGES
from hub.settings import DatabaseSettings
from hub.store import Database, migrate, open_database
from protocols.mqtt.broker import BrokerSettings, make_client
from tests.benchmarks.report import Row, report
from tests.hub.calls.world import PLANT, POINT, eventually, make_world, passed_at

BROKERS: dict[str, type[LocalBroker]] = {"embedded": EmbeddedBroker, "mosquitto": Mosquitto}
WARM_UP = 20
PAUSE_S = 0.01
GROUP, NODE = "seatworks", "gw-seat"
ROUTES = {f"{PLANT}/SEAT1": frozenset({"SEAT-FRONT", "SEAT-REAR"})}
PAYLOAD = b"x" * 900  # about what the two calls of a car make
DEADLINE_S = 30.0


def settings(port: int) -> BrokerSettings:
    """The bench's broker."""
    return BrokerSettings(host=LOOPBACK, port=port, tls=False)


def be_gateway(port: int, directory: Path) -> None:
    """Child process: a gateway's call lane, whose line takes no call."""

    async def work() -> None:
        desk = Desk(CallStore.open(directory / "calls.sqlite"), ROUTES)
        lane = CallLane(desk, [settings(port)], GROUP, NODE, ROUTES, Figures())
        await lane.serve(lambda: None)

    asyncio.run(work())


def be_echo(port: int) -> None:
    """Child process: answers every message on `bare/there` with one on `bare/back`."""
    client = make_client(settings(port), "bench-echo", clean_session=True)

    def answer(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        client.publish("bare/back", message.payload, 1)

    client.on_message = answer
    client.connect(LOOPBACK, port)
    client.subscribe("bare/there", 1)
    client.loop_forever()


class Bare:
    """Two commits and a QoS 1 round trip between them."""

    def __init__(self, port: int, connection: psycopg.Connection) -> None:
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._connection = connection
        self._client = make_client(settings(port), "bench-bare", clean_session=True)
        self._client.on_message = self._on_message
        self._client.connect(LOOPBACK, port)
        self._client.subscribe("bare/back", 1)
        self._client.loop_start()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._answers.put(bytes(message.payload))

    def until_echo(self) -> None:
        """Wait until the echo answers."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            self._client.publish("bare/there", b"", 1)
            try:
                self._answers.get(timeout=0.2)
            except queue.Empty:
                continue
            time.sleep(0.5)
            while not self._answers.empty():
                self._answers.get()
            return
        raise TimeoutError("the echo does not answer")

    def once(self, number: int) -> float:
        """Seconds it took."""
        began = time.perf_counter()
        self._connection.execute("INSERT INTO bare VALUES (%s, %s)", (number, PAYLOAD))
        self._client.publish("bare/there", PAYLOAD, 1)
        self._answers.get(timeout=DEADLINE_S)
        self._connection.execute("INSERT INTO bare VALUES (%s, %s)", (number, PAYLOAD))
        return time.perf_counter() - began

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Calls:
    """A pass over HTTP, until its calls are seen acknowledged."""

    def __init__(self, http: httpx.Client, database: Database) -> None:
        self._http = http
        self._listener = database.connect("ingest", autocommit=True)
        self._listener.execute(f"LISTEN {CHANGES}")
        self._reader = database.connect("ingest", autocommit=True)

    def once(self, number: int) -> float:
        """Seconds it took."""
        car = f"{number:07d}"
        body = {"production_no": car, "passed_at": passed_at(number).isoformat()}
        began = time.perf_counter()
        answer = self._http.post(f"/v1/plants/{PLANT}/control-points/{POINT}/passes", json=body)
        answer.raise_for_status()
        while True:
            row = self._reader.execute(
                "SELECT bool_and(acknowledged_at IS NOT NULL) FROM jis_call"
                " WHERE plant = %s AND line = 'SEAT1' AND production_no = %s",
                (PLANT, car),
            ).fetchone()
            if row and row[0]:
                return time.perf_counter() - began
            if time.perf_counter() - began > DEADLINE_S:
                raise TimeoutError(f"car {car}: calls not acknowledged")
            for _ in self._listener.notifies(timeout=1.0, stop_after=1):
                pass

    def close(self) -> None:
        self._listener.close()
        self._reader.close()


@contextmanager
def child(name: str, directory: Path, *argv: str, **environment: str) -> Iterator[Process]:
    """A process of the bench, ended with it."""
    command = [sys.executable, *argv]
    process = Process(name, command, directory / f"{name}.log", environment)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def measure(kind: str, cars: int, directory: Path) -> tuple[list[float], list[float]]:
    """Milliseconds of each turn: ours, bare."""
    port = free_port()
    with ExitStack() as opened:
        broker = opened.enter_context(BROKERS[kind](directory / "broker"))
        database = opened.enter_context(open_database(DatabaseSettings(), directory / "hub"))
        prepare(database, cars)
        me = ("-m", "tests.benchmarks.bench_calls")
        opened.enter_context(
            child(
                "hub",
                directory,
                *("-c", "from hub.cli import main; main()", "serve"),
                LINESIDE_HUB_DATA_DIR=str(directory / "hub"),
                LINESIDE_HUB_BROKER__HOST=LOOPBACK,
                LINESIDE_HUB_BROKER__PORT=str(broker.port),
                LINESIDE_HUB_BROKER__TLS="false",
                LINESIDE_HUB_API__PORT=str(port),
            )
        )
        at = ("--at", str(broker.port), str(directory))
        opened.enter_context(child("gateway", directory, *me, "--be", "gateway", *at))
        opened.enter_context(child("echo", directory, *me, "--be", "echo", *at))
        http = opened.enter_context(httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=30))
        eventually(lambda: answers(http), "the hub's answer")
        plain = opened.enter_context(database.connect("owner", autocommit=True))
        bare = Bare(broker.port, plain)
        opened.callback(bare.close)
        bare.until_echo()
        calls = Calls(http, database)
        opened.callback(calls.close)
        ours_ms, bare_ms = [], []
        for number in range(1, cars + 1):
            ours_ms.append(calls.once(number) * 1e3)
            time.sleep(PAUSE_S)
            bare_ms.append(bare.once(number) * 1e3)
            time.sleep(PAUSE_S)
        return ours_ms[WARM_UP:], bare_ms[WARM_UP:]


def prepare(database: Database, cars: int) -> None:
    """A plant whose control point calls two parts of one supplier; a table for the bare thing."""
    with database.connect("owner") as connection:
        migrate(connection)
    make_world(database, cars)
    with database.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO control_point (plant, id, owner, rank)"
            " VALUES ('P1', 'LATER', 'carmaker', 9)"
        )
        connection.execute("UPDATE part_group SET control_point = 'LATER' WHERE line = 'TRIM1'")
    with database.connect("owner") as connection:
        connection.execute("CREATE TABLE bare (number integer, payload bytea)")


def answers(http: httpx.Client) -> bool:
    """Whether the hub serves."""
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=300)
    parser.add_argument("--broker", choices=BROKERS, default=None)
    parser.add_argument("--be", choices=["gateway", "echo"], help=argparse.SUPPRESS)
    parser.add_argument("--at", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.be == "gateway":
        be_gateway(int(chosen.at[0]), Path(chosen.at[1]))
    elif chosen.be == "echo":
        be_echo(int(chosen.at[0]))
    if chosen.be:
        return 0
    kind = chosen.broker or ("mosquitto" if Mosquitto.executable() else "embedded")
    # Below /tmp itself: the embedded server's own user must get there.
    with tempfile.TemporaryDirectory(prefix="lineside-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        ours, bare = measure(kind, chosen.cars + WARM_UP, Path(folder))
    note = f"{kind} broker; ours makes three durable commits and HTTP, the bare thing two commits"
    rows = [
        Row("p50", statistics.median(ours), statistics.median(bare), "ms", note),
        Row("p99", percentile(ours, 99), percentile(bare, 99), "ms"),
        Row("max", max(ours), max(bare), "ms"),
    ]
    return 0 if report("calls", rows, goals={}) else 1


def percentile(values: list[float], percent: int) -> float:
    """The value that `percent` of them do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    sys.exit(main())
