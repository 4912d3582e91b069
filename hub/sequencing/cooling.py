"""How the temperature of a search falls.

Objectives that weigh a thousand times one another settle at temperatures far apart, and between
those nothing happens. So there are two passes from hot to cold. The first one is quick and even,
and sees at which temperatures the cost falls; it also gives an early answer. The second one is slow
where the first one saw something happen: where the specific heat is large, the change of the mean
cost with the temperature (after Kirkpatrick, Gelatt and Vecchi, Science 220, 1983).

Measured on instances of ROADEF 2005, 60 s each: the marks are about those of one even fall, some
better and some worse by chance; but an answer that is nearly as good stands after a tenth of the
time, where the even fall has none before half of it is over.

Some days are through after a second, and it is left to chance in which order they end, however
slowly they cool: over one that begins packed in paint batches 5 of 24 passes of half a second and
of one second found the best known, and 1 of 8 of two seconds. For these a fifth of the effort is
kept back for many quick passes.

Where changes of colour are the lightest objective the heat that the first pass saw misleads: what
settles last settles slowest, since ever fewer moves change the cost, and a quick pass sees only
half of it. There the last decade of the temperature has a part of its own, spread evenly. If the
first pass ends without a broken ratio, all the rest goes there, from its best order on: 12 s of it
were nearly as good as 60 s by the heat down to twice that cold, and 48 s better.
"""

from __future__ import annotations

import math
from itertools import accumulate

FIRST_PASS = 0.1
"""Part of the effort that goes into the first pass."""
EVEN = 0.2
"""Part of the second pass that is spread evenly, whatever the first one saw."""
POWER = 0.7
"""Of the specific heat, by which the rest is shared: in full proportion to it too little time goes
to the first objectives, whose moves are few and costly."""
SLOW_UNTIL = 0.8
"""Part of the effort at which the second pass ends where others follow it."""
QUICK = 14
"""How many follow, each even and from hot to cold."""
LAST = 0.4
"""Part of the second pass for the last of the fall, where that has a part of its own."""
STEPS = 60
"""Of the temperature, on a logarithmic scale, by which the passes are told apart."""


class Cooling:
    """The temperature over the effort spent, from `hot` to `cold`, twice.

    repeat: whether the second pass ends early, so that others can follow. last: temperature below
    which the second pass falls evenly, in a part of its own.
    """

    def __init__(
        self, hot: float, cold: float, *, repeat: bool = False, last: float | None = None
    ) -> None:
        self._hot = hot
        self._span = math.log(cold / hot)
        self._repeat = repeat
        self._slow_until = SLOW_UNTIL if repeat else 1.0
        self._last = last
        self._last_part = LAST
        self._costs = [0.0] * STEPS
        self._looks = [0] * STEPS
        self._course: list[float] | None = None
        """Part of the second pass at which each step ends."""

    def temperature(self, done: float) -> float:
        """The temperature when so much of the effort is spent, 0 … 1."""
        if done < FIRST_PASS:
            return self._at(done / FIRST_PASS)
        if self._course is None:
            self._course = self._plan()
        passed = (done - FIRST_PASS) / (self._slow_until - FIRST_PASS)
        if passed < 1 or not self._repeat:
            return self._at(_fallen(self._course, passed))
        quick = QUICK * (done - SLOW_UNTIL) / (1 - SLOW_UNTIL)
        return self._at(min(quick - min(int(quick), QUICK - 1), 1.0))

    def saw(self, done: float, cost: float) -> None:
        """Note the cost of the line after some moves at the temperature of `done`."""
        if done < FIRST_PASS:
            step = int(done / FIRST_PASS * STEPS)
            self._costs[step] += cost
            self._looks[step] += 1

    def only_last(self) -> None:
        """Spend the whole second pass on the last of the fall, since above it nothing is to gain.

        To be said before the second pass begins.
        """
        self._last_part = 1.0

    def _at(self, fallen: float) -> float:
        return self._hot * math.exp(self._span * fallen)

    def _plan(self) -> list[float]:
        heat = [heat**POWER for heat in self._specific_heat()]
        # Smoothed over neighbours: the first pass was short, and each step saw little.
        smooth = [
            heat[max(step - 1, 0)] + 2 * heat[step] + heat[min(step + 1, STEPS - 1)]
            for step in range(STEPS)
        ]
        if self._last is None or not self._at(1) < self._last < self._at(0):
            return list(accumulate(_shared(smooth)))
        share = math.log(self._last / self._at(1)) / -self._span
        even = min(max(round(STEPS * share), 1), STEPS - 1)
        parts = [(1 - self._last_part) * part for part in _shared(smooth[:-even])]
        return list(accumulate(parts + [self._last_part / even] * even))

    def _specific_heat(self) -> list[float]:
        """By step: the fall of the mean cost over the step, by the temperature there."""
        means: list[float] = []
        for cost, looks in zip(self._costs, self._looks, strict=True):
            # A step too short for a look was like the one before it.
            means.append(cost / looks if looks else means[-1] if means else 0.0)
        return [
            (
                max(0.0, means[max(step - 1, 0)] - means[min(step + 1, STEPS - 1)])
                / self._at((step + 0.5) / STEPS)
            )
            for step in range(STEPS)
        ]


def _shared(heat: list[float]) -> list[float]:
    """The part of the time of each step, by its heat; they sum up to 1."""
    total = sum(heat)
    if total <= 0:
        return [1 / len(heat)] * len(heat)
    return [EVEN / len(heat) + (1 - EVEN) * part / total for part in heat]


def _fallen(course: list[float], passed: float) -> float:
    """How far the temperature has fallen, 0 … 1, when so much of the second pass is over."""
    before = 0.0
    for step, after in enumerate(course):
        if passed < after:
            return (step + (passed - before) / (after - before)) / STEPS
        before = after
    return 1.0
