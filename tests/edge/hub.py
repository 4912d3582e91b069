"""A hub that is nothing but a true reader and writer of the three streams, kept in memory.

It is made of `protocols` alone and speaks MQTT by itself, so that what the gateway is tested
against shares none of its code. Everything it commits is in its lists, in the order of commit.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import paho.mqtt.client as mqtt

from protocols.jis.envelope import (
    AnswerMessage,
    Lost,
    Records,
    StateMessage,
    dump,
    parse_answer,
    parse_writer_message,
)
from protocols.jis.messages import EVENT_RECORD, Call, Delay, Event, Shipment
from protocols.jis.topics import jis_topic
from protocols.mqtt.broker import BrokerSettings, Will, make_client
from protocols.sparkplug import Metric, Payload, decode, encode
from protocols.sparkplug.session import HostState, bd_seq_of, rebirth_command
from protocols.sparkplug.topics import (
    DeviceTopic,
    NodeTopic,
    StateTopic,
    host_subscriptions,
    node_topic,
    parse_topic,
    state_topic,
)
from protocols.streams import Cursor, State, Writer, draw_epoch, read_state

HOST = "lineside-hub"
MAX_AHEAD = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """One committed sample."""

    device: str
    tag: str
    time_ms: int
    value: Any
    historical: bool
    offset: int


@dataclass
class Reader:
    """One stream as the hub reads it."""

    cursor: Cursor | None = None
    closed: set[int] = field(default_factory=set)
    lost: list[tuple[int, int]] = field(default_factory=list)
    refused: int = 0
    duplicates: int = 0

    def state(self, state: State) -> None:
        opening = read_state(self.cursor, self.closed, state)
        if opening.closes is not None:
            self.closed.add(opening.closes)
        self.refused += opening.refused
        self.lost += opening.lost
        self.cursor = opening.cursor

    def offer(
        self, epoch: int, first: int, after: int, max_ahead: int = 0, *, in_order: bool = False
    ) -> list[int]:
        """The offsets to store. `in_order`: they are backlog that is sent oldest first."""
        if self.cursor is None or self.cursor.epoch != epoch:
            return []
        acceptance = self.cursor.accept(
            first, after, max_ahead=max_ahead, backlog_in_order=in_order
        )
        self.cursor = acceptance.cursor
        fresh = [offset for f, a in acceptance.fresh for offset in range(f, a)]
        self.duplicates += (after - first) - len(fresh)
        return fresh

    def answer(self) -> AnswerMessage:
        if self.cursor is None:
            return AnswerMessage(epoch=None)
        return AnswerMessage.of(self.cursor.answer())


class Hub:
    """Runs for as long as it is entered; `swallow` says of each answer whether it gets lost."""

    def __init__(self, port: int, group: str, node: str) -> None:
        self._settings = BrokerSettings(host="127.0.0.1", port=port, tls=False)
        self.group, self.node = group, node
        self.telemetry, self.events_in = Reader(), Reader()
        self.samples: list[Sample] = []
        self.gaps: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self.trucks: list[Shipment | Delay] = []
        self.messages: list[tuple[str, str]] = []
        """(type, device) of every Sparkplug message of the node, in order of arrival."""
        self.births: list[Payload] = []
        self.deaths: list[int | None] = []
        self.node_metrics: dict[str, Any] = {}
        self.swallow: Callable[[], bool] = lambda: False
        self._names: dict[int, tuple[str, str]] = {}
        self._types: dict[int | str, int] = {}
        self.calls: list[dict[str, Any]] = []
        self.calls_answer: AnswerMessage | None = None
        self._epoch = draw_epoch()
        self._base = 0
        self._writer = self._new_writer()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._connected = threading.Event()
        self._heard_state = threading.Event()
        self._client: mqtt.Client | None = None
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Self:
        now_ms = time.time_ns() // 1_000_000
        topic = state_topic(HOST)
        self._born = HostState(online=True, timestamp=now_ms).dump()
        will = Will(topic, HostState(online=False, timestamp=now_ms).dump(), 1, retain=True)
        client = make_client(self._settings, f"hub-{now_ms}", clean_session=True, will=will)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.connect("127.0.0.1", self._settings.port, 60)
        self._client = client
        client.loop_start()
        assert self._connected.wait(60), "no broker"
        self._stop.clear()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._client is not None
        assert self._ticker is not None
        self._stop.set()
        self._ticker.join()
        self._client.disconnect()
        self._client.loop_stop()

    def say_state(self, *, online: bool, at_ms: int | None = None) -> None:
        """The host's STATE, as of now or of another time."""
        state = HostState(online, time.time_ns() // 1_000_000 if at_ms is None else at_ms)
        self._heard_state.clear()
        self._publish(state_topic(HOST), state.dump(), 1, retain=True)
        assert self._heard_state.wait(60), "the broker does not pass STATE on"

    def ask_rebirth(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        topic = node_topic(self.group, "NCMD", self.node)
        self._publish(topic, encode(rebirth_command(now_ms)), 0)

    def call(self, *calls: Call) -> None:
        """Append calls to the outgoing stream."""
        self.call_raw(*(call.model_dump(mode="json") for call in calls))

    def call_raw(self, *records: Any) -> None:
        with self._lock:
            self.calls += records
            self._writer.appended(len(self.calls) - self._base)
            self._send_calls()

    def open_call_epoch(self, records: Sequence[dict[str, Any]]) -> None:
        """Begin a new epoch of the call stream with these records."""
        with self._lock:
            self._epoch = draw_epoch()
            self._base = len(self.calls)
            self.calls += records
            self._writer = self._new_writer()
            self._send_calls()

    # The rest runs in paho's thread, or under the lock.

    def _new_writer(self) -> Writer:
        state = State(self._epoch, 0, len(self.calls) - self._base)
        writer = Writer(state, window=100, resend_after_s=0.5)
        writer.connected()
        return writer

    def _publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        assert self._client is not None
        self._client.publish(topic, payload, qos, retain)

    def _topic(self, channel: Any) -> str:
        return jis_topic(self.group, self.node, channel)

    def _tick(self) -> None:
        while not self._stop.wait(0.1):
            with self._lock:
                self._send_calls()

    def _send_calls(self) -> None:
        now = time.monotonic()
        if self._writer.wants_state(now):
            self._publish(self._topic("calls"), dump(StateMessage.of(self._writer.state)), 1)
            self._writer.state_sent(now)
        while (sending := self._writer.to_send(now, 10)) is not None:
            records = self.calls[self._base + sending.first : self._base + sending.after]
            message = Records(epoch=self._epoch, first=sending.first, records=records)
            self._publish(self._topic("calls"), dump(message), 1)

    def _on_connect(self, client: mqtt.Client, *_args: Any) -> None:
        topics = [*host_subscriptions(HOST), self._topic("calls/ack"), self._topic("events")]
        client.subscribe([(topic, 1) for topic in topics])
        client.publish(state_topic(HOST), self._born, 1, retain=True)
        with self._lock:
            self._writer.connected()
            self._send_calls()
        self._publish(self._topic("events/ack"), dump(self.events_in.answer()), 1)
        self._connected.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            payload = bytes(message.payload)
            if message.topic == self._topic("events"):
                self._on_events(payload)
            elif message.topic == self._topic("calls/ack"):
                self.calls_answer = parse_answer(payload)
                self._writer.on_answer(self.calls_answer.answer(), time.monotonic())
                self._send_calls()
            else:
                self._on_sparkplug(message.topic, payload)

    def _on_events(self, payload: bytes) -> None:
        parsed = parse_writer_message(payload)
        if isinstance(parsed, StateMessage):
            self.events_in.state(parsed.state())
        elif isinstance(parsed, Lost):
            if self.events_in.offer(parsed.epoch, parsed.first, parsed.next):  # else: said again
                self.events_in.lost.append((parsed.first, parsed.next))
        else:
            after = parsed.first + len(parsed.records)
            for offset in self.events_in.offer(parsed.epoch, parsed.first, after):
                record = parsed.records[offset - parsed.first]
                event = EVENT_RECORD.validate_python(record)
                if isinstance(event, Event):
                    self.events.append(event)
                else:
                    self.trucks.append(event)
        if not self.swallow():
            self._publish(self._topic("events/ack"), dump(self.events_in.answer()), 1)

    def _on_sparkplug(self, topic: str, data: bytes) -> None:
        parsed = parse_topic(topic)
        if isinstance(parsed, StateTopic):
            self._heard_state.set()
        if not isinstance(parsed, NodeTopic | DeviceTopic) or parsed.type in ("NCMD", "DCMD"):
            return
        device = parsed.device if isinstance(parsed, DeviceTopic) else ""
        self.messages.append((parsed.type, device))
        payload = decode(data, self._types)
        if parsed.type == "NBIRTH":
            self._on_birth(payload)
        elif parsed.type == "DBIRTH":
            for metric in payload.metrics:
                assert metric.alias is not None
                assert metric.name is not None
                assert metric.datatype is not None
                self._names[metric.alias] = (device, metric.name)
                self._types[metric.alias] = metric.datatype
        elif parsed.type == "NDEATH":
            self.deaths.append(bd_seq_of(payload))
        elif parsed.type == "NDATA":
            self._on_node_data(payload)
        elif parsed.type == "DDATA":
            self._on_samples(device, payload)

    def _on_birth(self, payload: Payload) -> None:
        self.births.append(payload)
        self._names.clear()
        self._types.clear()
        for metric in payload.metrics:
            assert metric.name is not None
            assert metric.datatype is not None
            self._types[metric.name] = metric.datatype
        values = {metric.name: metric.value for metric in payload.metrics}
        self.node_metrics.update({str(name): value for name, value in values.items()})
        numbers = [values[f"Stream/{name}"] for name in ("Epoch", "First Kept", "Next")]
        self.telemetry.state(State(*(int(n) for n in numbers)))  # type: ignore[arg-type]
        self._answer()

    def _on_node_data(self, payload: Payload) -> None:
        values: dict[str, Any] = {str(metric.name): metric.value for metric in payload.metrics}
        if "Stream/Lost" in values:
            lost = json.loads(values["Stream/Lost"])
            if self._offer(payload.metrics[0], lost["first"], lost["next"]):
                self.gaps.append(lost)
            self._answer()
        elif "Stream/Offset" in values:
            offset = values["Stream/Offset"]
            if self._offer(payload.metrics[0], offset, offset + 1):
                self.gaps.append(json.loads(values["Stream/Gap"]))
            self._answer()
        else:
            self.node_metrics.update(values)

    def _on_samples(self, device: str, payload: Payload) -> None:
        epoch, offset, *samples = payload.metrics
        assert self._name(epoch) == (device, "Stream/Epoch")
        assert self._name(offset) == (device, "Stream/Offset")
        at = offset.value
        assert isinstance(at, int)
        if self._offer(epoch, at, at + 1):
            for metric in samples:
                of, name = self._name(metric)
                assert of == device
                assert metric.timestamp is not None
                self.samples.append(
                    Sample(device, name, metric.timestamp, metric.value, metric.is_historical, at)
                )
        self._answer()

    def _offer(self, epoch: Metric, first: int, after: int) -> list[int]:
        assert isinstance(epoch.value, int)
        said = self.births[-1].metrics
        oldest_first = any(
            metric.name == "Stream/Backlog Order" and metric.value == "oldest_first"
            for metric in said
        )
        in_order = epoch.is_historical and oldest_first
        return self.telemetry.offer(epoch.value, first, after, MAX_AHEAD, in_order=in_order)

    def _name(self, metric: Metric) -> tuple[str, str]:
        assert metric.alias is not None
        return self._names[metric.alias]

    def _answer(self) -> None:
        if self.swallow():
            return
        text = dump(self.telemetry.answer()).decode()
        payload = Payload(
            timestamp=time.time_ns() // 1_000_000,
            metrics=[Metric(name="Stream/Cursor", value=text)],
        )
        self._publish(node_topic(self.group, "NCMD", self.node), encode(payload), 0)
