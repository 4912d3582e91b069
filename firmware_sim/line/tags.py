"""Process tags of a running PLC: each change is counted in the ledger, then shown to clients."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from asyncua import ua

from firmware_sim.line.clock import EPOCH
from firmware_sim.line.ledger import Ledger, Sample, TagValue
from firmware_sim.line.process import INITIAL, Tag
from firmware_sim.line.server import PlcServer

_SET_BACK_MS = 500
"""A clock this far behind a tag's last change was set back; less is a burst of changes."""


class TagBoard:
    """Writes process tags. A value equal to the last one is no change: subscriptions would not be
    told, so it is neither written nor counted."""

    def __init__(self, server: PlcServer, ledger: Ledger | None) -> None:
        self._server = server
        self._ledger = ledger
        self._values: dict[str, TagValue | None] = {}
        self._times_ms: dict[str, int] = {}

    async def add(self, tag: Tag, value: TagValue | None = None) -> None:
        """Add the tag's node and write its first value, which counts as its first change."""
        first = INITIAL[tag.type] if value is None else value
        await self._server.add(tag.node, ua.VariantType[tag.type], _as_ua(tag, first))
        self._values[tag.node] = None
        self._times_ms[tag.node] = 0
        await self.write(tag, first)

    async def write(self, tag: Tag, value: TagValue) -> None:
        """Change a tag. Its source time is a whole millisecond later than its last one at least, so
        that no two changes of a tag are one on a wire that carries milliseconds; unless the PLC's
        clock was set back."""
        if value == self._values[tag.node]:
            return
        at_ms, last_ms = time.time_ns() // 1_000_000, self._times_ms[tag.node]
        if last_ms - _SET_BACK_MS < at_ms <= last_ms:
            at_ms = last_ms + 1
        self._values[tag.node] = value
        self._times_ms[tag.node] = at_ms
        if self._ledger is not None:
            self._ledger.add(Sample(tag.node, at_ms * 1000, tag.type, value))
        await self._server.write(tag.node, _as_ua(tag, value), _instant(at_ms))


def _instant(at_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at_ms)


def _as_ua(tag: Tag, value: TagValue) -> bool | int | float | str | datetime:
    return _instant(int(value)) if tag.type == "DateTime" else value
