"""What a simulated press measures, and how it moves; each change is counted, then shown.

The values follow from the seed, so that a run can be repeated; only the clock differs.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firmware_sim.device.settings import DeviceSettings
from firmware_sim.line.ledger import Ledger, Sample, TagType, TagValue

Show = Callable[[str, TagValue], None]
"""Puts a value, by the name of its tag, where clients read it."""

TAGS: dict[str, TagType] = {
    "Force": "Double",
    "Stroke": "Double",
    "Serial": "String",
    "Parts": "Int64",
    "Program": "Int64",
    "Ok": "Boolean",
    "Guard": "Boolean",
    "At": "DateTime",
}
"""Process tags: kN, mm, and so on."""
_STEPS = 10
_LAG_S = 1.0
"""Rates hold over such a time; a machine that is slower for longer changes things less often."""


def counter(number: int) -> str:
    """Name of a counter."""
    return f"Counter{number}"


def extra(number: int) -> str:
    """Name of a number that is there for load."""
    return f"Extra{number}"


@dataclass(slots=True)
class Process:
    """The press. `settings.counters` count on by themselves, each value once."""

    settings: DeviceSettings
    show: Show
    ledger: Ledger | None
    _values: dict[str, TagValue] = field(default_factory=dict)
    _chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._chance.seed(self.settings.seed)
        self._stroke(0, 0.0)
        for number in range(self.settings.counters):
            self._set(counter(number), 0, "Int64")
        for number in range(self.settings.extra):
            self.show(extra(number), float(number))

    async def run(self) -> None:
        """Move for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._press())
            if self.settings.counters:
                group.create_task(self._count())
            if self.settings.extra:
                group.create_task(self._load())

    async def _press(self) -> None:
        part = 0
        while True:
            part += 1
            for step in range(1, _STEPS + 1):
                await asyncio.sleep(self.settings.cycle_s / _STEPS)
                self._stroke(part, step / _STEPS)

    def _stroke(self, part: int, progress: float) -> None:
        noise = 1 + self._chance.uniform(-0.01, 0.01)
        self._set("Force", 18.0 * max(0.0, (progress - 0.35) / 0.65) ** 2 * noise, "Double")
        self._set("Stroke", 82.5 * (0.5 - 0.5 * math.cos(math.pi * progress)), "Double")
        self._set("Guard", progress > 0, "Boolean")
        if progress in (0.0, 1.0):
            self._set("Serial", f"P{self.settings.seed:03}{part:07}", "String")
            self._set("Ok", self._chance.random() >= 0.05, "Boolean")
            self._set("Program", 1 + part // 50 % 8, "Int64")
            self._set("Parts", part, "Int64")
            self._set("At", time.time_ns() // 1_000_000, "DateTime")

    async def _count(self) -> None:
        numbers = [0] * self.settings.counters
        await self._evenly(
            self.settings.counter_hz,
            [lambda n=n: self._next(n, numbers) for n in range(len(numbers))],  # type: ignore[misc]
        )

    def _next(self, number: int, numbers: list[int]) -> None:
        numbers[number] += 1
        self._set(counter(number), numbers[number], "Int64")

    async def _load(self) -> None:
        count, turn = self.settings.extra, 0

        def change(first: int) -> None:
            nonlocal turn
            turn += 1
            for number in range(first, count, _STEPS):
                self.show(extra(number), number + turn * 0.125)

        slices = [lambda f=first: change(f) for first in range(min(_STEPS, count))]
        await self._evenly(self.settings.extra_hz, slices)

    async def _evenly(self, hz: float, works: Sequence[Callable[[], None]]) -> None:
        """Do each so often, in turns."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for work in works:
                due = max(due + 1 / (hz * len(works)), loop.time() - _LAG_S)
                await asyncio.sleep(due - loop.time())
                work()

    def _set(self, name: str, value: TagValue, kind: TagType) -> None:
        if self._values.get(name) == value:
            return
        self._values[name] = value
        if self.ledger is not None:
            self.ledger.add(Sample(name, time.time_ns() // 1000, kind, value))
        self.show(name, value)
