"""Gateways that load a hub: one process, one MQTT connection each, records encoded beforehand.

They send in order and as fast as the hub answers, with the window of the edge's uplink; or at a
given rate, and then it is noted how long each record takes until the hub says that it is committed.
"""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import paho.mqtt.client as mqtt

from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug import DataType, Metric, Payload, encode, encode_samples
from protocols.sparkplug.session import MODULUS
from protocols.sparkplug.topics import device_topic, node_topic

DEVICE = "line"
SAMPLES = 100
"""Samples of a record."""
FIRST_ALIAS = 10
START_MS = 1_795_000_000_000
WINDOW = 128
"""Records in flight of one gateway; as in the edge's uplink."""
ALL_WINDOWS = 4000
"""Records in flight of all together: more would overrun the broker's queue for the hub, and nobody
here sends again what it drops."""
_ANSWER = re.compile(rb'"epoch":(\d+),"watermark":(\d+)')
"""Of the answer's JSON within the metric: to read all of it would cost more than the record."""
_SILENCE_S = 120
"""Without an answer for so long, something is wrong."""


def group(gateway: int, groups: int) -> str:
    return f"supplier-{gateway % groups}"


def node(gateway: int) -> str:
    return f"gw-{gateway}"


def births(epoch: int, tags: int) -> tuple[bytes, bytes]:
    """NBIRTH and DBIRTH of a gateway with so many tags."""
    int64 = DataType.Int64
    state = (("Stream/Epoch", epoch), ("Stream/First Kept", 0), ("Stream/Next", 0))
    node_metrics = [Metric(name, datatype=int64, value=value) for name, value in state]
    metrics = [
        Metric("Stream/Epoch", 1, datatype=int64),
        Metric("Stream/Offset", 2, datatype=int64),
        *(Metric(f"tag {n}", FIRST_ALIAS + n, datatype=DataType.Double) for n in range(tags)),
    ]
    return encode(Payload(START_MS, node_metrics, 0)), encode(Payload(START_MS, metrics, 1))


def record(epoch: int, offset: int, tags: int) -> bytes:
    """Record `offset` of a stream: every tag in turn, a millisecond apart."""
    first = offset * SAMPLES
    count = range(first, first + SAMPLES)
    return encode_samples(
        (offset + 2) % MODULUS,
        START_MS,
        1,
        epoch,
        2,
        offset,
        array("Q", [FIRST_ALIAS + n % tags for n in count]),
        array("q", [START_MS + n for n in count]),
        bytes([DataType.Double]) * SAMPLES,
        array("d", [n * 0.25 for n in count]),
        {},
        None,
        False,
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a run: its length, and for each record the seconds until it was answered."""

    seconds: float
    lags_s: Sequence[float]


class _Gateway:
    def __init__(self, broker: BrokerSettings, group: str, number: int, window: int) -> None:
        self.number = number
        self._window = window
        self.epoch = 0
        self.sent = 0
        self.committed = -1
        self.sent_at = array("d")
        self.lags_s = array("d")
        self.ready = False
        self._unsent = bytearray()
        self._group, self._node = group, node(number)
        self._topic = device_topic(group, "DDATA", self._node, DEVICE).encode()
        self.client = make_client(broker, f"fleet-{number}", clean_session=True)
        self.client.on_connect = self._connected
        self.client.on_subscribe = self._subscribed
        self.client.direct = self._heard
        self.client.on_message = lambda _client, _data, message: self._heard(
            message.topic, bytes(message.payload)
        )
        self.client.connect(broker.host, broker.port, broker.keepalive_s)

    def born(self, epoch: int, births: tuple[bytes, bytes], sizes: set[int]) -> None:
        """Births; records of these sizes will follow."""
        # Of an MQTT message of QoS 0: its kind, what remains of it, its topic.
        topic = len(self._topic).to_bytes(2, "big") + self._topic
        rests = {size: len(topic) + size for size in sizes}
        self._heads = {
            size: b"\x30%c%c%b" % (rest & 0x7F | 0x80, rest >> 7, topic)
            for size, rest in rests.items()
        }
        self.epoch, self.sent, self.committed = epoch, 0, -1
        self.sent_at, self.lags_s = array("d"), array("d")
        self.client.publish(node_topic(self._group, "NBIRTH", self._node), births[0])
        self.client.publish(device_topic(self._group, "DBIRTH", self._node, DEVICE), births[1])

    def send(self, payloads: Sequence[bytes], until: int) -> None:
        """Send up to the record before `until`, as far as the window allows. By the socket itself:
        the load should cost the machine as little as it can."""
        until = min(until, self.committed + self._window)
        if self.sent < until:
            self.sent_at.extend([time.perf_counter()] * (until - self.sent))
            self._unsent += b"".join(
                part
                for payload in payloads[self.sent : until]
                for part in (self._heads[len(payload)], payload)
            )
            self.sent = until
        if self._unsent:
            with suppress(BlockingIOError):
                del self._unsent[: self.connection.send(self._unsent)]

    @property
    def blocked(self) -> bool:
        """Whether the broker does not take all that was to be sent."""
        return bool(self._unsent)

    @property
    def connection(self) -> socket.socket:
        found = self.client.socket()
        assert isinstance(found, socket.socket)  # plain TCP; none: not connected
        return found

    def _connected(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(node_topic(self._group, "NCMD", self._node), 1)

    def _subscribed(self, *_: Any) -> None:
        self.ready = True

    def _heard(self, _topic: str, payload: bytes) -> None:
        now = time.perf_counter()
        answer = _ANSWER.search(payload)
        if answer is not None and int(answer[1]) == self.epoch:
            watermark = int(answer[2])
            self.lags_s.extend(now - at for at in self.sent_at[max(self.committed, 0) : watermark])
            self.committed = watermark


class _Fleet:
    """All gateways in one thread."""

    def __init__(self, broker: BrokerSettings, gateways: int, groups: int, tags: int) -> None:
        # Nobody serves the connections while the bare side has its turn.
        patient = broker.model_copy(update={"keepalive_s": 600})
        self._tags = tags
        self._selector = selectors.DefaultSelector()
        self._gateways = []
        window = min(WINDOW, max(1, ALL_WINDOWS // gateways))
        for number in range(gateways):
            gateway = _Gateway(patient, group(number, groups), number, window)
            self._selector.register(gateway.connection, selectors.EVENT_READ, gateway)
            self._gateways.append(gateway)
            self._serve_until(lambda: gateway.ready)  # noqa: B023  ends before the next turn

    def born(self, epoch: int, records: int) -> None:
        """All gateways are born, and the hub has answered."""
        said = births(epoch, self._tags)
        self._payloads = [record(epoch, offset, self._tags) for offset in range(records)]
        sizes = set(map(len, self._payloads))
        for gateway in self._gateways:
            gateway.born(epoch, said, sizes)
        self._serve_until(lambda: all(gateway.committed >= 0 for gateway in self._gateways))

    def run(self, rate: float | None) -> Sent:
        """Send all records; at most `rate` a second, over all gateways, if it is given."""
        records, number = len(self._payloads), len(self._gateways)
        started = time.perf_counter()
        due = records * number
        ready = self._gateways
        while any(gateway.sent < records or gateway.blocked for gateway in ready) or any(
            gateway.sent < records for gateway in self._gateways
        ):
            if rate is not None:
                due = int((time.perf_counter() - started) * rate)
                ready = self._gateways
            whole, rest = divmod(due, number)
            for gateway in ready:
                gateway.send(self._payloads, min(records, whole + (gateway.number < rest)))
            ready = [
                *self._serve(0.001 if rate is not None or any(g.blocked for g in ready) else 0.05),
                *(gateway for gateway in ready if gateway.blocked),
            ]
        self._serve_until(lambda: all(g.committed == records for g in self._gateways))
        seconds = time.perf_counter() - started
        return Sent(seconds, [lag for gateway in self._gateways for lag in gateway.lags_s])

    def _serve_until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SILENCE_S
        while not met():
            if time.monotonic() > deadline:
                stand = [gateway.committed for gateway in self._gateways]
                raise TimeoutError(f"no word of the hub's for {_SILENCE_S} s; it stands at {stand}")
            self._serve(0.05)
            for gateway in self._gateways:
                if gateway.client.want_write():
                    gateway.client.loop_write()

    def _serve(self, wait_s: float) -> list[_Gateway]:
        """Hear what there is to hear; returns who heard something."""
        heard = [key.data for key, _ in self._selector.select(wait_s)]
        for gateway in heard:
            gateway.client.loop_read()
        return heard


def _work(
    connection: Connection, broker: BrokerSettings, gateways: int, groups: int, tags: int
) -> None:
    fleet = _Fleet(broker, gateways, groups, tags)
    connection.send("connected")
    while (asked := connection.recv()) is not None:
        epoch, records, rate = asked
        fleet.born(epoch, records)
        connection.send("born")
        connection.recv()
        connection.send(fleet.run(rate))


class Fleet:
    """A context manager: `gateways` in a process of their own, spread over so many groups, with so
    many tags each."""

    def __init__(self, broker: BrokerSettings, gateways: int, groups: int, tags: int) -> None:
        self.gateways, self.groups, self.tags = gateways, groups, tags
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_work, args=(far, broker, gateways, groups, tags))

    def __enter__(self) -> Fleet:
        self._process.start()
        self._ask(None)
        return self

    @property
    def pid(self) -> int | None:
        """Of their process, once it runs."""
        return self._process.pid

    def born(self, epoch: int, records: int, rate: float | None = None) -> None:
        """Let all be born in a new epoch, with so many records each to send; `rate` records a
        second in all."""
        self._pipe.send((epoch, records, rate))
        self._ask(None)

    def run(self) -> Sent:
        """Let them send what they have; returns when all is committed."""
        sent: Sent = self._ask("go")
        return sent

    def registry(self) -> Iterator[tuple[str, str]]:
        """Group and node of each."""
        return ((group(n, self.groups), node(n)) for n in range(self.gateways))

    def _ask(self, what: str | None) -> Any:
        if what is not None:
            self._pipe.send(what)
        while not self._pipe.poll(0.5):
            if not self._process.is_alive():
                raise RuntimeError("the gateways' process has ended; its traceback stands above")
        return self._pipe.recv()

    def __exit__(self, *_: object) -> None:
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join(10)
        self._process.kill()
