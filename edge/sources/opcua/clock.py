"""The clocks: how far the server's is from ours, and when one of the two steps.

Both are held against the monotonic clock, which nobody sets (`edge.sources.clock`). The offset is
the median of a few reads of the server's current time, each taken to be of the middle of its round
trip. What the server's clock said last is kept over restarts, since it may be set while nobody
looks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from asyncua import Client, ua

from edge.journal import Gap
from edge.sources.clock import OwnClock
from edge.sources.opcua.values import EPOCH, microseconds
from edge.status import SourceFigures

logger = logging.getLogger(__name__)

TICK_S = 1.0
ROUND_S = 30.0
READS = 5
"""Reads of a round; the median of their offsets counts."""
SERVER_STEP_US = 1_000_000
"""Servers' clocks tick as coarsely as a tenth of a second, and round trips are not even."""
_DRIFT = 5000
"""Two sound clocks part by less than a microsecond in so many."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CURRENT_TIME = ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServerStatus_CurrentTime))


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of the server's clock. All in microseconds; the server's and our wall clock since
    the epoch."""

    server_us: int
    wall_us: int
    """Our clock in the middle of the round trip."""
    steady_us: int
    """The monotonic clock then."""


class ClockWatch(OwnClock):
    """What is known of the clocks of one source. Outlives sessions."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.offset_ms: float | None = None
        """The server's clock less ours."""
        self._server: tuple[int, int] | None = None
        """The server's clock and the monotonic one at the last round."""
        self._wall_us = 0
        """Our clock then."""

    def mark(self, boot: str) -> str:
        """What `recall` has to know of the last round; `boot` says for which start of this PC its
        monotonic clock counts."""
        if self._server is None:
            return ""
        server_us, steady_us = self._server
        return json.dumps([server_us, steady_us, self._wall_us, boot])

    def recall(self, mark: str, boot: str, wall_us: int, steady_us: int) -> None:
        """Go on from the mark of an earlier run. If this PC was started since, its own clock has to
        say how long ago that was."""
        if mark:
            server_us, then_us, then_wall_us, then_boot = json.loads(mark)
            if then_boot != boot:
                then_us = steady_us - (wall_us - then_wall_us)
            self._server = (server_us, then_us)

    def round(self, readings: Sequence[Reading]) -> Gap | None:
        """The server's clock, read a few times. A gap if it has stepped since the last round."""
        if not readings:
            return None
        self.offset_ms = statistics.median(r.server_us - r.wall_us for r in readings) / 1000
        offset = round(statistics.median(r.server_us - r.steady_us for r in readings))
        steady_us = readings[-1].steady_us
        before, self._server = self._server, (steady_us + offset, steady_us)
        self._wall_us = readings[-1].wall_us
        if before is None:
            return None
        least_us = max(SERVER_STEP_US, (steady_us - before[1]) // _DRIFT)
        return self._step(before, self._server, least_us, "the PLC")


async def watch_clocks(
    client: Client,
    watch: ClockWatch,
    figures: SourceFigures,
    report: Callable[[Sequence[Gap], str], None],
) -> None:
    """Look at both clocks until cancelled. Raises as the session does when it is lost. `report` is
    told of gaps, and after each round of the mark that is to be kept with them.

    A server without a current time is asked no more; ours is watched all the same.
    """
    next_round: float | None = time.monotonic()
    while True:
        found = [watch.look()]
        mark = ""
        if next_round is not None and time.monotonic() >= next_round:
            readings = await read_clock(client)
            found.append(watch.round(readings))
            mark = watch.mark(boot_id())
            figures.clock_offset_ms = watch.offset_ms
            next_round = time.monotonic() + ROUND_S if readings else None
        gaps = [gap for gap in found if gap is not None]
        for gap in gaps:
            logger.warning("%s: %s", figures.device, gap.cause)
        if gaps or mark:
            report(gaps, mark)
        await asyncio.sleep(TICK_S)


async def read_clock(client: Client) -> list[Reading]:
    """The server's clock, read a few times; nothing if it does not tell a time."""
    readings = []
    for _ in range(READS):
        sent_us, sent_wall_us = time.monotonic_ns() // 1000, time.time_ns() // 1000
        (data,) = await client.uaclient.read_attributes([_CURRENT_TIME], ua.AttributeIds.Value)
        half_us = (time.monotonic_ns() // 1000 - sent_us) // 2
        value = data.Value.Value if data.Value is not None else None
        if isinstance(value, datetime) and value >= EPOCH:
            readings.append(Reading(microseconds(value), sent_wall_us + half_us, sent_us + half_us))
    return readings


def boot_id() -> str:
    """Which start of this PC this is; empty if the system does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
