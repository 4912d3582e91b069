"""Which part each line has begun: told by the call lane, for sources whose device is to know it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartBegun:
    """A part that a line's PLC has reported as begun."""

    call: str
    """Key of its call."""
    production_no: str
    vin: str | None
    """Of the car; None if its call does not say it or is not known."""
    serial: str | None
    """None if the PLC gives it only later."""


class PartsBegun:
    """The newest part of each line, by `plant/line`; whoever is slow misses those before it."""

    def __init__(self) -> None:
        self._newest: dict[str, PartBegun] = {}
        self._changed = asyncio.Event()

    def note(self, line: str, part: PartBegun) -> None:
        """A line has begun a part, or says so again."""
        self._newest[line] = part
        self._changed.set()
        self._changed = asyncio.Event()

    async def other_than(self, line: str, known: PartBegun | None) -> PartBegun:
        """The newest part of a line, once there is one that is not `known`."""
        while (newest := self._newest.get(line)) is None or newest == known:
            await self._changed.wait()
        return newest
