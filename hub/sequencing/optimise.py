"""An anytime search for a better sequence: annealing over all objectives at once.

The objectives of the mark lie a factor of a thousand apart, so one fall of the temperature, from
below the first weight to below the last, settles them one after the other: while it is hot only the
first objective resists, at the end only moves that cost nothing are made. How it falls is said in
`cooling.py`. A valid sequence stands at every moment; no hard limit is ever broken.

Measured on the ROADEF 2005 instances, with equal moves or seconds of processor time: without
reversals, or with few, the marks are worse though twice as many moves are priced; insertions beside
a car of the same colour do what twice the moves did without them. Exchanges of neighbouring batches
make the marks better where colours are settled last, and slightly worse elsewhere.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from hub.sequencing.arrays import goal_chased, line_of
from hub.sequencing.batches import in_batches, least_changes
from hub.sequencing.conflicts import ConflictError
from hub.sequencing.construct import valid_start
from hub.sequencing.cooling import FIRST_PASS, Cooling
from hub.sequencing.model import Car, Instance
from hub.sequencing.scoring import score

if TYPE_CHECKING:
    from hub.sequencing._search import Line

SAMPLE = 2_000
"""Exchanges that are priced to see by how much they change the cost."""
STEP_MOVES = 20_000
"""Moves between two looks at the clock, the temperature and the stop request, at most."""
LOOKS = 100
"""Such looks at least where the moves are counted: few moves shall cool down too."""
SWAPS, INSERTIONS = 60, 25
"""Shares of the moves in percent; the rest are reversals."""
EXCHANGES = 4
"""Share of exchanges where changes of colour are settled last, taken from the insertions: batches
that cost nothing where they stand get elsewhere by no other move. While ratios are still to be
settled after the colours they were of no use, and cost time."""
HOT, COLD = 0.3, 0.1
"""First temperature as a part of the largest weight, last one as a part of the smallest."""
LAST_OF_COLOUR, COLD_OF_COLOUR = 0.5, 0.05
"""Where changes of colour are the lightest objective: the temperatures between which they settle,
as parts of the weight of one."""
HOT_OF_SWAP = 0.07
"""First temperature where it is higher, as a part of what exchanging two cars changes: the mean of
the changes, each weighed by itself. It sees that a plant has long windows, whose cost a single
exchange changes by dozens (they need ten times the heat of CSPLib's short ones, which lose time by
it), and costs that do not change by ones, such as levelling."""
HOT_OF_NEAR = 3.0
"""Where levelling counts: least first temperature, as a part of what an exchange of neighbours
changes."""
COMES_FIRST = 100
"""Times that an objective weighs what the next one does, to be settled before it."""
FROZEN = 0.05
"""Temperature as a part of the weight of an objective that then no longer gets worse."""
LOOK_S = 0.01
"""Seconds between two looks at other searches, once the caller's own is through."""
QUENCH = 0.03
"""Part of the effort that goes, at the end, into moves from the best that cost nothing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stands."""

    mark: float
    """Of the best sequence so far."""
    moves: int
    elapsed_s: float
    done: float
    """Part of the effort spent, 0 … 1."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best sequence of a search, and how it came about."""

    cars: tuple[Car, ...]
    mark: int | float
    moves: int
    """Moves whose change of the mark was worked out, as far as it could matter."""
    refused_early: int
    """Those of them given up before all objectives were looked at: what was left could not save
    them. `moves` less these were priced to the end."""
    elapsed_s: float
    to_best_s: float
    """When the best was found."""
    course: tuple[tuple[float, float], ...]
    """Best mark over time: (seconds, mark) at each look that found a better one."""


def optimise(
    instance: Instance,
    *,
    time_limit_s: float | None = None,
    max_moves: int | None = None,
    seed: int = 1,
    start: Sequence[Car] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    cores: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """The best sequence found within the effort allowed; at least one bound must be given.

    With `max_moves` alone the result depends only on the instance, the start, the seed and the
    cores. `start` is the sequence to begin with, by default the order given or, if that is better,
    one built for levelling or in paint batches; where it breaks a hard limit it is mended first.
    `stop` is asked every few milliseconds and ends the search with the best so far. On several
    `cores` so many searches run side by side, with the seeds from `seed` up and the same effort
    each; the best one's sequence is returned, with the moves of all. Callbacks come from the
    caller's thread. All seconds are those of `clock`; by `time.process_time` a search on one core
    of a busy machine gets what it would get on an idle one.

    Raises `ValueError` without a bound or with one that is none (a time limit of 0, nan or inf) and
    for a seed that 64 bits do not hold, `InstanceError` if there are no cars, and `ConflictError`
    if no sequence that keeps the hard limits was found.
    """
    if time_limit_s is None and max_moves is None:
        raise ValueError("a search needs a time limit or a number of moves")
    if time_limit_s is not None and not 0 < time_limit_s < math.inf:
        raise ValueError(f"a time limit of {time_limit_s} s; a finite number above 0 is needed")
    if max_moves is not None and max_moves < 1:
        raise ValueError(f"a search of {max_moves} moves; at least one is needed")
    if cores < 1:
        raise ValueError(f"a search on {cores} cores; at least one is needed")
    if not 0 <= seed <= (1 << 64) - cores:
        raise ValueError(f"seed {seed}: from 0 to 2**64 less the cores")
    effort = _Effort(time_limit_s, max_moves, clock, clock())
    cars = valid_start(instance, start) if start is not None else _beginning(instance)
    searches = [_Search(instance, cars, seed + k, effort) for k in range(cores)]
    ended = threading.Event()

    def look(done: float) -> bool:
        """Tell where the searches stand; whether they shall end."""
        if on_progress is not None:
            mark = min(search.line.best_cost for search in searches)
            moves = sum(search.line.priced for search in searches)
            on_progress(Progress(mark, moves, effort.elapsed_s(), min(done, 1.0)))
        if stop is not None and not ended.is_set() and stop():
            ended.set()
        return ended.is_set()

    with ThreadPoolExecutor(cores) as pool:
        others = [pool.submit(search.run, lambda _: ended.is_set()) for search in searches[1:]]
        for other in others:
            # Nothing can be better than a mark of 0, but which search is first is left to chance.
            other.add_done_callback(lambda _: _end_if_solved(searches, max_moves, ended))
        try:
            searches[0].run(look)
            _end_if_solved(searches, max_moves, ended)
            while wait(others, LOOK_S).not_done:
                look(effort.spent(min(search.line.priced for search in searches[1:])))
        except BaseException:
            ended.set()
            raise
        for other in others:
            other.result()
    best = min(searches, key=lambda search: search.line.best_cost)
    order = tuple(cars[i] for i in best.line.best_order())
    course = _course(searches)
    return Found(
        order,
        score(instance, order).mark,
        sum(search.line.priced for search in searches),
        sum(search.line.refused_early for search in searches),
        effort.elapsed_s(),
        course[-1][0],
        course,
    )


@dataclass(frozen=True, slots=True)
class _Effort:
    """What one search may spend, and when it began."""

    time_limit_s: float | None
    max_moves: int | None
    clock: Callable[[], float]
    began: float

    def elapsed_s(self) -> float:
        return self.clock() - self.began

    def spent(self, moves: int) -> float:
        """Part of it that is spent; 1 or more: all."""
        return max(
            0.0 if self.time_limit_s is None else self.elapsed_s() / self.time_limit_s,
            0.0 if self.max_moves is None else moves / self.max_moves,
        )

    def step(self, moves: int) -> int:
        """Moves until the next look at the clock."""
        if self.max_moves is None:
            return STEP_MOVES
        return min(STEP_MOVES, max(1, self.max_moves // LOOKS), self.max_moves - moves)


class _Search:
    """One line that cools down."""

    def __init__(
        self, instance: Instance, cars: tuple[Car, ...], seed: int, effort: _Effort
    ) -> None:
        self._instance, self._cars = instance, cars
        self.line = line_of(instance, cars, seed)
        self.course = [(0.0, self.line.best_cost)]
        self._effort = effort
        self._cooling = _cooling(instance, cars, self.line, seed)
        self._shares = shares(instance)

    def run(self, ends: Callable[[float], bool]) -> None:
        """Search until the effort is spent, nothing is left to gain, or `ends(spent)` says so."""
        line, effort = self.line, self._effort
        quenching = first_is_over = False
        while line.best_cost > 0:
            spent = effort.spent(line.priced)
            if ends(spent) or spent >= 1:
                break
            if spent >= 1 - QUENCH and not quenching:
                quenching = True
                line.back_to_best()
            before = line.priced
            done = spent / (1 - QUENCH)
            if done >= FIRST_PASS and not first_is_over:
                first_is_over = True
                if self._colour_is_left():
                    self._cooling.only_last()
                    line.back_to_best()
            temperature = 0.0 if quenching else self._cooling.temperature(done)
            line.anneal(effort.step(before), temperature, *self._shares)
            self._cooling.saw(done, line.cost)
            if line.best_cost < self.course[-1][1]:
                self.course.append((effort.elapsed_s(), line.best_cost))
            if line.priced == before:
                break  # one car: there is nothing to move

    def _colour_is_left(self) -> bool:
        """Whether changes of colour come last and are all that the best order so far costs."""
        if not _colour_comes_last(self._instance):
            return False
        found = score(self._instance, [self._cars[i] for i in self.line.best_order()])
        return found.mark == found.weights["colour_changes"] * found.colour_changes


def _end_if_solved(
    searches: Sequence[_Search], max_moves: int | None, ended: threading.Event
) -> None:
    """End all where one has nothing left to gain; not by moves, whose result has to repeat."""
    if max_moves is None and any(search.line.best_cost <= 0 for search in searches):
        ended.set()


def _course(searches: Sequence[_Search]) -> tuple[tuple[float, float], ...]:
    """The best mark of all over time."""
    course = [(0.0, searches[0].course[0][1])]
    for at, mark in sorted(point for search in searches for point in search.course):
        if mark < course[-1][1]:
            course.append((at, mark))
    return tuple(course)


def _beginning(instance: Instance) -> tuple[Car, ...]:
    """The order given, or one built for levelling or in paint batches where that is better."""
    given = valid_start(instance, instance.cars)
    weight_of = instance.rules.weight_of()
    built = []
    if weight_of.get("levelling"):
        built.append(goal_chased(instance))
    if _colour_comes_first(instance):
        built.append(in_batches(instance))
    valid = [given]
    for cars in built:
        with suppress(ConflictError):  # only that no order was found near this one
            valid.append(valid_start(instance, cars))
    return min(valid, key=lambda cars: score(instance, cars).mark)


def shares(instance: Instance) -> tuple[int, int, int]:
    """Of swaps, insertions and exchanges among the moves, in percent; the rest are reversals."""
    if _colour_comes_last(instance):
        return SWAPS, INSERTIONS - EXCHANGES, EXCHANGES
    return SWAPS, INSERTIONS, 0


def _colour_comes_last(instance: Instance) -> bool:
    weight_of = {name: weight for name, weight in instance.rules.weight_of().items() if weight}
    return min(weight_of, key=weight_of.__getitem__, default="") == "colour_changes"


def _colour_comes_first(instance: Instance) -> bool:
    weight_of = instance.rules.weight_of()
    return weight_of.get("colour_changes", 0) >= COMES_FIRST * max(
        (weight for name, weight in weight_of.items() if name != "colour_changes"), default=0
    )


def _cooling(instance: Instance, cars: tuple[Car, ...], line: Line, seed: int) -> Cooling:
    weight_of = instance.rules.weight_of()
    cold = COLD * min((weight for weight in weight_of.values() if weight), default=1)
    if _colour_comes_first(instance) and score(instance, cars).colour_changes == least_changes(
        instance
    ):
        # None can be saved any more: in greater heat the batches would only be lost.
        return Cooling(FROZEN * weight_of["colour_changes"], cold, repeat=True)
    hot = _hot(instance, line, seed)
    if _colour_comes_last(instance):
        weight = weight_of["colour_changes"]
        return Cooling(hot, COLD_OF_COLOUR * weight, last=LAST_OF_COLOUR * weight)
    return Cooling(hot, cold)


def _hot(instance: Instance, line: Line, seed: int) -> float:
    """The first temperature."""
    weight_of = instance.rules.weight_of()
    last = len(instance.cars) - 1
    draw = random.Random(seed)  # noqa: S311  no secret
    changes = [
        line.price("swap", draw.randint(0, last), draw.randint(0, last)) for _ in range(SAMPLE)
    ]
    total = sum(map(abs, changes))
    hot = HOT_OF_SWAP * sum(c * c for c in changes) / total if total else 0.0
    if weight_of.get("levelling"):
        # A start that is level already would be lost in such heat.
        near = [line.price("swap", at, at + 1) for at in range(last)]
        least = HOT_OF_NEAR * median(map(abs, near)) if near else 0.0
        hot = max(least, min(hot, 2 * _balance([*changes, *near])))
    return max(HOT * (max(weight_of.values(), default=0) or 1), hot)


def _balance(changes: Sequence[float]) -> float:
    """The temperature at which such moves would, on average, leave the cost as it is.

    It is low for a good start, and without bound for one at random.
    """
    low, high = 1e-9, 2 * max(map(abs, changes)) + 1e-9
    for _ in range(30):
        middle = math.sqrt(low * high)
        if sum(c * math.exp(-max(c, 0) / middle) for c in changes) < 0:
            low = middle
        else:
            high = middle
    return high
