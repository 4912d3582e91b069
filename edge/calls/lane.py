"""The call lane: both just-in-sequence streams over one MQTT connection of their own.

It reads `calls` and answers every receipt on `calls/ack`; it writes `events` and hears the answers
on `events/ack`. The broker's session is persistent once the hub has been heard, but nothing relies
on what it keeps.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from edge.calls.desk import Desk
from edge.calls.store import LostEvent, Routes
from edge.link import Link, LinkError, Message
from edge.servers import Servers
from edge.status import Condition, Figures
from protocols.jis.envelope import (
    AnswerMessage,
    EnvelopeError,
    Lost,
    Records,
    StateMessage,
    dump,
    dump_records,
    parse_answer,
    parse_writer_message,
)
from protocols.jis.messages import CallKey
from protocols.jis.topics import jis_topic
from protocols.mqtt.broker import BrokerSettings
from protocols.streams import Answer, Outcome, Sending, Writer
from protocols.traces import OUTCOMES, UNTRACED, CallTracer, Place, Step

logger = logging.getLogger(__name__)

WINDOW = 500
"""Events in flight."""
MAX_RECORDS = 100
"""Events in one message: about a fifth of the largest message that is read."""
RESEND_AFTER_S = 5.0
LOOK_S = 5.0
"""It looks about so often though nothing happens, as a sign of life."""
HUB_WAIT_S = 10.0


class CallLane:
    """The MQTT side of calls and events. `serve` is one connection; the caller connects again.

    It walks through the same servers as the uplink, but by itself: what counts here is whether the
    hub answers.
    """

    def __init__(
        self,
        desk: Desk,
        brokers: Sequence[BrokerSettings],
        group: str,
        node: str,
        routes: Routes,
        figures: Figures,
        *,
        resend_after_s: float = RESEND_AFTER_S,
        hub_wait_s: float = HUB_WAIT_S,
        tracer: CallTracer = UNTRACED,
    ) -> None:
        """`brokers`: in the order in which they are tried. With several, one on which the hub says
        nothing for `hub_wait_s` after it was asked is given up for the next."""
        self._desk = desk
        self._servers = Servers(brokers)
        self._hub_wait_s = hub_wait_s
        self._client_id = f"lineside-{group}-{node}-calls"
        self._routes = routes
        self._resend_after_s = resend_after_s
        self._figures = figures
        self._tracer = tracer
        self._told = Place(0, 0)
        """Below it, in its epoch, all events were sent at least once; no epoch is 0."""
        self._state_said_at = -math.inf
        self._heard = False
        self._calls = jis_topic(group, node, "calls")
        self._calls_ack = jis_topic(group, node, "calls/ack")
        self._events = jis_topic(group, node, "events")
        self._events_ack = jis_topic(group, node, "events/ack")
        self._identity = Condition(logger, "event stream")
        self._refused_state = Condition(logger, "call stream")

    async def serve(self, connected: Callable[[], None]) -> None:
        """Connect and work until the connection ends. Raises `LinkError`; the next call then begins
        with the next server."""
        try:
            await self._serve_here(connected)
        except LinkError:
            self._servers.walk()
            raise

    async def _serve_here(self, connected: Callable[[], None]) -> None:
        """One connection to the present server."""
        # Until the hub is heard, what the broker has kept from before is dropped: an old answer
        # would pass for the hub's first, which tells whether this file is an old copy.
        link = Link(self._servers.current, self._client_id, clean_session=not self._heard)
        try:
            await link.connect()
            self._figures.calls.connected = True
            await link.subscribe([(self._calls, 1), (self._events_ack, 1)])
            connected()
            writer = await self._new_writer()
            self._desk.on_event = link.nudge
            self._answer(link, await self._desk.run(self._desk.store.position))
            silent_since: float | None = time.monotonic()
            """Until the hub says its first word on this connection."""
            while True:
                await self._send_events(link, writer)
                await self._count()
                due = time.monotonic() + LOOK_S
                if (next_due := writer.next_due()) is not None:
                    due = min(due, next_due)
                if silent_since is not None and self._servers.several:
                    give_up_at = silent_since + self._hub_wait_s
                    if time.monotonic() >= give_up_at:
                        raise LinkError(f"the hub says nothing on {self._servers.current.place}")
                    due = min(due, give_up_at)
                message = await link.receive(max(0.0, due - time.monotonic()))
                if message is None:
                    continue
                silent_since = None
                if message.topic == self._calls:
                    await self._on_calls(link, message)
                elif message.topic == self._events_ack:
                    writer = await self._on_answer(writer, message)
        finally:
            self._figures.calls.connected = False
            self._desk.on_event = lambda: None
            await link.close()

    # --- calls: we read ------------------------------------------------------------------------

    async def _on_calls(self, link: Link, message: Message) -> None:
        """Store what came, then answer: a duplicate too, so that no lost answer stalls the hub."""
        store, run = self._desk.store, self._desk.run
        try:
            parsed = parse_writer_message(message.payload)
        except EnvelopeError as error:
            logger.warning("calls: a message on %s is not readable: %s", message.topic, error)
            self._answer(link, await run(store.position))
            return
        if isinstance(parsed, StateMessage):
            answer, refused = await run(store.read_state, parsed.state())
            if refused:
                self._refused_state.fail(
                    f"the hub offers epoch {parsed.epoch}, which has ended; kept is {answer.epoch}"
                )
            else:
                self._refused_state.recover()
        elif isinstance(parsed, Lost):
            answer = await run(store.lose, parsed.epoch, parsed.first, parsed.next, parsed.cause)
            logger.warning(
                "calls: the hub has lost %d … %d: %s", parsed.first, parsed.next - 1, parsed.cause
            )
        else:
            answer = await self._on_records(parsed)
        self._answer(link, answer)

    async def _on_records(self, records: Records) -> Answer:
        began_ns = self._tracer.now()
        received = await self._desk.run(
            self._desk.store.receive, records.epoch, records.first, records.records, self._routes
        )
        if self._tracer.on:
            self._trace_taken(records, received.taken, began_ns)
        for reason in received.quarantined:
            logger.error("calls: a record lies in quarantine: %s", reason)
        for reason in received.refused:
            logger.warning("calls: refused: %s", reason)
        self._figures.calls.repeated += received.repeated
        self._desk.ring(received.lines)
        if received.told:
            self._desk.on_event()
        return received.answer

    def _trace_taken(self, records: Records, taken: Sequence[int], began_ns: int) -> None:
        for offset in taken:
            record = records.records[offset - records.first]
            if record["kind"] == "call":
                self._tracer.step(
                    Step.TAKE,
                    CallKey.model_validate(record["key"]),
                    began_ns,
                    place=Place(records.epoch, offset),
                )

    def _answer(self, link: Link, answer: Answer) -> None:
        link.publish(self._calls_ack, dump(AnswerMessage.of(answer)), 1)

    # --- events: we write ----------------------------------------------------------------------

    async def _new_writer(self) -> Writer:
        state = await self._desk.run(self._desk.store.event_state)
        writer = Writer(state, window=WINDOW, resend_after_s=self._resend_after_s)
        writer.connected()
        return writer

    async def _send_events(self, link: Link, writer: Writer) -> None:
        store, run = self._desk.store, self._desk.run
        state = await run(store.event_state)
        if state.epoch != writer.epoch:
            raise LinkError("the file of calls and events was begun anew: what is open is fetched")
        writer.appended(state.next)
        now = time.monotonic()
        if writer.wants_state(now):
            link.publish(self._events, dump(StateMessage.of(writer.state)), 1)
            writer.state_sent(now)
            self._state_said_at = now
        while (sending := writer.to_send(time.monotonic(), MAX_RECORDS)) is not None:
            began_ns = self._tracer.now()
            events = await run(store.events, sending.first, sending.after)
            for part in _messages(writer.epoch, sending, events):
                link.publish(self._events, part, 1)
            if self._tracer.on:
                self._trace_sent(writer.epoch, sending, events, began_ns)

    def _trace_sent(
        self, epoch: int, sending: Sending, events: Sequence[Any], began_ns: int
    ) -> None:
        """Tell of those that are sent for the first time: what the hub does not answer is sent
        again every few seconds."""
        fresh = self._told.offset if self._told.epoch == epoch else 0
        for offset, event in enumerate(events, sending.first):
            if offset >= fresh and isinstance(event, dict) and event.get("kind") in OUTCOMES:
                self._tracer.step(
                    Step.ANSWER,
                    CallKey.model_validate(event["key"]),
                    began_ns,
                    place=Place(epoch, offset),
                    more={"lineside.outcome": event["kind"]},
                )
        self._told = Place(epoch, max(fresh, sending.after))

    async def _count(self) -> None:
        counts = await self._desk.run(self._desk.store.counts)
        self._figures.calls.beat()
        self._figures.calls.calls_open = counts.calls_open
        self._figures.calls.events_pending = counts.events_pending
        self._figures.calls.quarantined = counts.quarantined
        self._figures.calls.set_aside = counts.set_aside

    async def _on_answer(self, writer: Writer, message: Message) -> Writer:
        """Take in the hub's position; returns the writer to go on with."""
        store, run = self._desk.store, self._desk.run
        try:
            answer = parse_answer(message.payload).answer()
        except EnvelopeError as error:
            logger.warning("events: an answer is not readable: %s", error)
            return writer
        now = time.monotonic()
        outcome = writer.on_answer(answer, now)
        if answer.epoch == writer.epoch and not self._heard:
            self._heard = True
            if await run(store.is_old_copy, answer.watermark):
                outcome = Outcome.ROLLED_BACK
        if outcome is Outcome.PROGRESS:
            writer.trimmed(await run(store.commit_events, writer.watermark))
            self._identity.recover()
        elif outcome is Outcome.ROLLED_BACK:
            state = await run(store.reopen_events)
            logger.error(
                "events: the hub has more of epoch %d than was ever written here: this disk is an "
                "old copy; going on under epoch %d, which sends again what is not known committed",
                writer.epoch,
                state.epoch,
            )
            return await self._new_writer()
        elif outcome is Outcome.LOST_CURSOR:
            writer.connected()
        elif outcome is Outcome.RESTATE and answer.epoch != writer.epoch:
            # Once is usual after a change of epoch; a hub that keeps to it has another writer.
            self._identity.fail(
                f"the hub is at epoch {answer.epoch}, not at ours ({writer.epoch}): another "
                "gateway with this identity may be running; events are kept until the hub takes "
                "them",
                after=3,
            )
        if now - self._state_said_at < self._resend_after_s and writer.wants_state(now):
            writer.state_sent(self._state_said_at)  # said a moment ago: the answer is on its way
        return writer


def _messages(epoch: int, sending: Sending, events: list[Any]) -> list[bytes]:
    """The records as they travel; what is not on the disk any more is named as lost."""
    at = sending.first
    if at + len(events) != sending.after:
        missing = "events missing on the gateway's disk"
        return [dump(Lost(epoch=epoch, first=at, next=sending.after, cause=missing))]
    messages: list[bytes] = []
    for cause, group in groupby(events, lambda e: e.cause if isinstance(e, LostEvent) else None):
        records = list(group)
        if cause is None:
            messages += dump_records(epoch, at, records)
        else:
            messages.append(dump(Lost(epoch=epoch, first=at, next=at + len(records), cause=cause)))
        at += len(records)
    return messages
