"""Several workers, real processes: groups move, nothing is doubled, no gateway is stopped."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from deploy.local.broker import LocalBroker, Mosquitto
from hub.ingest.inbox import Message
from hub.ingest.leases import Division, divide
from hub.ingest.lives import Life, Lives, died
from hub.store import Database
from protocols.mqtt.broker import make_client
from protocols.sparkplug import DataType, Metric, encode
from protocols.sparkplug.session import Arrival, HostState, SeqChecker, death_payload
from protocols.sparkplug.topics import DeviceTopic, NodeTopic, state_topic
from tests.hub.ingest.conftest import eventually, rows
from tests.hub.ingest.node import BASE_MS, WAIT_S, Node, broker_settings

EPOCHS = {"seatworks": 4711, "trimworks": 4712}
A, B, C = sorted(uuid4() for _ in range(3))


@pytest.mark.parametrize(
    ("holders", "live", "take", "release"),
    [
        ({"a": None, "b": None}, [A], ["a", "b"], []),
        ({"a": None, "b": None}, [A, B], ["a"], []),
        ({"a": A, "b": A}, [A, B], [], ["b"]),
        ({"a": A, "b": A, "c": B}, [A, B], [], []),
        ({"a": A, "b": A, "c": None}, [A, B], [], []),  # it is B's to take
        ({"a": A, "b": A, "c": B, "d": B}, [A, B, C], [], ["b"]),
        ({}, [A], [], []),
    ],
)
def test_each_comes_to_an_even_share(
    holders: dict[str, UUID | None], live: list[UUID], take: list[str], release: list[str]
) -> None:
    assert divide(A, live, holders) == Division(take, release)


def test_lives_are_kept_in_order_and_bounded() -> None:
    lives = Lives(100)

    def hear(kind: Any, device: str | None = None, size: int = 10) -> str:
        topic = NodeTopic("g", kind, "n") if device is None else DeviceTopic("g", kind, "n", device)
        lives.heard(topic, Message(str(topic), bytes(size)))
        return str(topic)

    def kept() -> list[str]:
        return [message.topic for _, lived in lives.of("g") for _, message in lived]

    hear("NBIRTH")
    hear("DBIRTH", "old")
    born, first, second = hear("NBIRTH"), hear("DBIRTH", "a"), hear("DBIRTH", "b")
    assert kept() == [born, first, second]
    died = hear("DDEATH", "a")
    assert kept() == [born, second, died]
    hear("DBIRTH", "c", 71)
    assert kept() == []  # too much: the nodes are asked


def test_a_node_is_dead_by_the_death_of_its_own_connect() -> None:
    def life(kind: Any, bd_seq: int) -> Life:
        topic = NodeTopic("g", kind, "n")
        return topic, Message(str(topic), encode(death_payload(bd_seq)))

    assert not died([life("NBIRTH", 7)])
    assert not died([life("NBIRTH", 7), life("NDEATH", 6)])
    assert died([life("NBIRTH", 7), life("NDEATH", 7)])
    assert not died([(NodeTopic("g", "NBIRTH", "n"), Message("", b"no payload"))])


def test_a_sequence_is_joined_in_the_middle() -> None:
    seq = SeqChecker(1.0)
    seq.born(0)
    seq.joined()
    assert seq.arrived(77, 0.0) is Arrival.IN_ORDER
    assert seq.arrived(79, 0.0) is Arrival.EARLY


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker that speaks MQTT 5."""
    if Mosquitto.executable() is None:
        if "mosquitto" in os.environ.get("LINESIDE_REQUIRE", ""):
            pytest.fail("mosquitto is not installed")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


class Workers:
    """Processes of `sharing_child`, and what the database says of them."""

    def __init__(self, database: Database, broker: LocalBroker, hub: psycopg.Connection) -> None:
        self._argv = [database.conninfo, str(broker.port)]
        self._hub = hub
        self._open: list[subprocess.Popen[bytes]] = []
        self._by_id: dict[UUID, subprocess.Popen[bytes]] = {}

    def start(self) -> UUID:
        """Another worker; its id, once it has said that it lives."""
        known = {worker for (worker,) in rows(self._hub, "SELECT id FROM ingest_worker")}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub.ingest.sharing_child", *self._argv]
        )
        self._open.append(process)
        found: set[UUID] = set()

        def lives() -> bool:
            found.update(worker for (worker,) in rows(self._hub, "SELECT id FROM ingest_worker"))
            return bool(found - known)

        eventually(lives, "a worker that lives")
        (worker,) = found - known
        self._by_id[worker] = process
        return worker

    def signal(self, worker: UUID, number: int) -> None:
        self._by_id[worker].send_signal(number)

    def has(self, name: str) -> UUID | None:
        """Who has a group, or STATE; None: nobody yet."""
        found = rows(self._hub, "SELECT worker FROM ingest_lease WHERE name = %s", name)
        return found[0][0] if found else None

    def divided(self) -> bool:
        """Whether each of two has a group."""
        holders = [
            w for (w,) in rows(self._hub, "SELECT worker FROM ingest_lease WHERE name <> 'STATE'")
        ]
        return None not in holders and len(set(holders)) == 2

    def close(self) -> None:
        for process in self._open:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._open:
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def workers(
    database: Database, mosquitto: LocalBroker, hub: psycopg.Connection
) -> Iterator[Workers]:
    with ExitStack() as stack:
        found = Workers(database, mosquitto, hub)
        stack.callback(found.close)
        yield found


@contextmanager
def states_of(broker: LocalBroker) -> Iterator[queue.SimpleQueue[HostState]]:
    """What is said of the host's state from now on, what is retained first."""
    heard: queue.SimpleQueue[HostState] = queue.SimpleQueue()
    subscribed = threading.Event()
    client = make_client(broker_settings(broker), "watch", clean_session=True)
    client.on_message = lambda _c, _u, message: heard.put(HostState.parse(bytes(message.payload)))
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(broker.host, broker.port, 30)
    client.loop_start()
    client.subscribe(state_topic("lineside-hub"), 1)
    assert subscribed.wait(WAIT_S)
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def born_nodes(broker: LocalBroker) -> Iterator[dict[str, Node]]:
    """Both registered gateways, born and answered."""
    with (
        Node(broker, "seatworks", "gw-seat") as seat,
        Node(broker, "trimworks", "gw-trim") as trim,
    ):
        nodes = {"seatworks": seat, "trimworks": trim}
        for group, node in nodes.items():
            node.birth(EPOCHS[group], after=2)
            node.answered(EPOCHS[group], 0)
        yield nodes


def values(hub: psycopg.Connection) -> list[float]:
    return [value for (value,) in rows(hub, "SELECT value FROM sample ORDER BY value")]


def offline(states: queue.SimpleQueue[HostState]) -> list[HostState]:
    """What was said of the host being offline."""
    said = []
    while not states.empty():
        state = states.get()
        if not state.online:
            said.append(state)
    return said


def test_a_lost_worker_s_group_goes_on_without_a_rebirth(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    workers.start()
    workers.start()
    eventually(workers.divided, "each has a group")
    with states_of(mosquitto) as states, born_nodes(mosquitto) as nodes:
        assert states.get(timeout=WAIT_S).online
        lost = workers.has("STATE")
        assert lost is not None
        group = next(group for group in nodes if workers.has(group) == lost)
        node = nodes[group]
        node.record(0, [1.0])
        node.answered(EPOCHS[group], 1)
        node.forget_rebirths()
        workers.signal(lost, signal.SIGKILL)
        eventually(lambda: workers.has(group) not in {lost, None}, "the group has moved")
        eventually(lambda: workers.has("STATE") not in {lost, None}, "the state has moved")
        assert states.get(timeout=WAIT_S).online
        node.answered(EPOCHS[group], 1)  # said once all data are heard
        node.record(0, [1.0])  # its answer was lost, for all the node knows
        node.record(1, [2.0])
        node.answered(EPOCHS[group], 2)
        assert node.rebirths.empty()
        assert values(hub) == [1.0, 2.0]
        assert offline(states) == []
    ((online,),) = rows(
        hub,
        "SELECT s.online FROM gateway_status s JOIN gateway g ON g.id = s.gateway"
        " WHERE g.group_id = %s",
        group,
    )
    assert online


def test_a_node_that_is_not_ours_is_asked_when_its_group_moves(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    """What it said while nobody listened, nobody keeps: its births say how things stand."""
    workers.start()
    workers.start()
    eventually(workers.divided, "each has a group")
    with Node(mosquitto) as node:
        node.node_birth([Metric("bdSeq", datatype=DataType.Int64, value=0)])
        node.device_birth("pump", [Metric("pressure", 6, BASE_MS, DataType.Double, 1.5)])
        eventually(lambda: values(hub) == [1.5], "the value of the birth")
        node.forget_rebirths()
        lost = workers.has("seatworks")
        assert lost is not None
        workers.signal(lost, signal.SIGKILL)
        node.asked_for_rebirth()
        node.node_birth([Metric("bdSeq", datatype=DataType.Int64, value=0)])
        node.device_birth("pump", [Metric("pressure", 6, BASE_MS + 1, DataType.Double, 2.5)])
        node.device_data("pump", [Metric(None, 6, BASE_MS + 2, DataType.Double, 3.5)])
        eventually(lambda: values(hub) == [1.5, 2.5, 3.5], "each value once")


def test_a_stopped_worker_that_goes_on_doubles_nothing(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    first = workers.start()
    eventually(lambda: workers.has("seatworks") == workers.has("trimworks") == first, "all its own")
    with born_nodes(mosquitto) as nodes:
        seat = nodes["seatworks"]
        hub.execute("BEGIN")
        hub.execute("SELECT FROM stream_cursor FOR UPDATE")
        seat.record(0, [1.0])
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            " AND wait_event_type = 'Lock'"
        )
        name = f"lineside-ingest {first.hex}"
        eventually(lambda: rows(hub, waiting, name) == [(1,)], "a commit that waits")
        workers.signal(first, signal.SIGSTOP)
        hub.execute("COMMIT")  # the stopped one is within its transaction, and holds the lease
        second = workers.start()
        eventually(lambda: workers.has("seatworks") == second, "the group has moved")
        seat.birth(EPOCHS["seatworks"], after=2)  # the second has not heard the first birth
        seat.answered(EPOCHS["seatworks"], 0)
        seat.record(0, [1.0])
        seat.answered(EPOCHS["seatworks"], 1)
        workers.signal(first, signal.SIGCONT)
        eventually(workers.divided, "the first has its share again")
        for group, node in nodes.items():
            node.birth(EPOCHS[group], after=2)
            node.record(0, [1.0])
            node.record(1, [2.0])
            node.answered(EPOCHS[group], 2)
    assert values(hub) == [1.0, 1.0, 2.0, 2.0]
