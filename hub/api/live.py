"""What has changed, told to those who watch, as it happens.

One thread listens to the database for all watchers and looks, while anybody watches, at what sends
no notification: the gateways' health and the newest samples of the tags watched. A watcher is told
which thing changed, and fetches it; so a change that is told twice, late or merged does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from hub.calls.notify import CHANGES, Change

logger = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often the gateways and the watched tags are looked at."""
GATHER_S = 0.1
"""Changes of one thing within this time are told as one."""
REMEMBERED = 2_000
"""Changes a watcher may have missed and still be brought up to date; else it begins anew."""
MAX_WATCHERS = 200
RETRY_S = 1.0

_NEWEST = """
SELECT t.id, t.owner, t.partner, (SELECT max(time) FROM sample s WHERE s.tag_id = t.id)
FROM tag t WHERE t.id = ANY (%s)
"""


class TooManyError(RuntimeError):
    """No more watchers are let in."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event for a watcher."""

    id: str
    event: str
    """reset: fetch everything anew. Otherwise what has changed."""
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Numbered:
    mark: str
    number: int
    change: Change
    tag: int | None = None

    @property
    def thing(self) -> tuple[str, str | None, str | None, int | None]:
        return self.change.topic, self.change.plant, self.change.line, self.tag


@dataclass(eq=False, slots=True)
class _Watcher:
    tenant: str
    tag: int | None
    waiting: dict[tuple[str, str | None, str | None, int | None], _Numbered] = field(
        default_factory=dict
    )
    """By thing, so that a slow watcher holds one entry for each and no more."""
    missed: bool = False
    """Whether changes may have gone by untold."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, item: _Numbered) -> None:
        if self.tenant in item.change.tenants and item.tag in (None, self.tag):
            self.waiting.pop(item.thing, None)
            self.waiting[item.thing] = item
            self.wake.set()

    def begin_anew(self) -> None:
        self.waiting.clear()
        self.missed = True
        self.wake.set()


class Live:
    """The change feed of one hub process. `dsn` is of the role `lineside_ingest`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # The mark tells a number from one before which something may have gone by unheard.
        self._mark = secrets.token_hex(4)
        self._number = 0
        self._remembered: deque[_Numbered] = deque(maxlen=REMEMBERED)
        self._watchers: set[_Watcher] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.listening = threading.Event()
        """Set while the database tells of every change."""
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen; watchers live on `loop`."""
        self._loop = loop
        self._thread.start()

    def close(self) -> None:
        """End all watching. Call it on the loop, before the server waits for its connections."""
        self._closed = True
        for watcher in self._watchers:
            watcher.wake.set()

    def stop(self) -> None:
        """Wait for the thread to end, after `close`."""
        self._thread.join()

    async def watch(
        self, tenant: str, tag: int | None = None, last: str | None = None
    ) -> AsyncIterator[Told]:
        """Events for one watcher, for as long as it is iterated; `last` is the id it saw last.

        Raises `TooManyError`.
        """
        if len(self._watchers) >= MAX_WATCHERS:
            raise TooManyError
        watcher = _Watcher(tenant, tag)
        missed = self._since(last)
        self._watchers.add(watcher)
        try:
            if missed is None:
                yield self._reset()
            for item in missed or ():
                watcher.tell(item)
            while not self._closed:
                await watcher.wake.wait()
                await asyncio.sleep(GATHER_S)
                watcher.wake.clear()
                anew, watcher.missed = watcher.missed, False
                told, watcher.waiting = list(watcher.waiting.values()), {}
                if anew:
                    yield self._reset()
                for item in told:
                    yield self._told(item)
        finally:
            self._watchers.discard(watcher)

    def _since(self, last: str | None) -> list[_Numbered] | None:
        """What came after the event `last`; None if that is not known any more."""
        mark, _, number = (last or "").partition("-")
        if mark != self._mark or not number.isdigit():
            return None
        missed = [item for item in self._remembered if item.number > int(number)]
        known_from = self._remembered[0].number if self._remembered else self._number + 1
        return missed if int(number) + 1 >= known_from else None

    def _reset(self) -> Told:
        return Told(f"{self._mark}-{self._number}", "reset", {})

    def _told(self, item: _Numbered) -> Told:
        known = {"plant": item.change.plant, "line": item.change.line, "tag": item.tag}
        data = {key: value for key, value in known.items() if value is not None}
        return Told(f"{item.mark}-{item.number}", item.change.topic, data)

    def _tell(self, change: Change, tag: int | None = None) -> None:
        """From the thread: let the watchers know."""
        self._on_loop(lambda: self._spread(change, tag))

    def _on_loop(self, work: Callable[[], None]) -> None:
        if self._loop is None or self._closed:
            return
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            self._closed = True  # the loop has ended

    def _begin_anew(self) -> None:
        """Changes may have gone by unheard: what was seen until now says nothing of the present."""
        self._mark = secrets.token_hex(4)
        self._remembered.clear()
        for watcher in self._watchers:
            watcher.begin_anew()

    def _spread(self, change: Change, tag: int | None) -> None:
        self._number += 1
        item = _Numbered(self._mark, self._number, change, tag)
        self._remembered.append(item)
        for watcher in self._watchers:
            watcher.tell(item)

    def _run(self) -> None:
        away = False
        while not self._closed:
            try:
                with (
                    psycopg.connect(self._dsn, autocommit=True) as listener,
                    psycopg.connect(self._dsn, autocommit=True) as connection,
                ):
                    listener.execute(f"LISTEN {CHANGES}")
                    self._on_loop(self._begin_anew)
                    self.listening.set()
                    if away:
                        logger.info("live events: the database is back")
                    away = False
                    self._listen(listener, connection)
            except psycopg.Error as error:
                self.listening.clear()
                if not away:
                    text = str(error).strip().partition("\n")[0]
                    logger.warning("live events: the database is away, trying again: %s", text)
                away = True
                time.sleep(RETRY_S)

    def _listen(self, listener: psycopg.Connection, connection: psycopg.Connection) -> None:
        health: dict[int, Any] = {}
        newest: dict[int, Any] = {}
        while not self._closed:
            for notification in listener.notifies(timeout=LOOK_S, stop_after=1):
                try:
                    self._tell(Change.parse(notification.payload))
                except (ValueError, TypeError):
                    logger.warning("not a change: %s", notification.payload)
            if self._watchers:
                self._look_at_gateways(connection, health)
                self._look_at_tags(connection, newest)

    def _look_at_gateways(self, connection: psycopg.Connection, known: dict[int, Any]) -> None:
        rows = connection.execute(
            "SELECT gateway, owner, partner, online, since, metrics::text, conflict"
            " FROM gateway_status"
        ).fetchall()
        for gateway, owner, partner, *health in rows:
            if known.get(gateway) != health:
                known[gateway] = health
                self._tell(Change("gateways", None, None, tuple(filter(None, (owner, partner)))))

    def _look_at_tags(self, connection: psycopg.Connection, known: dict[int, Any]) -> None:
        watched = {watcher.tag for watcher in tuple(self._watchers) if watcher.tag is not None}
        for tag, owner, partner, newest in connection.execute(
            _NEWEST, (sorted(watched),)
        ).fetchall():
            if known.get(tag) != newest:
                known[tag] = newest
                self._tell(
                    Change("samples", None, None, tuple(filter(None, (owner, partner)))), tag
                )
