"""Racks at the end of the line: scanned and closed, loaded and sent."""

from __future__ import annotations

import random
import time

from firmware_sim.line.clock import now_us
from firmware_sim.line.ledger import Result
from firmware_sim.line.process import lot
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import LineState, PackedPart

_LATE_BY = 0.5
"""Of its transport time, by which a late truck is late."""


class Dispatch:
    """Closes racks whose slots are all filled or stay empty, once the scan of each serial fits its
    call, and sends them: by themselves, or on trucks that leave full or by time. What is called by
    express leaves at once, with a van of its own."""

    def __init__(self, state: LineState, settings: LineSettings) -> None:
        self._state = state
        self._settings = settings
        self._closed_since: float | None = None
        """When the first rack began to wait for the truck, monotonic."""

    def work_to_do(self) -> bool:
        """Whether a rack can be closed or a truck leaves."""
        return bool(self._complete()) or self._truck_leaves()

    def work(self) -> list[Result]:
        """Close what can be closed, and send what leaves; the results."""
        results: list[Result] = []
        for name in self._complete():
            express = self._is_express(name)
            results += self._close(name)
            if express and self._settings.truck_racks:
                results += self._depart([name])
        if self._truck_leaves():
            closed = [name for name, rack in self._state.racks.items() if rack.closed]
            results += self._depart(closed[: self._settings.truck_racks])
            self._closed_since = None
        return results

    def send_all(self) -> list[Result]:
        """Send all parts that stand in racks, part-filled ones too; the results."""
        racks = self._state.racks.items()
        names = [name for name, rack in racks if rack.waiting and not self._clashes(name)]
        results = [result for name in names for result in self._scan(name)]
        if not names:
            return results
        if self._settings.truck_racks:
            self._closed_since = None
            return results + self._depart(names)
        return results + [result for name in names for result in self._ship(name)]

    def truck_due_s(self) -> float | None:
        """Time until the truck that stands at the dock leaves."""
        if self._closed_since is None or self._settings.truck_wait_s is None:
            return None
        waited_s = time.monotonic() - self._closed_since
        return max(0.0, self._settings.truck_wait_s / self._settings.speed - waited_s)

    def _complete(self) -> list[str]:
        slots = self._settings.rack_slots
        return [
            name
            for name, rack in self._state.racks.items()
            if rack.waiting
            and not rack.closed
            and not self._clashes(name)
            and (rack.filled >= slots or self._is_express(name) or self._is_passed(name))
        ]

    def _clashes(self, name: str) -> bool:
        """Whether two parts are to stand in one slot of a rack: of a swap one half has come."""
        calls = [self._state.open.get(part.key) for part in self._state.racks[name].waiting]
        slots = [call.slot for call in calls if call is not None and call.rack == name]
        return len(set(slots)) < len(slots)

    def _is_express(self, name: str) -> bool:
        """Whether what waits in a rack was called by express."""
        calls = [self._state.open.get(part.key) for part in self._state.racks[name].waiting]
        return all(call is not None and call.express for call in calls)

    def _is_passed(self, name: str) -> bool:
        """Whether nothing more comes for a rack: the calls go into later ones, and no part is to be
        built for it. A call that was let go of before the line took it leaves such a slot."""
        state = self._state
        return name < state.newest_rack and not any(
            call.rack == name and key not in state.held and state.packed(key) is None
            for key, call in state.open.items()
        )

    def _close(self, name: str) -> list[Result]:
        results = self._scan(name)
        if not self._settings.truck_racks:
            return results + self._ship(name)
        self._state.racks[name].closed = True
        if self._closed_since is None:
            self._closed_since = time.monotonic()
        return results

    def _scan(self, name: str) -> list[Result]:
        """Compare each part with the call of its slot; what stands wrong is put right."""
        state, rack = self._state, self._state.racks[name]
        results = []
        for part in list(rack.waiting):
            call = state.open.get(part.key)
            if call is None or (call.rack, call.slot) == (name, part.slot):
                continue
            rack.waiting.remove(part)
            wrong = f"slot {part.slot} is not the slot of this call"
            results.append(self._of(part, "unpacked", name, reason=wrong))
            results.append(state.put(call, part.serial))
        return results

    def _truck_leaves(self) -> bool:
        closed = sum(rack.closed for rack in self._state.racks.values())
        if not closed:
            self._closed_since = None
            return False
        if self._closed_since is None:  # the PLC has started again meanwhile
            self._closed_since = time.monotonic()
        return closed >= self._settings.truck_racks or self.truck_due_s() == 0.0

    def _ship(self, name: str) -> list[Result]:
        parts = self._state.racks[name].waiting
        results = [self._of(part, "shipped", name) for part in _by_slot(parts)]
        self._state.ship(name, self._settings.rack_slots)
        return results

    def _depart(self, names: list[str]) -> list[Result]:
        """A truck takes these racks: what is needed first goes on first, or last."""
        state, settings = self._state, self._settings
        truck = f"{settings.line}-{lot(settings.seed)}-T{state.next_truck:04d}"
        state.next_truck += 1
        if settings.load_order == "reversed":
            names = names[::-1]
        parts = [(name, part) for name in names for part in _by_slot(state.racks[name].waiting)]
        results = [self._of(part, "loaded", name, shipment=truck) for name, part in parts]
        results += [self._of(part, "shipped", name, shipment=truck) for name, part in parts]
        for name in names:
            state.ship(name, settings.rack_slots)
        way_us = round(settings.transport_s / settings.speed * 1e6)
        at = now_us()
        results.append(state.give("departed", "", at, shipment=truck, eta=at + way_us))
        chance = random.Random(f"{settings.seed}/{truck}").random()  # noqa: S311  a simulation
        if chance < settings.delay_rate:
            eta = at + way_us + round(way_us * _LATE_BY)
            late = state.give("delayed", "", at, shipment=truck, eta=eta, reason="traffic jam")
            results.append(late)
        return results

    def _of(
        self, part: PackedPart, kind: str, rack: str, *, shipment: str = "", reason: str = ""
    ) -> Result:
        return self._state.give(
            kind,
            part.key,
            now_us(),
            serial=part.serial,
            rack=rack,
            slot=part.slot,
            shipment=shipment,
            reason=reason,
        )


def _by_slot(parts: list[PackedPart]) -> list[PackedPart]:
    return sorted(parts, key=lambda part: part.slot)
