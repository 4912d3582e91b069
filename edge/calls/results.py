"""Takes a line's results out of its PLC: stored in order of their number, then acknowledged.

The PLC holds a result until it is acknowledged, so what a crash interrupts is read again, and its
number and digest tell whether it is stored already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from edge.calls.desk import Desk
from edge.calls.plc import LinePlc, SlotReading

logger = logging.getLogger(__name__)

POLL_S = 2.0
"""A look without being told: a subscription that has fallen silent stops nothing."""


class ResultReader:
    """Empties the result ring over one OPC UA session."""

    def __init__(self, desk: Desk, plc: LinePlc, line: str) -> None:
        self._desk = desk
        self._plc = plc
        self._line = line
        self._changed = asyncio.Event()

    def ring(self) -> None:
        """A result has appeared on the PLC."""
        self._changed.set()

    async def run(self) -> None:
        """Read until the session fails (`OSError`, `ua.UaError`, `PlcError`)."""
        while True:
            self._changed.clear()
            if not await self._take():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._changed.wait()

    async def _take(self) -> bool:
        """Store and acknowledge what the ring holds; False if there was nothing."""
        store, run = self._desk.store, self._desk.run
        last = await run(store.last_result, self._line)
        readings = await self._plc.results()
        if readings and (last is None or readings[0].no != last + 1):
            # A read of several nodes is no snapshot: a lower number may have been written while it
            # ran. It stands by now, so a second read finds it.
            readings = await self._plc.results()
        if not readings:
            return False
        seen = await self._seen(readings, last)
        if seen is None:
            logger.warning("line %s: the PLC's result numbers have begun anew", self._line)
            await run(store.forget_results, self._line)
            return True
        if seen:
            await self._plc.acknowledge(seen)
        fresh = _consecutive(readings[len(seen) :])
        if not fresh:
            return bool(seen)
        if last is not None and fresh[0].no != last + 1:
            logger.error(
                "line %s: results %d … %d were never seen and the PLC does not hold them",
                self._line,
                last + 1,
                fresh[0].no - 1,
            )
            await run(store.miss_results, self._line, last + 1, fresh[0].no)
        taken = [reading.taken() for reading in fresh]
        await run(store.take_results, self._line, taken)
        for result in taken:
            if result.event is None:
                logger.error(
                    "line %s: result %d lies in quarantine: %s",
                    self._line,
                    result.no,
                    result.reason,
                )
        self._desk.on_event()
        await self._plc.acknowledge(fresh)
        return True

    async def _seen(
        self, readings: list[SlotReading], last: int | None
    ) -> list[SlotReading] | None:
        """The readings stored before; None if one has an old number and was never stored."""
        seen = [reading for reading in readings if last is not None and reading.no <= last]
        for reading in seen:
            digest = reading.taken().digest
            if not await self._desk.run(self._desk.store.is_taken, self._line, reading.no, digest):
                return None
        return seen


def _consecutive(readings: list[SlotReading]) -> list[SlotReading]:
    """The leading readings whose numbers follow one another."""
    run: list[SlotReading] = []
    for reading in readings:
        if run and reading.no != run[-1].no + 1:
            break
        run.append(reading)
    return run
