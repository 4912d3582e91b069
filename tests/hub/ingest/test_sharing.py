"""Several workers, real processes: groups move, nothing is doubled, no gateway is stopped."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from deploy.local.broker import LocalBroker, Mosquitto
from hub.ingest import Ingest, stored_births
from hub.ingest.inbox import Message
from hub.ingest.leases import Division, divide
from hub.ingest.lives import Life, Lives, died
from hub.ingest.registry import Gateway, registered
from hub.ingest.stored_births import Stored
from hub.store import Database
from protocols.mqtt.broker import make_client
from protocols.sparkplug import DataType, Metric, encode
from protocols.sparkplug.session import Arrival, HostState, SeqChecker, death_payload
from protocols.sparkplug.topics import DeviceTopic, NodeTopic, state_topic
from tests.hub.ingest.conftest import FAST, eventually, rows
from tests.hub.ingest.node import BASE_MS, WAIT_S, Node, broker_settings

_CHILD = "tests.hub.ingest.sharing_child"
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
    assert seq.expected == 78


@pytest.mark.parametrize("came", [12, 200, 9])
def test_a_sequence_that_another_heard_goes_on_where_it_stood(came: int) -> None:
    seq = SeqChecker(1.0)
    seq.joined(10)
    assert seq.arrived(10, 0.0) is Arrival.IN_ORDER
    assert not seq.overdue(5.0)
    seq.joined(10)
    assert seq.arrived(came, 0.0) is Arrival.EARLY
    assert seq.overdue(5.0)


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

    def start(self, birth_grace_s: float = 60.0) -> UUID:
        """Another worker; its id, once it has said that it lives."""
        known = {worker for (worker,) in rows(self._hub, "SELECT id FROM ingest_worker")}
        process = subprocess.Popen([sys.executable, "-m", _CHILD, *self._argv, str(birth_grace_s)])
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

    def kill(self, worker: UUID) -> None:
        """Once it returns the worker hears nothing any more."""
        self._by_id[worker].kill()
        self._by_id[worker].wait(WAIT_S)

    def expire(self, worker: UUID) -> None:
        """As if one that is killed or stopped had given no sign for long: the others notice now."""
        self._hub.execute(
            "UPDATE ingest_worker SET expires_at = now() - interval '1 s' WHERE id = %s", [worker]
        )

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


def heard_of(hub: psycopg.Connection, *groups: str) -> None:
    """Wait until whoever has these groups has dealt with all births of them said before."""
    ((now,),) = rows(hub, "SELECT clock_timestamp()")
    query = "SELECT count(*) FROM ingest_heard WHERE name = ANY(%s) AND heard_at > %s"
    eventually(lambda: rows(hub, query, list(groups), now) == [(len(groups),)], "that it listens")


@contextmanager
def born_nodes(broker: LocalBroker, hub: psycopg.Connection) -> Iterator[dict[str, Node]]:
    """Both registered gateways, born and answered."""
    heard_of(hub, *EPOCHS)
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
    with states_of(mosquitto) as states, born_nodes(mosquitto, hub) as nodes:
        assert states.get(timeout=WAIT_S).online
        lost = workers.has("STATE")
        assert lost is not None
        group = next(group for group in nodes if workers.has(group) == lost)
        node = nodes[group]
        node.record(0, [1.0])
        node.answered(EPOCHS[group], 1)
        node.forget_rebirths()
        workers.kill(lost)
        workers.expire(lost)
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


def pump(node: Node, pressure: int, flow: int, value: float) -> None:
    """A node that is not ours is born: two tags by these aliases, of this value and one more."""
    node.node_birth([Metric("bdSeq", datatype=DataType.Int64, value=0)])
    at = BASE_MS + int(value)
    node.device_birth(
        "pump",
        [
            Metric("pressure", pressure, at, DataType.Double, value),
            Metric("flow", flow, at, DataType.Double, value + 1),
        ],
    )


def say(node: Node, alias: int, value: float) -> None:
    node.device_data("pump", [Metric(None, alias, BASE_MS + int(value), DataType.Double, value)])


def pumped(hub: psycopg.Connection, tag: str) -> list[float]:
    found = rows(
        hub,
        "SELECT value FROM sample s JOIN tag t ON t.id = s.tag_id WHERE t.name = %s ORDER BY value",
        tag,
    )
    return [value for (value,) in found]


@contextmanager
def about_to_be_lost(
    workers: Workers, broker: LocalBroker, hub: psycopg.Connection, grace_s: float = 60.0
) -> Iterator[tuple[UUID, Node, Node]]:
    """A worker that has one group, another that has come after the births of its nodes and would
    trust what is stored of them; and those nodes: one that is not ours, and one that is."""
    hub.execute(
        "INSERT INTO gateway (owner, group_id, node_id)"
        " VALUES ('seatworks', 'seatworks', 'gw-ours')"
    )
    first = workers.start(grace_s)
    eventually(lambda: workers.has("seatworks") == workers.has("trimworks") == first, "all its own")
    heard_of(hub, "seatworks", "trimworks")
    with (
        Node(broker) as foreign,
        Node(broker, "seatworks", "gw-ours") as ours,
        Node(broker, "trimworks", "gw-trim") as trim,
    ):
        ours.birth(4711)
        ours.answered(4711, 0)
        pump(foreign, 6, 7, 10.0)
        say(foreign, 6, 12.0)
        eventually(lambda: values(hub) == [10.0, 11.0, 12.0], "the first values")
        workers.start(grace_s)
        eventually(workers.divided, "each has a group")
        assert workers.has("seatworks") == first  # it lets go of the last by name
        heard_of(hub, "trimworks")
        trim.birth(4712)
        trim.answered(4712, 0)
        heard_of(hub, "seatworks")
        foreign.forget_rebirths()
        ours.forget_rebirths()
        yield first, foreign, ours


def test_a_worker_that_came_after_the_births_takes_over_without_a_rebirth(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    with about_to_be_lost(workers, mosquitto, hub) as (first, foreign, ours):
        workers.kill(first)
        workers.expire(first)
        ours.answered(4711, 0)  # said once all data are heard
        say(foreign, 7, 20.0)
        ours.record(0, [30.0])
        ours.answered(4711, 1)
        eventually(lambda: values(hub) == [10.0, 11.0, 12.0, 20.0, 30.0], "the values")
        assert (pumped(hub, "pressure"), pumped(hub, "flow")) == ([10.0, 12.0], [11.0, 20.0])
        assert foreign.rebirths.empty()
        assert ours.rebirths.empty()


def test_a_node_born_again_in_between_is_read_by_its_new_aliases(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    with about_to_be_lost(workers, mosquitto, hub) as (first, foreign, ours):
        workers.kill(first)
        pump(foreign, 7, 6, 20.0)
        foreign.all_is_at_the_broker()
        workers.expire(first)
        ours.answered(4711, 0)
        say(foreign, 6, 30.0)
        eventually(lambda: 30.0 in values(hub), "the value")
        assert pumped(hub, "pressure") == [10.0, 12.0, 20.0]
        assert pumped(hub, "flow") == [11.0, 21.0, 30.0]
        assert ours.rebirths.empty()


def test_a_node_that_is_not_ours_is_asked_for_what_it_said_while_nobody_listened(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    with about_to_be_lost(workers, mosquitto, hub) as (first, foreign, ours):
        workers.kill(first)
        say(foreign, 6, 20.0)
        foreign.all_is_at_the_broker()
        workers.expire(first)
        ours.answered(4711, 0)
        assert foreign.rebirths.empty()
        say(foreign, 6, 30.0)
        foreign.asked_for_rebirth()
        pump(foreign, 6, 7, 40.0)
        eventually(lambda: values(hub) == [10.0, 11.0, 12.0, 30.0, 40.0, 41.0], "the values")


def test_a_node_that_is_not_ours_is_asked_if_it_says_nothing(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    """What it said last was perhaps said to nobody."""
    with about_to_be_lost(workers, mosquitto, hub, grace_s=1.0) as (first, foreign, _):
        workers.kill(first)
        workers.expire(first)
        foreign.asked_for_rebirth()


def test_no_births_are_stored_of_a_node_whose_last_one_cannot_be_read(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    """Whoever takes its group over would read its data by them."""
    workers.start()
    eventually(lambda: workers.has("seatworks") is not None, "its worker")
    with Node(mosquitto) as foreign:
        stored = "SELECT device FROM birth ORDER BY 1"

        def born() -> bool:
            pump(foreign, 6, 7, 10.0)  # what is said before the worker listens is said to nobody
            return rows(hub, stored) == [("",), ("pump",)]

        eventually(born, "its births")
        heard_of(hub, "seatworks")  # and the last births said are taken too
        foreign.publish("DBIRTH", b"\x0a\xff", "pump")
        eventually(lambda: rows(hub, stored) == [("",)], "that of its device to go")
        foreign.publish("NBIRTH", b"\x0a\xff")
        eventually(lambda: rows(hub, stored) == [], "that of the node to go")


def test_a_fault_of_its_own_costs_a_worker_no_group(
    database: Database,
    mosquitto: LocalBroker,
    hub: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = iter([RuntimeError("a fault of our own")])
    take_over = stored_births.take_over

    def faulty(
        conn: psycopg.Connection, group: str, since: datetime | None
    ) -> Mapping[str, Stored]:
        for fault in faults:
            raise fault
        return take_over(conn, group, since)

    monkeypatch.setattr(stored_births, "take_over", faulty)
    taken = (
        "SELECT g.group_id FROM stream_cursor c JOIN gateway g ON g.id = c.gateway"
        " WHERE watermark = 1 ORDER BY 1"
    )
    settings = FAST.model_copy(update={"shared": True, "lease_s": 60.0})
    with Ingest(database, broker_settings(mosquitto), settings), ExitStack() as stack:
        nodes = [
            (stack.enter_context(Node(mosquitto, group, name)), EPOCHS[group])
            for group, name in (("seatworks", "gw-seat"), ("trimworks", "gw-trim"))
        ]

        def all_taken() -> bool:
            for node, epoch in nodes:  # as gateways do until they are answered
                node.birth(epoch, after=1)
                node.record(0)
            return rows(hub, taken) == [("seatworks",), ("trimworks",)]

        eventually(all_taken, "records of both groups")
    assert next(faults, None) is None


@pytest.fixture
def seat(hub: psycopg.Connection) -> Gateway:
    return next(found for found in registered(hub).values() if found.group == "seatworks")


def stored_of(hub: psycopg.Connection, since: datetime | None) -> Mapping[str, Stored]:
    with hub.transaction():
        return stored_births.take_over(hub, "seatworks", since)


def test_stored_births_are_trusted_by_whoever_has_heard_all_since(
    hub: psycopg.Connection, seat: Gateway
) -> None:
    before = stored_births.clock(hub) - timedelta(minutes=1)  # a mark may be early
    stored_births.begin(hub, seat, b"node", 1)
    stored_births.add(hub, seat, "a", b"first")
    stored_births.add(hub, seat, "a", b"second")
    stored_births.add(hub, seat, "b", b"other")
    stored_births.remove(hub, seat, "b")
    stored_births.note_seqs(hub, {seat.id: 255})
    stored_births.mark_heard(hub, ["seatworks"], time.monotonic())
    found = {"gw-seat": Stored(b"node", {"a": b"second"}, 255)}
    assert stored_of(hub, before) == found
    assert stored_of(hub, stored_births.clock(hub)) == {}
    assert stored_of(hub, before) == {}  # what was not trusted is gone
    stored_births.begin(hub, seat, b"node", None)
    assert stored_of(hub, None) == {}
    stored_births.add(hub, seat, "a", b"of no node")
    assert stored_of(hub, before) == {}


def test_stored_births_are_bounded(hub: psycopg.Connection, seat: Gateway) -> None:
    before = stored_births.clock(hub) - timedelta(minutes=1)
    stored_births.mark_heard(hub, ["seatworks"], time.monotonic())
    half = bytes(2 * 1024 * 1024)
    stored_births.begin(hub, seat, half, None)
    stored_births.add(hub, seat, "a", half)
    stored_births.add(hub, seat, "a", half)  # in place of the first
    assert stored_of(hub, before)["gw-seat"].devices.keys() == {"a"}
    stored_births.add(hub, seat, "b", b"x")
    assert stored_of(hub, before) == {}
    stored_births.begin(hub, seat, half + half + b"x", None)
    assert stored_of(hub, before) == {}


def test_a_stopped_worker_that_goes_on_doubles_nothing(
    workers: Workers, mosquitto: LocalBroker, hub: psycopg.Connection
) -> None:
    first = workers.start()
    eventually(lambda: workers.has("seatworks") == workers.has("trimworks") == first, "all its own")
    with born_nodes(mosquitto, hub) as nodes:
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
        workers.expire(first)
        eventually(lambda: workers.has("seatworks") == second, "the group has moved")
        heard_of(hub, "seatworks")
        seat.birth(EPOCHS["seatworks"], after=2)  # the second has not heard the first birth
        seat.answered(EPOCHS["seatworks"], 0)
        seat.record(0, [1.0])
        seat.answered(EPOCHS["seatworks"], 1)
        workers.signal(first, signal.SIGCONT)
        eventually(workers.divided, "the first has its share again")
        for group, node in nodes.items():
            node.forget_answers()
            node.birth(EPOCHS[group], after=2)
            node.answered(EPOCHS[group], 1 if node is seat else 0)  # so all its data are heard
            node.record(0, [1.0])
            node.record(1, [2.0])
            node.answered(EPOCHS[group], 2)
    assert values(hub) == [1.0, 1.0, 2.0, 2.0]
