"""A supplier's line behind a gateway: takes what it is told, builds, packs and ships, a step at a
time. It remembers everything, and speaks to the gateway's store as the line's sessions do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from edge.calls.store import TakenResult
from edge.calls.work import Work
from protocols.jis.messages import Call, CallKey, Event
from tests.e2e.calls.gateway import Gateway

STEPS = ("started", "produced", "inspected", "packed", "shipped")


@dataclass
class Part:
    """The part of a call that was taken. `step`: what was done last; `None`: nothing yet."""

    call: Call
    step: str | None = None
    held: bool = False
    parked: bool = False
    serial: str = ""


class Plc:
    """One line's PLC."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.parts: dict[str, Part] = {}
        self.taken: list[str] = []
        self.shipped: list[str] = []
        self.ended: list[str] = []
        self._no = 0
        self._serial = 0
        self._minute = 0
        self._pending: Work | None = None
        """Shown, and not answered yet."""

    def work(self, accepts: bool = True, slow: bool = False) -> bool:
        """Answer the next thing that the gateway has for it, or see it and answer the next time if
        `slow`; false if there is none."""
        store, run = self._gateway.store, self._gateway.run
        work = store.next_work(self._gateway.line)
        if work is None:
            return False
        if not work.shown and self._pending is None:
            run(store.offer, work)
        if slow and self._pending is None:
            self._pending = work
            return True
        work, self._pending = self._pending or work, None
        key = str(work.call.key)
        if work.command == "build":
            kind = "accepted" if accepts or key in self.taken else "refused"
            if kind == "accepted":
                self.taken.append(key)
                self.parts[key] = Part(work.call)
            revision = work.call.revision
            run(
                store.decide,
                Event(kind=kind, key=work.call.key, at=self._now(), revision=revision),
            )
            return True
        part = self.parts.get(key)
        done = part is not None and (accepts or work.command != "replace")
        run(store.settle, work, done, "" if done else "it has left", self._now())
        if part is not None and done:
            getattr(self, f"_{work.command}")(key, part, work.call)
        return True

    def build(self, which: int, ok: bool = True) -> None:
        """Do the next step of one part."""
        able = [key for key, part in self.parts.items() if not part.parked and not part.held]
        if able:
            self._step(able[which % len(able)], ok)

    def finish(self) -> bool:
        """Do all there is to do with what is not held; false if there was nothing."""
        busy = False
        while self.work():
            busy = True
        for key in [key for key, part in self.parts.items() if not part.held]:
            busy = True
            while key in self.parts:
                self._step(key, ok=True)
        return busy

    def _step(self, key: str, ok: bool) -> None:
        part = self.parts[key]
        step = STEPS[0 if part.step is None else STEPS.index(part.step) + 1]
        if step == "produced":
            self._serial += 1
            part.serial = f"S{self._serial}"
        if step == "inspected":
            self._say(key, step, verdict="ok" if ok else "nok")
            part.step = step if ok else None
        else:
            self._say(key, step, part.call if step in ("packed", "shipped") else None)
            part.step = step
        if step == "shipped":
            self.shipped.append(key)
            del self.parts[key]

    def _replace(self, _key: str, part: Part, call: Call) -> None:
        moved = (part.call.rack, part.call.slot) != (call.rack, call.slot)
        part.call = call
        if part.step == "packed" and moved:
            self._say(str(call.key), "unpacked")
            self._say(str(call.key), "packed", call)

    def _hold(self, key: str, part: Part, _call: Call) -> None:
        part.held = True
        if part.step in ("packed", "inspected"):
            part.parked = True
            self._say(key, "parked")

    def _resume(self, key: str, part: Part, _call: Call) -> None:
        part.held = False
        if part.parked:
            part.parked = False
            part.step = "inspected"
            self._say(key, "unparked")

    def _cancel(self, key: str, part: Part, _call: Call) -> None:
        begun = part.step in ("produced", "inspected", "packed")
        self._say(key, "stocked" if begun else "dropped")
        self.ended.append(key)
        del self.parts[key]

    def _say(self, key: str, kind: str, packed: Call | None = None, verdict: str = "") -> None:
        self._no += 1
        part = self.parts[key]
        event = Event(
            kind=kind,
            key=CallKey.parse(key),
            at=self._now(),
            serial=part.serial or None,
            verdict=verdict or None,
            rack=packed.rack if packed else None,
            slot=packed.slot if packed else None,
        )
        result = TakenResult(self._no, str(self._no).encode(), event, "", "")
        self._gateway.run(self._gateway.store.take_results, self._gateway.line, [result])

    def _now(self) -> datetime:
        self._minute += 1
        return datetime(2026, 3, 2, 6, self._minute // 60 % 60, self._minute % 60, tzinfo=UTC)
