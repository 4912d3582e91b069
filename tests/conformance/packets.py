"""MQTT control packets, 3.1.1 and 5, read from the bytes of a connection.

Only what a recording is judged by is kept: no packet identifiers, no user names, no passwords.
"""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MQTT_5 = 5

_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK, _DISCONNECT = 1, 2, 3, 8, 9, 14


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker is to say for a client that vanishes."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """`version` is the protocol level: 4 for MQTT 3.1.1, 5. `clean`: clean session, clean start."""

    version: int
    client_id: str
    clean: bool
    keepalive_s: int
    will: Will | None = None
    session_expiry_s: int = 0


@dataclass(frozen=True, slots=True)
class Connack:
    """`code` 0 is consent."""

    code: int


@dataclass(frozen=True, slots=True)
class Publish:
    """One message, either way."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Subscribe:
    """(topic filter, QoS) pairs."""

    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Suback:
    """A code for each filter: the QoS granted, or 128 and above for a refusal."""

    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A goodbye; `reason` is 0 in MQTT 3.1.1, which has none."""

    reason: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """A packet of which only the type matters (acknowledgements, pings)."""

    type: int


Packet = Connect | Connack | Publish | Subscribe | Suback | Disconnect | Other


class NotMqttError(ValueError):
    """The bytes are no MQTT."""


class Protocol:
    """The version of one connection: both directions need it, the CONNECT says it."""

    version = 4


class PacketReader:
    """One direction of a connection."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that these bytes complete. Raises `NotMqttError`."""
        self._buffer += data
        packets = []
        while (whole := self._whole()) is not None:
            first, body = whole
            try:
                packets.append(self._packet(first >> 4, first & 15, _Body(body)))
            except (IndexError, UnicodeDecodeError) as error:
                raise NotMqttError(f"packet of type {first >> 4}: {error}") from None
        return packets

    def _whole(self) -> tuple[int, bytes] | None:
        """The first byte and the body of the next packet, if all of it is there."""
        length = 0
        for n in range(4):
            if len(self._buffer) < n + 2:
                return None
            digit = self._buffer[n + 1]
            length |= (digit & 127) << (7 * n)
            if digit < 128:
                start = n + 2
                break
        else:
            raise NotMqttError("a length of more than four bytes")
        if len(self._buffer) < start + length:
            return None
        first, body = self._buffer[0], bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return first, body

    def _packet(self, kind: int, flags: int, body: _Body) -> Packet:
        five = self._protocol.version == MQTT_5
        if kind == _CONNECT:
            return self._connect(body)
        if kind == _CONNACK:
            body.byte()
            return Connack(body.byte())
        if kind == _PUBLISH:
            qos = flags >> 1 & 3
            topic = body.text()
            if qos:
                body.short()
            if five:
                body.properties(PacketTypes.PUBLISH)
            return Publish(topic, body.rest(), qos, bool(flags & 1))
        if kind == _SUBSCRIBE:
            body.short()
            if five:
                body.properties(PacketTypes.SUBSCRIBE)
            filters = []
            while body.left:
                filters.append((body.text(), body.byte() & 3))
            return Subscribe(tuple(filters))
        if kind == _SUBACK:
            body.short()
            if five:
                body.properties(PacketTypes.SUBACK)
            return Suback(tuple(body.rest()))
        if kind == _DISCONNECT:
            return Disconnect(body.byte() if body.left else 0)
        return Other(kind)

    def _connect(self, body: _Body) -> Connect:
        if body.text() != "MQTT":
            raise NotMqttError("a CONNECT of another protocol")
        version, flags, keepalive_s = body.byte(), body.byte(), body.short()
        self._protocol.version = version
        expiry_s = 0
        if version == MQTT_5:
            properties = body.properties(PacketTypes.CONNECT)
            expiry_s = getattr(properties, "SessionExpiryInterval", 0)
        client_id = body.text()
        will = None
        if flags & 4:
            if version == MQTT_5:
                body.properties(PacketTypes.WILLMESSAGE)
            will = Will(body.text(), body.blob(), flags >> 3 & 3, bool(flags & 32))
        return Connect(version, client_id, bool(flags & 2), keepalive_s, will, expiry_s)


class _Body:
    """A cursor over the bytes of a packet behind its length."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def short(self) -> int:
        return self.byte() << 8 | self.byte()

    def blob(self) -> bytes:
        length = self.short()
        if length > self.left:
            raise IndexError("shorter than it says")
        self._at += length
        return self._data[self._at - length : self._at]

    def text(self) -> str:
        return self.blob().decode()

    def rest(self) -> bytes:
        return self._data[self._at :]

    def properties(self, kind: int) -> Properties:
        found, length = Properties(kind).unpack(self.rest())  # type: ignore[no-untyped-call]
        self._at += length
        return found  # type: ignore[no-any-return]
