"""Carries the outbox of calls to the gateways and takes their acknowledgements back.

One stream per gateway. A notification of the database wakes the lane the moment a call is released;
a slow poll finds what a lost notification would have said. The gateway's answer moves the stream's
watermark and acknowledges its calls in one transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from hub.calls.epochs import begin_anew
from hub.calls.lane import Lane, Link, Received
from hub.calls.notify import CALL_STREAM, CHANGES
from hub.store.connect import in_one_trip
from protocols.jis.envelope import (
    EnvelopeError,
    StateMessage,
    dump,
    dump_records,
    parse_answer,
)
from protocols.jis.messages import CallKey
from protocols.jis.topics import ROOT, jis_topic, parse_jis_topic
from protocols.mqtt.broker import BrokerSettings
from protocols.streams import Answer, Outcome, Sending, State, Writer
from protocols.traces import UNTRACED, CallTracer, Place, Step

logger = logging.getLogger(__name__)

WINDOW = 256
"""Calls in flight to one gateway."""
RECORDS_PER_MESSAGE = 50
RESEND_AFTER_S = 3.0
POLL_S = 1.0
STATE_SPACING_S = 0.25
"""Between two states to one gateway, so that no disagreement becomes a storm of messages."""

_OPEN_STREAMS = """
SELECT s.gateway, g.group_id, g.node_id, s.epoch, s.first_kept, s.next_offset, s.watermark
FROM call_stream s JOIN gateway g ON g.id = s.gateway
WHERE NOT s.closed AND g.transport = 'mqtt'
"""
_RECORDS = """
SELECT record FROM call_outbox
WHERE gateway = %s AND epoch = %s AND record_offset >= %s AND record_offset < %s
ORDER BY record_offset
"""
# The streams' rows are locked first and in one order, so that two answers at once count each call
# once. The planner takes a good part of the table to lie between any two offsets, and would join it
# with all calls; of an array it expects few.
_ACKNOWLEDGE = """
WITH stream AS (
    SELECT s.gateway, s.epoch, s.watermark AS before, a.watermark
    FROM unnest(%(gateways)s::integer[], %(epochs)s::bigint[], %(watermarks)s::bigint[])
        AS a (gateway, epoch, watermark)
    JOIN call_stream s ON s.gateway = a.gateway AND s.epoch = a.epoch AND s.watermark < a.watermark
    ORDER BY s.gateway FOR NO KEY UPDATE OF s
), moved AS (
    UPDATE call_stream s SET watermark = stream.watermark FROM stream
    WHERE s.gateway = stream.gateway AND s.epoch = stream.epoch
), told AS MATERIALIZED (
    SELECT o.call, max(o.revision) AS revision
    FROM stream JOIN call_outbox o ON o.gateway = stream.gateway AND o.epoch = stream.epoch
        AND o.record_offset >= stream.before AND o.record_offset < stream.watermark
    WHERE o.call IS NOT NULL GROUP BY o.call
), acknowledged AS (
    UPDATE jis_call c
    SET acknowledged_at = coalesce(c.acknowledged_at, clock_timestamp()),
        acknowledged_revision = greatest(c.acknowledged_revision,
            (SELECT revision FROM told WHERE told.call = c.id))
    WHERE c.id = ANY (ARRAY(SELECT call FROM told))
    RETURNING c.plant, c.line, c.owner, c.partner
)
SELECT pg_notify(%(changes)s,
    json_build_array('calls', plant, line, json_build_array(owner, partner))::text)
FROM (SELECT DISTINCT plant, line, owner, partner FROM acknowledged) changed
"""
# What was noted before, under an older watermark, is not noted again.
_NOTE_ACKNOWLEDGED = """
INSERT INTO call_event (owner, partner, call, source, kind, body, source_at, message_id)
SELECT DISTINCT ON (c.id) c.owner, c.partner, c.id, 'gateway', 'acknowledged', '{}'::jsonb,
    c.acknowledged_at, 'acknowledged'
FROM unnest(%(gateways)s::integer[], %(epochs)s::bigint[], %(since)s::bigint[],
        %(watermarks)s::bigint[]) AS a (gateway, epoch, since, watermark)
JOIN call_outbox o ON o.gateway = a.gateway AND o.epoch = a.epoch
    AND o.record_offset >= a.since AND o.record_offset < a.watermark
JOIN jis_call c ON c.id = o.call
WHERE c.acknowledged_at IS NOT NULL ORDER BY c.id
ON CONFLICT (call, source, message_id) DO NOTHING
RETURNING call
"""
_KEYS = """
SELECT plant, line, production_no, part_group, reorder_index FROM jis_call WHERE id = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Committed:
    """All of a stream below `watermark` is on the reader's disk."""

    gateway: int
    epoch: int
    since: int
    """What lies below was noted before."""
    watermark: int


def acknowledge(connection: psycopg.Connection, streams: Sequence[Committed]) -> list[int]:
    """Note what gateways have committed, and tell who watches; gives the calls of which that is the
    first word. What is sent in one trip is one transaction, on a connection in autocommit too."""
    answers = {
        "gateways": [stream.gateway for stream in streams],
        "epochs": [stream.epoch for stream in streams],
        "since": [stream.since for stream in streams],
        "watermarks": [stream.watermark for stream in streams],
    }
    with in_one_trip(connection):
        connection.execute(_ACKNOWLEDGE, answers | {"changes": CHANGES})
        noted = connection.execute(_NOTE_ACKNOWLEDGED, answers)
    return [call for (call,) in noted.fetchall()]


@dataclass(slots=True)
class _Stream:
    """The open epoch of one gateway's calls."""

    gateway: int
    group: str
    node: str
    topic: str
    writer: Writer
    committed: int
    """Acknowledged in the database."""
    fresh: bool
    """Opened by this process and not answered yet."""
    state_from: float = 0.0
    """When its state may be said again."""
    published: int = 0
    """Below it this process has sent all at least once."""


class CallPublisher(Lane):
    """The writing end of all call streams. `dsn` is of the role `lineside_ingest`."""

    def __init__(
        self, dsn: str, broker: BrokerSettings, host_id: str, tracer: CallTracer = UNTRACED
    ) -> None:
        link = Link(broker, f"{host_id}-calls", f"{ROOT}/+/+/calls/ack")
        super().__init__("calls publisher", dsn, link)
        self._tracer = tracer
        self._streams: dict[int, _Stream] = {}
        self._by_name: dict[tuple[str, str], _Stream] = {}
        self._begun: set[tuple[int, int]] = set()

    def _session(self) -> None:
        # Notifications have a connection of their own: a query on it would swallow its wake-up.
        with (
            psycopg.connect(self._dsn, autocommit=True) as listener,
            psycopg.connect(self._dsn, autocommit=True) as connection,
        ):
            listener.execute(f"LISTEN {CALL_STREAM}")
            # For the same reason it would rather read the whole outbox than its index.
            connection.execute("SET enable_seqscan = off")
            self._streams.clear()
            self._by_name.clear()
            logger.info("%s: working", self._name)
            connects = 0
            polled_at = float("-inf")
            while not self._stopping.is_set():
                now = time.monotonic()
                if now - polled_at >= POLL_S:
                    polled_at = now
                    self._load(connection)
                if connects != self._link.connects:
                    connects = self._link.connects
                    for stream in self._streams.values():
                        stream.writer.connected()
                for notification in listener.notifies(timeout=0):
                    self._take_notification(connection, notification.payload)
                self._take_answers(connection, self._link.take())
                due = self._send(connection)
                self._wait([listener.fileno()], min(polled_at + POLL_S, due) - time.monotonic())

    def _load(self, connection: psycopg.Connection) -> None:
        """Learn of streams that are new, and of growth that no notification told."""
        for gateway, group, node, epoch, first, after, watermark in connection.execute(
            _OPEN_STREAMS
        ).fetchall():
            known = self._streams.get(gateway)
            if known is not None and known.writer.epoch == epoch:
                known.writer.trimmed(first)
                known.writer.appended(after)
                if watermark > known.writer.watermark:
                    # Acknowledged on another broker, to which the gateway has gone.
                    known.writer.on_answer(Answer(epoch, watermark), time.monotonic())
                    known.committed = max(known.committed, watermark)
                continue
            stream = _Stream(
                gateway,
                group,
                node,
                jis_topic(group, node, "calls"),
                Writer(State(epoch, first, after), window=WINDOW, resend_after_s=RESEND_AFTER_S),
                committed=watermark,
                fresh=(gateway, epoch) in self._begun,
            )
            self._streams[gateway] = self._by_name[group, node] = stream

    def _take_notification(self, connection: psycopg.Connection, payload: str) -> None:
        gateway, epoch, next_offset = (int(part) for part in payload.split(" "))
        stream = self._streams.get(gateway)
        if stream is None or stream.writer.epoch != epoch:
            self._load(connection)
        else:
            stream.writer.appended(next_offset)

    def _take_answers(self, connection: psycopg.Connection, messages: list[Received]) -> None:
        taken_ns = self._tracer.now()
        progressed: dict[int, _Stream] = {}
        for message in messages:
            stream = self._stream_of(message)
            if stream is None:
                continue
            try:
                answer = parse_answer(message.payload).answer()
            except (EnvelopeError, ValueError) as error:
                logger.warning("%s: not an answer, left alone: %s", message.topic, error)
                continue
            if self._take_answer(connection, stream, answer):
                progressed[stream.gateway] = stream
        if progressed:
            noted = acknowledge(
                connection,
                [
                    Committed(gateway, s.writer.epoch, s.committed, s.writer.watermark)
                    for gateway, s in sorted(progressed.items())
                ],
            )
            if self._tracer.on and noted:
                self._trace_acknowledged(connection, noted, taken_ns)
        for stream in progressed.values():
            stream.committed = max(stream.committed, stream.writer.watermark)

    def _take_answer(self, connection: psycopg.Connection, stream: _Stream, answer: Answer) -> bool:
        """Whether calls are committed that were not before."""
        writer = stream.writer
        outcome = writer.on_answer(answer, time.monotonic())
        if outcome in (Outcome.PROGRESS, Outcome.UNCHANGED):
            stream.fresh = False
            return writer.watermark > stream.committed
        name = f"{stream.group}/{stream.node}"
        if outcome is Outcome.LOST_CURSOR:
            if stream.committed == 0:
                writer.connected()  # it says its state again
            else:
                self._begin_anew(connection, stream, f"{name} has lost its cursor")
        elif outcome is Outcome.ROLLED_BACK:
            self._begin_anew(connection, stream, f"{name} has more calls than we have written")
        elif not stream.fresh and not self._is_ours(connection, stream.gateway, answer.epoch):
            self._begin_anew(connection, stream, f"{name} follows an epoch that we do not know")
        return False

    def _begin_anew(self, connection: psycopg.Connection, stream: _Stream, why: str) -> None:
        begun = begin_anew(connection, stream.gateway, stream.writer.epoch)
        if begun is not None:
            self._begun.add((stream.gateway, begun.epoch))
            logger.warning("%s: its calls begin anew with %d that are open", why, begun.carried)
        self._load(connection)

    def _is_ours(self, connection: psycopg.Connection, gateway: int, epoch: int | None) -> bool:
        return (
            connection.execute(
                "SELECT 1 FROM call_stream WHERE gateway = %s AND epoch = %s", (gateway, epoch)
            ).fetchone()
            is not None
        )

    def _send(self, connection: psycopg.Connection) -> float:
        """Send all there is to send now. Returns the instant at which there is more to do."""
        due = float("inf")
        if not self._link.up:
            return due
        for stream in self._streams.values():
            writer = stream.writer
            now = time.monotonic()
            if writer.wants_state(now):
                if now < stream.state_from:
                    due = min(due, stream.state_from)
                else:
                    self._link.send(stream.topic, dump(StateMessage.of(writer.state)))
                    writer.state_sent(now)
                    stream.state_from = now + STATE_SPACING_S
            while (sending := writer.to_send(now, RECORDS_PER_MESSAGE)) is not None:
                began_ns = self._tracer.now()
                rows = connection.execute(
                    _RECORDS, (stream.gateway, writer.epoch, sending.first, sending.after)
                ).fetchall()
                if rows:
                    records = [record for (record,) in rows]
                    for message in dump_records(writer.epoch, sending.first, records):
                        self._link.send(stream.topic, message)
                    if self._tracer.on:
                        self._trace_published(stream, sending, records, began_ns)
            due = min(due, writer.next_due() or due)
        return due

    def _trace_published(
        self, stream: _Stream, sending: Sending, records: Sequence[Any], began_ns: int
    ) -> None:
        """Tell of those that are sent for the first time: a gateway may be away for long, and what
        it does not answer is sent again every few seconds."""
        for offset, record in enumerate(records, sending.first):
            if record["kind"] == "call" and offset >= stream.published:
                self._tracer.step(
                    Step.PUBLISH,
                    CallKey.model_validate(record["key"]),
                    began_ns,
                    place=Place(stream.writer.epoch, offset),
                )
        stream.published = max(stream.published, sending.after)

    def _trace_acknowledged(
        self, connection: psycopg.Connection, calls: list[int], taken_ns: int
    ) -> None:
        with connection.cursor(row_factory=class_row(CallKey)) as cursor:
            for key in cursor.execute(_KEYS, (calls,)):
                self._tracer.step(Step.ACKNOWLEDGE, key, taken_ns)

    def _stream_of(self, message: Received) -> _Stream | None:
        topic = parse_jis_topic(message.topic)
        if topic is None:
            return None
        stream = self._by_name.get((topic.group, topic.node))
        if stream is None:
            logger.debug("answer of %s/%s, to whom no calls go", topic.group, topic.node)
        return stream
