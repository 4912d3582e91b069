"""A worker among several: it says that it lives, comes to its share of the groups, and speaks for
all as the Sparkplug host while it has the lease of that.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable, Sequence
from uuid import uuid4

import psycopg

from hub.ingest import leases, stored_births
from hub.ingest.host import PrimaryHost
from hub.ingest.inbox import Inbox, Leaving
from hub.ingest.leases import LeaseLostError, Standing
from hub.ingest.listener import Listeners
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings

logger = logging.getLogger(__name__)

_BEATS = 4
"""Beats within the time of a lease."""


class Sharing:
    """A thread with a connection of its own, so that a long commit keeps no sign of life back."""

    def __init__(
        self,
        database: Database,
        brokers: Sequence[BrokerSettings],
        host_id: str,
        lease_s: float,
        inbox: Inbox,
    ) -> None:
        self.id = uuid4()
        self._database = database
        self._brokers = brokers
        self._host_id = host_id
        self._lease_s = lease_s
        self._inbox = inbox
        self.listeners = Listeners(brokers, f"lineside-ingest-{host_id}-{self.id.hex[:12]}", inbox)
        self._speaking: list[PrimaryHost] = []
        self._tokens: dict[str, int] = {}
        """Of the groups that this worker has."""
        self._released: list[str] = []
        """Groups that the worker has done with."""
        self._heard: tuple[frozenset[str], float] | None = None
        """Groups whose births are dealt with that were said before this monotonic time."""
        self._lock = threading.Lock()
        self._to_release: set[str] = set()
        """Groups that are to be let go at the next beat."""
        self._alone = True
        self.leased: frozenset[str] = frozenset()
        """All groups in which anybody is registered."""
        self._beaten_at = -math.inf
        self._stopping = threading.Event()
        self._turn = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-leases")

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def speaks(self) -> bool:
        """Whether it speaks for all as the host."""
        return bool(self._speaking)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Leave all to the others; if there are none, say that the host is offline. The worker must
        have ended."""
        self._stopping.set()
        self._turn.set()
        self._thread.join()

    def has(self, group: str) -> bool:
        """Whether this worker has the group."""
        return group in self._tokens

    def join_again(self, taken: Iterable[str]) -> None:
        """Have `Joined` said once more of the groups that this worker has and has not taken."""
        with self._lock:
            waiting = self._tokens.keys() - set(taken)
        for group in waiting:
            self.listeners.join(group)

    def check(self, conn: psycopg.Connection, groups: Iterable[str]) -> None:
        """Within a transaction: its groups are this worker's until it ends. Raises
        `LeaseLostError`."""
        with self._lock:
            tokens = {group: self._tokens.get(group, -1) for group in groups}
        leases.check(conn, self.id, tokens)

    def left(self, group: str) -> None:
        """The worker has done with a group; others may have it."""
        self.listeners.leave(group)
        with self._lock:
            if self._tokens.pop(group, None) is not None:
                self._released.append(group)
        self._turn.set()

    def heard(self, groups: Iterable[str], asked_s: float) -> None:
        """All births of these groups that were said before this monotonic time are dealt with."""
        self._heard = frozenset(groups), asked_s

    def lost(self, error: LeaseLostError) -> None:
        """Others have these groups."""
        logger.warning("another worker has taken over: %s", error)
        for group in error.groups:
            with self._lock:
                self._tokens.pop(group, None)
            self.listeners.leave(group)

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                with self._database.connect("ingest", autocommit=True) as conn:
                    while not self._stopping.is_set():
                        self._beat(conn)
                        failing = False
                        self._turn.wait(self._lease_s / _BEATS)
                        self._turn.clear()
                    self._leave(conn)
            except psycopg.Error as error:
                if not failing:
                    logger.warning("leases cannot be renewed, trying again: %s", error)
                failing = True
            except Exception:
                if not failing:
                    logger.exception("leases: stopped by an error, trying again")
                failing = True
            if time.monotonic() - self._beaten_at > self._lease_s:
                self._fall_silent()  # others may speak by now
            self._stopping.wait(self._lease_s / _BEATS)
        self._fall_silent()

    def _beat(self, conn: psycopg.Connection) -> None:
        began = time.monotonic()
        heard, self._heard = self._heard, None
        if heard is not None:
            stored_births.mark_heard(conn, *heard)
        with self._lock:
            released, self._released = self._released, []
        if released:
            leases.release(conn, self.id, released)
        standing = leases.beat(conn, self.id, self._lease_s)
        self._beaten_at = began
        self._alone = standing.alone
        self.leased = standing.known
        self._take_up(standing)
        self.listeners.ask_heard()
        if leases.STATE in standing.held and not self._speaking:
            self._speak()
        elif leases.STATE not in standing.held:
            self._fall_silent()

    def _take_up(self, standing: Standing) -> None:
        """Bring what this worker listens to in line with what it has."""
        held = {name: token for name, token in standing.held.items() if name != leases.STATE}
        with self._lock:
            gone = [group for group, token in self._tokens.items() if held.get(group) != token]
            for group in gone:
                del self._tokens[group]
            # What the worker has let go meanwhile is released at the next beat.
            known = {*self._tokens, *self._released}
            fresh = [group for group in held if group not in known]
            self._tokens |= {group: held[group] for group in fresh}
        for group in gone:
            logger.warning("group %s: another worker has taken over", group)
        for group in fresh:
            logger.info("group %s: taken", group)
            self.listeners.join(group)
        # What is to be let go is heard to the end before: see `stored_births`.
        leaving = self._to_release.intersection(standing.release)
        self._to_release = set(standing.release)
        for group in {*gone, *leaving} - set(fresh):
            self._inbox.put(Leaving(group))

    def _speak(self) -> None:
        logger.info("speaking as the Sparkplug host %s", self._host_id)
        self._speaking = [
            PrimaryHost(
                broker,
                self._host_id,
                None,
                client_id=f"lineside-host-{self._host_id}-{self.id.hex[:12]}",
                # Another notices within a lease and a beat, and must connect.
                will_delay_s=math.ceil(2 * self._lease_s) + 5,
            )
            for broker in self._brokers
        ]
        for host in self._speaking:
            host.start()

    def _fall_silent(self) -> None:
        speaking, self._speaking = self._speaking, []
        for host in speaking:
            host.fall_silent()

    def _leave(self, conn: psycopg.Connection) -> None:
        leases.release(conn, self.id)
        if self._alone:
            speaking, self._speaking = self._speaking, []
            for host in speaking:
                host.stop()
