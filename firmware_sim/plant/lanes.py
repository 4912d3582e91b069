"""What a plant's systems tell the hub, each in its own order, over any time the hub is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Say = Callable[[], Awaitable[None]]


class Lane:
    """Messages of one of the plant's systems: said one after another, in the order they were put.

    `said` counts those that the hub has; another lane's message may wait for it.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[_Message] = asyncio.Queue()
        self._more_said = asyncio.Condition()
        self.put = 0
        self.said = 0

    @property
    def idle(self) -> bool:
        return self.said == self.put

    def add(self, say: Say, *, after: Mark | None = None) -> Mark:
        """Say this next, but not before what `after` marks has been said; the mark of this."""
        self.put += 1
        self._queue.put_nowait(_Message(say, after))
        return Mark(self, self.put)

    async def serve(self) -> None:
        """Say for ever what is put."""
        while True:
            message = await self._queue.get()
            if message.after is not None:
                await message.after.reached()
            await message.say()
            async with self._more_said:
                self.said += 1
                self._more_said.notify_all()

    async def reached(self, count: int) -> None:
        """Wait until so many have been said."""
        async with self._more_said:
            await self._more_said.wait_for(lambda: self.said >= count)


@dataclass(frozen=True, slots=True)
class Mark:
    """A message's place in its lane."""

    lane: Lane
    count: int

    async def reached(self) -> None:
        """Wait until it has been said."""
        await self.lane.reached(self.count)


@dataclass(frozen=True, slots=True)
class _Message:
    say: Say
    after: Mark | None = field(default=None)
