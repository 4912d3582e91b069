"""The groups that a worker takes data of, and may write of: all, or its part as one of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import psycopg

from hub.ingest.inbox import Message
from hub.ingest.leases import LeaseLostError, connection_name
from hub.ingest.lives import LIFE, Life, Lives, died
from hub.ingest.registry import speaker
from hub.ingest.sharing import Sharing

_T = TypeVar("_T")
_MAX_LIVES_BYTES = 64 * 1024 * 1024
"""A thousand gateways of two thousand tags."""


class Groups:
    """Touched by the worker's thread, and by its helper's within a commit (`fence`)."""

    def __init__(self, sharing: Sharing | None) -> None:
        """Without `sharing` there is one worker, which takes all."""
        self._sharing = sharing
        self._taken: set[str] = set()
        self._lives = Lives(_MAX_LIVES_BYTES)

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
            if topic is not None:
                self._lives.heard(topic, message)

    def forget_lives(self) -> None:
        """Births and deaths may have gone by unheard."""
        self._lives.forget()

    def may_join(self, group: str) -> bool:
        """Whether a group whose data have begun to come in is still this worker's."""
        return self._sharing is not None and self._sharing.has(group)

    def join(self, group: str) -> Iterator[tuple[str, list[Life]]]:
        """Take a group's data from now on; its nodes that live, with what was heard of each while
        another had it. Of one that has died the other will have noted it; else its silence tells.
        """
        self._taken.add(group)
        return (lived for lived in self._lives.of(group) if not died(lived[1]))

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
