"""A plant at work for a day, with its dock and its fitting station, and with what goes wrong.

The line moves a step each takt. A car that passes the control point comes to the fitting station
`lead_cars` steps later, and leaves it with the parts that are there; what comes late is fitted
offline. Trucks come by the road (`road.py`). Everything that happens is written into the plant's
record before the hub is told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.line.clock import instant_us, now_us
from firmware_sim.line.ledger import Result
from firmware_sim.plant.disturbances import Disturbance, draw_disturbances
from firmware_sim.plant.hub import HubClient, HubRefusedError
from firmware_sim.plant.lanes import Lane, Mark
from firmware_sim.plant.record import PlantEntry, PlantRecord, What
from firmware_sim.plant.road import Road, Truck
from firmware_sim.plant.scramble import scramble
from firmware_sim.plant.settings import DaySettings
from protocols.jis.messages import CallKey

LOOK_S = 0.05
"""Between two looks at the road."""
ASIDE = 8
"""Steps that a car stands aside, at least; twice that at most."""
FAR = 5
"""Steps before the fitting station within which nothing happens to a car."""
NEW = 6
"""Cars that have passed last, whose parts stand in no truck yet: two of them can be swapped."""
STOP_STEPS = (4, 16)
SCANS = 200
"""Slots in one message of the goods receipt."""


@dataclass(frozen=True, slots=True)
class DayRun:
    """What a day came to, in cars."""

    passed: int
    fitted: int
    cancelled: int
    disturbances: Mapping[str, int]
    refused: int


@dataclass
class _Car:
    """A car in the line. `due`: the step in which it stands at the fitting station."""

    due: int
    wants: set[str]
    """Part groups not fitted yet."""
    reorders: dict[str, int] = field(default_factory=dict)
    told: Mark | None = None
    """The last message about where it is."""


class PlantDay:
    """One day. `run` returns once every car is fitted or cancelled and the hub knows."""

    def __init__(
        self,
        settings: DaySettings,
        hub: HubClient,
        record: PlantRecord,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._record = record
        self._say = say
        self._groups = {g: line for line, groups in settings.lines.items() for g in groups}
        self._step_s = settings.takt_s / settings.speed
        self._moves, self._parts = Lane(), Lane()
        self._road = Road(settings.ledgers)
        self._step = 0
        self._coming: list[str] = []
        self._aside: dict[str, int] = {}
        """Blocked cars, by the step in which they come back."""
        self._cars: dict[str, _Car] = {}
        self._out: dict[str, int] = {}
        self._late: list[str] = []
        """Cars that have left the fitting station without all their parts."""
        self._stock: dict[tuple[str, str], tuple[str, str]] = {}
        self._cancelled: set[str] = set()
        self._nok = 0
        self._messages = 0
        self._done: dict[str, int] = {}
        self._fitted = 0
        self._passed = 0
        self._refused = 0

    async def run(self) -> DayRun:
        """Work through the sequence in force. Raises `HubRefusedError` if there is none."""
        settings = self._settings
        planned = [car.production_no for car in await self._hub.sequence(settings.cars)]
        for place, car in enumerate(planned, start=1):
            self._note("planned", car=car, slot=place)
        self._coming = scramble(planned, settings.scramble, settings.window, settings.seed)
        self._say(f"ready {len(planned)} cars of {settings.plant} at {settings.control_point}")
        tasks = [
            asyncio.create_task(work)
            for work in (self._moves.serve(), self._parts.serve(), self._unload_trucks())
        ]
        moving = asyncio.create_task(self._move(draw_disturbances(len(planned), settings.seed)))
        try:
            # Any of the others ends by an error alone.
            ended, _ = await asyncio.wait({moving, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in (moving, *tasks):
                task.cancel()
        return DayRun(
            self._passed, self._fitted, len(self._cancelled), dict(self._done), self._refused
        )

    async def _move(self, planned: list[Disturbance]) -> None:
        loop = asyncio.get_running_loop()
        pending = list(planned)
        due = loop.time()
        while not self._is_over():
            self._step += 1
            for one in [one for one in pending if one.step <= self._step]:
                if one.kind == "line_stop":
                    due += await self._stop_line(one)
                elif not self._disturb(one):
                    continue
                pending.remove(one)
                self._done[one.kind] = self._done.get(one.kind, 0) + 1
            self._bring_back()
            self._pass_next()
            self._fit_who_is_due()
            due += self._step_s
            await asyncio.sleep(due - loop.time())

    def _is_over(self) -> bool:
        cars = self._coming or self._aside or self._cars or self._out or self._late
        return not cars and self._step > 0 and self._moves.idle and self._parts.idle

    async def _stop_line(self, one: Disturbance) -> float:
        fewest, most = STOP_STEPS
        stands_s = (fewest + one.draw * (most - fewest)) * self._step_s
        stop, cause = self._message(), "robot" if one.draw < 0.5 else "conveyor"
        began = self._note("stopped", detail=f"{cause} {stop}")
        self._tell_move("stops", began, {"message_id": stop, "cause": cause})
        await asyncio.sleep(stands_s)
        ended = self._note("moved_on", detail=f"{cause} {stop}")
        self._tell_move(f"stops/{stop}/end", ended, {})
        return stands_s

    def _disturb(self, one: Disturbance) -> bool:
        """Let it happen, if a car is there for it; false: later."""
        if one.kind == "nok_at_line":
            self._nok += 1
            return True
        if one.kind in ("block", "cancel_before"):
            # Not the very next: a hub that is told as the car passes has called it already.
            near = self._coming[2:30]
            return bool(near) and self._keep_out(near[int(one.draw * len(near))], one)
        far = [
            number
            for number, car in self._cars.items()
            if car.due - self._step > FAR and number not in self._out
        ]
        if one.kind == "swap":
            far = far[-NEW:]
        if len(far) < 2:
            return False
        at = int(one.draw * len(far))
        if one.kind == "swap":
            self._swap(far[at], far[at - 1])
        elif one.kind == "pull_out":
            self._pull_out(far[at], one)
        else:
            self._cancel(far[at])
        return True

    def _keep_out(self, car: str, one: Disturbance) -> bool:
        self._coming.remove(car)
        if one.kind == "block":
            at = self._note("blocked", car=car)
            self._tell_move(f"cars/{car}/block", at, {"reason": "paint rework"})
            self._aside[car] = self._step + round(ASIDE * (1 + one.draw))
        else:
            self._cancel(car)
        return True

    def _cancel(self, car: str) -> None:
        at = self._note("cancelled", car=car)
        self._cancelled.add(car)
        self._cars.pop(car, None)
        self._tell_move(f"cars/{car}/cancel", at, {"reason": "customer has withdrawn"})
        for (owner, group), (key, serial) in list(self._stock.items()):
            if owner == car:
                del self._stock[owner, group]
                self._send_back(key, serial)

    def _pull_out(self, car: str, one: Disturbance) -> None:
        self._out[car] = self._step + round(ASIDE * (1 + one.draw))
        at = self._note("pulled_out", car=car)
        told = self._tell_move(f"cars/{car}/pull-out", at, {"reason": "door damaged"})
        self._cars[car].told = told

    def _swap(self, one: str, other: str) -> None:
        """They change places once the hub says that they may."""
        message, at = self._message(), now_us()

        async def ask() -> None:
            body = {"message_id": message, "at": _instant(at), "other": other}
            try:
                await self._hub.say(f"cars/{one}/swap", body)
            except HubRefusedError:
                return  # which is its right: the cars stay where they are
            first, second = self._cars.get(one), self._cars.get(other)
            if first is not None and second is not None and not {one, other} & self._out.keys():
                first.due, second.due = second.due, first.due
            self._note("swapped", car=one, detail=other)

        told = self._moves.add(ask)
        self._cars[one].told = self._cars[other].told = told

    def _bring_back(self) -> None:
        for car in [car for car, step in self._aside.items() if step <= self._step]:
            del self._aside[car]
            at = self._note("unblocked", car=car)
            self._tell_move(f"cars/{car}/unblock", at, {})
            self._coming.insert(0, car)
        for car in [car for car, step in self._out.items() if step <= self._step]:
            del self._out[car]
            self._cars[car].due = self._step + self._settings.lead_cars
            at = self._note("reinserted", car=car)
            self._cars[car].told = self._tell_move(f"cars/{car}/reinsert", at, {})

    def _pass_next(self) -> None:
        if not self._coming:
            return
        car = self._coming.pop(0)
        at = self._note("passed", car=car)
        self._passed += 1

        async def report() -> None:
            record = await self._hub.report_pass(car, instant_us(at))
            self._say(f"passed {record.pass_no}: car {car}, {record.calls} calls")

        told = self._moves.add(report)
        self._cars[car] = _Car(self._step + self._settings.lead_cars, set(self._groups), told=told)

    def _fit_who_is_due(self) -> None:
        for car in [n for n, c in self._cars.items() if c.due <= self._step]:
            if car not in self._out and car not in self._late:
                self._late.append(car)
        for car in list(self._late):
            self._fit(car)
            if not self._cars[car].wants:
                self._late.remove(car)
                del self._cars[car]
                self._fitted += 1

    def _fit(self, number: str) -> None:
        """Fit what is there for a car at the station, or beyond it."""
        car = self._cars[number]
        fitted = []
        for group in sorted(car.wants):
            part = self._stock.pop((number, group), None)
            if part is None:
                continue
            key, serial = part
            # A part that was called anew is looked at before it is brought.
            if self._nok and group not in car.reorders:
                self._nok -= 1
                self._reject(car, key, serial)
            else:
                at = self._note("consumed", key=key, serial=serial)
                self._tell_part(key, "consumed", at, serial, after=car.told)
                fitted.append(group)
        if fitted:
            car.wants.difference_update(fitted)
            at = self._note("fitted", car=number, detail=",".join(fitted))
            body = {"message_id": self._message(), "at": _instant(at), "part_groups": fitted}
            self._add(self._parts, f"cars/{number}/fit", body, car.told)

    def _reject(self, car: _Car, key: str, serial: str) -> None:
        at = self._note("rejected", key=key, serial=serial)
        self._tell_part(key, "rejected", at, serial, after=car.told, reason="scratched")
        call = CallKey.parse(key)
        car.reorders[call.part_group] = call.reorder_index + 1
        at = self._note("reordered", key=key)
        path = f"calls/{call.line}/{call.production_no}/{call.part_group}/{call.reorder_index}"
        body = {"message_id": self._message(), "at": _instant(at), "reason": "scratched"}
        self._add(self._parts, f"{path}/reorder", body)

    async def _unload_trucks(self) -> None:
        while True:
            for truck in self._road.arrived(now_us()):
                self._unload(truck)
            await asyncio.sleep(LOOK_S)

    def _unload(self, truck: Truck) -> None:
        way = f"lines/{truck.line}/shipments/{truck.shipment}"
        at = self._note("arrived", shipment=truck.shipment, detail=",".join(truck.racks))
        self._add(self._parts, f"{way}/arrival", {"at": _instant(at), "racks": truck.racks})
        self._add(self._parts, f"{way}/unloading", {"at": _instant(at)})
        scans = [self._receive(truck, part) for part in truck.parts]
        for first in range(0, len(scans), SCANS):
            body = {"by": "dock", "scans": scans[first : first + SCANS]}
            self._add(self._parts, f"{way}/scans", body)
        for part in truck.parts:
            self._put_away(part)

    def _receive(self, truck: Truck, part: Result) -> dict[str, Any]:
        at = self._note(
            "received",
            key=part.key,
            serial=part.serial,
            shipment=truck.shipment,
            rack=part.rack,
            slot=part.slot,
        )
        return {"rack": part.rack, "slot": part.slot, "at": _instant(at), "serial": part.serial}

    def _put_away(self, part: Result) -> None:
        """To the line; or back, if nobody is there for it any more."""
        call = CallKey.parse(part.key)
        car = self._cars.get(call.production_no)
        wanted = car is not None and call.part_group in car.wants
        newest = car.reorders.get(call.part_group, 0) if car is not None else 0
        if wanted and call.reorder_index == newest:
            self._stock[call.production_no, call.part_group] = part.key, part.serial
        else:
            self._send_back(part.key, part.serial)

    def _send_back(self, key: str, serial: str) -> None:
        at = self._note("returned", key=key, serial=serial)
        self._tell_part(key, "returned", at, serial)

    def _tell_move(self, path: str, at: int, body: dict[str, Any]) -> Mark:
        body = {"message_id": self._message(), "at": _instant(at), **body}
        return self._add(self._moves, path, body)

    def _tell_part(
        self,
        key: str,
        what: str,
        at: int,
        serial: str,
        *,
        after: Mark | None = None,
        reason: str | None = None,
    ) -> None:
        call = CallKey.parse(key)
        body = {
            "production_no": call.production_no,
            "part_group": call.part_group,
            "reorder_index": call.reorder_index,
            "what": what,
            "at": _instant(at),
            "serial": serial,
            "reason": reason,
            "by": "dock" if what == "returned" else "station",
        }
        self._add(self._parts, f"lines/{call.line}/deliveries", body, after)

    def _add(self, lane: Lane, path: str, body: dict[str, Any], after: Mark | None = None) -> Mark:
        async def say() -> None:
            try:
                await self._hub.say(path, body)
            except HubRefusedError as refused:
                self._refused += 1
                self._note("refused", detail=str(refused))

        return lane.add(say, after=after)

    def _message(self) -> str:
        self._messages += 1
        return f"MES-{self._settings.seed}-{self._messages}"

    def _note(
        self,
        what: What,
        *,
        car: str = "",
        key: str = "",
        serial: str = "",
        shipment: str = "",
        rack: str = "",
        slot: int = 0,
        detail: str = "",
    ) -> int:
        """Write it down; when it was."""
        at = now_us()
        self._record.add(PlantEntry(at, what, car, key, serial, shipment, rack, slot, detail))
        return at


async def run_day(settings: DaySettings, say: Callable[[str], None]) -> DayRun:
    """Work for a day. `say` is told of progress. Raises `HubRefusedError`."""
    record = PlantRecord(settings.record)
    try:
        async with HubClient(settings) as hub:
            return await PlantDay(settings, hub, record, say).run()
    finally:
        record.close()


def _instant(at_us: int) -> str:
    return instant_us(at_us).isoformat()
