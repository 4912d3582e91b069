"""A message that is too large is passed over on a real connection, and stops nothing behind it."""

import queue
import socket
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.broker import LocalBroker
from protocols.mqtt.bounded import BoundedClient

LARGEST = 100_000
PIECE = 65_536


class Watched(BoundedClient):
    """Notes how much of a packet it ever held."""

    most = 0

    def _sock_recv(self, bufsize: int) -> bytes:
        self.most = max(self.most, len(self._in_packet["packet"]))
        return super()._sock_recv(bufsize)


def connected(
    broker: LocalBroker,
) -> tuple[Watched, "queue.Queue[tuple[str, int]]", "queue.Queue[int]"]:
    """A client with a session that the broker keeps, the (topic, size) of what it is given, and the
    subscriptions that it is granted."""
    client = Watched(
        CallbackAPIVersion.VERSION2,
        client_id="bounded",
        clean_session=False,
        largest_packet=LARGEST,
    )
    got: queue.Queue[tuple[str, int]] = queue.Queue()
    granted: queue.Queue[int] = queue.Queue()

    def on_connect(*_: Any) -> None:
        client.subscribe([("small", 1), ("large/#", 1)])

    client.on_connect = on_connect
    client.on_subscribe = lambda _client, _data, mid, *_: granted.put(mid)
    client.on_message = lambda _client, _data, message: got.put(
        (message.topic, len(message.payload))
    )
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    granted.get(timeout=60)
    return client, got, granted


@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_that_is_too_large_is_passed_over(
    broker: LocalBroker, caplog: pytest.LogCaptureFixture, qos: int
) -> None:
    client, got, granted = connected(broker)
    sender = mqtt.Client(CallbackAPIVersion.VERSION2)
    sender.connect("127.0.0.1", broker.port)
    sender.loop_start()
    topic = "large/" + "t" * 200
    fits = LARGEST - 2 - len(topic) - 2
    for size in (500_000, fits, 400_000, LARGEST):
        sender.publish(topic, b"x" * size, qos)
    sender.publish("small", b"last", qos).wait_for_publish(60)
    assert got.get(timeout=60) == (topic, fits)
    assert got.get(timeout=60) == ("small", 4)
    assert client.most <= LARGEST + PIECE
    assert caplog.text.count(f"on {topic} is passed over: at most {LARGEST} are taken") == 3
    # What was acknowledged does not come again with the next connection.
    client.subscribe("small", 1)
    granted.get(timeout=60)  # the broker has read all that was said before
    client.disconnect()
    client.loop_stop()
    again, got, _ = connected(broker)
    sender.publish("small", b"more", qos)
    assert got.get(timeout=60) == ("small", 4)
    assert caplog.text.count("is passed over") == 3
    for one in (again, sender):
        one.disconnect()
        one.loop_stop()


def test_messages_of_qos_0_are_handed_on_directly(broker: LocalBroker) -> None:
    """All of them, in order, whatever their length, with those between them that are paho's."""
    client, got, _ = connected(broker)
    client.direct = lambda topic, payload: got.put((topic, len(payload)))
    sizes = [0, 1, 119, 120, 121, 16_373, 16_374, 16_375, PIECE, PIECE + 1, LARGEST + 1, 5] * 3
    sender = mqtt.Client(CallbackAPIVersion.VERSION2)
    sender.connect("127.0.0.1", broker.port)
    sender.loop_start()
    try:
        for number, size in enumerate(sizes):
            sender.publish("small", bytes(size), qos=number % 5 == 4).wait_for_publish(60)
        expected = [("small", size) for size in sizes if size <= LARGEST]
        assert [got.get(timeout=60) for _ in expected] == expected
    finally:
        for each in (client, sender):
            each.disconnect()
            each.loop_stop()


def test_a_topic_that_is_no_text_stops_nothing_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    """No real broker sends one; it would end the thread of the connection for good."""
    client = BoundedClient(CallbackAPIVersion.VERSION2, client_id="text")
    got: list[str] = []
    client.on_message = lambda _client, _data, message: got.append(message.topic)
    ours, broker = socket.socketpair()
    with ours, broker:
        ours.setblocking(False)
        client._sock = ours
        broker.sendall(b"\x30\x04\0\x01\xb2x" + b"\x30\x04\0\x01bx")
        client.loop_read()
        client._sock = None
    assert got == ["b"]
    assert "its topic is no UTF-8" in caplog.text


def test_what_is_said_together_arrives_as_single_messages(broker: LocalBroker) -> None:
    client, got, granted = connected(broker)
    client.subscribe("many/#", 1)
    granted.get(timeout=60)
    said = [(f"many/{n}", n * 700) for n in range(40)]  # lengths of one to three bytes
    client.publish_together([])
    client.publish_together([(topic, bytes(size)) for topic, size in said])
    try:
        assert [got.get(timeout=60) for _ in said] == said
    finally:
        client.disconnect()
        client.loop_stop()
