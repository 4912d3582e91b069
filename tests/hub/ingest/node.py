"""An edge node that says exactly what a test wants, in real Sparkplug over a real connection."""

from __future__ import annotations

import json
import queue
import random
import string
import time
from array import array
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt

from deploy.local.broker import LocalBroker
from protocols.inspection.fetching import WANTED, Wanted, parse_wanted
from protocols.jis.envelope import parse_answer
from protocols.mqtt.broker import BrokerSettings, Will, make_client
from protocols.sparkplug import (
    DataType,
    Metric,
    Payload,
    decode,
    encode,
    encode_samples,
)
from protocols.sparkplug.session import SequenceCounter, asks_rebirth, death_payload
from protocols.sparkplug.topics import device_topic, node_topic
from protocols.streams import Answer

BASE_MS = 1_790_000_000_000
"""Time of the first sample; sample n of a record is n milliseconds later."""
EPOCH_ALIAS, OFFSET_ALIAS, SERVER_TIMES_ALIAS, ORIGIN_ALIAS, FIRST_TAG_ALIAS = 1, 2, 3, 4, 10
_TEXT_ALIAS = FIRST_TAG_ALIAS + 2
WAIT_S = 60.0
LONG_NAME = "".join(random.Random(1).choices(string.ascii_letters, k=9000))
"""Longer than an index takes, and it does not compress to less."""


def broker_settings(broker: LocalBroker) -> BrokerSettings:
    """With a keep-alive that outlasts a machine that stands still for a while."""
    return BrokerSettings(host=broker.host, port=broker.port, tls=False, keepalive_s=60)


class Node:
    """One MQTT session of a node. Aliases of each device begin anew: devices share none."""

    def __init__(
        self,
        broker: LocalBroker,
        group: str = "seatworks",
        node: str = "gw-seat",
        *,
        name: str = "",
    ) -> None:
        self.group, self.node = group, node
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.wanted: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        """Pieces of pictures that the hub asks for."""
        self.rebirths: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.seq = SequenceCounter()
        self.epoch = 0
        self.bd_seq = 0
        self._devices: list[str] = []
        self._settings = broker_settings(broker)
        self._subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._client = make_client(
            self._settings,
            name or f"{group}-{node}",
            clean_session=True,
            will=Will(node_topic(group, "NDEATH", node), encode(death_payload(0)), 1, False),
        )
        self._client.on_message = self._heard
        self._client.on_subscribe = lambda *_: self._subscribed.put(True)

    def __enter__(self) -> Self:
        self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        self._client.loop_start()
        self.all_is_at_the_broker()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def birth(
        self,
        epoch: int,
        first_kept: int = 0,
        after: int = 0,
        devices: Sequence[str] = ("line",),
        *,
        backlog_order: str | None = None,
        repeats_from: int | None = None,
    ) -> None:
        """NBIRTH with the stream's state, DBIRTHs with the tags `torque`, `count` and `note`."""
        self.epoch = epoch
        self._devices = list(devices)
        self.node_birth(
            [
                _metric("bdSeq", DataType.Int64, self.bd_seq),
                _metric("Node Control/Rebirth", DataType.Boolean, False),
                _metric("Stream/Epoch", DataType.Int64, epoch),
                _metric("Stream/First Kept", DataType.Int64, first_kept),
                _metric("Stream/Next", DataType.Int64, after),
                _metric("Stream/Backlog Order", DataType.String, backlog_order),
                _metric("Stream/Repeats From", DataType.Int64, repeats_from),
                _metric("Gateway/Version", DataType.String, "0.1"),
                _metric("Gateway/Journal Records", DataType.Int64, after - first_kept),
            ]
        )
        for device in devices:
            self.device_birth(device)

    def node_birth(self, metrics: list[Metric]) -> None:
        """An NBIRTH of these metrics."""
        self.publish("NBIRTH", encode(Payload(_now_ms(), metrics, self.seq.begin())))

    def device_birth(self, device: str, metrics: list[Metric] | None = None) -> None:
        """A DBIRTH; without metrics, of the usual tags."""
        tags = metrics if metrics is not None else self.usual_tags(device)
        self.publish("DBIRTH", encode(Payload(_now_ms(), tags, self.seq.take())), device)

    def birth_of_texts(self, epoch: int, name: str) -> None:
        """Births of the node and of a device `line` whose text has this name."""
        self.birth(epoch, devices=["line"])
        tags = self.usual_tags("line")
        tags[-1] = Metric(name, _TEXT_ALIAS, datatype=DataType.String)
        self.device_birth("line", tags)

    def texts(self, offset: int, *texts: str) -> None:
        """A record of such texts."""
        others = dict(enumerate(texts))
        self.record(offset, [0.0] * len(texts), alias=_TEXT_ALIAS, others=others)

    def usual_tags(self, device: str) -> list[Metric]:
        base = 100 * self._devices.index(device)
        return [
            Metric("Stream/Epoch", base + EPOCH_ALIAS, datatype=DataType.Int64),
            Metric("Stream/Offset", base + OFFSET_ALIAS, datatype=DataType.Int64),
            Metric("Stream/ServerTimes", base + SERVER_TIMES_ALIAS, datatype=DataType.Bytes),
            Metric("Stream/Origin", base + ORIGIN_ALIAS, datatype=DataType.String),
            Metric("torque", base + FIRST_TAG_ALIAS, datatype=DataType.Double),
            Metric("count", base + FIRST_TAG_ALIAS + 1, datatype=DataType.Int64),
            Metric("note", base + FIRST_TAG_ALIAS + 2, datatype=DataType.String),
        ]

    def record(
        self,
        offset: int,
        values: Sequence[float] = (1.0,),
        *,
        device: str = "line",
        epoch: int | None = None,
        alias: int | None = None,
        others: dict[int, Any] | None = None,
        at_ms: int | None = None,
        late: bool = False,
        server_times: bytes | None = None,
        origin: str | None = None,
    ) -> None:
        """A DDATA record of torque values, or of another alias."""
        base = 100 * self._devices.index(device)
        count = len(values)
        start = BASE_MS + 1000 * offset if at_ms is None else at_ms
        datatype = {11: DataType.Int64, 12: DataType.String}.get(alias or 0, DataType.Double)
        payload = encode_samples(
            self.seq.take(),
            _now_ms(),
            base + EPOCH_ALIAS,
            self.epoch if epoch is None else epoch,
            base + OFFSET_ALIAS,
            offset,
            array("Q", [base + (alias or FIRST_TAG_ALIAS)] * count),
            array("q", range(start, start + count)),
            bytes([datatype] * count),
            array("d", values),
            others or {},
            None,
            late,
            [
                Metric(alias=base + alias, timestamp=_now_ms(), value=said)
                for alias, said in ((SERVER_TIMES_ALIAS, server_times), (ORIGIN_ALIAS, origin))
                if said is not None
            ],
        )
        self.publish("DDATA", payload, device)

    def gap(self, offset: int, text: str, *, epoch: int | None = None) -> None:
        """A gap record."""
        self.node_data(
            [
                _metric("Stream/Epoch", DataType.Int64, epoch or self.epoch),
                _metric("Stream/Offset", DataType.Int64, offset),
                _metric("Stream/Gap", DataType.String, text),
            ]
        )

    def lost(self, first: int, after: int, cause: str = "journal quota") -> None:
        """A tombstone."""
        text = {"first": first, "next": after, "cause": cause, "device": None}
        self.node_data(
            [
                _metric("Stream/Epoch", DataType.Int64, self.epoch),
                _metric("Stream/Lost", DataType.String, json.dumps(text)),
            ]
        )

    def node_data(self, metrics: list[Metric]) -> None:
        """An NDATA."""
        self.publish("NDATA", encode(Payload(_now_ms(), metrics, self.seq.take())))

    def device_data(self, device: str, metrics: list[Metric]) -> None:
        """A DDATA as any Sparkplug node sends it."""
        self.publish("DDATA", encode(Payload(_now_ms(), metrics, self.seq.take())), device)

    def death(self) -> None:
        """The NDEATH of this session."""
        self.publish("NDEATH", encode(death_payload(self.bd_seq)))

    def publish(self, kind: Any, payload: bytes, device: str | None = None) -> None:
        """Any bytes as a message of this node or of one of its devices."""
        if device is None:
            topic = node_topic(self.group, kind, self.node)
        else:
            topic = device_topic(self.group, kind, self.node, device)
        self._client.publish(topic, payload, qos=0)

    def all_is_at_the_broker(self) -> None:
        """Listen, once more if it did before: the answer to that comes behind all that was said."""
        self._client.subscribe(node_topic(self.group, "NCMD", self.node), 1)
        self._subscribed.get(timeout=WAIT_S)

    def answered(self, epoch: int, watermark: int, ahead: tuple[tuple[int, int], ...] = ()) -> None:
        """Wait until the hub's answer is this; others on the way are passed over."""
        wanted = Answer(epoch, watermark, ahead)
        seen = []
        deadline = time.monotonic() + WAIT_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                seen.append(self.answers.get(timeout=left))
            except queue.Empty:
                break
            if seen[-1] == wanted:
                return
        raise AssertionError(f"no answer {wanted}; came: {seen}")

    def asked_for_rebirth(self) -> None:
        """Wait until the hub asks for a rebirth."""
        self.rebirths.get(timeout=WAIT_S)

    def forget_answers(self) -> None:
        """Pass over those that have come."""
        while not self.answers.empty():
            self.answers.get()

    def forget_rebirths(self) -> None:
        """Pass over the requests that have come; those before the last answer are among them."""
        while not self.rebirths.empty():
            self.rebirths.get()

    def _heard(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        command = decode(bytes(message.payload))
        if asks_rebirth(command):
            self.rebirths.put(time.monotonic())
        for metric in command.metrics:
            if metric.name == "Stream/Cursor" and isinstance(metric.value, str):
                self.answers.put(parse_answer(metric.value.encode()).answer())
            elif metric.name == WANTED and isinstance(metric.value, str):
                self.wanted.put(parse_wanted(metric.value))


def _metric(name: str, datatype: DataType, value: Any) -> Metric:
    return Metric(name, timestamp=_now_ms(), datatype=datatype, value=value)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
