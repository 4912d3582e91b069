"""The groups that a worker takes data of, and may write of: all, or its part as one of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psycopg

from hub.ingest import stored_births
from hub.ingest.inbox import Heard, Message
from hub.ingest.leases import LeaseLostError, connection_name
from hub.ingest.lives import LIFE, Life, Lives, died
from hub.ingest.registry import Gateway, speaker
from hub.ingest.sharing import Sharing
from hub.ingest.stored_births import Stored
from protocols.sparkplug.topics import DeviceTopic, NodeTopic

_T = TypeVar("_T")
_MAX_LIVES_BYTES = 64 * 1024 * 1024
"""A thousand gateways of two thousand tags."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A node that another worker had: its births and deaths in order, and the number before which
    that one has stored all that it said, if it is known."""

    node: str
    lived: Sequence[Life]
    next_seq: int | None


class Groups:
    """Touched by the worker's thread, and by its helper's within a commit (`fence`)."""

    def __init__(self, sharing: Sharing | None) -> None:
        """Without `sharing` there is one worker, which takes all."""
        self._sharing = sharing
        self._taken: set[str] = set()
        self._lives = Lives(_MAX_LIVES_BYTES)
        self._heard: dict[str, float] = {}
        """By broker: when it was asked for what it had, all of which has come."""
        self._listening_since: datetime | None = None
        """By the database's clock; all births since then are in `_lives`."""

    @property
    def connection_name(self) -> str | None:
        """What the connection must be called over which is committed; None: as it likes."""
        return None if self._sharing is None else connection_name(self._sharing.id)

    def takes(self, group: str) -> bool:
        """Whether this worker takes the group's data."""
        return self._sharing is None or group in self._taken

    def watches(self, group: str) -> bool:
        """Whether this worker is to notice who speaks in a group that nobody takes: where there is
        no lease no node is registered, and the one that speaks for all sees to it."""
        sharing = self._sharing
        return sharing is not None and sharing.speaks and group not in sharing.leased

    def heard(self, message: Message) -> None:
        """Keep births and deaths, of groups that others have too."""
        if self._sharing is None:
            return
        parts = message.topic.split("/", 3)
        if len(parts) == 4 and parts[2] in LIFE:
            topic = speaker(message.topic)
            if topic is not None and not self._lives.heard(topic, message):
                self.missed()

    def missed(self) -> None:
        """Births and deaths may have gone by unheard."""
        self._lives.forget()
        self._heard.clear()
        self._listening_since = None

    def heard_all(self, heard: Heard) -> bool:
        """A broker has no more from before it was asked. Whether it is to be found out since when
        all is heard."""
        if self._sharing is None:
            return False
        self._heard[heard.broker] = heard.asked_s
        if self._heard.keys() < self._sharing.listeners.places:
            return False
        self._sharing.heard(self._taken, min(self._heard.values()))
        return self._listening_since is None

    def listening(self, since: datetime) -> None:
        """All births since then have been heard, or will be."""
        self._listening_since = since

    def may_join(self, group: str) -> bool:
        """Whether a group whose data have begun to come in is still this worker's."""
        return self._sharing is not None and self._sharing.has(group)

    def join_again(self) -> None:
        """Groups may have begun to come in unheard: it is to be said once more."""
        if self._sharing is not None:
            self._sharing.join_again(self._taken)

    def join(self, group: str, stored: Mapping[str, Stored]) -> Iterator[TakeOver]:
        """Take a group's data from now on; its nodes that live, with what is stored of each and
        what was heard while another had it. Of one that has died the other will have noted it; else
        its silence tells."""
        self._taken.add(group)
        heard = dict(self._lives.of(group))
        for node in {**stored, **heard}:
            lives = heard.get(node, [])
            if not died(lives):
                yield _take_over(group, node, stored.get(node), lives)

    def trusted(self, conn: psycopg.Connection, group: str) -> Mapping[str, Stored]:
        """The stored births of a group, if none has gone by unheard since; else they are deleted.
        Within a transaction."""
        return stored_births.take_over(conn, group, self._listening_since)

    def distrust(self, conn: psycopg.Connection) -> None:
        """Delete all births that this worker has stored. Within a transaction."""
        stored_births.forget_groups(conn, sorted(self._taken))

    def node_born(
        self, conn: psycopg.Connection, gateway: Gateway, payload: bytes, next_seq: int | None
    ) -> None:
        """Store the birth of a node; within the transaction of what it changes."""
        if self._sharing is not None:
            stored_births.begin(conn, gateway, payload, next_seq)

    def device_born(
        self, conn: psycopg.Connection, gateway: Gateway, device: str, payload: bytes
    ) -> None:
        """Store the birth of a device; within the transaction of what it changes."""
        if self._sharing is not None:
            stored_births.add(conn, gateway, device, payload)

    def node_died(self, conn: psycopg.Connection, gateway: Gateway) -> None:
        """Delete the births of a node; within the transaction of what its death changes."""
        if self._sharing is not None:
            stored_births.forget(conn, gateway)

    def device_died(self, conn: psycopg.Connection, gateway: Gateway, device: str) -> None:
        """Delete the birth of a device; within the transaction of what its death changes."""
        if self._sharing is not None:
            stored_births.remove(conn, gateway, device)

    @property
    def taken(self) -> frozenset[str]:
        """The groups that this worker has, as one of several."""
        return frozenset(self._taken)

    def leave(self, group: str) -> None:
        """Done with a group; others may have it."""
        self._taken.discard(group)
        if self._sharing is not None:
            self._sharing.left(group)

    def lost(self, error: LeaseLostError) -> None:
        """Others have groups that this worker took for its own."""
        self._taken -= error.groups
        if self._sharing is not None:
            self._sharing.lost(error)

    def fence(self, conn: psycopg.Connection, groups: Iterable[str]) -> None:
        """Within a transaction: what is of these groups may be written. Raises `LeaseLostError`."""
        if self._sharing is not None:
            self._sharing.check(conn, groups)

    def fenced(
        self, groups: Iterable[str], work: Callable[[psycopg.Connection], _T]
    ) -> Callable[[psycopg.Connection], _T]:
        """The same work in the database, done only as long as the groups are this worker's."""
        if self._sharing is None:
            return work

        def of_groups(conn: psycopg.Connection) -> _T:
            with conn.transaction():
                self.fence(conn, groups)
                return work(conn)

        return of_groups


def _take_over(group: str, node: str, stored: Stored | None, heard: Sequence[Life]) -> TakeOver:
    """What is known of a node. If it was born again while this worker listened, what is stored is
    of the birth before, unless it is that same birth."""
    born = next((message.payload for topic, message in heard if topic.type == "NBIRTH"), None)
    if born is not None:
        same = stored is not None and stored.node == born
        return TakeOver(node, heard, stored.next_seq if stored is not None and same else None)
    if stored is None:
        return TakeOver(node, heard, None)
    lived: list[Life] = [_life(NodeTopic(group, "NBIRTH", node), stored.node)]
    for device, payload in stored.devices.items():
        lived.append(_life(DeviceTopic(group, "DBIRTH", node, device), payload))
    return TakeOver(node, [*lived, *heard], stored.next_seq)


def _life(topic: NodeTopic | DeviceTopic, payload: bytes) -> Life:
    return topic, Message(str(topic), payload)
