"""Counters as a machine keeps them: they go on whoever listens, and over a loss of power.

Each value is counted in the ledger before a client can see it, so that what never reached anybody
is known by its number.
"""

from __future__ import annotations

import asyncio
import mmap
from pathlib import Path
from types import TracebackType
from typing import Self

from asyncua import ua

from firmware_sim.line.process import counter_tags
from firmware_sim.line.server import PlcServer
from firmware_sim.line.tags import TagBoard

RUN = "Line.Counters.Run"
"""Boolean, writable: as long as it is false the counters stand; true at each start."""

_NUMBER_BYTES = 8

_LAG_S = 1.0
"""The rate holds over such a time; a machine that is slower for longer counts less often."""


class RetainedNumbers:
    """Numbers that outlive the process: the kernel has each as soon as it is set, so that a `kill`
    at any moment loses none. A context manager; without a path they live as long as it does.

    Each is set by one store of its eight bytes: `struct.pack_into` would clear them first, and a
    `kill` in between would leave nothing.
    """

    def __init__(self, path: Path | None, count: int) -> None:
        """Raises `OSError` if the file cannot be written."""
        size = max(1, count) * _NUMBER_BYTES
        self._map = mmap.mmap(-1, size) if path is None else self._kept_in(path, size)
        self._numbers = memoryview(self._map).cast("q")

    @staticmethod
    def _kept_in(path: Path, size: int) -> mmap.mmap:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(max(size, file.tell()))
        with path.open("r+b") as file:
            return mmap.mmap(file.fileno(), size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._numbers.release()
        self._map.close()

    def __getitem__(self, index: int) -> int:
        return self._numbers[index]

    def __setitem__(self, index: int, number: int) -> None:
        self._numbers[index] = number


class Counters:
    """`count` Int64 tags that each count on `hz` times a second, 1, 2, 3 …"""

    def __init__(
        self, server: PlcServer, tags: TagBoard, numbers: RetainedNumbers, count: int, hz: float
    ) -> None:
        self._server = server
        self._tags = tags
        self._numbers = numbers
        self._counters = counter_tags(count)
        self._hz = hz

    async def add_nodes(self) -> None:
        """Add the tags. The first value of each is a new one: the PLC has started again."""
        if self._counters:
            await self._server.add(RUN, ua.VariantType.Boolean, True, writable=True)
        for index, tag in enumerate(self._counters):
            await self._tags.add(tag, self._next(index))

    async def serve(self) -> None:
        """Count for ever, the tags in turn, so that changes come as a stream and not as a burst."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for index, tag in enumerate(self._counters):
                due = max(due + 1 / (self._hz * len(self._counters)), loop.time() - _LAG_S)
                await asyncio.sleep(due - loop.time())
                if self._server.flag(RUN):
                    await self._tags.write(tag, self._next(index))

    def _next(self, index: int) -> int:
        # Retained first: a number that was taken and never counted was never produced, but one
        # counted twice would be two values with one name.
        self._numbers[index] += 1
        return self._numbers[index]
