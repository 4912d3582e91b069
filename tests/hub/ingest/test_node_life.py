"""Births, deaths, strangers, foreign nodes, two gateways with one identity, the host's STATE."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from deploy.local.broker import LocalBroker
from hub.ingest import Ingest
from hub.ingest.host import PrimaryHost
from hub.ingest.reach import Command
from hub.store import Database
from protocols.mqtt.broker import make_client
from protocols.sparkplug import DataSet, DataType, Metric, Payload, Property, encode
from tests.hub.ingest.conftest import FAST, eventually, rows
from tests.hub.ingest.node import BASE_MS, LONG_NAME, WAIT_S, Node, broker_settings

EPOCH = 4711


def status(hub: psycopg.Connection) -> tuple[bool, str, str | None] | None:
    found = rows(hub, "SELECT online, delivery, conflict FROM gateway_status")
    return (found[0][0], found[0][1], found[0][2]) if found else None


def test_death_takes_node_and_devices_offline(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH, devices=["line", "press"])
    node.answered(EPOCH, 0)
    node.publish("DDEATH", b"", "press")
    eventually(
        lambda: (
            rows(hub, "SELECT name, online FROM device ORDER BY name")
            == [("line", True), ("press", False)]
        ),
        "press offline",
    )
    node.record(0, device="press")  # of before its death: still readable
    node.answered(EPOCH, 1)
    node.death()
    eventually(lambda: status(hub) == (False, "stream", None), "gateway offline")
    assert rows(hub, "SELECT FROM device WHERE online") == []


def test_death_of_an_earlier_connect_is_passed_over(hub: psycopg.Connection, node: Node) -> None:
    node.bd_seq = 1
    node.birth(EPOCH)
    node.bd_seq = 0
    node.death()
    node.record(0)
    node.answered(EPOCH, 1)
    assert status(hub) == (True, "stream", None)


def test_unregistered_node_is_refused_once_and_counted(
    hub: psycopg.Connection,
    node: Node,
    broker: LocalBroker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Node(broker, "nobody", "knows") as stranger:
        stranger.birth(1)
        for offset in range(5):
            stranger.record(offset)
        node.birth(EPOCH)
        node.answered(EPOCH, 0)
        eventually(
            lambda: (
                rows(hub, "SELECT group_id, node_id, messages FROM unregistered_node")
                == [("nobody", "knows", 7)]
            ),
            "seven messages counted",
        )
        assert rows(hub, "SELECT FROM stream_cursor") == [()]
        said = [r for r in caplog.records if "nobody/knows is not registered" in r.message]
        assert len(said) == 1
        hub.execute(
            "INSERT INTO gateway (owner, group_id, node_id) VALUES ('trimworks', 'nobody', 'knows')"
        )

        def heard_now() -> bool:
            stranger.birth(77)
            return bool(rows(hub, "SELECT FROM stream_cursor WHERE epoch = 77"))

        eventually(heard_now, "the node is heard once it is registered")


def test_third_party_node_is_stored_as_the_standard_offers(
    hub: psycopg.Connection, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    unit = {"engUnit": Property(DataType.String, "bar")}

    def births() -> None:
        node.node_birth(
            [
                Metric("bdSeq", datatype=DataType.Int64, value=0),
                Metric("uptime", 5, BASE_MS, DataType.UInt64, 2**64 - 1),
            ]
        )
        node.device_birth(
            "pump",
            [
                Metric("pressure", 6, BASE_MS, DataType.Float, 1.5, properties=unit),
                Metric("state", 7, BASE_MS, DataType.Int8, None),
                Metric("table", 8, BASE_MS, DataType.DataSet, None),
                Metric("by name", None, BASE_MS, DataType.String, "a"),
            ],
        )

    births()
    table = DataSet(["a"], [DataType.Int64], [[1]])
    node.device_data(
        "pump",
        [
            Metric(None, 7, BASE_MS + 1, None, -3, properties={}),
            Metric(None, 8, BASE_MS + 2, DataType.DataSet, table),
            Metric("by name", None, BASE_MS + 3, None, "b", is_historical=True),
        ],
    )
    node.node_data([Metric(None, 5, BASE_MS + 4, DataType.UInt64, 7)])
    wanted = [
        ("pump", "by name", 0, None, "a", False),
        ("pump", "pressure", 0, 1.5, None, False),
        ("pump", "state", 0, None, None, False),
        ("pump", "table", 0, None, None, False),
        ("", "uptime", 0, 2.0**64, str(2**64 - 1), False),
        ("pump", "state", 1, -3, None, False),
        ("pump", "table", 2, None, '{"columns": ["a"], "rows": [[1]]}', False),
        ("pump", "by name", 3, None, "b", True),
        ("", "uptime", 4, 7.0, None, False),
    ]

    def stored() -> list[tuple[object, ...]]:
        return rows(
            hub,
            "SELECT d.name, t.name, (extract(epoch FROM time) * 1000)::bigint - %s, value, text,"
            " historical FROM sample JOIN tag t ON t.id = tag_id JOIN device d ON d.id = t.device"
            " ORDER BY 3, 2",
            BASE_MS,
        )

    eventually(lambda: len(stored()) == len(wanted), "all values of births and data")
    assert stored() == wanted
    births()  # says nothing new
    node.device_data("pump", [Metric(None, 6, BASE_MS + 9, DataType.Float, 2.0)])
    eventually(lambda: len(stored()) > len(wanted), "the next value")
    assert stored() == [*wanted, ("pump", "pressure", 9, 2.0, None, False)]
    assert status(hub) == (True, "standard", None)
    assert rows(hub, "SELECT unit FROM tag WHERE name = 'pressure'") == [("bar",)]
    assert len([r for r in caplog.records if "is no Lineside gateway" in r.message]) == 1


def test_missing_sequence_number_leads_to_one_rebirth(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    node.forget_rebirths()
    node.seq.take()
    node.record(0)
    node.answered(EPOCH, 1)
    node.asked_for_rebirth()
    node.forget_answers()
    node.birth(EPOCH, after=1)
    node.answered(EPOCH, 1)
    node.forget_rebirths()
    with pytest.raises(queue.Empty):
        node.rebirths.get(timeout=3 * FAST.reorder_s)


def test_two_gateways_with_one_identity(
    hub: psycopg.Connection,
    node: Node,
    broker: LocalBroker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    node.birth(EPOCH)
    node.record(0, [1.0])
    node.answered(EPOCH, 1)
    with Node(broker, name="the-other") as other:
        other.birth(EPOCH + 1)
        other.record(0, [2.0])
        other.answered(EPOCH + 1, 1)
        for _ in range(2):
            node.birth(EPOCH, after=5)
            node.answered(EPOCH + 1, 1)
            node.record(1, [3.0])
            other.birth(EPOCH + 1, after=1)
            other.answered(EPOCH + 1, 1)

        def taken() -> bool:
            # Two connections: the other's birth may still have come before the first one's last.
            other.birth(EPOCH + 1, after=2)
            other.record(1, [4.0])
            return bool(rows(hub, "SELECT FROM sample WHERE value = 4"))

        eventually(taken, "the gateway whose log is open goes on")
    values = rows(hub, "SELECT value FROM sample ORDER BY value")
    assert values == [(1.0,), (2.0,), (4.0,)]
    told = "SELECT FROM gateway_status WHERE starts_with(conflict, %s)"
    conflict = "two gateways speak as seatworks/gw-seat"
    eventually(lambda: rows(hub, told, conflict) == [()], "it")  # each hears both's answers
    assert len([r for r in caplog.records if "two gateways speak" in r.message]) == 1


def test_no_command_goes_before_the_state(
    broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's thread may have one to send as soon as the connection is there again."""
    host = PrimaryHost(broker_settings(broker), "lineside-hub", None)
    early, late = (("spBv1.0/seatworks/NCMD/gw-seat", text) for text in (b"early", b"late"))
    sent: list[Command] = []
    say = host._say_online

    def say_late() -> None:
        host.command([early])
        say()

    monkeypatch.setattr(host._client, "publish_together", sent.extend)
    monkeypatch.setattr(host, "_say_online", say_late)
    host.start()
    try:

        def goes() -> bool:
            host.command([late])
            return bool(sent)

        eventually(goes, "a command")
    finally:
        host.stop()
    assert set(sent) == {late}


def test_device_birth_of_another_epoch_is_refused(hub: psycopg.Connection, node: Node) -> None:
    node.birth(EPOCH)
    swapped = [
        Metric("Stream/Epoch", 1, datatype=DataType.Int64, value=9999),
        Metric("Stream/Offset", 2, datatype=DataType.Int64),
        Metric("angle", 10, datatype=DataType.Double),
    ]
    node.device_birth("line", swapped)
    node.record(0)
    node.answered(EPOCH, 1)
    assert rows(hub, "SELECT name FROM sample JOIN tag ON id = tag_id") == [("torque",)]


@pytest.mark.parametrize(
    ("name", "alias", "why"),
    [
        ("torn\0name", 50, "has a NUL character"),
        ("torque", 50, "is named twice"),
        ("angle", 10, "alias 10 names both 'torque' and 'angle'"),
    ],
)
def test_no_data_are_read_by_a_birth_before_one_that_cannot_be_read(
    hub: psycopg.Connection,
    node: Node,
    caplog: pytest.LogCaptureFixture,
    name: str,
    alias: int,
    why: str,
) -> None:
    node.birth(EPOCH)
    node.answered(EPOCH, 0)
    node.forget_rebirths()
    bad = Metric(name, alias, datatype=DataType.Double)
    for _ in range(2):
        node.device_birth("line", [*node.usual_tags("line"), bad])
    node.record(0)
    node.asked_for_rebirth()
    node.birth(EPOCH, after=1)
    node.answered(EPOCH, 0)
    node.record(0)
    node.answered(EPOCH, 1)
    assert rows(hub, "SELECT name FROM sample JOIN tag ON id = tag_id") == [("torque",)]
    assert [why in r.message for r in caplog.records if "DBIRTH refused" in r.message] == [True]


@pytest.mark.parametrize(
    "spoiled",
    [b"\x0a\xff", encode(Payload(0, [Metric(None, 1, 0, DataType.Int8, 1)], 0))],
    ids=["no payload", "no name"],
)
def test_a_node_whose_birth_cannot_be_read_is_asked_for_it(
    hub: psycopg.Connection, node: Node, spoiled: bytes
) -> None:
    """Of a node that is not ours, which would not send its data again."""

    def births(tag: str) -> None:
        node.node_birth([Metric("bdSeq", datatype=DataType.Int64, value=0)])
        node.device_birth("pump", [Metric(tag, 6, BASE_MS, DataType.Float, 1.5)])

    def stored() -> list[tuple[object, ...]]:
        return rows(hub, "SELECT name, value FROM sample JOIN tag ON id = tag_id ORDER BY 1, 2")

    births("pressure")
    eventually(lambda: stored() == [("pressure", 1.5)], "its first births")
    node.forget_rebirths()
    node.publish("NBIRTH", spoiled)
    node.device_data("pump", [Metric(None, 6, BASE_MS + 1, None, 80.0)])
    node.asked_for_rebirth()
    births("temperature")
    node.device_data("pump", [Metric(None, 6, BASE_MS + 2, None, 90.0)])
    wanted = [("pressure", 1.5), ("temperature", 1.5), ("temperature", 90.0)]
    eventually(lambda: len(stored()) == len(wanted), "what it says by its new births")
    assert stored() == wanted


def test_names_longer_than_any_index_stop_nobody(
    hub: psycopg.Connection, node: Node, broker: LocalBroker
) -> None:
    node.birth(EPOCH)
    node.device_birth("line", [Metric(LONG_NAME, 9, datatype=DataType.Double)])
    node.device_birth(LONG_NAME, [Metric("torque", 9, datatype=DataType.Double)])
    with Node(broker, "nobody", LONG_NAME, name="nobody") as stranger:
        stranger.birth(1)
        stranger.record(0)
        eventually(lambda: bool(rows(hub, "SELECT FROM unregistered_node")), "the stranger")
    eventually(lambda: rows(hub, "SELECT refused FROM gateway_traffic") == [(2,)], "both refused")
    node.birth(EPOCH)
    node.record(0)
    node.answered(EPOCH, 1)


def test_conflict_of_an_earlier_run_ends_when_nothing_more_is_seen_of_it(
    database: Database, broker: LocalBroker, hub: psycopg.Connection
) -> None:
    hub.execute(
        "INSERT INTO gateway_status (gateway, owner, online, since, conflict)"
        " SELECT id, owner, false, now(), 'two of them' FROM gateway WHERE node_id = 'gw-seat'"
    )
    settings = FAST.model_copy(update={"conflict_clear_s": 0.2})
    with Ingest(database, broker_settings(broker), settings):
        eventually(lambda: status(hub) == (False, "unknown", None), "the conflict has ended")


@contextmanager
def state_messages(broker: LocalBroker) -> Iterator[queue.SimpleQueue[dict[str, object]]]:
    heard: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
    client = make_client(broker_settings(broker), "watcher", clean_session=True)
    client.on_message = lambda _c, _u, message: heard.put(json.loads(message.payload))
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(broker.host, broker.port)
    client.loop_start()
    client.subscribe("spBv1.0/STATE/lineside-hub", 1)
    assert subscribed.wait(WAIT_S)
    try:
        yield heard
        heard.put({})
    finally:
        client.disconnect()
        client.loop_stop()


def test_state_of_the_host(
    database: Database, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the clock is set back before it leaves."""
    with state_messages(broker) as heard:
        with Ingest(database, broker_settings(broker), FAST):
            birth = heard.get(timeout=WAIT_S)
            assert birth["online"] is True
            impostor = make_client(broker_settings(broker), "impostor", clean_session=True)
            impostor.connect(broker.host, broker.port)
            impostor.loop_start()
            said = json.dumps({"online": False, "timestamp": 1})
            impostor.publish("spBv1.0/STATE/lineside-hub", said, 1, retain=True)
            assert heard.get(timeout=WAIT_S) == {"online": False, "timestamp": 1}
            assert heard.get(timeout=WAIT_S) == birth
            impostor.disconnect()
            impostor.loop_stop()
            # Edges pass over a word that is older than the birth.
            monkeypatch.setattr("hub.ingest.host._now_ms", lambda: 5)
        left = heard.get(timeout=WAIT_S)
        while left == birth:  # a broker may give one message for each of two subscriptions
            left = heard.get(timeout=WAIT_S)
        assert left == {"online": False, "timestamp": birth["timestamp"]}


def test_node_that_is_silent_after_the_hub_s_return_is_offline(
    database: Database, broker: LocalBroker, hub: psycopg.Connection
) -> None:
    hub.execute(
        "INSERT INTO gateway_status (gateway, owner, online, since)"
        " SELECT id, owner, true, now() FROM gateway WHERE node_id = 'gw-seat'"
    )
    settings = FAST.model_copy(update={"birth_grace_s": 0.5})
    with Ingest(database, broker_settings(broker), settings):
        eventually(lambda: status(hub) == (False, "unknown", None), "offline")
