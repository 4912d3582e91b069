"""What passed between clients and brokers, and the views of it that the checks are written in.

Payloads are read with google.protobuf from a table of field numbers (`tests/fixtures`), topics by
splitting them: nothing here shares code with what is judged.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from google.protobuf.message import DecodeError

from tests.conformance.packets import Connack, Connect, Disconnect, Packet, Publish, Subscribe
from tests.fixtures.sparkplug_schema import payload_class

NAMESPACE = "spBv1.0"
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
NUMBERED = (*BIRTHS, *DATA, "DDEATH")
"""What carries a sequence number."""
COMMANDS = ("NCMD", "DCMD")


@dataclass(frozen=True, slots=True)
class Ended:
    """The TCP connection ended."""

    by_client: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What the host application showed its users at that moment, of one edge node.

    `devices`: name → (online, since when in milliseconds since 1970). What is said of a device that
    is offline counts as stale from that moment on.
    """

    after: str
    """The message whose effect this shows: NBIRTH, NDEATH, DBIRTH or DDEATH."""
    online: bool
    devices: dict[str, tuple[bool, int]]


@dataclass(frozen=True, slots=True)
class Plant:
    """What was done to a device at that moment: it went, or came back."""

    device: str
    there: bool


@dataclass(frozen=True, slots=True)
class Record:
    """One packet, the end of a connection, a look at the host, or what happened to a device."""

    at_ms: int
    server: str
    connection: int
    sent: bool
    """By the client; else by the broker."""
    packet: Packet | Ended | Seen | Plant


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is judged: the client ids and names of the edge node and of the host application."""

    edge_client: str
    host_client: str
    group: str
    node: str
    host: str
    reorder_ms: int
    """The host application's reorder time-out."""


@dataclass(frozen=True)
class Message:
    """A Sparkplug message that a client published, or that the broker brought it."""

    record: Record
    topic: str
    payload: bytes
    qos: int
    retain: bool

    @cached_property
    def parts(self) -> list[str]:
        return self.topic.split("/")

    @property
    def kind(self) -> str:
        """NBIRTH … DCMD, STATE, or nothing if the topic is none of Sparkplug."""
        if self.parts[0] != NAMESPACE or len(self.parts) < 3:
            return ""
        return "STATE" if self.parts[1] == "STATE" else self.parts[2]

    @property
    def device(self) -> str:
        """The device, nothing if the topic names none."""
        return self.parts[4] if len(self.parts) > 4 else ""

    @cached_property
    def body(self) -> Any:
        """The payload as protobuf; None if it is none."""
        parsed = payload_class()()
        try:
            parsed.ParseFromString(self.payload)
        except DecodeError:
            return None
        return parsed

    @property
    def metrics(self) -> Sequence[Any]:
        return self.body.metrics if self.body is not None else ()

    def metric(self, name: str) -> Any:
        """The metric of this name, None if there is none."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    @cached_property
    def state(self) -> dict[str, Any] | None:
        """A STATE message's JSON object; None if it is none."""
        try:
            said = json.loads(self.payload)
        except ValueError:
            return None
        return said if isinstance(said, dict) else None


@dataclass
class Connection:
    """One TCP connection from its CONNECT to its end."""

    number: int
    server: str
    connect: Connect
    records: list[Record] = field(default_factory=list)

    @cached_property
    def sent(self) -> list[Message]:
        """What the client published."""
        return [_message(r, r.packet) for r in self.records if r.sent and _is_publish(r)]

    @cached_property
    def heard(self) -> list[Message]:
        """What the broker brought to the client."""
        return [_message(r, r.packet) for r in self.records if not r.sent and _is_publish(r)]

    @property
    def accepted(self) -> bool:
        """Whether the broker gave its consent."""
        return any(isinstance(r.packet, Connack) and r.packet.code == 0 for r in self.records)

    @property
    def will(self) -> Message | None:
        """The will, as the message that the broker would publish."""
        will = self.connect.will
        if will is None:
            return None
        return Message(self.records[0], will.topic, will.payload, will.qos, will.retain)

    def subscriptions(self) -> Iterator[tuple[Record, str, int]]:
        """Every filter that was subscribed to, with its QoS."""
        for record in self.records:
            if isinstance(record.packet, Subscribe):
                for topic, qos in record.packet.filters:
                    yield record, topic, qos

    @cached_property
    def goodbye(self) -> Record | None:
        """The client's DISCONNECT, if it left in order."""
        return next((r for r in self.records if isinstance(r.packet, Disconnect) and r.sent), None)

    @property
    def end(self) -> Record | None:
        """Where its end shows first: the client's goodbye, or the end of TCP."""
        return next((r for r in self.records if isinstance(r.packet, Disconnect | Ended)), None)

    def published(self, *kinds: str) -> list[Message]:
        """The client's messages of these kinds."""
        return [message for message in self.sent if message.kind in kinds]


class Recording:
    """All records in order, grouped by connection and role."""

    def __init__(self, records: Sequence[Record], subject: Subject) -> None:
        self.records = list(records)
        self.subject = subject
        self.position = {id(record): n for n, record in enumerate(self.records)}
        by_number: dict[int, list[Record]] = defaultdict(list)
        for record in self.records:
            by_number[record.connection].append(record)
        self.connections = [
            Connection(number, own[0].server, own[0].packet, own)
            for number, own in by_number.items()
            if isinstance(own[0].packet, Connect)
        ]
        self.edge = self._of(subject.edge_client)
        self.host = self._of(subject.host_client)

    def _of(self, client_id: str) -> list[Connection]:
        return [c for c in self.connections if c.connect.client_id == client_id and c.accepted]

    def from_edge(self, *kinds: str) -> list[Message]:
        """The edge node's messages of these kinds, over all its connections."""
        return [message for c in self.edge for message in c.published(*kinds)]

    def from_host(self, *kinds: str) -> list[Message]:
        """The host application's messages of these kinds."""
        return [message for c in self.host for message in c.published(*kinds)]

    def looks(self, after: str) -> list[tuple[Record, Seen]]:
        """The looks at the host that were taken after messages of this kind."""
        return [
            (r, r.packet)
            for r in self.records
            if isinstance(r.packet, Seen) and r.packet.after == after
        ]

    def before(self, first: Record, second: Record) -> bool:
        """Whether one record comes before another."""
        return self.position[id(first)] < self.position[id(second)]

    @cached_property
    def births(self) -> dict[int, Birth]:
        """For each message of the edge node, by the id of its record: the births then in force."""
        found = {}
        for connection in self.edge:
            birth: Birth | None = None
            for message in connection.sent:
                if message.kind == "NBIRTH":
                    birth = Birth(message, {})
                elif message.kind == "DBIRTH" and birth is not None:
                    birth = Birth(birth.node, {**birth.devices, message.device: message})
                if birth is not None:
                    found[id(message.record)] = birth
        return found


@dataclass(frozen=True)
class Birth:
    """The NBIRTH in force, and the DBIRTHs that followed it."""

    node: Message
    devices: dict[str, Message]

    def metrics(self, device: str) -> Sequence[Any]:
        """Metrics of the device's birth, or of the node's where `device` is empty."""
        birth = self.devices.get(device) if device else self.node
        return birth.metrics if birth is not None else ()

    def find(self, metric: Any, device: str) -> Any:
        """The birth's metric that a later one names, by alias or by name; None if none does."""
        for born in self.metrics(device):
            if metric.HasField("name") and metric.name:
                if born.name == metric.name:
                    return born
            elif born.HasField("alias") and born.alias == metric.alias:
                return born
        return None


def _is_publish(record: Record) -> bool:
    return isinstance(record.packet, Publish)


def _message(record: Record, packet: Any) -> Message:
    return Message(record, packet.topic, packet.payload, packet.qos, packet.retain)
