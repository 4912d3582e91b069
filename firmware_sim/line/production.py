"""The line at work: it builds its calls one by one and packs the parts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from asyncua import ua

from firmware_sim.line.clock import now_us
from firmware_sim.line.dispatch import Dispatch
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
from firmware_sim.line.state import HandedCall, Part, RetentiveMemory
from firmware_sim.line.tags import TagBoard

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
        self._racks = Dispatch(memory.state, settings)

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
                await self._send_all(ring)
                await self._server.write(SHIP, False)
            elif state.part is not None:
                await self._build(state.part, ring)
            elif self._racks.work_to_do():
                await self._give(ring, self._racks.work())
            elif (call := state.next_call()) is not None and len(
                state.results
            ) < self._settings.result_backlog:
                state.queue.remove(call)
                state.part = self._new_part(call)
                self._memory.save()
                self._call_left_queue()
            else:
                await self._wait(ring)

    async def _wait(self, ring: ResultRing) -> None:
        state = self._memory.state
        self._work_to_do.clear()
        part_filled = any(rack.waiting for rack in state.racks.values())
        idle = part_filled and state.next_call() is None
        idle_s = self._settings.ship_idle_s if idle else None
        truck_s = self._racks.truck_due_s()
        waits = [wait for wait in (idle_s, truck_s) if wait is not None]
        try:
            async with asyncio.timeout(min(waits, default=None)):
                await self._work_to_do.wait()
        except TimeoutError:
            if idle_s is not None and idle_s == min(waits):
                await self._send_all(ring)

    async def _build(self, part: Part, ring: ResultRing) -> None:
        state, key = self._memory.state, part.call.key
        process = PartProcess(self._settings.seed, key, part.attempt, self._settings.nok_rate)
        if self._settings.details:
            await self._begin(part, ring)
        if not part.produced:
            await self._work(JOINING, part, process)
            await self._work(TIGHTENING, part, process)
            part.produced = True
            await self._give(ring, [state.give("produced", key, now_us(), serial=part.serial)])
        await self._work(TESTING, part, process)
        if part.taken_away:
            self._forget(part)
            return
        await self._show_verdict(part, process)
        await self._give(ring, self._finish(part, process))

    async def _begin(self, part: Part, ring: ResultRing) -> None:
        """Get the material, and say that the part is begun."""
        state, key, settings = self._memory.state, part.call.key, self._settings
        if (
            part.attempt == 1
            and not part.started
            and self._chance("material", key) < (settings.missing_rate)
        ):
            wait_s = settings.missing_s / settings.speed
            if not part.missing:
                part.missing = True
                at = now_us()
                eta, reason = at + round(wait_s * 1e6), f"no material for {part.call.part_no}"
                await self._give(ring, [state.give("missing", key, at, eta=eta, reason=reason)])
            await asyncio.sleep(wait_s)
            await self._give(ring, [state.give("supplied", key, now_us())])
        if not part.started:
            part.started = True
            await self._give(ring, [state.give("started", key, now_us())])

    def _forget(self, part: Part) -> None:
        """A person has taken the part off the line: its call is built anew, or is no more."""
        state = self._memory.state
        state.part = None
        if part.call.key in state.cancelled:
            state.close(part.call.key)
        elif part.call.key in state.held:
            state.queue.insert(0, part.call)
        else:
            state.part = self._new_part(part.call)
        self._memory.save()

    def _chance(self, what: str, key: str) -> float:
        """A number in [0, 1) that is the same in each run."""
        return random.Random(f"{self._settings.seed}/{key}/{what}").random()  # noqa: S311  a simulation

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
        """Results of a tested part, and what follows: it is packed or set aside, or built anew."""
        state, call, at = self._memory.state, part.call, now_us()
        key, serial = call.key, part.serial
        results = [state.give("inspected", key, at, serial=serial, verdict=_verdict(process))]
        state.part = None
        if key in state.cancelled:
            kind = "stocked" if process.ok else "scrapped"
            results.append(state.give(kind, key, at, serial=serial))
            state.close(key)
        elif not process.ok:
            if key in state.held:
                state.serials.pop(key, None)
                state.queue.insert(0, call)
            else:
                state.part = self._new_part(call)
        elif key in state.held:
            state.parked[key] = serial
            results.append(state.give("parked", key, at, serial=serial))
        else:
            mistaken = self._chance("slot", f"{key}/{part.attempt}") < self._settings.mispack_rate
            slot = call.slot % self._settings.rack_slots + 1 if mistaken else call.slot
            results.append(state.put(call, serial, slot))
        return results

    def _new_part(self, call: HandedCall) -> Part:
        state = self._memory.state
        serial = f"{self._settings.line}-{self._lot}-{state.next_serial:06d}"
        state.next_serial += 1
        attempt = state.attempts.get(call.key, 0) + 1
        state.attempts[call.key] = attempt
        state.serials[call.key] = serial
        return Part(call=call, serial=serial, attempt=attempt)

    async def _send_all(self, ring: ResultRing) -> None:
        await self._give(ring, self._racks.send_all())

    async def _give(self, ring: ResultRing, results: list[Result]) -> None:
        self._memory.save()
        await ring.publish(results)


def _verdict(process: PartProcess) -> str:
    return "ok" if process.ok else "nok"
