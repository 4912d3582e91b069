"""A mix bank: cars wait in lanes, first in, first out. Which lane releases, which takes a car in.

The next cars are planned by a beam search over the lanes' heads. A state is how many cars each lane
has released, with what the line's tail still matters for: the last takers of each ratio, the colour
and the length of its batch. Of states that agree in all that the cheapest is kept, and of each
length of plan the `width` cheapest: while no more than these stand side by side the plan is the
best there is. The first lane of the plan is released, and the next call plans anew.

A plan costs what its cars add to the mark: the windows over the ratios and supplier lines, as far
as they are known, and changes of colour. A window that is over its limit before it is full will be
so when it is full: it counts at once, whatever the rules say of the end of the day. Levelling and
lateness look at the whole day and do not enter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hub.sequencing.model import Car, InstanceError, Rules

LOOK_AHEAD, WIDTH = 10, 20
STORE_WIDTH = 4
"""States kept side by side when a lane is chosen to take a car in: the whole bank is planned."""


class LaneError(InstanceError):
    """No lane can release a car, or take one in; the text says why for each."""


class Release(NamedTuple):
    """A car of a plan and the lane it comes from."""

    lane: int
    car: Car


@dataclass(frozen=True, slots=True)
class LaneChoice:
    """Which lane releases next."""

    lane: int
    cost: float
    """What the cars of the plan add to the mark."""
    plan: tuple[Release, ...]
    """The next cars, the chosen lane's first."""


def next_lane(
    lanes: Sequence[Sequence[Car]],
    line: Sequence[Car],
    rules: Rules,
    *,
    look_ahead: int = LOOK_AHEAD,
    width: int = WIDTH,
    blocked: Collection[int] = frozenset(),
) -> LaneChoice:
    """The lane to release from, and the plan it begins.

    lanes: the cars of each, its head first. line: the cars released already, the last one last;
    those matter that the longest window and the batch limit reach back to. look_ahead: cars to
    plan; 1 takes the cheapest head. width: states kept side by side. blocked: lanes, from 0, that
    cannot release now. A plan is shorter than look_ahead where cars run out, or where each next one
    would break the batch limit.

    Raises `LaneError` if no lane can release, `ValueError` for a look-ahead or a width below 1.
    """
    if look_ahead < 1 or width < 1:
        raise ValueError(f"look-ahead {look_ahead} and width {width}: at least 1")
    end = _search(_Costs(rules, line), lanes, look_ahead, width, blocked)
    if end.before is None:
        raise LaneError(_why_none(lanes, line, rules, blocked))
    plan = tuple(_plan(end, lanes))
    return LaneChoice(plan[0].lane, end.cost, plan)


def store_lane(
    lanes: Sequence[Sequence[Car]],
    car: Car,
    rules: Rules,
    *,
    places: int,
    line: Sequence[Car] = (),
    blocked: Collection[int] = frozenset(),
) -> int:
    """The lane, from 0, that an arriving car should enter.

    The one that leaves the cheapest plan for emptying the whole bank; of equal ones that with fewer
    cars, then the first. lanes, line, rules: as for `next_lane`. places: cars that a lane holds.
    blocked: lanes that neither take in nor release now.

    Raises `LaneError` if each lane is full or blocked.
    """
    costs = _Costs(rules, line)
    best: tuple[tuple[int, float, int], int] | None = None
    for lane, cars in enumerate(lanes):
        if lane in blocked or len(cars) >= places:
            continue
        stored = [*lanes[:lane], (*cars, car), *lanes[lane + 1 :]]
        end = _search(costs, stored, sum(map(len, stored)), STORE_WIDTH, blocked)
        # The batch limit may end a plan early: of plans the longest, then the cheapest.
        badness = (-sum(end.taken), end.cost, len(cars))
        if best is None or badness < best[0]:
            best = badness, lane
    if best is None:
        reasons = [
            f"lane {lane} is blocked" if lane in blocked else f"lane {lane} holds {len(cars)}"
            for lane, cars in enumerate(lanes)
        ]
        raise LaneError(
            f"no lane can take in car {car.production_no}: "
            f"{'; '.join(reasons) or 'there is none'}; each has {places} places"
        )
    return best[1]


def _search(
    costs: _Costs,
    lanes: Sequence[Sequence[Car]],
    look_ahead: int,
    width: int,
    blocked: Collection[int],
) -> _State:
    """The end of the cheapest plan found; of the longest if the batch limit cuts plans short."""
    lengths = [0 if lane in blocked else len(cars) for lane, cars in enumerate(lanes)]
    states = [costs.start(len(lanes))]
    for _ in range(min(look_ahead, sum(lengths))):
        cheapest: dict[object, _State] = {}
        for state in states:
            for lane, taken in enumerate(state.taken):
                if taken == lengths[lane]:
                    continue
                following = costs.after(state, lane, lanes[lane][taken])
                if following is None:
                    continue
                known = cheapest.get(following.matters)
                if known is None or following.cost < known.cost:
                    cheapest[following.matters] = following
        if not cheapest:
            break
        # Sorting is stable, and the lanes were gone through in order: the same plan each time.
        states = sorted(cheapest.values(), key=lambda state: state.cost)[:width]
    return states[0]


class _State(NamedTuple):
    """Where a plan has come to."""

    cost: float
    taken: tuple[int, ...]
    """Cars released, by lane."""
    recent: tuple[tuple[int, ...], ...]
    """By column: positions of its last takers, as many as are allowed in a window."""
    colour: str | None
    run: int
    """Cars of that colour at the end of the line."""
    position: int
    """Of the next car, from 0."""
    lane: int
    before: _State | None

    @property
    def matters(self) -> object:
        """What decides over the cost of all that can follow."""
        return self.taken, self.recent, self.colour, self.run


class _Costs:
    """What a car adds to the mark behind a line that is known."""

    def __init__(self, rules: Rules, line: Sequence[Car]) -> None:
        weights = rules.weight_of()
        self._columns = [
            (frozenset({ratio.option}), ratio.most, ratio.window, weight)
            for ratio in rules.ratios
            if (weight := weights.get("high_priority" if ratio.high_priority else "low_priority"))
        ]
        if capacity := weights.get("capacity"):
            self._columns += [(c.options, c.most, c.window, capacity) for c in rules.capacities]
        self._colour = weights.get("colour_changes", 0.0)
        self._limit = rules.batch_limit
        # What lies further back than windows and batches reach does not matter.
        reach = max([window for _, _, window, _ in self._columns] + [self._limit or 0, 1])
        self._line = line[-reach:]
        self._of_options: dict[frozenset[str], list[int]] = {}

    def start(self, lanes: int) -> _State:
        """The line as it stands, nothing released."""
        recent: list[tuple[int, ...]] = []
        for options, most, _, _ in self._columns:
            takers = [at for at, car in enumerate(self._line) if options & car.options]
            recent.append(tuple(takers[len(takers) - most :] if most < len(takers) else takers))
        colour = self._line[-1].colour if self._line else None
        run = 0
        while run < len(self._line) and self._line[-1 - run].colour == colour:
            run += 1
        return _State(0.0, (0,) * lanes, tuple(recent), colour, run, len(self._line), -1, None)

    def after(self, state: _State, lane: int, car: Car) -> _State | None:
        """The state once the lane has released this car; None if the batch limit forbids it."""
        position, same = state.position, car.colour == state.colour
        run = state.run + 1 if same else 1
        if self._limit is not None and run > self._limit:
            return None
        cost = state.cost
        if not same and position:
            cost += self._colour
        recent = list(state.recent)
        for column in self._taken_by(car):
            _, most, window, weight = self._columns[column]
            takers = recent[column]
            if len(takers) == most:
                # Windows that begin at or before the first of the last takers are full; those that
                # begin after the line does and hold the new car go over their limit by it.
                first = max(0, position - window + 1)
                full = (takers[0] if most else position) - first + 1
                if full > 0:
                    cost += full * weight
                takers = takers[1:]
            recent[column] = (*takers, position) if most else ()
        taken = (*state.taken[:lane], state.taken[lane] + 1, *state.taken[lane + 1 :])
        return _State(cost, taken, tuple(recent), car.colour, run, position + 1, lane, state)

    def _taken_by(self, car: Car) -> list[int]:
        """Columns that the car counts in."""
        found = self._of_options.get(car.options)
        if found is None:
            found = [
                column
                for column, (options, _, _, _) in enumerate(self._columns)
                if not options.isdisjoint(car.options)
            ]
            self._of_options[car.options] = found
        return found


def _plan(state: _State, lanes: Sequence[Sequence[Car]]) -> Iterator[Release]:
    """The releases that have led to a state."""
    path = []
    while state.before is not None:
        path.append(Release(state.lane, lanes[state.lane][state.before.taken[state.lane]]))
        state = state.before
    return reversed(path)


def _why_none(
    lanes: Sequence[Sequence[Car]],
    line: Sequence[Car],
    rules: Rules,
    blocked: Collection[int],
) -> str:
    if not lanes:
        return "no lane can release: there is none"
    reasons = [
        f"lane {lane} is blocked"
        if lane in blocked
        else f"lane {lane} is empty"
        if not cars
        else f"car {cars[0].production_no} at the head of lane {lane} is {cars[0].colour} too"
        for lane, cars in enumerate(lanes)
    ]
    text = f"no lane can release: {'; '.join(reasons)}"
    if any(cars for lane, cars in enumerate(lanes) if lane not in blocked):
        text += f", and {rules.batch_limit} cars of {line[-1].colour} in a row are the limit"
    return text
