"""From the POST of a control point to the acknowledgement in the database.

    python -m tests.benchmarks.bench_calls [--seconds 20] [--broker embedded|mosquitto]

Real parts, each a process of its own: PostgreSQL with fsync, the broker, `lineside-hub serve`, and
gateways' call lanes with their files on disk. Passes come at a fixed rate, whether or not the last
one is through: 10 and 200 calls a second at one line, 200 over fifty lines with a gateway each, and
1,000 calls at once, as after a sequence was put in force. A call counts from the beginning of its
POST until `acknowledged_at`, after three durable commits: the release, the gateway's inbox, and the
acknowledgement. Beside them, at the same rates, the bare thing: commit a row, publish at QoS 1,
have it answered at QoS 1 by another process, commit a row.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from deploy.local.database import own_database
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Process
from edge.calls import CallLane, CallStore, Desk
from edge.status import Figures
from hub.store import Database, migrate
from protocols.mqtt.broker import BrokerSettings, make_client
from tests.benchmarks.report import Row, report
from tests.hub.calls.world import PLANT, POINT, add_order, eventually, make_world

BROKERS: dict[str, type[LocalBroker]] = {"embedded": EmbeddedBroker, "mosquitto": Mosquitto}
GROUP = "seatworks"
WIDE, LINES = "WIDE", 50
"""A control point at which fifty lines are called a part each."""
SEATS = 2
"""Calls of a car at the other control point, all of one line."""
BURST = 500
"""Cars at once, of `SEATS` calls each."""
PAYLOAD = b"x" * 900  # about what the two calls of a car make
DEADLINE_S = 60.0
CLIENTS = 16
"""Connections at most over which passes are reported, and on which the bare thing runs."""
WARM_UP_S = 2.0

_WIDE = """
INSERT INTO gateway (owner, partner, group_id, node_id)
    SELECT 'seatworks', 'carmaker', 'seatworks', 'gw-' || n FROM generate_series(1, 50) n;
INSERT INTO control_point (plant, id, owner, rank) VALUES ('P1', 'WIDE', 'carmaker', 8);
INSERT INTO supplier_line (plant, id, owner, partner, gateway, unloading_point, lead_s, rack_slots)
    SELECT 'P1', 'L' || substr(node_id, 4), 'carmaker', owner, id, 'DOCK-1', 600, 12
    FROM gateway WHERE node_id ~ '^gw-[0-9]+$';
INSERT INTO part_group (plant, id, owner, partner, line, control_point)
    SELECT plant, 'G' || substr(id, 2), owner, partner, id, 'WIDE' FROM supplier_line
    WHERE id ~ '^L[0-9]+$';
INSERT INTO bom_rule (plant, part_group, rank, owner, partner, part_no)
    SELECT plant, id, 1, owner, partner, 'P-' || id FROM part_group WHERE id ~ '^G[0-9]+$';
INSERT INTO control_point (plant, id, owner, rank) VALUES ('P1', 'LATER', 'carmaker', 9);
UPDATE part_group SET control_point = 'LATER' WHERE line = 'TRIM1';
"""
_ACKNOWLEDGED = """
SELECT production_no, acknowledged_at FROM jis_call
WHERE plant = 'P1' AND control_point = %s AND production_no = ANY (%s)
"""


def settings(port: int) -> BrokerSettings:
    """The bench's broker."""
    return BrokerSettings(host=LOOPBACK, port=port, tls=False)


def be_gateways(port: int, directory: Path) -> None:
    """Child process: the call lanes of all gateways, whose lines take no call."""
    routes = {"gw-seat": {f"{PLANT}/SEAT1": frozenset({"SEAT-FRONT", "SEAT-REAR"})}}
    routes |= {f"gw-{n}": {f"{PLANT}/L{n}": frozenset({f"G{n}"})} for n in range(1, LINES + 1)}

    async def work() -> None:
        lanes = []
        for node, serves in routes.items():
            desk = Desk(CallStore.open(directory / f"{node}.sqlite"), serves)
            lanes.append(CallLane(desk, [settings(port)], GROUP, node, serves, Figures()))
        await asyncio.gather(*(lane.serve(lambda: None) for lane in lanes))

    asyncio.run(work())


def be_echo(port: int) -> None:
    """Child process: answers every message on `bare/there/N` with one on `bare/back/N`."""
    client = make_client(settings(port), "bench-echo", clean_session=True)

    def answer(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        client.publish(message.topic.replace("there", "back"), message.payload, 1)

    client.on_message = answer
    client.connect(LOOPBACK, port)
    client.subscribe("bare/there/+", 1)
    client.loop_forever()


class Bare:
    """Two commits and a QoS 1 round trip between them; each worker has a connection of its own."""

    def __init__(self, port: int, database: Database) -> None:
        self._answers: list[queue.SimpleQueue[bytes]] = [
            queue.SimpleQueue() for _ in range(CLIENTS)
        ]
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._connections = [database.connect("owner", autocommit=True) for _ in range(CLIENTS)]
        for worker in range(CLIENTS):
            self._free.put(worker)
        self._client = make_client(settings(port), "bench-bare", clean_session=True)
        self._client.on_message = self._on_message
        self._client.connect(LOOPBACK, port)
        self._client.subscribe("bare/back/+", 1)
        self._client.loop_start()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        worker = int(message.topic.rpartition("/")[2])
        self._answers[worker].put(bytes(message.payload))

    def until_echo(self) -> None:
        """Wait until the echo answers."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            self._client.publish("bare/there/0", b"", 1)
            try:
                self._answers[0].get(timeout=0.2)
            except queue.Empty:
                continue
            time.sleep(0.5)
            while not self._answers[0].empty():
                self._answers[0].get()
            return
        raise TimeoutError("the echo does not answer")

    def once(self, began: float, number: int) -> float:
        """Milliseconds since `began`."""
        worker = self._free.get()
        connection = self._connections[worker]
        connection.execute("INSERT INTO bare VALUES (%s, %s)", (number, PAYLOAD))
        self._client.publish(f"bare/there/{worker}", PAYLOAD, 1)
        self._answers[worker].get(timeout=DEADLINE_S)
        connection.execute("INSERT INTO bare VALUES (%s, %s)", (number, PAYLOAD))
        self._free.put(worker)
        return (time.time() - began) * 1e3

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        for connection in self._connections:
            connection.close()


class Passes:
    """Reports cars at a control point, and finds out when their calls were acknowledged."""

    def __init__(self, url: str, database: Database) -> None:
        self._url = url
        self._local = threading.local()
        self._reader = database.connect("ingest", autocommit=True)
        self._began: dict[str, float] = {}
        self._next = 1

    def cars(self, count: int) -> list[str]:
        """So many cars that no scenario has had."""
        first, self._next = self._next, self._next + count
        return [f"{number:07d}" for number in range(first, first + count)]

    def report(self, began: float, point: str, car: str) -> None:
        """Report one car; it counts from `began`."""
        http = getattr(self._local, "http", None)
        if http is None:
            http = self._local.http = httpx.Client(base_url=self._url, timeout=DEADLINE_S)
        body = {"production_no": car, "passed_at": datetime.now(UTC).isoformat()}
        http.post(f"/v1/plants/{PLANT}/control-points/{point}/passes", json=body).raise_for_status()
        self._began[car] = began

    def latencies_ms(self, point: str, cars: list[str], calls: int) -> list[float]:
        """Of each call of these cars, once all are acknowledged. Raises `TimeoutError`."""
        end = time.monotonic() + DEADLINE_S
        while True:
            rows = self._reader.execute(_ACKNOWLEDGED, (point, cars)).fetchall()
            if len(rows) == calls and all(at is not None for _, at in rows):
                return [(at.timestamp() - self._began[car]) * 1e3 for car, at in rows]
            if time.monotonic() > end:
                known = sum(at is not None for _, at in rows)
                raise TimeoutError(f"{known} of {calls} calls acknowledged")
            time.sleep(0.05)

    def close(self) -> None:
        self._reader.close()


def at_rate(per_s: float, count: int, do: Callable[[float, int], object]) -> list[object]:
    """Call `do(when it was due, number)` so many times at a fixed rate, however long each takes."""
    start = time.time() + 0.05
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = []
        for number in range(count):
            due = start + number / per_s
            time.sleep(max(0.0, due - time.time()))
            running.append(pool.submit(do, due, number))
        return [each.result() for each in running]


@dataclass(frozen=True)
class Stand:
    """What runs."""

    passes: Passes
    bare: Bare

    def scenario(
        self, name: str, point: str, calls_of_car: int, per_s: float, seconds: float
    ) -> list[Row]:
        """Calls at this rate for so long, then the bare thing at the rate of their messages: those
        of one car to one gateway are one."""
        cars_per_s = per_s / calls_of_car
        count = max(10, round(cars_per_s * seconds))
        cars = self.passes.cars(count)
        at_rate(cars_per_s, count, lambda due, n: self.passes.report(due, point, cars[n]))
        ours = self.passes.latencies_ms(point, cars, count * calls_of_car)
        messages_per_s = per_s / SEATS if point == POINT else per_s
        plain = at_rate(messages_per_s, round(messages_per_s * seconds) or 1, self.bare.once)
        bare = [float(each) for each in plain if isinstance(each, float)]
        return percentiles(name, ours, bare)

    def burst(self) -> list[Row]:
        """A thousand calls as fast as they are reported."""
        cars = self.passes.cars(BURST)
        began = time.time()
        at_rate(1e9, BURST, lambda _due, n: self.passes.report(began, POINT, cars[n]))
        ours = max(self.passes.latencies_ms(POINT, cars, BURST * SEATS)) / 1e3
        began = time.time()
        plain = at_rate(1e9, BURST, lambda _due, n: self.bare.once(began, n))
        bare = max(float(each) for each in plain if isinstance(each, float)) / 1e3
        return [
            Row("1,000 calls at once", ours, bare, "s", f"{BURST} passes, all acknowledged"),
            Row("1,000 calls at once, rate", BURST * SEATS / ours, BURST / bare, "calls/s"),
        ]


def percentiles(name: str, ours: list[float], bare: list[float]) -> list[Row]:
    """Rows p50, p99 and max."""
    figures: list[tuple[str, Callable[[list[float]], float]]] = [
        ("p50", statistics.median),
        ("p99", lambda values: statistics.quantiles(values, n=100, method="inclusive")[98]),
        ("max", max),
    ]
    return [
        Row(f"{name}: {what}", figure(ours), figure(bare), "ms", f"{len(ours)} calls")
        for what, figure in figures
    ]


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


@contextmanager
def standing(kind: str, seconds: float, directory: Path) -> Iterator[Stand]:
    """All parts, started."""
    port = free_port()
    with ExitStack() as opened:
        broker = opened.enter_context(BROKERS[kind](directory / "broker"))
        database = opened.enter_context(own_database(directory / "hub"))
        prepare(database, round(seconds * 140 + BURST + 200))
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
        opened.enter_context(child("gateways", directory, *me, "--be", "gateways", *at))
        opened.enter_context(child("echo", directory, *me, "--be", "echo", *at))
        url = f"http://{LOOPBACK}:{port}"
        eventually(lambda: answers(url), "the hub's answer")
        bare = Bare(broker.port, database)
        opened.callback(bare.close)
        bare.until_echo()
        passes = Passes(url, database)
        opened.callback(passes.close)
        yield Stand(passes, bare)


def prepare(database: Database, cars: int) -> None:
    """A plant with a control point that calls two parts of one supplier, and one that calls a part
    of each of fifty lines; a table for the bare thing."""
    with database.connect("owner") as connection:
        migrate(connection)
    make_world(database, 0)
    with database.connect("ingest") as connection:
        connection.execute(_WIDE)
        for number in range(1, cars + 1):
            add_order(connection, f"{number:07d}")
    with database.connect("owner") as connection:
        connection.execute("CREATE TABLE bare (number integer, payload bytea)")


def answers(url: str) -> bool:
    """Whether the hub serves."""
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each scenario")
    parser.add_argument("--broker", choices=BROKERS, default=None)
    parser.add_argument("--be", choices=["gateways", "echo"], help=argparse.SUPPRESS)
    parser.add_argument("--at", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.be == "gateways":
        be_gateways(int(chosen.at[0]), Path(chosen.at[1]))
    elif chosen.be == "echo":
        be_echo(int(chosen.at[0]))
    if chosen.be:
        return 0
    kind = chosen.broker or ("mosquitto" if Mosquitto.executable() else "embedded")
    seconds = chosen.seconds
    # Below /tmp itself: the embedded server's own user must get there.
    with tempfile.TemporaryDirectory(prefix="lineside-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with standing(kind, seconds, Path(folder)) as stand:
            stand.scenario("warm-up", POINT, SEATS, 40, WARM_UP_S)
            rows = stand.scenario("10 calls/s", POINT, SEATS, 10, seconds)
            rows += stand.scenario("200 calls/s", POINT, SEATS, 200, seconds)
            rows += stand.scenario("200 calls/s over 50 lines", WIDE, LINES, 200, seconds)
            rows += stand.burst()
    print(f"{kind} broker; ours makes three durable commits and HTTP, the bare thing two commits")
    return 0 if report("calls", rows, goals={}) else 1


if __name__ == "__main__":
    sys.exit(main())
