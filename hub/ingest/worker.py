"""The worker: takes what the host received, has it committed, and answers.

Its thread is the only one to touch sessions, and the batch that grows; beside it helpers commit
the batches before. While the database is away it stands still with what it holds; the inbox fills
behind it, and nobody gets an answer for what is not committed.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg

from hub.ingest import cursors, lifecycle, stored_births
from hub.ingest.births import CURSOR, EPOCH, BirthError, OtherEpochError
from hub.ingest.committer import Committer, StoppedError
from hub.ingest.figures import IngestFigures
from hub.ingest.groups import Groups
from hub.ingest.host import Host
from hub.ingest.inbox import Arrival, Connected, Heard, Inbox, Joined, Message
from hub.ingest.leases import LeaseLostError
from hub.ingest.records import RecordReader, Taken
from hub.ingest.registry import Gateway, registered, speaker
from hub.ingest.session import Delivery, Device, Session
from hub.ingest.settings import IngestSettings
from hub.ingest.sharing import Sharing
from hub.ingest.strangers import Strangers
from hub.store import Database
from protocols.jis.envelope import dump_answer
from protocols.sparkplug import (
    Metric,
    Payload,
    PayloadError,
    decode,
    encode,
)
from protocols.sparkplug.session import MODULUS, SeqChecker, bd_seq_of, rebirth_command
from protocols.sparkplug.topics import DeviceTopic, NodeTopic
from protocols.streams import Cursor

logger = logging.getLogger(__name__)

_TICK_S = 0.25
_MAX_ROUTES = 100_000
_LAST_MS = 2**47
"""Some year that `datetime` still holds."""
_UNREAD_FACTOR = 12
"""So much more seldom births are asked for while the last ones could not be taken."""
_REGISTRY_S = 2.0
"""How soon a gateway is heard that was registered while it spoke."""
_DEVICES_SETTLE_S = 5.0
"""Births follow one another at once; a device not born this long after its node is offline."""
_SETTLE_EVERY_S = 2.0
"""Hundreds are born one after the other, and at each time the batch under way is waited for."""


class Worker:
    """Sessions, and what becomes of what they say."""

    def __init__(
        self,
        database: Database,
        settings: IngestSettings,
        inbox: Inbox,
        host: Host,
        figures: IngestFigures,
        sharing: Sharing | None = None,
    ) -> None:
        """With `sharing` it is one of several, and works for the groups that it has."""
        self._settings = settings
        self._inbox = inbox
        self._host = host
        self._figures = figures
        self._groups = Groups(sharing)
        self._reader = RecordReader(settings.max_ahead)
        self._stopping = threading.Event()
        self._committer = Committer(
            database, settings, figures, self._groups, self, inbox.wake, self._stopping
        )
        self._sessions: dict[tuple[str, str], Session] = {}
        self._routes: dict[str, tuple[Session, NodeTopic | DeviceTopic]] = {}
        self._strangers = Strangers()
        self._registry: dict[tuple[str, str], Gateway] = {}
        self._registry_read_at = -math.inf
        self._connected_at: float | None = None
        """Monotonic; while not all registered nodes have been heard of since."""
        self._unheard: list[tuple[str, str]] | None = None
        """Group and node of those; None: they are still to be found out."""
        self._ticked_at = 0.0
        self._settled_at = -math.inf

    def stop(self) -> None:
        """Make `run` return after the batch at hand; callable from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    self._round()
                except StoppedError:
                    raise
                except Exception:
                    # A fault of ours must not end ingest for good, nor go by unseen.
                    logger.exception("stopped by an error; beginning anew, from the births")
                    self._begin_anew()
            self._committer.flush()
        except StoppedError:
            logger.warning("stopped while the database was away; gateways will send again")
        finally:
            self._committer.close()

    def _round(self) -> None:
        """Take what has arrived, commit what is due, and do what time brings."""
        for arrival in self._inbox.take(self._committer.wait_s(_TICK_S)):
            self._figures.messages += 1
            try:
                self._arrived(arrival)
            except LeaseLostError as error:
                self.lost(error)
        self._committer.commit_due()
        now = time.monotonic()
        if now - self._ticked_at >= _TICK_S:
            self._ticked_at = now
            try:
                self._tick(now)
            except LeaseLostError as error:
                self.lost(error)

    def _begin_anew(self) -> None:
        """Let go of all that was gathered, which nobody has an answer for and gateways send again,
        and of the births: some may have been among what was taken and not read, or that a group
        has begun to come in."""
        self._committer.begin_anew()
        self._groups.missed()
        self._forget_births()
        self._groups.join_again()
        self._stopping.wait(_TICK_S)

    def _forget_births(self) -> None:
        for session in self._sessions.values():
            session.forget_births()
        while groups := self._groups.taken:
            try:
                self._committer.in_database(self._groups.fenced(groups, self._groups.distrust))
                break
            except LeaseLostError as error:
                self.lost(error)
        self._expect_births()

    def _expect_births(self) -> None:
        self._connected_at = time.monotonic()
        self._unheard = None

    # --- what arrives -----------------------------------------------------------------------------

    def _arrived(self, arrival: Arrival) -> None:
        if not isinstance(arrival, Message):
            if not isinstance(arrival, Heard):
                self._committer.flush()
            if isinstance(arrival, Connected):
                self._groups.missed()
                self._forget_births()
            elif isinstance(arrival, Heard):
                if self._groups.heard_all(arrival):
                    self._groups.listening(self._committer.in_database(stored_births.clock))
            elif isinstance(arrival, Joined):
                self._joined(arrival.group)
            else:
                self._leave(arrival.group)
            return
        route = self._routes.get(arrival.topic) or self._route(arrival.topic)
        if route is not None and route[1].type in ("DDATA", "NDATA"):
            if self._data(arrival, *route) is Taken.NEEDS_BIRTH:
                self._ask_rebirth(route[0])
            if self._committer.batch.bytes >= self._settings.batch_bytes:
                self._committer.hand_over()
            return
        self._groups.heard(arrival)
        if route is not None:
            self._committer.flush()
            self._life(arrival, *route)

    def _route(self, topic: str) -> tuple[Session, NodeTopic | DeviceTopic] | None:
        parsed = speaker(topic)
        if parsed is None:
            return None
        if not self._groups.takes(parsed.group):
            if self._groups.watches(parsed.group):
                self._strangers.heard(parsed.group, parsed.node)
            return None
        session = self._session(parsed.group, parsed.node)
        if session is None:
            self._strangers.heard(parsed.group, parsed.node)
            return None
        if len(self._routes) >= _MAX_ROUTES:
            self._committer.flush()  # what would be gathered again needs its routes
            self._routes.clear()
        self._routes[topic] = session, parsed
        return session, parsed

    # --- one of several workers -------------------------------------------------------------------

    def _joined(self, group: str) -> None:
        """All data of a group come in from now on. Its nodes go on from the births that were heard
        while another had it; those of which none was heard are asked."""
        if not self._groups.may_join(group):
            return
        self._drop(group)
        stored = self._committer.in_database(
            self._groups.fenced((group,), lambda conn: self._groups.trusted(conn, group))
        )
        for taken in self._groups.join(group, stored):
            session = self._session(group, taken.node)
            if session is None:
                continue
            for topic, message in taken.lived:
                self._life(message, session, topic, late=True)
            if session.born and session.delivery is Delivery.STANDARD:
                self._resume(session, taken.next_seq)
            else:
                session.seq.joined()
        self._expect_births()

    def _resume(self, session: Session, next_seq: int | None) -> None:
        """Go on with a node that keeps nothing. What it said while nobody listened shows as a gap
        once it says more; if it does not, it is asked. If where it stood is not known, at once."""
        if next_seq is None:
            session.seq.joined()
            self._ask_rebirth(session)
            return
        session.seq.joined(next_seq)
        session.quiet_since = time.monotonic()
        self._committer.of(session.gateway.group, lambda conn: self._note_seq(conn, session))

    def _leave(self, group: str) -> None:
        self._drop(group)
        self._groups.leave(group)

    def _drop(self, group: str) -> None:
        """Know nothing more of a group's nodes; what was gathered of them is let go."""
        self._sessions = {key: s for key, s in self._sessions.items() if key[0] != group}
        self._routes = {
            topic: route for topic, route in self._routes.items() if route[1].group != group
        }

    def lost(self, error: LeaseLostError) -> None:
        """Others have groups that this worker took for its own."""
        self._groups.lost(error)
        for group in error.groups:
            self._drop(group)

    # --- sessions ---------------------------------------------------------------------------------

    def _session(self, group: str, node: str) -> Session | None:
        """The session of a registered node. The registry is read again for one that is not known,
        but not at every message it sends."""
        session = self._sessions.get((group, node))
        if session is not None:
            return session
        now = time.monotonic()
        if (group, node) not in self._registry and now - self._registry_read_at >= _REGISTRY_S:
            self._registry = self._committer.in_database(registered)
            self._registry_read_at = now
        gateway = self._registry.get((group, node))
        if gateway is None:
            return None
        position = self._committer.in_database(lambda conn: cursors.load(conn, gateway))
        session = Session(gateway, SeqChecker(self._settings.reorder_s), position)
        if self._committer.in_database(lambda conn: lifecycle.in_conflict(conn, gateway)):
            session.conflict_at = now
        self._sessions[group, node] = session
        return session

    def read(self, message: Message) -> None:
        """Read a data message into the batch once more. None is asked for births by that: it was
        the first time."""
        route = self._routes.get(message.topic)
        if route is not None:
            self._data(message, *route, again=True)

    def _data(
        self,
        message: Message,
        session: Session,
        topic: NodeTopic | DeviceTopic,
        *,
        again: bool = False,
    ) -> Taken:
        self._committer.batch.add_message(message)
        now_s = None if again else time.monotonic()
        now_ms = time.time_ns() // 1_000_000
        payload = message.payload
        if isinstance(topic, DeviceTopic):
            return self._reader.device_data(
                self._committer.batch, session, topic.device, payload, now_s, now_ms
            )
        return self._reader.node_data(self._committer.batch, session, payload, now_s, now_ms)

    # --- births and deaths ------------------------------------------------------------------------

    def _life(
        self,
        message: Message,
        session: Session,
        topic: NodeTopic | DeviceTopic,
        *,
        late: bool = False,
    ) -> None:
        try:
            payload = decode(message.payload)
            if isinstance(topic, NodeTopic):
                if topic.type == "NBIRTH":
                    self._node_born(session, payload, message.payload, late=late)
                else:
                    self._node_died(session, payload)
            elif topic.type == "DBIRTH":
                self._device_born(session, topic.device, payload, message.payload)
            else:
                self._device_died(session, topic.device, payload)
        except (PayloadError, BirthError) as error:
            is_new = session.first_time(topic.type)
            if topic.type in ("NBIRTH", "DBIRTH") and not isinstance(error, OtherEpochError):
                device = topic.device if isinstance(topic, DeviceTopic) else None
                is_new = is_new and device not in session.unread
                self._birth_unread(session, device)
            counts = self._committer.batch.share(session).counts
            counts.messages += 1
            counts.refused += 1
            if is_new:
                logger.warning("%s: %s refused: %s", session.gateway, topic.type, error)

    def _birth_unread(self, session: Session, device: str | None) -> None:
        """A birth that cannot be taken may have given other meanings to aliases: what the last one
        said holds no longer. `None` is the node itself."""
        if not (device is None or device in session.devices or device in session.unread):
            return

        def work(conn: psycopg.Connection) -> None:
            if device is None:
                self._groups.node_died(conn, session.gateway)
            else:
                self._groups.device_died(conn, session.gateway, device)

        self._committer.of(session.gateway.group, work)
        session.unread.add(device)
        if device is None:
            session.forget_births()
        else:
            session.devices.pop(device, None)
        self._ask_rebirth(session)

    def _node_born(self, session: Session, payload: Payload, raw: bytes, *, late: bool) -> None:
        now = time.monotonic()
        next_seq = ((payload.seq or 0) + 1) % MODULUS

        def work(conn: psycopg.Connection) -> lifecycle.NodeBirth:
            gateway = session.gateway
            born = lifecycle.node_born(conn, gateway, payload, _utc_now(), late=late)
            if born.refused:
                self._groups.node_died(conn, gateway)
            else:
                streams = born.delivery is Delivery.STREAM
                self._groups.node_born(conn, gateway, raw, None if streams else next_seq)
            return born

        born = self._committer.of(session.gateway.group, work)
        was_born = session.born
        session.forget_births()
        session.position = born.position
        if born.refused:
            if session.conflict_at is None:
                logger.error(
                    "two gateways speak as %s: the log of one of them has ended; its records are"
                    " not taken, it keeps them. Give one of the two another node id",
                    session.gateway,
                )
            session.conflict_at = now
            self.answer([(session, session.position.cursor)])
            return
        if session.delivery is Delivery.UNKNOWN and born.delivery is Delivery.STANDARD:
            logger.warning(
                "%s is no Lineside gateway: its data are taken as Sparkplug offers them, and what"
                " is lost on the way is not noticed",
                session.gateway,
            )
        session.said.clear()
        session.unread.discard(None)
        session.born = True
        session.rebirth_wanted = False
        session.quiet_since = None
        session.born_at = now
        session.settled = False
        session.bd_seq = born.bd_seq
        session.delivery = born.delivery
        session.backlog_in_order = born.backlog_in_order
        session.aliases = born.aliases
        session.seq.born(payload.seq or 0)
        if not was_born:
            logger.info("%s is online", session.gateway)
        if born.node is not None:
            session.devices[None] = born.node
            self._birth_values(session, born.node, payload, raw)
        self.answer([(session, session.position.cursor)])

    def _device_born(self, session: Session, name: str, payload: Payload, raw: bytes) -> None:
        session.seq.arrived(payload.seq, time.monotonic())
        if not session.born:
            self._ask_rebirth(session)
            return
        self._check_epoch(session, payload)

        def work(conn: psycopg.Connection) -> Device:
            born = lifecycle.device_birth(conn, session.gateway, name, payload, _utc_now())
            self._groups.device_born(conn, session.gateway, name, raw)
            self._note_seq(conn, session)
            return born

        device = self._committer.of(session.gateway.group, work)
        session.devices[name] = device
        session.unread.discard(name)
        if session.delivery is Delivery.STANDARD:
            self._birth_values(session, device, payload, raw)

    def _check_epoch(self, session: Session, payload: Payload) -> None:
        """A device birth that names an epoch must name the open one: its aliases would otherwise
        give the records of another gateway a wrong meaning."""
        cursor = session.position.cursor
        for metric in payload.metrics:
            if metric.name == EPOCH and metric.value is not None:
                if cursor is None or metric.value != cursor.epoch:
                    raise OtherEpochError(f"it is of epoch {metric.value}, which is not open")
                return

    def _birth_values(self, session: Session, device: Device, payload: Payload, raw: bytes) -> None:
        wanted = self._committer.in_database(lambda conn: lifecycle.unseen(conn, device, payload))
        self._reader.birth_values(
            self._committer.batch, session, device, wanted, raw, time.time_ns() // 1_000_000
        )
        self._committer.flush()

    def _node_died(self, session: Session, payload: Payload) -> None:
        said = bd_seq_of(payload)
        if said != session.bd_seq if said is not None else not session.born:
            return  # of an earlier connect, or of one whose birth was never heard
        self._note_death(session)
        session.forget_births()
        session.unread.clear()
        logger.info("%s is offline", session.gateway)

    def _device_died(self, session: Session, name: str, payload: Payload) -> None:
        session.seq.arrived(payload.seq, time.monotonic())
        session.unread.discard(name)
        # Its aliases stay: records of before its death may still come.
        at = _utc_now()
        if payload.timestamp is not None:  # by the node's clock, as far as that is not ahead
            at = min(at, datetime.fromtimestamp(min(payload.timestamp, _LAST_MS) / 1000, UTC))

        def work(conn: psycopg.Connection) -> None:
            lifecycle.device_died(conn, session.gateway, name, at)
            self._groups.device_died(conn, session.gateway, name)
            self._note_seq(conn, session)

        self._committer.of(session.gateway.group, work)

    def _note_death(self, session: Session) -> None:
        def work(conn: psycopg.Connection) -> None:
            lifecycle.node_died(conn, session.gateway, _utc_now())
            self._groups.node_died(conn, session.gateway)

        self._committer.of(session.gateway.group, work)

    def _note_seq(self, conn: psycopg.Connection, session: Session) -> None:
        """What a node without stream says of its devices counts as its data do."""
        expected = session.seq.expected
        if session.delivery is Delivery.STANDARD and expected is not None:
            stored_births.note_seqs(conn, {session.gateway.id: expected})

    # --- what nodes are told ----------------------------------------------------------------------

    def answer(self, committed: Iterable[tuple[Session, Cursor | None]]) -> None:
        """Tell each node how far its stream is committed, if it has one."""
        now_ms = time.time_ns() // 1_000_000
        commands = []
        for session, cursor in committed:
            if cursor is not None:
                text = dump_answer(cursor.answer()).decode()
                metric = Metric(CURSOR, timestamp=now_ms, value=text)
                commands.append((session.command_topic, encode(Payload(now_ms, [metric]))))
        self._host.command(commands)

    def _ask_rebirth(self, session: Session) -> None:
        """Ask for all births: now, or as soon as the last request is long enough ago. Births that
        cannot be taken are likely to come once more: they are not asked for as often."""
        now = time.monotonic()
        every_s = self._settings.rebirth_every_s * (_UNREAD_FACTOR if session.unread else 1)
        session.rebirth_wanted = now - session.rebirth_asked_at < every_s
        if not session.rebirth_wanted:
            session.rebirth_asked_at = now
            asked = encode(rebirth_command(time.time_ns() // 1_000_000))
            self._host.command([(session.command_topic, asked)])

    # --- what time brings -------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        unsettled = []
        for session in list(self._sessions.values()):
            if session.born and session.seq.overdue(now):
                if session.first_time("overdue"):
                    logger.info("%s: messages are missing; asking for its births", session.gateway)
                self._ask_rebirth(session)
            elif session.rebirth_wanted or self._is_quiet(session, now):
                session.quiet_since = None
                self._ask_rebirth(session)
            if not session.settled and now - session.born_at >= _DEVICES_SETTLE_S:
                unsettled.append(session)
            if (
                session.conflict_at is not None
                and now - session.conflict_at >= self._settings.conflict_clear_s
            ):
                self._end_conflict(session)
        if unsettled and now - self._settled_at >= _SETTLE_EVERY_S:
            self._settled_at = now
            self._settle_devices(unsettled)
        self._look_for_births(now)
        if self._strangers.due(now):
            self._committer.in_database(self._strangers.store)

    def _is_quiet(self, session: Session, now: float) -> bool:
        since = session.quiet_since
        return since is not None and now - since >= self._settings.birth_grace_s

    def _settle_devices(self, sessions: Sequence[Session]) -> None:
        """All at once: after a connect hundreds are born together."""
        born = {
            session.gateway: [name for name in session.devices if name is not None]
            for session in sessions
        }
        self._committer.in_database(
            self._groups.fenced(
                {gateway.group for gateway in born},
                lambda conn: lifecycle.devices_absent(conn, born, _utc_now()),
            )
        )
        for session in sessions:
            session.settled = True

    def _end_conflict(self, session: Session) -> None:
        session.conflict_at = None
        self._committer.of(
            session.gateway.group, lambda conn: lifecycle.conflict_ended(conn, session.gateway)
        )
        logger.info("%s: no second gateway of this identity any more", session.gateway)

    def _look_for_births(self, now: float) -> None:
        """After a connect, ask the nodes that did not give birth by themselves; those that do not
        answer within the grace are offline, whatever they said last."""
        if self._connected_at is None or now - self._connected_at < self._settings.reorder_s:
            return
        if self._unheard is None:
            self._registry = self._committer.in_database(registered)
            self._unheard = [key for key in self._registry if self._groups.takes(key[0])]
        self._unheard = [key for key in self._unheard if not self._is_born(*key)]
        over = now - self._connected_at >= self._settings.birth_grace_s
        for key in self._unheard:
            session = self._session(*key)
            if session is not None:
                self._ask_rebirth(session)
                if over:
                    self._note_death(session)
        if over or not self._unheard:
            self._connected_at = None

    def _is_born(self, group: str, node: str) -> bool:
        """Whether there is nothing to ask of a node any more; nor is there if another has it."""
        session = self._sessions.get((group, node))
        return not self._groups.takes(group) or (session is not None and session.born)


def _utc_now() -> datetime:
    return datetime.now(UTC)
