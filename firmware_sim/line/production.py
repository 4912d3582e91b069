"""The line at work: it builds its calls one by one, packs the parts and ships the racks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncua import ua

from firmware_sim.line.ledger import Result
from firmware_sim.line.process import (
    GOOD,
    JOINING,
    NOK,
    PROCESS_TAGS,
    SERIAL,
    STATIONS,
    TESTED_AT,
    TESTING,
    TIGHTENING,
    VERDICT,
    PartProcess,
    Station,
    lot,
)
from firmware_sim.line.results import ResultRing
from firmware_sim.line.server import PlcServer
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import HandedCall, PackedPart, Part, RetentiveMemory
from firmware_sim.line.tags import TagBoard, now_us

SHIP = "Line.Ship"
"""Boolean, writable: true asks the PLC to ship part-filled racks; it sets it false when done."""


class Production:
    """Builds one part at a time. A part that fails its test is built again under a new serial."""

    def __init__(
        self,
        server: PlcServer,
        memory: RetentiveMemory,
        tags: TagBoard,
        settings: LineSettings,
        call_left_queue: Callable[[], None],
    ) -> None:
        self._server = server
        self._memory = memory
        self._tags = tags
        self._settings = settings
        self._call_left_queue = call_left_queue
        self._work_to_do = asyncio.Event()
        self._lot = lot(settings.seed)

    async def add_nodes(self) -> None:
        """Add the process tags and the command to ship."""
        state = self._memory.state
        kept = {station.cycles: state.cycles for station in STATIONS}
        kept |= {GOOD: state.good, NOK: state.nok}
        for tag in PROCESS_TAGS:
            await self._tags.add(tag, kept.get(tag))
        await self._server.add(SHIP, ua.VariantType.Boolean, False, writable=True)
        self._server.on_write(SHIP, self.wake)

    def wake(self) -> None:
        """There may be work: a call has come, results have left, shipping was asked for."""
        self._work_to_do.set()

    async def serve(self, ring: ResultRing) -> None:
        """Work for ever, giving results out on `ring`."""
        state = self._memory.state
        while True:
            if self._server.flag(SHIP):
                await self._ship_all(ring)
                await self._server.write(SHIP, False)
            elif state.part is not None:
                await self._build(state.part, ring)
            elif state.queue and len(state.results) < self._settings.result_backlog:
                state.part = self._new_part(state.queue.pop(0), attempt=1)
                self._memory.save()
                self._call_left_queue()
            else:
                await self._wait(ring)

    async def _wait(self, ring: ResultRing) -> None:
        state = self._memory.state
        self._work_to_do.clear()
        part_filled = any(rack.waiting for rack in state.racks.values())
        patience_s = self._settings.ship_idle_s if part_filled and not state.queue else None
        try:
            async with asyncio.timeout(patience_s):
                await self._work_to_do.wait()
        except TimeoutError:
            await self._ship_all(ring)

    async def _build(self, part: Part, ring: ResultRing) -> None:
        state, key = self._memory.state, part.call.key
        process = PartProcess(self._settings.seed, key, part.attempt, self._settings.nok_rate)
        if not part.produced:
            await self._work(JOINING, part, process)
            await self._work(TIGHTENING, part, process)
            part.produced = True
            await self._give(ring, [state.give("produced", key, now_us(), serial=part.serial)])
        await self._work(TESTING, part, process)
        await self._show_verdict(part, process)
        await self._give(ring, self._finish(part, process))

    async def _work(self, station: Station, part: Part, process: PartProcess) -> None:
        """Let a station do its share of the cycle, with a value of each curve per step."""
        loop = asyncio.get_running_loop()
        share_s = self._settings.cycle_s / self._settings.speed / len(STATIONS)
        step_s = share_s / self._settings.steps
        await self._tags.write(station.recipe, f"{part.call.part_no}/{part.call.colour}")
        await self._tags.write(station.running, True)
        due = loop.time()
        for values in process.values(station, self._settings.steps):
            for tag, value in values:
                await self._tags.write(tag, value)
            # Never catch up what a busy machine has cost: a line does not work faster for it.
            due = max(due + step_s, loop.time())
            await asyncio.sleep(due - loop.time())
        await self._tags.write(station.running, False)
        await self._tags.write(station.cycles, self._memory.state.cycles + 1)

    async def _show_verdict(self, part: Part, process: PartProcess) -> None:
        state = self._memory.state
        state.cycles += 1
        state.good += process.ok
        state.nok += not process.ok
        await self._tags.write(SERIAL, part.serial)
        await self._tags.write(VERDICT, _verdict(process))
        await self._tags.write(TESTED_AT, now_us() // 1000)
        await self._tags.write(GOOD, state.good)
        await self._tags.write(NOK, state.nok)

    def _finish(self, part: Part, process: PartProcess) -> list[Result]:
        """Results of a tested part, and what follows: it is packed, or built anew."""
        state, call, at = self._memory.state, part.call, now_us()
        results = [
            state.give("inspected", call.key, at, serial=part.serial, verdict=_verdict(process))
        ]
        if not process.ok:
            state.part = self._new_part(call, part.attempt + 1)
            return results
        state.part = None
        results.append(
            state.give("packed", call.key, at, serial=part.serial, rack=call.rack, slot=call.slot)
        )
        packed = PackedPart(key=call.key, serial=part.serial, slot=call.slot)
        if state.pack(call.rack, packed, self._settings.rack_slots):
            results += self._ship(call.rack)
        return results

    def _new_part(self, call: HandedCall, attempt: int) -> Part:
        state = self._memory.state
        serial = f"{self._settings.line}-{self._lot}-{state.next_serial:06d}"
        state.next_serial += 1
        return Part(call=call, serial=serial, attempt=attempt)

    async def _ship_all(self, ring: ResultRing) -> None:
        racks = [name for name, rack in self._memory.state.racks.items() if rack.waiting]
        await self._give(ring, [result for name in racks for result in self._ship(name)])

    def _ship(self, rack: str) -> list[Result]:
        state, at = self._memory.state, now_us()
        return [
            state.give("shipped", part.key, at, serial=part.serial, rack=rack, slot=part.slot)
            for part in state.ship(rack, self._settings.rack_slots)
        ]

    async def _give(self, ring: ResultRing, results: list[Result]) -> None:
        self._memory.save()
        await ring.publish(results)


def _verdict(process: PartProcess) -> str:
    return "ok" if process.ok else "nok"
