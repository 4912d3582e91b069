"""The host on several brokers, and against another word about itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.broker import LocalBroker
from hub.ingest import Ingest
from hub.store import Database
from protocols.mqtt.broker import make_client
from protocols.sparkplug.session import HostState
from protocols.sparkplug.topics import state_topic
from tests.hub.ingest.conftest import FAST, eventually, rows
from tests.hub.ingest.node import WAIT_S, Node, broker_settings


@pytest.fixture
def second(broker: LocalBroker, tmp_path: Path) -> Iterator[LocalBroker]:
    with type(broker)(tmp_path / "second") as running:
        yield running


def test_a_gateway_is_heard_on_whichever_broker_it_speaks(
    database: Database, broker: LocalBroker, second: LocalBroker, hub: psycopg.Connection
) -> None:
    with (
        Ingest(database, broker_settings(broker), FAST, [broker_settings(second)]),
        Node(second) as there,
    ):
        there.asked_for_rebirth()  # so the hub listens there too
        with Node(broker) as node:
            node.asked_for_rebirth()
            node.birth(7)
            node.answered(7, 0)
            node.record(0)
            node.answered(7, 1)
        there.forget_answers()  # which the hub gives on both
        there.bd_seq = 1
        there.birth(7, 0, 1)
        there.answered(7, 1)
        there.record(1)
        there.answered(7, 2)
        assert rows(hub, "SELECT count(*) FROM sample") == [(2,)]


def test_a_newer_word_that_it_is_offline_is_outdone(broker: LocalBroker, ingest: Ingest) -> None:
    heard: list[HostState] = []
    subscribed = threading.Event()
    topic = state_topic("lineside-hub")
    client = make_client(broker_settings(broker), "other", clean_session=True)
    client.on_message = lambda _c, _u, message: heard.append(
        HostState.parse(bytes(message.payload))
    )
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        client.subscribe(topic, 1)
        assert subscribed.wait(WAIT_S)
        eventually(lambda: bool(heard) and heard[-1].online, "the host is online")
        later = HostState(False, heard[-1].timestamp + 3_600_000)
        client.publish(topic, later.dump(), 1, retain=True)
        eventually(
            lambda: heard[-1].online and heard[-1].timestamp > later.timestamp,
            "an online state newer than that",
        )
    finally:
        client.disconnect()
        client.loop_stop()
