"""What our streams count on from a broker, on the embedded one and on Mosquitto."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.broker import LocalBroker
from protocols.jis.envelope import MAX_MESSAGE_BYTES

Connect = Callable[..., "Client"]


class Client:
    """A client that collects what it hears."""

    def __init__(self, broker: LocalBroker, name: str, *, clean: bool, will: str | None) -> None:
        self.heard: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self.session_present = False
        self._connected = threading.Event()
        self._subscribed = threading.Event()
        self.mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=clean)
        self.mqtt.on_message = lambda _c, _u, message: self.heard.put(message)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_subscribe = lambda *_: self._subscribed.set()
        if will is not None:
            self.mqtt.will_set(will, b"gone", 1, True)
        self.mqtt.connect(broker.host, broker.port, keepalive=60)
        self.mqtt.loop_start()
        assert self._connected.wait(60)

    def _on_connect(
        self, _client: object, _data: object, flags: mqtt.ConnectFlags, *_: object
    ) -> None:
        self.session_present = flags.session_present
        self._connected.set()

    def subscribe(self, topic: str) -> None:
        self._subscribed.clear()
        self.mqtt.subscribe(topic, qos=1)
        assert self._subscribed.wait(60)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        info = self.mqtt.publish(topic, payload, qos=1, retain=retain)
        info.wait_for_publish(60)
        assert info.is_published()

    def next(self) -> mqtt.MQTTMessage:
        return self.heard.get(timeout=60)

    def vanish(self) -> None:
        """Drop the connection without a DISCONNECT."""
        raw = self.mqtt.socket()
        assert isinstance(raw, socket.socket)
        raw.shutdown(socket.SHUT_RDWR)
        self.mqtt.loop_stop()

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


@pytest.fixture
def connect(broker: LocalBroker) -> Iterator[Connect]:
    opened: list[Client] = []

    def one(name: str, *, clean: bool = True, will: str | None = None) -> Client:
        client = Client(broker, name, clean=clean, will=will)
        opened.append(client)
        return client

    yield one
    for client in opened:
        client.close()


@contextmanager
def away(client: Client, connect: Connect, name: str) -> Iterator[list[Client]]:
    """Disconnect `client` for the block; the list then holds its successor."""
    successor: list[Client] = []
    client.close()
    yield successor
    successor.append(connect(name, clean=False))


def test_carries_the_largest_message(connect: Connect) -> None:
    reader, writer = connect("reader"), connect("writer")
    reader.subscribe("a/#")
    writer.publish("a/large", bytes(MAX_MESSAGE_BYTES))
    assert len(reader.next().payload) == MAX_MESSAGE_BYTES


def test_keeps_a_session_and_its_messages_in_order(connect: Connect) -> None:
    reader, writer = connect("reader", clean=False), connect("writer")
    reader.subscribe("a/#")
    with away(reader, connect, "reader") as successor:
        for n in range(300):
            writer.publish("a/n", str(n).encode())
    assert successor[0].session_present
    assert [int(successor[0].next().payload) for _ in range(300)] == list(range(300))


def test_says_the_will_and_retains_it(connect: Connect) -> None:
    reader = connect("reader")
    reader.subscribe("state/#")
    connect("doomed", will="state/doomed").vanish()
    assert reader.next().payload == b"gone"
    latecomer = connect("latecomer")
    latecomer.subscribe("state/#")
    message = latecomer.next()
    assert (message.payload, message.retain) == (b"gone", True)


def test_forgets_everything_when_told(broker: LocalBroker, connect: Connect) -> None:
    reader, writer = connect("reader", clean=False), connect("writer")
    reader.subscribe("a/#")
    writer.publish("a/kept", b"1", retain=True)
    reader.close()
    writer.close()
    broker.forget()
    again = connect("reader", clean=False)
    assert not again.session_present
    again.subscribe("a/#")
    connect("other writer").publish("a/new", b"2")
    assert again.next().payload == b"2"


def test_comes_back_on_the_same_port(broker: LocalBroker, connect: Connect) -> None:
    port = broker.port
    broker.stop()
    assert not broker.running
    broker.start()
    assert broker.port == port
    connect("anybody")
