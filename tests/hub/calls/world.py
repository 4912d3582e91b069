"""A small plant in the database, and a supplier's gateway made of the stream rules alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import paho.mqtt.client as mqtt
import psycopg

from hub.store import Database
from protocols.jis.envelope import (
    AnswerMessage,
    Lost,
    Records,
    StateMessage,
    dump,
    parse_answer,
    parse_writer_message,
)
from protocols.jis.messages import CALL_RECORD, Call
from protocols.jis.topics import jis_topic
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.streams import Answer, Cursor, State, Writer, draw_epoch, read_state

PLANT = "P1"
OWNER = "carmaker"
POINT = "TRIM-IN"
PASSED_AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
WAIT_S = 60.0

_WORLD = """
INSERT INTO tenant VALUES ('carmaker', 'Car maker', 'oem'), ('seatworks', 'Seats', 'supplier'),
    ('trimworks', 'Trim', 'supplier');
INSERT INTO gateway (owner, partner, group_id, node_id) VALUES
    ('seatworks', 'carmaker', 'seatworks', 'gw-seat'),
    ('trimworks', 'carmaker', 'trimworks', 'gw-trim');
INSERT INTO plant VALUES ('P1', 'carmaker', 60);
INSERT INTO control_point (plant, id, owner, rank)
SELECT 'P1', id, 'carmaker', rank
FROM (VALUES ('BODY', 1), ('TRIM-IN', 2), ('LINE-OFF', 3)) AS p (id, rank);
INSERT INTO supplier_line (plant, id, owner, partner, gateway, unloading_point, lead_s, rack_slots,
    sequence_wrap)
SELECT 'P1', line, 'carmaker', g.owner, g.id, 'DOCK-1', 600, slots, wrap
FROM (VALUES ('SEAT1', 'seatworks', 4, 9), ('TRIM1', 'trimworks', 6, 9999))
    AS l (line, supplier, slots, wrap) JOIN gateway g ON g.owner = l.supplier;
INSERT INTO part_group
SELECT 'P1', part_group, 'carmaker', l.partner, l.id, 'TRIM-IN'
FROM (VALUES ('SEAT-FRONT', 'SEAT1'), ('SEAT-REAR', 'SEAT1'), ('DOOR-TRIM', 'TRIM1'))
    AS g (part_group, line) JOIN supplier_line l ON l.id = g.line;
INSERT INTO bom_rule (plant, part_group, rank, owner, partner, requires, excludes, colours, part_no)
SELECT 'P1', part_group, rank, 'carmaker', g.partner, requires, excludes, colours, part_no
FROM (VALUES
    ('SEAT-FRONT', 1, '{SPORT}'::text[], '{}'::text[], NULL::text[], 'SF-SPORT'),
    ('SEAT-FRONT', 2, '{}', '{}', NULL, 'SF-BASE'),
    ('SEAT-REAR', 1, '{}', '{TWO-SEATER}', NULL, 'SR-BASE'),
    ('DOOR-TRIM', 1, '{}', '{}', '{RED,BLUE}', 'DT-{colour}')
) AS r (part_group, rank, requires, excludes, colours, part_no)
JOIN part_group g ON g.id = r.part_group;
"""


def make_world(database: Database, cars: int = 20) -> None:
    """Plant P1 with lines SEAT1 (4 slots, numbers wrap at 9) and TRIM1, and `cars` orders."""
    with database.connect("ingest") as connection:
        connection.execute(_WORLD)
        for number in range(1, cars + 1):
            add_order(connection, f"{number:07d}")


def add_order(
    connection: psycopg.Connection,
    production_no: str,
    colour: str = "RED",
    options: tuple[str, ...] = (),
) -> None:
    """One more order, at the end of the day's."""
    connection.execute(
        """
        INSERT INTO vehicle_order
            (plant, production_no, owner, model, colour, options, given_rank, source)
        SELECT %s, %s, %s, 'M1', %s, %s, count(*) + 1, 'test' FROM vehicle_order
        """,
        (PLANT, production_no, OWNER, colour, list(options)),
    )


def put_in_sequence(connection: psycopg.Connection, *cars: int) -> None:
    """A sequence of these cars, in force."""
    connection.execute(
        """
        WITH made AS (
            INSERT INTO production_sequence (plant, owner, method) VALUES (%s, %s, 'given')
            RETURNING id, plant, owner
        )
        INSERT INTO sequence_position (sequence, position, plant, owner, production_no)
        SELECT id, position, plant, owner, number
        FROM made, unnest(%s::text[]) WITH ORDINALITY AS n (number, position)
        """,
        (PLANT, OWNER, [f"{number:07d}" for number in cars]),
    )


def tell(connection: psycopg.Connection, where: str, *kinds: str) -> None:
    """Let suppliers report these kinds of all calls that fit `where`, in order, by no stream."""
    for kind in kinds:
        connection.execute(
            f"""INSERT INTO call_event (owner, partner, call, kind, body, source_at, message_id)
            SELECT owner, partner, id, %s, '{{"verdict": "ok"}}', now(), gen_random_uuid()::text
            FROM jis_call WHERE {where}""".encode(),
            (kind,),
        )


BUILD = ("accepted", "produced", "inspected", "packed", "shipped")
"""What a supplier reports of a part that goes well."""


def passed_at(number: int) -> datetime:
    """When the n-th car passes."""
    return PASSED_AT + timedelta(minutes=number)


def eventually(true: Callable[[], Any], what: str = "it", within_s: float = WAIT_S) -> Any:
    """Wait until `true()` is; returns that. Raises `AssertionError`."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {within_s:g} s")


@dataclass
class Supplier:
    """The far end of one gateway's two streams: all in memory, which `forget` loses.

    It stands for a gateway where the subject is the hub; the real one has tests of its own.
    """

    broker: BrokerSettings
    group: str = "seatworks"
    node: str = "gw-seat"
    calls: list[Call] = field(default_factory=list)
    """As received, each record once by the rules of streams."""
    others: list[Any] = field(default_factory=list)
    """Records of other kinds."""
    keys: set[str] = field(default_factory=set)
    cursor: Cursor | None = None
    closed: set[int] = field(default_factory=set)
    events: list[Any] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """Of the hub, to our events."""
    mute: bool = False
    """Take calls in, but say nothing of it."""
    states: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self.writer = Writer(State(draw_epoch(), 0, 0), window=100, resend_after_s=0.5)
        self._client = make_client(self.broker, f"test-{self.group}", clean_session=True)
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    @contextmanager
    def running(self) -> Iterator[Supplier]:
        """Connected for as long as this is open."""
        self._client.connect_async(self.broker.host, self.broker.port)
        self._client.loop_start()
        self._ticker.start()
        try:
            yield self
        finally:
            self._done.set()
            self._ticker.join()
            self._client.disconnect()
            self._client.loop_stop()

    def forget(self) -> None:
        """What a replaced industrial PC does: it knows no cursor, and says so."""
        with self._lock:
            self.cursor = None
            self.closed.clear()
            self.calls.clear()
            self.keys.clear()
        self.answer()

    def answer(self) -> None:
        """Say where the calls stand."""
        position = self.cursor.answer() if self.cursor else Answer(None)
        self._publish("calls/ack", AnswerMessage.of(position))

    def report(self, *events: Any) -> None:
        """Write events, whatever they are, into the stream."""
        with self._lock:
            self.events += events
            self.writer.appended(len(self.events))

    def publish(self, channel: str, payload: bytes) -> None:
        """Send these bytes."""
        topic = f"{jis_topic(self.group, self.node, 'events').rpartition('/')[0]}/{channel}"
        self._client.publish(topic, payload, qos=1)

    def _publish(self, channel: str, message: Any) -> None:
        self.publish(channel, dump(message))

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(
            [
                (jis_topic(self.group, self.node, "calls"), 1),
                (jis_topic(self.group, self.node, "events/ack"), 1),
            ]
        )
        with self._lock:
            self.writer.connected()
        self.answer()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            if message.topic.endswith("/calls"):
                self._read(bytes(message.payload))
            else:
                answer = parse_answer(bytes(message.payload)).answer()
                self.answers.append(answer)
                self.writer.on_answer(answer, time.monotonic())

    def _read(self, payload: bytes) -> None:
        message = parse_writer_message(payload)
        if isinstance(message, StateMessage):
            self.states += 1
            opening = read_state(self.cursor, self.closed, message.state())
            self.cursor = opening.cursor
            if opening.closes is not None:
                self.closed.add(opening.closes)
        elif isinstance(message, Records) and self.cursor and self.cursor.epoch == message.epoch:
            after = message.first + len(message.records)
            acceptance = self.cursor.accept(message.first, after)
            for first, end in acceptance.fresh:
                for record in message.records[first - message.first : end - message.first]:
                    read = CALL_RECORD.validate_python(record)
                    if not isinstance(read, Call):
                        self.others.append(read)
                        continue
                    self.calls.append(read)
                    self.keys.add(str(read.key))
            self.cursor = acceptance.cursor
        assert not isinstance(message, Lost)
        if not self.mute:
            self.answer()

    def _tick(self) -> None:
        while not self._done.wait(0.02):
            with self._lock:
                now = time.monotonic()
                if not self._client.is_connected():
                    continue
                if self.writer.wants_state(now):
                    self._publish("events", StateMessage.of(self.writer.state))
                    self.writer.state_sent(now)
                while (sending := self.writer.to_send(now, 50)) is not None:
                    self._publish(
                        "events",
                        Records(
                            epoch=self.writer.epoch,
                            first=sending.first,
                            records=self.events[sending.first : sending.after],
                        ),
                    )
