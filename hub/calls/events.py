"""Reads the suppliers' events: cursor, history and the call's status move in one transaction.

Strictly in order for each gateway. A record that cannot be stored goes into quarantine in the same
transaction, and the cursor moves on. Every receipt is answered, a duplicate too.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from pydantic import ValidationError

from hub.calls.answers import ANSWERS, take_answer
from hub.calls.effectivity import check_index
from hub.calls.exceptions import open_exception
from hub.calls.history import Place, add, find_call
from hub.calls.lane import Lane, Link, Received
from hub.calls.notify import CHANGES, calls_changed
from hub.calls.shipments import store_line_event
from hub.calls.unfit import UnfitError
from protocols.jis.envelope import (
    AnswerMessage,
    EnvelopeError,
    Lost,
    Records,
    StateMessage,
    dump,
    parse_writer_message,
)
from protocols.jis.messages import EVENT_RECORD, CallKey, Event
from protocols.jis.topics import ROOT, jis_topic, parse_jis_topic
from protocols.mqtt.broker import BrokerSettings
from protocols.refusal import first_problem
from protocols.streams import Answer, Cursor, read_state
from protocols.traces import OUTCOMES, UNTRACED, CallTracer, Step
from protocols.traces import Place as TracedPlace

logger = logging.getLogger(__name__)

BATCH = 200
"""Messages in one transaction."""
IDLE_S = 5.0
_MAY_COME_AGAIN = frozenset({"refused", "unclear"})
"""What a gateway says of a hand-over, and not the PLC: each is another one."""
REGISTRY_AGE_S = 5.0
"""How old the gateway registry may be when an unknown gateway speaks."""

# A call is accepted once, whoever asks the PLC again; a result is known by part and instant.
_TOLD_BEFORE = """
SELECT FROM call_event
WHERE call = %s AND gateway = %s AND epoch <> %s AND kind = %s
    AND (kind = 'accepted' OR (serial IS NOT DISTINCT FROM %s AND source_at = %s))
LIMIT 1
"""
_QUARANTINE = """
INSERT INTO quarantine (owner, partner, gateway, stream, epoch, record_offset, reason, raw)
VALUES (%s, %s, %s, 'events', %s, %s, %s, %s)
"""
_GAP = """
INSERT INTO gap (owner, partner, gateway, stream, epoch, first_offset, next_offset, cause)
VALUES (%s, %s, %s, 'events', %s, %s, %s, %s)
"""
_SERVES = "SELECT DISTINCT plant, owner FROM supplier_line WHERE gateway = %s"
_OPEN_CURSOR = """
SELECT epoch, watermark, version FROM stream_cursor
WHERE gateway = %s AND stream = 'events' AND NOT closed
"""
_CLOSED_EPOCHS = """
SELECT epoch FROM stream_cursor WHERE gateway = %s AND stream = 'events' AND closed
"""
_MOVE = """
UPDATE stream_cursor SET watermark = %s, repeated = repeated + %s, version = version + 1
WHERE gateway = %s AND stream = 'events' AND epoch = %s AND version = %s AND NOT closed
"""
_CLOSE = """
UPDATE stream_cursor SET closed = true, version = version + 1
WHERE gateway = %s AND stream = 'events' AND epoch = %s AND version = %s AND NOT closed
"""
_OPEN = """
INSERT INTO stream_cursor (gateway, stream, epoch, owner, partner, watermark)
VALUES (%s, 'events', %s, %s, %s, %s)
"""


class _MovedError(Exception):
    """Another process has moved this cursor: what we did is undone and read again."""


class _RepeatedError(Exception):
    """An event that the gateway told under an earlier epoch, and forgot that it did."""


@dataclass(frozen=True, slots=True)
class _Gateway:
    id: int
    owner: str
    partner: str | None
    group: str
    node: str


_Line = tuple[str, str, str, str]
"""(plant, line, owner, partner)"""
_Store = Callable[[psycopg.Connection, _Gateway, int, int, Any], _Line]


@dataclass(frozen=True, slots=True)
class _Answered:
    """What became of a hand-over, as an event said."""

    key: CallKey
    place: TracedPlace
    outcome: str


@dataclass(slots=True)
class _Position:
    """The cursor of one gateway as this transaction has it."""

    cursor: Cursor | None
    version: int


class EventConsumer(Lane):
    """The reading end of all event streams. `dsn` is of the role `lineside_ingest`."""

    def __init__(
        self, dsn: str, broker: BrokerSettings, host_id: str, tracer: CallTracer = UNTRACED
    ) -> None:
        link = Link(broker, f"{host_id}-events", f"{ROOT}/+/+/events")
        super().__init__("event consumer", dsn, link)
        self._gateways: dict[tuple[str, str], _Gateway] = {}
        self._registry_at = float("-inf")
        self._strangers: set[tuple[str, str]] = set()
        self._messages: list[Received] = []
        self._tracer = tracer
        self._answered: list[_Answered] = []
        """Of the transaction at hand: what became of hand-overs, if that is traced."""

    def _session(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            self._load_registry(connection)
            logger.info("%s: working", self._name)
            connects = 0
            while not self._stopping.is_set():
                if connects != self._link.connects:
                    connects = self._link.connects
                    self._tell_all(connection)
                self._messages += self._link.take()
                while self._messages:
                    # They stay until they are committed, so that a lost database loses none.
                    self._read(connection, self._messages[:BATCH])
                    del self._messages[:BATCH]
                self._wait([], IDLE_S)

    def _tell_all(self, connection: psycopg.Connection) -> None:
        """Tell every gateway where we stand, so that both sides know at once after a connect."""
        for gateway in self._gateways.values():
            self._answer(gateway, self._position(connection, gateway).cursor)

    def _read(self, connection: psycopg.Connection, messages: list[Received]) -> None:
        """Take in messages in one transaction, then answer each gateway that spoke."""
        began_ns = self._tracer.now()
        try:
            positions = self._apply(connection, messages, self._store)
        except (psycopg.DataError, psycopg.IntegrityError, _MovedError):
            positions = self._apply(connection, messages, self._store_or_quarantine)
        for gateway, position in positions.items():
            self._answer(gateway, position.cursor)
        for answered in self._answered:
            self._tracer.step(
                Step.COMMIT,
                answered.key,
                began_ns,
                place=answered.place,
                more={"lineside.outcome": answered.outcome},
            )

    def _apply(
        self, connection: psycopg.Connection, messages: list[Received], store: _Store
    ) -> dict[_Gateway, _Position]:
        positions: dict[_Gateway, _Position] = {}
        changed: list[_Line] = []
        self._answered.clear()
        with connection.transaction():
            for received in messages:
                gateway = self._gateway_of(connection, received)
                if gateway is None:
                    continue
                if gateway not in positions:
                    positions[gateway] = self._position(connection, gateway)
                position = positions[gateway]
                try:
                    message = parse_writer_message(received.payload)
                except EnvelopeError as error:
                    logger.warning("%s: not read: %s", received.topic, error)
                    continue
                if isinstance(message, StateMessage):
                    self._open(connection, gateway, position, message)
                else:
                    changed += self._accept(connection, gateway, position, message, store)
            for payload in calls_changed(changed):
                connection.execute("SELECT pg_notify(%s, %s)", (CHANGES, payload))
        return positions

    def _accept(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        position: _Position,
        message: Records | Lost,
        store: _Store,
    ) -> list[_Line]:
        """Store what is new of the message and move the cursor. Returns the lines it touched."""
        cursor = position.cursor
        if cursor is None or cursor.epoch != message.epoch:
            return []
        after = message.next if isinstance(message, Lost) else message.first + len(message.records)
        acceptance = cursor.accept(message.first, after)
        if not acceptance.fresh:
            return []
        changed = []
        repeated = 0
        for first, end in acceptance.fresh:
            if isinstance(message, Lost):
                self._record_gap(connection, gateway, cursor.epoch, first, end, message.cause)
                continue
            for offset in range(first, end):
                record = message.records[offset - message.first]
                try:
                    changed.append(store(connection, gateway, cursor.epoch, offset, record))
                except _RepeatedError:
                    repeated += 1
                except UnfitError as unfit:
                    self._quarantine(connection, gateway, cursor.epoch, offset, record, str(unfit))
        self._move(connection, gateway, position, acceptance.cursor, repeated)
        return changed

    def _store(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        epoch: int,
        offset: int,
        record: Any,
    ) -> _Line:
        """Add one event to its call's history. Raises `_RepeatedError`, `UnfitError`, or what the
        database says."""
        try:
            event = EVENT_RECORD.validate_json(json.dumps(record))
        except ValidationError as error:
            raise UnfitError(first_problem(error, "record")) from None
        place = Place(gateway.id, epoch, offset)
        if not isinstance(event, Event):
            return store_line_event(connection, event, record, place)
        return self._store_call_event(connection, gateway, place, event, record)

    def _store_call_event(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        place: Place,
        event: Event,
        record: Any,
    ) -> _Line:
        key = event.key
        call = find_call(connection, key)
        if call is None:
            raise UnfitError(f"no such call: {str(key)!r}")
        if call.gateway != gateway.id:
            raise UnfitError(f"a call of another gateway: {str(key)!r}")
        known = (call.id, gateway.id, place.epoch, event.kind, event.serial, event.at)
        if (
            event.kind not in _MAY_COME_AGAIN
            and connection.execute(_TOLD_BEFORE, known).fetchone() is not None
        ):
            raise _RepeatedError
        moved = add(
            connection,
            call,
            "supplier",
            event.kind,
            event.at,
            body=record,
            serial=event.serial,
            place=place,
            actor=event.by,
        )
        if moved is not None and not moved.applied:
            logger.warning(
                "call %s (car %s, part %s): %s changes nothing", key, *call.pair, event.kind
            )
        if event.kind in ANSWERS:
            take_answer(connection, call, event)
        elif event.kind == "produced":
            check_index(connection, call, event.at)
        if self._tracer.on and event.kind in OUTCOMES:
            traced = TracedPlace(place.epoch, place.offset)
            self._answered.append(_Answered(key, traced, event.kind))
        return key.plant, key.line, call.owner, call.partner

    def _store_or_quarantine(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        epoch: int,
        offset: int,
        record: Any,
    ) -> _Line:
        """Like `_store`; what the database refuses is unfit too, at the price of a savepoint."""
        try:
            with connection.transaction():
                return self._store(connection, gateway, epoch, offset, record)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise UnfitError(str(error).partition("\n")[0]) from None

    def _open(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        position: _Position,
        message: StateMessage,
    ) -> None:
        """Take in the writer's state: it goes on, or another epoch begins."""
        closed = {
            epoch for (epoch,) in connection.execute(_CLOSED_EPOCHS, (gateway.id,)).fetchall()
        }
        before = position.cursor
        opening = read_state(before, closed, message.state())
        name = f"{gateway.group}/{gateway.node}"
        if opening.refused or opening.cursor is None:
            logger.warning("%s states an epoch of events that has ended; not reopened", name)
            return
        if opening.closes is not None and before is not None:
            logger.warning("%s begins a new epoch of events", name)
            self._checked(
                connection.execute(_CLOSE, (gateway.id, before.epoch, position.version)).rowcount
            )
            # What it had written of the old epoch and not yet sent is not known to anybody.
            self._record_gap(
                connection, gateway, before.epoch, before.watermark, None, "the epoch ended"
            )
        for first, after in opening.lost:
            self._record_gap(
                connection,
                gateway,
                opening.cursor.epoch,
                first,
                after,
                "the gateway no longer has them",
            )
        if before is None or before.epoch != opening.cursor.epoch:
            connection.execute(
                _OPEN,
                (
                    gateway.id,
                    opening.cursor.epoch,
                    gateway.owner,
                    gateway.partner,
                    opening.cursor.watermark,
                ),
            )
            position.cursor, position.version = opening.cursor, 0
        elif opening.cursor != before:
            self._move(connection, gateway, position, opening.cursor)

    def _position(self, connection: psycopg.Connection, gateway: _Gateway) -> _Position:
        row = connection.execute(_OPEN_CURSOR, (gateway.id,)).fetchone()
        if row is None:
            return _Position(None, 0)
        epoch, watermark, version = row
        return _Position(Cursor(epoch, watermark), version)

    def _move(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        position: _Position,
        cursor: Cursor,
        repeated: int = 0,
    ) -> None:
        self._checked(
            connection.execute(
                _MOVE, (cursor.watermark, repeated, gateway.id, cursor.epoch, position.version)
            ).rowcount
        )
        position.cursor = cursor
        position.version += 1

    @staticmethod
    def _checked(moved: int) -> None:
        if moved != 1:
            raise _MovedError

    def _record_gap(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        epoch: int,
        first: int,
        after: int | None,
        cause: str,
    ) -> None:
        logger.warning(
            "%s/%s: events %d to %s are lost: %s", gateway.group, gateway.node, first, after, cause
        )
        connection.execute(
            _GAP, (gateway.owner, gateway.partner, gateway.id, epoch, first, after, cause)
        )
        for plant, owner in connection.execute(_SERVES, (gateway.id,)).fetchall():
            open_exception(
                connection,
                "events_lost",
                f"{plant}/{gateway.group}/{gateway.node}/{epoch}/{first}",
                owner=owner,
                partner=gateway.owner,
                plant=plant,
                severity=None if after is not None else "warning",
                at=datetime.now(UTC),
                detail={
                    "gateway": f"{gateway.group}/{gateway.node}",
                    "first": first,
                    "next": after,
                    "cause": cause,
                },
            )

    def _quarantine(
        self,
        connection: psycopg.Connection,
        gateway: _Gateway,
        epoch: int,
        offset: int,
        record: Any,
        reason: str,
    ) -> None:
        logger.warning(
            "%s/%s: event %d into quarantine: %s", gateway.group, gateway.node, offset, reason
        )
        connection.execute(
            _QUARANTINE,
            (
                gateway.owner,
                gateway.partner,
                gateway.id,
                epoch,
                offset,
                reason,
                json.dumps(record).encode(),
            ),
        )

    def _answer(self, gateway: _Gateway, cursor: Cursor | None) -> None:
        answer = cursor.answer() if cursor is not None else Answer(None)
        topic = jis_topic(gateway.group, gateway.node, "events/ack")
        self._link.send(topic, dump(AnswerMessage.of(answer)))

    def _gateway_of(self, connection: psycopg.Connection, message: Received) -> _Gateway | None:
        topic = parse_jis_topic(message.topic)
        if topic is None:
            return None
        name = (topic.group, topic.node)
        if name not in self._gateways and time.monotonic() - self._registry_at > REGISTRY_AGE_S:
            self._load_registry(connection)
        gateway = self._gateways.get(name)
        if gateway is None and name not in self._strangers and len(self._strangers) < 1000:
            self._strangers.add(name)
            logger.warning("events of %s/%s are refused: not a registered gateway", *name)
        return gateway

    def _load_registry(self, connection: psycopg.Connection) -> None:
        self._registry_at = time.monotonic()
        self._gateways = {
            (group, node): _Gateway(gateway, owner, partner, group, node)
            for gateway, owner, partner, group, node in connection.execute(
                "SELECT id, owner, partner, group_id, node_id FROM gateway"
            ).fetchall()
        }
        self._strangers -= self._gateways.keys()
