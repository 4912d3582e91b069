"""MQTT from bytes: as a client writes it, in pieces of any size, refused where it is none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.packets import (
    Connack,
    Connect,
    Disconnect,
    NotMqttError,
    Other,
    PacketReader,
    Protocol,
    Publish,
    Suback,
    Subscribe,
    Will,
)


def text(value: str) -> bytes:
    return struct.pack("!H", len(value.encode())) + value.encode()


def packet(first: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (128 if size else 0)])
        if not size:
            return bytes([first]) + length + body


CONNECT_311 = packet(
    0x10,
    text("MQTT") + bytes([4, 0b0010_1110]) + struct.pack("!H", 15)
    + text("edge") + text("a/will") + text("gone"),
)  # fmt: skip
CONNECT_5 = packet(
    0x10,
    text("MQTT") + bytes([5, 0b0000_0110]) + struct.pack("!H", 15)
    + bytes([5, 0x11]) + struct.pack("!I", 3600)
    + text("edge") + bytes([0]) + text("a/will") + text("gone"),
)  # fmt: skip


def read(data: bytes, *, version: int = 4) -> list[object]:
    protocol = Protocol()
    protocol.version = version
    return list(PacketReader(protocol).feed(data))


def test_a_connect_with_its_will() -> None:
    assert read(CONNECT_311) == [Connect(4, "edge", True, 15, Will("a/will", b"gone", 1, True))]


def test_a_connect_of_mqtt_5_and_what_follows_it() -> None:
    protocol = Protocol()
    client, broker = PacketReader(protocol), PacketReader(protocol)
    assert client.feed(CONNECT_5) == [
        Connect(5, "edge", True, 15, Will("a/will", b"gone", 0, False), 3600)
    ]
    published = packet(0x30, text("a/b") + bytes([2, 0x01, 0x01]) + b"data")
    assert broker.feed(published) == [Publish("a/b", b"data", 0, False)]
    assert client.feed(packet(0xE0, bytes([4, 0]))) == [Disconnect(4)]


def test_the_other_packets() -> None:
    filters = text("a/#") + b"\1" + text("b") + b"\0"
    assert read(
        packet(0x20, bytes([0, 5]))
        + packet(0x82, bytes([0, 7]) + filters)
        + packet(0x90, bytes([0, 7, 1, 128]))
        + packet(0x33, text("t") + bytes([0, 9]) + b"x")
        + packet(0xC0, b"")
        + packet(0xE0, b"")
    ) == [
        Connack(5),
        Subscribe((("a/#", 1), ("b", 0))),
        Suback((1, 128)),
        Publish("t", b"x", 1, True),
        Other(12),
        Disconnect(0),
    ]


@given(
    st.lists(st.tuples(st.text("abc/", min_size=1), st.binary(max_size=400)), max_size=5),
    st.lists(st.integers(1, 300)),
)
def test_pieces_of_any_size_give_the_same_packets(
    messages: list[tuple[str, bytes]], sizes: list[int]
) -> None:
    data = b"".join(packet(0x30, text(topic) + payload) for topic, payload in messages)
    reader = PacketReader(Protocol())
    found = []
    for size in sizes:
        found += reader.feed(data[:size])
        data = data[size:]
    found += reader.feed(data)
    assert found == [Publish(topic, payload, 0, False) for topic, payload in messages]


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\xff\xff",
        packet(0x10, text("HTTP") + bytes(4)),
        packet(0x30, b"\x00\x09a"),
        packet(0x30, b"\x00\x01\xff"),
    ],
)
def test_what_is_no_mqtt_is_refused(data: bytes) -> None:
    with pytest.raises(NotMqttError):
        read(data)
