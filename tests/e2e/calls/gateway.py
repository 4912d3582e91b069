"""A supplier's gateway, the real call lane on a real file, driven a message at a time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from edge.calls.desk import Desk
from edge.calls.lane import CallLane
from edge.calls.store import CallStore
from edge.link import LinkError, Message
from edge.status import Figures
from hub.calls.lane import Received
from protocols.mqtt.broker import BrokerSettings
from tests.e2e.calls.channel import Channel

_T = TypeVar("_T")
BROKER = BrokerSettings(host="127.0.0.1", port=1, tls=False)


class GatewayLink:
    """The gateway's end: in place of `edge.link.Link`. `parked` says that the lane waits."""

    made: ClassVar[list[GatewayLink]] = []
    """Those that no gateway has taken over yet."""

    def __init__(self, *_settings: Any, **_options: Any) -> None:
        self.made.append(self)
        self.parked = asyncio.Event()
        self.sent: list[tuple[str, bytes]] = []
        self.waits: asyncio.Future[Message | None] | None = None

    async def connect(self) -> None: ...

    async def subscribe(self, topics: Sequence[tuple[str, int]]) -> None: ...

    async def close(self) -> None: ...

    def nudge(self) -> None: ...

    def publish(self, topic: str, payload: bytes, _qos: int) -> None:
        self.sent.append((topic, payload))

    async def receive(self, _timeout_s: float | None) -> Message | None:
        self.waits = asyncio.get_running_loop().create_future()
        self.parked.set()
        return await self.waits


class Gateway:
    """One gateway that serves one line. `told` is called with each event that it appends."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        channel: Channel,
        directory: Path,
        group: str,
        node: str,
        line: str,
        part_groups: Sequence[str],
        told: Callable[[str, str], None],
    ) -> None:
        self.line = line
        self.group, self.node = group, node
        self._loop, self._channel = loop, channel
        self._path = directory / node / "calls.sqlite"
        self._routes = {line: frozenset(part_groups)}
        self._told = told
        self._noted = 0
        self._task: asyncio.Task[None] | None = None
        self._open()

    # --- its life ------------------------------------------------------------------------------

    def _open(self) -> None:
        self.store = CallStore.open(self._path)
        self._desk = Desk(self.store, self._routes)
        self._lane = CallLane(self._desk, [BROKER], self.group, self.node, self._routes, Figures())
        self._connect()

    def _connect(self) -> None:
        async def begin() -> None:
            self._task = asyncio.create_task(self._lane.serve(lambda: None))
            await asyncio.sleep(0)  # with which the lane has come to making its link
            self._link = GatewayLink.made.pop()
            await self._parked()

        self._loop.run_until_complete(begin())
        self._flush()

    def cut(self) -> None:
        """The connection breaks, and is made again."""
        self._end()
        self._connect()

    def restart(self) -> None:
        """It is killed, and starts on what it has on disk."""
        self._end()
        self._desk.close()
        self._open()

    def close(self) -> None:
        self._end()
        self._desk.close()

    def _end(self) -> None:
        async def end() -> None:
            assert self._link.waits is not None
            assert self._task is not None
            self._link.waits.set_exception(LinkError("cut"))
            await asyncio.gather(self._task, return_exceptions=True)

        self._loop.run_until_complete(end())

    # --- its work ------------------------------------------------------------------------------

    def hear(self, message: Received | None) -> None:
        """Let its lane take this message; None: time has gone by, or there is something to send."""

        async def give() -> None:
            assert self._link.waits is not None
            self._link.parked.clear()
            self._link.waits.set_result(
                None if message is None else Message(message.topic, message.payload, False)
            )
            await self._parked()

        self._loop.run_until_complete(give())
        self._flush()

    def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Run a function of the store, as the line's own sessions do; then send what came of it."""
        result = self._loop.run_until_complete(self._desk.run(function, *args))
        self.note_events()
        self.hear(None)
        return result

    def note_events(self) -> None:
        """Tell of the events that were appended."""
        state = self.store.event_state()
        for event in self.store.events(self._noted, state.next):
            if "key" in event:
                key = "/".join(str(part) for part in event["key"].values())
                name = event["kind"]
                if name == "inspected":
                    name = f"inspected_{event['verdict']}"
                self._told(key, name)
        self._noted = state.next

    async def _parked(self) -> None:
        assert self._task is not None
        parked = asyncio.create_task(self._link.parked.wait())
        await asyncio.wait({parked, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            parked.cancel()
            self._task.result()

    def _flush(self) -> None:
        self.note_events()
        for topic, payload in self._link.sent:
            self._channel.send("up", topic, payload)
        self._link.sent.clear()

    # --- what it knows -------------------------------------------------------------------------

    def knows(self) -> dict[str, dict[str, Any]]:
        """Each call as it knows it: content, the plant's wish, the part's status, what is due."""
        with closing(sqlite3.connect(self._path)) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT * FROM call").fetchall()
        return {row["key"]: {**dict(row), "body": json.loads(row["body"])} for row in rows}

    def noted_trouble(self) -> list[tuple[Any, ...]]:
        """What lies in quarantine, and what is missing."""
        with closing(sqlite3.connect(self._path)) as database:
            return [
                *database.execute("SELECT stream, record_offset, reason FROM quarantine"),
                *database.execute("SELECT stream, first_no, next_no, cause FROM gap"),
            ]
