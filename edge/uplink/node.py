"""The Sparkplug edge node: one MQTT session, from its will to its death, on one server at a time.

A session connects with its NDEATH as will, subscribes, waits until the primary host is online,
gives birth, and then sends what the journal holds as the stream's writer decides: what is appended
from now on goes ahead of the backlog. Where there are several servers, it goes on to the next when
one refuses, dies, or has no primary host, and stays where it finds one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, NoReturn

from edge.journal import Gap, Lost, SampleBatch, Stored, Tag, TelemetryJournal
from edge.link import Link, LinkError, Message
from edge.pictures import PictureStore
from edge.servers import Servers
from edge.status import Condition, Figures
from edge.uplink.bdseq import BirthDeathSequence
from edge.uplink.births import CURSOR, Names, Value, device_birth, health, node_birth
from edge.uplink.old_copy import OldCopyWatch
from edge.uplink.pictures import PictureAnswers
from edge.uplink.records import gap_payload, lost_payload, node_data, samples_payload
from edge.uplink.settings import UplinkSettings
from protocols.inspection.fetching import WANTED
from protocols.jis.envelope import EnvelopeError, parse_answer
from protocols.mqtt.broker import BrokerSettings, Will
from protocols.sparkplug import Metric, Payload, PayloadError, decode, encode
from protocols.sparkplug.session import (
    HostState,
    HostWatch,
    SequenceCounter,
    StateError,
    asks_rebirth,
    death_payload,
)
from protocols.sparkplug.topics import (
    command_subscriptions,
    device_topic,
    node_topic,
    state_topic,
)
from protocols.streams import Outcome, Sending, Writer

logger = logging.getLogger(__name__)

WINDOW = 128
"""Records in flight; half of it for backlog."""
MAX_RECORDS = 8
"""Records read from the journal at once."""
TURN = 4
"""So many times, before others on the loop have theirs; a live record never waits for more."""
RESEND_AFTER_S = 5.0
REBIRTH_EVERY_S = 2.0
"""Least time between two births of a session."""
REBIRTH_MOST_S = 60.0
"""While no answer comes the births become rarer, up to this."""
HEALTH_EVERY_S = 5.0
OLD_WORD_S = 600.0
"""After so long without its host, an online state counts though one heard before was newer: the
host's clock was set back, and it would else stay away until that has caught up."""


class HostOfflineError(LinkError):
    """The primary host went offline: the session ends, and what comes waits in the journal."""


class HostAbsentError(LinkError):
    """The primary host has not shown on this server for a while, and there is another one."""


class RolledBackError(LinkError):
    """This disk is an old copy: the journal goes on under a new epoch, and so does the uplink."""


class EdgeNode:
    """The uplink of one gateway. `serve` is one MQTT session; the caller starts the next."""

    def __init__(
        self,
        journal: TelemetryJournal,
        brokers: Sequence[BrokerSettings],
        group: str,
        node: str,
        host_id: str,
        bd_seq: BirthDeathSequence,
        figures: Figures,
        devices: Iterable[str] = (),
        settings: UplinkSettings | None = None,
        *,
        resend_after_s: float = RESEND_AFTER_S,
        rebirth_every_s: float = REBIRTH_EVERY_S,
    ) -> None:
        """`brokers`: in the order in which they are tried. `devices`: those that are born although
        nothing is known of their tags yet."""
        self._journal = journal
        self._servers = Servers(brokers)
        self._settings = settings or UplinkSettings()
        self._group = group
        self._node = node
        self._bd_seq = bd_seq
        self._figures = figures
        self._online = dict.fromkeys(devices, False)
        self._resend_after_s = resend_after_s
        self._rebirth_every_s = rebirth_every_s
        self._client_id = f"lineside-{group}-{node}"
        self._state_topic = state_topic(host_id)
        self._command_topic = node_topic(group, "NCMD", node)
        self._hosts: defaultdict[str, HostWatch] = defaultdict(HostWatch)
        """The primary host as each server shows it."""
        self._absent_since = time.monotonic()
        self._voided: HostState | None = None
        """The online state of this connection that counts for nothing, being older than another."""
        self._last: dict[int, Value] = {}
        self._recalled: set[int] = set()
        self._old_copy = OldCopyWatch(journal)
        self._session: _Session | None = None
        self._pictures: PictureAnswers | None = None
        self._host_condition = Condition(logger, f"host {host_id}")
        self._identity = Condition(logger, "telemetry stream")
        self._too_large = Condition(logger, "record")
        journal.on_append = self._nudge
        journal.on_tags = self._tags_changed

    def set_device(self, device: str, *, online: bool) -> None:
        """A device's connection has come or gone: it is born, or dies."""
        if self._online.get(device) == online:
            return
        self._online[device] = online
        if self._session is not None:
            self._session.device_changed(device)

    def offer(self, pictures: PictureStore) -> None:
        """The hub may ask for these."""
        largest = self._settings.max_message_kb * 1024
        self._pictures = PictureAnswers(pictures, largest)
        self._tags_changed()

    def say_anew(self) -> None:
        """What only a birth says has changed."""
        self._tags_changed()

    async def serve(self, connected: Callable[[], None]) -> None:
        """Connect and work until the connection ends or the host goes. Raises `LinkError`; the next
        call then begins with the next server."""
        while True:
            try:
                await self._serve_here(connected)
            except RolledBackError:
                raise
            except HostAbsentError as error:
                self._servers.walk()
                logger.debug("%s; going on to %s", error, self._servers.current.place)
            except LinkError:
                self._servers.walk()
                raise

    async def _serve_here(self, connected: Callable[[], None]) -> None:
        """One session on the present server."""
        figures, broker = self._figures.uplink, self._servers.current
        figures.server = broker.place
        bd_seq = await asyncio.to_thread(self._bd_seq.next)
        topic = node_topic(self._group, "NDEATH", self._node)
        death = Will(topic, encode(death_payload(bd_seq, _now_ms())), qos=1, retain=False)
        try:
            link = Link(broker, self._client_id, clean_session=True, will=death)
        except LinkError:
            self._bd_seq.not_used()
            raise
        try:
            await link.connect()
            figures.connected = True
            commands = command_subscriptions(self._group, self._node)
            await link.subscribe([(self._state_topic, 1), *((topic, 1) for topic in commands)])
            await self._await_host(link)
            self._session = _Session(self, link, bd_seq)
            connected()
            try:
                await self._session.run()
            except RolledBackError as error:
                state = await self._journal.begin_epoch()
                logger.error(
                    "%s: this disk is an old copy; going on under epoch %d, which sends again what "
                    "is not known to be committed",
                    error,
                    state.epoch,
                )
                raise
            finally:
                self._session = None
                self._absent_since = time.monotonic()
                _say(link, topic, encode(death_payload(bd_seq, _now_ms())))
        finally:
            figures.connected = figures.host_online = False
            self._hosts[broker.place].disconnected()
            self._voided = None
            if not link.opened:
                self._bd_seq.not_used()
            await link.close()

    async def _await_host(self, link: Link) -> None:
        give_up_at = time.monotonic() + self._settings.host_wait_s
        while not self._host_online:
            left_s = RESEND_AFTER_S
            if self._servers.several:
                left_s = min(left_s, give_up_at - time.monotonic())
                if left_s <= 0:
                    raise HostAbsentError(f"{self._state_topic} is not online here")
            self._figures.uplink.beat()
            message = await link.receive(left_s)
            if message is not None and message.topic == self._state_topic:
                self._hear_host(message)
            if self._voided and time.monotonic() - self._absent_since > OLD_WORD_S:
                logger.warning("the clock of the host was set back; its state counts from now on")
                self._hosts[self._servers.current.place] = HostWatch()
                self._hosts[self._servers.current.place].heard(self._voided)
            if not self._host_online:
                self._host_condition.fail("is not online; samples are kept until it is")
        self._host_condition.recover()

    @property
    def _host_online(self) -> bool:
        return self._hosts[self._servers.current.place].online

    def _hear_host(self, message: Message) -> None:
        try:
            state = HostState.parse(message.payload)
        except StateError as error:
            logger.warning("a message on %s is not a host's state: %s", message.topic, error)
            return
        self._hosts[self._servers.current.place].heard(state)
        self._voided = state if state.online and not self._host_online else None
        self._figures.uplink.host_online = self._host_online

    def _nudge(self) -> None:
        if self._session is not None:
            self._session.link.nudge()

    def _tags_changed(self) -> None:
        if self._session is not None:
            self._session.tags_changed()


class _Session:
    """A session after its first birth."""

    def __init__(self, node: EdgeNode, link: Link, bd_seq: int) -> None:
        self.link = link
        self._of = node
        self._journal = node._journal
        self._bd_seq = bd_seq
        self._data_topic = node_topic(node._group, "NDATA", node._node)
        self._seq = SequenceCounter()
        self._names = Names({}, b"")
        self._tags: list[Tag] = []
        self._writer = self._new_writer()
        self._born_at = -math.inf
        self._birth_wanted = True
        self._birth_every_s = node._rebirth_every_s
        self._devices_changed: set[str] = set()
        self._health: dict[str, int | None] = {}
        """As it was said last, of all metrics that the birth names."""
        self._health_at = -math.inf

    def device_changed(self, device: str) -> None:
        """Say so with the next message."""
        self._devices_changed.add(device)
        self.link.nudge()

    def tags_changed(self) -> None:
        """The birth did not name all tags, or says what is no longer so."""
        self._birth_wanted = True
        self.link.nudge()

    async def run(self) -> None:
        """Work until the link ends (`LinkError`)."""
        while True:
            now = time.monotonic()
            self._figure()
            self._bear(now)
            more = False
            if not self._birth_wanted:  # until the births are said again no data may be sent
                self._say_devices()
                self._say_health(now)
                more = self._send(now)
                more = self._send_picture() or more
            message = await self.link.receive(0.0 if more else self._wait_s())
            if more and message is None:
                await asyncio.sleep(0)  # backlog leaves the loop to the others between its turns
            while message is not None:
                self._hear(message)
                message = await self.link.receive(0.0)

    # --- what we hear --------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        node = self._of
        if message.topic == node._state_topic:
            node._hear_host(message)
            if not node._host_online:
                raise HostOfflineError("the host has gone offline")
        elif message.topic == node._command_topic:
            try:
                command = decode(message.payload)
            except PayloadError as error:
                logger.warning("a command on %s is not readable: %s", message.topic, error)
                return
            if asks_rebirth(command):
                self._birth_wanted = True
            for metric in command.metrics:
                if metric.name == CURSOR and isinstance(metric.value, str):
                    self._hear_cursor(metric.value)
                elif metric.name == WANTED and isinstance(metric.value, str) and node._pictures:
                    node._pictures.hear(metric.value)

    def _hear_cursor(self, text: str) -> None:
        try:
            answer = parse_answer(text.encode()).answer()
        except EnvelopeError as error:
            logger.warning("an answer of the hub is not readable: %s", error)
            return
        writer = self._writer
        if answer.epoch == writer.epoch and self._of._old_copy.hears(answer, self._of._nudge):
            self._roll_back()
        outcome = writer.on_answer(answer, time.monotonic())
        if outcome in (Outcome.PROGRESS, Outcome.UNCHANGED):
            self._journal.committed(writer.watermark)
            self._of._figures.uplink.last_answer = datetime.now(UTC)
            self._birth_every_s = self._of._rebirth_every_s
            self._of._identity.recover()
        elif outcome is Outcome.LOST_CURSOR:
            writer.connected()
        elif outcome is Outcome.ROLLED_BACK:
            self._roll_back()
        elif answer.epoch != writer.epoch:
            self._of._identity.fail(
                f"the hub is at epoch {answer.epoch}, not at ours ({writer.epoch}): another "
                "gateway with this identity may be running; samples are kept until the hub takes "
                "them",
                after=3,
            )

    def _roll_back(self) -> NoReturn:
        raise RolledBackError(
            f"the hub has more of epoch {self._writer.epoch} than was written here"
        )

    # --- what we say ---------------------------------------------------------------------------

    def _new_writer(self) -> Writer:
        writer = Writer(
            self._journal.state,
            window=WINDOW,
            resend_after_s=self._of._resend_after_s,
            live_first=True,
            drain=self._of._settings.drain(),
        )
        writer.connected()
        return writer

    def _wait_s(self) -> float:
        """How long nothing has to be done unless something happens."""
        now = time.monotonic()
        birth_at = self._born_at + self._birth_every_s
        if self._birth_wanted:
            # Nothing else is said before; it only shows that it is at work.
            return max(0.0, min(birth_at - now, HEALTH_EVERY_S))
        due = [self._health_at + HEALTH_EVERY_S]
        next_due = birth_at if self._writer.wants_state(now) else self._writer.next_due()
        if next_due is not None:
            due.append(next_due)
        return max(0.0, min(due) - now)

    def _bear(self, now: float) -> None:
        """Give birth if it is wanted, and not too often."""
        unanswered = self._writer.wants_state(now)
        if not (self._birth_wanted or unanswered) or now < self._born_at + self._birth_every_s:
            return
        if unanswered and self._born_at > -math.inf:
            self._birth_every_s = min(REBIRTH_MOST_S, self._birth_every_s * 2)
        node = self._of
        self._birth_wanted = False
        self._devices_changed.clear()
        self._tags = self._named_tags()
        self._names = Names.draw(node._online, self._tags)
        self._writer.appended(self._journal.state.next)
        self._health = health(node._figures)
        now_ms = _now_ms()
        birth = node_birth(
            self._bd_seq,
            self._writer.state,
            node._figures,
            now_ms,
            backlog_order=node._settings.backlog_order,
            repeats_from=self._journal.repeats_from,
            pictures=node._pictures is not None,
        )
        topic = node_topic(node._group, "NBIRTH", node._node)
        self.link.publish(topic, encode(Payload(now_ms, birth, self._seq.begin())), 0)
        for device in self._names.devices:
            self._bear_device(device)
        for device in self._names.devices:
            if not node._online.get(device, False):
                self._device_death(device)
        self._born_at = now
        node._figures.uplink.births += 1
        self._writer.reborn()
        self._writer.state_sent(now)

    def _named_tags(self) -> list[Tag]:
        """The journal's tags, and those of records that a hub restored from a backup asks for."""
        tags = self._journal.tags()
        known = {tag.id for tag in tags}
        taken = {(tag.device, tag.name) for tag in tags}
        for tag_id in sorted(self._of._recalled - known):
            tag = self._journal.tag(tag_id)
            if (tag.device, tag.name) in taken:
                tag = replace(tag, name=f"{tag.name}:{tag.datatype}")
            tags.append(tag)
        return tags

    def _say_devices(self) -> None:
        """Birth or death of the devices whose connection came or went."""
        changed, self._devices_changed = self._devices_changed, set()
        for device in sorted(changed):
            if device not in self._names.devices:
                self._birth_wanted = True
            elif self._of._online.get(device, False):
                self._bear_device(device)
            else:
                self._device_death(device)

    def _say_health(self, now: float) -> None:
        """The gateway's figures, if they have changed."""
        if now < self._health_at + HEALTH_EVERY_S:
            return
        self._health_at = now
        figures, said = health(self._of._figures), self._health
        # A device that is new is named by the next birth, and not before.
        changed = {name: n for name, n in figures.items() if said.get(name, n) != n}
        if changed:
            payload = node_data(changed, self._seq.take(), _now_ms(), historical=False)
            self.link.publish(self._data_topic, payload, 0)
            said.update(changed)

    def _send(self, now: float) -> bool:
        """Send what the writer says; True if it left off with more to send."""
        figures, state = self._of._figures.uplink, self._journal.state
        if state.first_kept > self._writer.first_kept:
            self._writer.trimmed(state.first_kept)
        self._writer.appended(state.next)
        if self._of._old_copy.holds_back:
            return False
        for _ in range(TURN):
            sending = self._writer.to_send(now, MAX_RECORDS)
            if sending is None:
                return False
            records = sending.after - sending.first
            if sending.again:
                figures.resent += records
            elif sending.late:
                figures.drained += records
            else:
                figures.sent += records
            self._send_records(sending)
            if self._birth_wanted:
                return False  # what is behind a record that waits for its tags' birth waits too
        return True

    def _send_picture(self) -> bool:
        """Send a part of a picture that is asked for; True if there may be more."""
        answers = self._of._pictures
        part = answers.take() if answers is not None and not self._birth_wanted else None
        if part is None:
            return False
        payload = node_data(part, self._seq.take(), _now_ms(), historical=False)
        self.link.publish(self._data_topic, payload, 0)
        return True

    def _send_records(self, sending: Sending) -> None:
        at = sending.first
        while at < sending.after:
            found = self._journal.read(at, sending.after)
            if not found:
                return
            for stored in found:
                self._send_record(stored, historical=sending.late)
            at = found[-1].after

    def _send_record(self, stored: Stored, *, historical: bool) -> None:
        record, epoch, now_ms = stored.record, self._writer.epoch, _now_ms()
        if isinstance(record, SampleBatch):
            kinds = self._names.kinds(record.tags)
            if kinds is None:
                self._recall(record)
            if kinds is None or self._birth_wanted:
                return
            seq = self._seq.take()
            payload = samples_payload(
                record,
                kinds,
                self._names.devices[record.device],
                epoch,
                stored.first,
                seq=seq,
                now_ms=now_ms,
                historical=historical,
            )
            if self._is_too_large(payload, stored):
                record = Lost(
                    "larger than the broker takes", min(record.times_us), max(record.times_us)
                )
            else:
                topic = device_topic(self._of._group, "DDATA", self._of._node, record.device)
                self.link.publish(topic, payload, 0)
                if not historical:
                    self._note(record)
                return
        elif self._birth_wanted:
            return
        else:
            seq = self._seq.take()
        if isinstance(record, Gap):
            payload = gap_payload(
                record, epoch, stored.first, seq=seq, now_ms=now_ms, historical=historical
            )
        else:
            payload = lost_payload(
                stored, record, epoch, seq=seq, now_ms=now_ms, historical=historical
            )
        self.link.publish(self._data_topic, payload, 0)

    def _is_too_large(self, payload: bytes, stored: Stored) -> bool:
        """Whether the broker would end the connection over this record each time it comes."""
        limit_kb = self._of._settings.max_message_kb
        if len(payload) <= limit_kb * 1024:
            return False
        self._of._too_large.fail(
            f"record {stored.first} makes a message of {len(payload)} bytes; the most is "
            f"{limit_kb} KiB (uplink.max_message_kb): it is given up, and a gap names it"
        )
        return True

    def _recall(self, batch: SampleBatch) -> None:
        """The last birth does not name all tags of this record; the next one will, and then the
        writer begins again with it. Till then nothing is sent, lest it come out of order."""
        self._of._recalled.update(batch.tags)
        self._birth_wanted = True

    def _note(self, batch: SampleBatch) -> None:
        """Remember the last values, for the next birth."""
        last = self._of._last
        last.update(zip(batch.tags, batch.numbers, strict=True))
        for position, value in batch.others.items():
            last[batch.tags[position]] = value

    def _bear_device(self, device: str) -> None:
        now_ms = _now_ms()
        metrics = device_birth(device, self._tags, self._names, self._of._last, now_ms)
        self._device_message("DBIRTH", device, metrics, now_ms)

    def _device_death(self, device: str) -> None:
        self._device_message("DDEATH", device, [], _now_ms())

    def _device_message(
        self, kind: Literal["DBIRTH", "DDEATH"], device: str, metrics: list[Metric], now_ms: int
    ) -> None:
        topic = device_topic(self._of._group, kind, self._of._node, device)
        self.link.publish(topic, encode(Payload(now_ms, metrics, self._seq.take())), 0)

    def _figure(self) -> None:
        self._of._figures.uplink.beat()
        self._of._figures.journal.records = self._journal.depth
        self._of._figures.journal.bytes = self._journal.bytes
        self._of._figures.uplink.backlog = self._writer.backlog - self._writer.in_flight


def _say(link: Link, topic: str, death: bytes) -> None:
    """Say in person what the will would say, if the link still stands."""
    try:
        link.publish(topic, death, 1)
    except LinkError:
        return


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
