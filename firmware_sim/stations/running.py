"""The stations at work: each part that the line's PLC has produced passes them in turn."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TextIO

from firmware_sim.joining import JoiningSettings, JoiningSystem, run_joining
from firmware_sim.line.ledger import LedgerTail, Result
from firmware_sim.open_protocol import Controller, ControllerSettings, run_controller
from firmware_sim.stations import files
from firmware_sim.stations.findings import Finding, note
from firmware_sim.stations.person import Person
from firmware_sim.stations.settings import (
    CURRENT,
    GAP,
    HAND,
    JOINED,
    JOINING,
    LEAK,
    LEAKING,
    LOOKED_AT,
    MEASURED,
    REASON,
    ROOM,
    SEEN,
    SURFACE,
    TESTER,
    TIGHTENED,
    Limits,
    StationsSettings,
)
from firmware_sim.vision import Camera, CameraSettings, run_camera

_LOOK_S = 0.2


@asynccontextmanager
async def run_stations(settings: StationsSettings) -> AsyncIterator[asyncio.Task[None]]:
    """Run them for as long as the context lasts; the task ends only by what goes wrong. Raises
    `OSError`."""
    async with AsyncExitStack() as open_:
        tool = ControllerSettings(
            name=TIGHTENED, port=settings.tightening_port, cycle_s=0, seed=settings.seed,
            nok_rate=settings.nok_rate,
        )  # fmt: skip
        controller = (await open_.enter_async_context(run_controller(tool))).controller
        eye = CameraSettings(
            port=settings.vision_port, cycle_s=0, seed=settings.seed, nok_rate=settings.nok_rate
        )
        driver = JoiningSettings(
            port=settings.joining_port, cycle_s=0, seed=settings.seed, nok_rate=settings.nok_rate
        )
        joining = await open_.enter_async_context(run_joining(driver))
        camera = await open_.enter_async_context(run_camera(eye))
        person = await open_.enter_async_context(Person(settings.board, HAND, "Li Na"))
        settings.findings.parent.mkdir(parents=True, exist_ok=True)
        ledger = open_.enter_context(settings.findings.open("a", encoding="utf-8", buffering=1))
        line = _Line(settings, controller, joining, camera, person, ledger)
        working = asyncio.create_task(line.run())
        try:
            yield working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


class _Line:
    def __init__(
        self,
        settings: StationsSettings,
        controller: Controller,
        joining: JoiningSystem,
        camera: Camera,
        person: Person,
        ledger: TextIO,
    ) -> None:
        self._settings = settings
        self._controller = controller
        self._joining = joining
        self._camera = camera
        self._person = person
        self._ledger = ledger

    async def run(self) -> None:
        """Take each part as it comes. The person has a queue of their own: who waits for a gateway
        stops no machine."""
        waiting: asyncio.Queue[str] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._at_hand(waiting))
            tail = LedgerTail(self._settings.line_ledger, samples=False)
            done = 0
            while True:
                tail.read_on()
                for entry in tail.entries[done:]:
                    if isinstance(entry, Result) and entry.result == "produced":
                        await self._machines(entry.serial)
                        waiting.put_nowait(entry.serial)
                done = len(tail.entries)
                await asyncio.sleep(_LOOK_S)

    async def _machines(self, serial: str) -> None:
        chance = self._chance(serial)
        self._controller.identify(serial)
        kept = self._controller.tighten()
        if kept is not None:
            said = kept.values
            for name, measured in (("Torque", "torque"), ("Angle", "angle")):
                self._find(TIGHTENED, serial, name, said[measured], said[f"{measured}_status"] == 1)
        joined = await self._joining.join(serial)
        self._find(JOINED, serial, JOINING.characteristic, joined.torque_nm, joined.ok)
        seen = await self._camera.inspect(serial)
        self._find(SEEN, serial, LOOKED_AT.characteristic, seen.gap_mm, seen.ok)
        now = datetime.now(UTC).replace(microsecond=0)
        room = [(limits, self._measure(MEASURED, serial, limits, chance)) for limits in ROOM]
        leak = (LEAKING, self._measure(LEAK, serial, LEAKING, chance))
        test = (CURRENT, self._measure(TESTER, serial, CURRENT, chance))
        folder = self._settings.directory
        files.put(folder / MEASURED, f"{serial}.dfq", files.dfq(serial, room, now))
        files.put(folder / LEAK, f"{serial}.csv", files.table(serial, leak, now))
        files.put(folder / TESTER, f"{serial}.json", files.document(serial, test, now))

    async def _at_hand(self, waiting: asyncio.Queue[str]) -> None:
        while True:
            serial = await waiting.get()
            chance = self._chance(f"{serial} by hand")
            gap = self._measure(HAND, serial, GAP, chance)
            good = chance.random() >= self._settings.nok_rate
            self._find(HAND, serial, SURFACE, None, good)
            fields = {"serial": serial, "value-0": repr(gap), "value-1": "ok" if good else "nok"}
            if not (good and GAP.lower <= gap <= GAP.upper):
                fields["reason"] = REASON
            await self._person.enter(fields)

    def _measure(self, station: str, serial: str, limits: Limits, chance: random.Random) -> float:
        middle, half = (limits.lower + limits.upper) / 2, (limits.upper - limits.lower) / 2
        bad = chance.random() < self._settings.nok_rate
        value = round(middle + half * (1.4 if bad else chance.uniform(-0.8, 0.8)), 4)
        ok = limits.lower <= value <= limits.upper
        self._find(station, serial, limits.characteristic, value, ok)
        return value

    def _find(
        self, station: str, serial: str, characteristic: str, value: object, ok: bool
    ) -> None:
        measured = None if value is None else float(str(value))
        note(
            self._ledger,
            Finding(station, serial, characteristic, measured, "ok" if ok else "nok"),
        )

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self._settings.seed} {what}")  # noqa: S311  a simulation
