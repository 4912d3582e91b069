"""Takes a line's results out of its PLC: stored in order of their number, then acknowledged.

The PLC holds a result until it is acknowledged, so what a crash interrupts is read again, and its
number and digest tell whether it is stored already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from edge.calls.desk import Desk
from edge.calls.plc import LinePlc, SlotReading
from edge.calls.store import TakenResult
from edge.sources.begun import PartBegun
from protocols.jis.messages import Call, Event

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""A look without being told: a subscription that has fallen silent stops nothing."""
PATIENCE = 3
"""Looks at which a number is missing before it counts as lost: the PLC shows a result as soon as
its slot is free, so a higher number may be there before a lower one."""


class ResultReader:
    """Empties the result ring over one OPC UA session."""

    def __init__(self, desk: Desk, plc: LinePlc, line: str) -> None:
        self._desk = desk
        self._plc = plc
        self._line = line
        self._changed = asyncio.Event()
        self._missed: tuple[int, int] = (0, 0)

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
        expected = 1 if last is None else last + 1
        if fresh[0].no != expected and not await self._give_up(expected, fresh[0].no, last):
            return False
        taken = [reading.taken(self._line) for reading in fresh]
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
        self._desk.on_results(self._line, taken)
        await self._tell_begun(taken)
        await self._plc.acknowledge(fresh)
        return True

    async def _tell_begun(self, taken: Sequence[TakenResult]) -> None:
        """Tell which part was begun last, if any was."""
        events = [result.event for result in taken if isinstance(result.event, Event)]
        begun = next((event for event in reversed(events) if event.kind == "started"), None)
        if begun is None:
            return
        try:
            row = await self._desk.run(self._desk.store.call, str(begun.key))
            vin = Call.model_validate_json(row["body"]).vin
        except KeyError:  # the PLC has it from elsewhere
            vin = None
        part = PartBegun(str(begun.key), begun.key.production_no, vin, begun.serial)
        self._desk.on_begun(self._line, part)

    async def _give_up(self, expected: int, found: int, last: int | None) -> bool:
        """Whether the numbers before `found` have been waited for long enough."""
        times = self._missed[1] + 1 if self._missed[0] == found else 1
        self._missed = (found, times)
        if times < PATIENCE:
            return False
        if last is None:  # a new gateway on a line that has run before: others had those
            logger.info("line %s: results begin with number %d", self._line, found)
            return True
        logger.error(
            "line %s: results %d … %d were never seen, and the PLC does not hold them",
            self._line,
            expected,
            found - 1,
        )
        return True

    async def _seen(
        self, readings: list[SlotReading], last: int | None
    ) -> list[SlotReading] | None:
        """The readings stored before; None if one has an old number and was never stored."""
        seen = [reading for reading in readings if last is not None and reading.no <= last]
        for reading in seen:
            digest = reading.taken(self._line).digest
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
