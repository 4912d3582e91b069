"""Extra tags that change at a set rate, for measuring gateways under load."""

from __future__ import annotations

import asyncio

from firmware_sim.line.process import Tag, extra_tags
from firmware_sim.line.tags import TagBoard

_SLICES = 10
"""Parts of a period, so that changes come as a stream and not as one burst."""

_LAG_S = 1.0
"""The rate holds over such a time; a machine that is slower for longer changes them less often."""


class Load:
    """`count` Double tags, each changing `hz` times a second."""

    def __init__(self, tags: TagBoard, count: int, hz: float) -> None:
        self._tags = tags
        self._extra = extra_tags(count)
        self._hz = hz

    async def add_nodes(self) -> None:
        for tag in self._extra:
            await self._tags.add(tag)

    async def serve(self) -> None:
        """Change the tags for ever. What a busy machine delays is made up for, within limits."""
        loop = asyncio.get_running_loop()
        slices = [self._extra[start::_SLICES] for start in range(_SLICES)]
        due = loop.time()
        turn = 0
        while True:
            turn += 1
            for tags in slices:
                await self._change(tags, turn)
                due = max(due + 1 / (self._hz * _SLICES), loop.time() - _LAG_S)
                await asyncio.sleep(due - loop.time())

    async def _change(self, tags: list[Tag], turn: int) -> None:
        for number, tag in enumerate(tags):
            await self._tags.write(tag, number + turn * 0.125)
