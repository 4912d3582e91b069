"""An order as it stands while it is repaired: what a move of one car costs, breaks and changes."""

from __future__ import annotations

import math
import time
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from hub.sequencing.arrays import line_of
from hub.sequencing.model import Car, Pair
from hub.sequencing.plant_state import ClosedUp
from hub.sequencing.released import ChangedCall, Horizon

STEP = 2_000
"""Moves of the search between two looks at the clock."""
SWAPS, INSERTIONS = 60, 25
"""Of the search, shares of its moves in percent; the rest are reversals."""
COLD = 0.3
"""Its temperature as a part of the smallest weight."""
LOOKS = 200
"""Moves of one scan that are asked for their changed calls, cheapest first."""
DIGITS = 6
"""To which costs are compared: weights may be fractions."""

Kind = Literal["insert", "swap"]


class Effort:
    """Moves that may still be priced. until: a reading of `time.perf_counter` that ends it too."""

    def __init__(self, moves: int, until: float | None) -> None:
        self._moves, self._until = moves, until
        self._allowed = moves
        self.spent = 0

    def allow(self, share: float) -> None:
        """Let that share of all be spent by now."""
        self._allowed = round(share * self._moves)

    @property
    def left(self) -> int:
        if self._until is not None and time.perf_counter() >= self._until:
            return 0
        return max(0, self._allowed - self.spent)


class Move(NamedTuple):
    price: float
    kind: Kind
    a: int
    b: int
    """Positions from 0. insert: the car of a goes to b. swap: both cars change places."""


class Standing:
    """The order as it stands: what moves cost, break and change.

    closed: the cars to be ordered, and their limits. cars: these in the order to begin with.
    worth: mark that a changed call must save.
    """

    def __init__(
        self,
        closed: ClosedUp,
        cars: Sequence[Car],
        horizon: Horizon,
        worth: float,
        effort: Effort,
    ) -> None:
        self._instance = instance = closed.instance
        self._horizon, self._worth = horizon, worth
        self._effort = effort
        self._cars = cars
        # Frozen cars are held by what is tried here; without them the line has less to ask.
        limits = replace(instance.limits, frozen=0)
        self.line = line_of(replace(instance, limits=limits), cars, seed=1)
        numbers = [car.production_no for car in cars]
        self._order = list(range(len(cars)))
        """By position: which car."""
        given = {car.production_no: at for at, car in enumerate(instance.cars)}
        self._low = [closed.spans[given[number]][0] for number in numbers]
        self._high = [closed.spans[given[number]][1] for number in numbers]
        """By car: its first and last position."""
        self._loose = not instance.limits.places
        """Whether each car that is not frozen may stand wherever no frozen one does."""
        self._index = index = {number: car for car, number in enumerate(numbers)}
        self._pairs = [(p, index[p.first], index[p.second]) for p in instance.limits.pairs]
        self._was = array("i", horizon.places(numbers))
        """By position, as colours are: where the car stood in the released horizon."""
        self._colours = [car.colour for car in cars]
        self._colour_weight = instance.rules.weight_of().get("colour_changes", 0.0)
        # Imported here, as the line is: the rest of the package does without compiled kernels.
        from hub.sequencing._released import CallCounter

        # No call of the horizon moves by more than its length.
        tolerance = min(horizon.tolerance, horizon.released)
        self._counter = CallCounter(horizon.released, tolerance, len(cars))
        self._changed = horizon.count(self._was)
        self._least = self._least_changes()

    def _least_changes(self) -> int:
        """Changes of calls that are taken for granted: of cars that left, and that have to move."""
        released = self._horizon.released
        stay = sum(
            was >= 0 and low < released for was, low in zip(self._was, self._low, strict=True)
        )
        late = sum(0 <= was < low < released for was, low in zip(self._was, self._low, strict=True))
        return released - stay + min(released, len(self._was)) - stay + late

    # ---- what stands

    @property
    def value(self) -> tuple[float, float]:
        """What is to be made least."""
        return self._value(self.line.cost, self._changed)

    def _value(self, cost: float, changes: int) -> tuple[float, float]:
        if math.isinf(self._worth):
            return changes, round(cost, DIGITS)
        return round(cost + self._worth * changes, DIGITS), round(cost, DIGITS)

    @property
    def retimed(self) -> bool:
        """Whether a released car stands further off than its calls may."""
        head, tolerance = self._was[: self._horizon.released], self._horizon.tolerance
        return any(was >= 0 and abs(was - at) > tolerance for at, was in enumerate(head))

    def calls(self) -> tuple[ChangedCall, ...]:
        """The calls that the order changes."""
        return self._horizon.changes([self._cars[car].production_no for car in self._order])

    def cars(self) -> tuple[Car, ...]:
        """In their order."""
        return tuple([self._cars[car] for car in self._order])

    def position_of(self, number: str) -> int:
        """From 0."""
        return self._order.index(self._index[number])

    def keeps_limits(self) -> bool:
        """Whether the order keeps every hard limit that binds a car which is not frozen."""
        return (
            all(self._low[car] <= at <= self._high[car] for at, car in enumerate(self._order))
            and self._pairs_keep(self._order)
            and not any(self._long_batches())
        )

    def _long_batches(self) -> Iterator[int]:
        """Positions behind the frozen ones that make a batch too long."""
        limit = self._instance.rules.batch_limit
        run = 0
        for at, colour in enumerate(self._colours):
            run = run + 1 if at and colour == self._colours[at - 1] else 1
            if limit is not None and run > limit and at >= self._instance.limits.frozen:
                yield at

    # ---- what is done to it

    def fill(self, gaps: Sequence[int]) -> None:
        """Put into each gap of the horizon the car from behind it that costs least.

        Half of what may be spent now is shared by the gaps: of many, each looks at the next few
        cars alone.
        """
        released = self._horizon.released
        places = [gap + nth for nth, gap in enumerate(gaps) if gap + nth < released]
        share = max(1, self._effort.left // max(1, 2 * len(places)))
        for place in places:
            if not self._effort.left or place >= len(self._order):
                return
            behind = self._into(place, math.inf, range(released, released + share))
            found = next((move for move in sorted(behind) if self._legal(move)), None)
            if found is not None:
                self._make(found)

    def part_batches(self, most: int) -> None:
        """Part batches that are too long, by the cheapest move for each; at most so many."""
        for _ in range(most):
            at = next(self._long_batches(), None)
            if at is None:
                return
            moves = [*self._into(at, math.inf), *self._from(at, math.inf)]
            found = self._best(moves, (math.inf, math.inf), free=False)
            if found is None:
                return
            self._make(found)

    def place(self, numbers: Iterable[str], *, free: bool) -> None:
        """Try each of these cars at every place it may have. free: no call more may change."""
        for number in numbers:
            at = self.position_of(number)
            if self._effort.left and self._movable(at):
                self._make_if_it_pays(self._from(at, self._dearest()), free)

    def repair(self, places: Iterable[int], *, free: bool) -> None:
        """Try what stands around these places, from 0, elsewhere, and others in its stead.

        free: no call more may change. Else only such cars are tried as cost a change of calls.
        """
        touched = [place for place in dict.fromkeys(places) if place < len(self._order)]
        for place in touched.copy() if free else ():
            if self._effort.left:
                made = self._make_if_it_pays(self._into(place, self._dearest()), free)
                if made is not None:
                    touched.append(made.a)
        least = 10.0**-DIGITS if free else self._worth
        tried: set[int] = set()
        waiting = self._troubled(touched, least)
        while waiting and self._effort.left:
            at = waiting.pop(0)
            if self._order[at] in tried:
                continue
            tried.add(self._order[at])
            most = self._dearest()
            made = self._make_if_it_pays([*self._from(at, most), *self._with(at, most)], free)
            if made is not None:
                touched += (made.a, made.b)
                waiting = self._troubled(touched, least)

    def search_rest(self) -> None:
        """Search the cars behind the released horizon for a better mark, at low temperature."""
        line = self.line
        weights = [weight for weight in self._instance.rules.weight_of().values() if weight]
        line.hold(max(self._horizon.released, self._instance.limits.frozen))
        while weights and self._effort.left and line.best_cost > 0:
            before = line.priced
            line.anneal(min(self._effort.left, STEP), COLD * min(weights), SWAPS, INSERTIONS)
            self._effort.spent += line.priced - before
            if line.priced == before:
                break  # no car behind can move
        line.back_to_best()
        self._order = line.order()
        self._was = array("i", self._horizon.places([car.production_no for car in self.cars()]))
        self._colours = [self._cars[car].colour for car in self._order]

    def _make_if_it_pays(self, moves: Iterable[Move], free: bool) -> Move | None:
        found = self._best(moves, self._value(0.0, 0), free)
        if found is not None:
            self._make(found)
        return found

    def _make(self, move: Move) -> None:
        self.line.move(move.kind, move.a, move.b)
        _apply(self._order, move)
        _apply(self._was, move)
        _apply(self._colours, move)
        self._changed = self._horizon.count(self._was)

    # ---- moves and their prices

    def _movable(self, at: int) -> bool:
        return self._low[self._order[at]] < self._high[self._order[at]]

    @property
    def _spare(self) -> int:
        """Changed calls that a move could make undone."""
        return max(0, self._changed - self._least)

    def _dearest(self) -> float:
        """The price above which no move pays, however many calls it spares."""
        return self._worth * self._spare if self._spare else -(10.0**-DIGITS)

    def _from(self, a: int, most: float) -> list[Move]:
        """The car at `a` to every place that the spans of all cars allow; prices up to `most`."""
        first = last = a
        low, high = self._low[self._order[a]], self._high[self._order[a]]
        if self._loose:
            first, last = low, high
        while first > low and first - 1 < self._high[self._order[first - 1]]:
            first -= 1
        while last < high and last + 1 > self._low[self._order[last + 1]]:
            last += 1
        price = self.line.price
        self._effort.spent += last - first
        return [
            Move(cost, "insert", a, b)
            for b in range(first, last + 1)
            if (cost := price("insert", a, b)) <= most and b != a
        ]

    def _into(self, b: int, most: float, among: range | None = None) -> list[Move]:
        """Every car that the spans allow to `b`; those between close the gap that it leaves.

        among: positions, if not all, from which it may come.
        """
        first = last = b
        if self._loose and b >= self._instance.limits.frozen:
            first, last = self._instance.limits.frozen, len(self._order) - 1
        while first > 0 and first > self._low[self._order[first]]:
            first -= 1
        while last < len(self._order) - 1 and last < self._high[self._order[last]]:
            last += 1
        if among is not None:
            first, last = max(first, among.start), min(last, among.stop - 1)
        price = self.line.price
        sources = range(first, last + 1)
        self._effort.spent += len(sources) - (b in sources)
        return [
            Move(cost, "insert", a, b)
            for a in sources
            if (cost := price("insert", a, b)) <= most
            and a != b
            and self._low[self._order[a]] <= b <= self._high[self._order[a]]
        ]

    def _with(self, a: int, most: float) -> list[Move]:
        """The car at `a` in exchange with every other that the spans allow."""
        low, high = self._low[self._order[a]], self._high[self._order[a]]
        price = self.line.price
        self._effort.spent += high - low
        return [
            Move(cost, "swap", a, b)
            for b in range(low, high + 1)
            if (cost := price("swap", a, b)) <= most
            and b != a
            and self._low[self._order[b]] <= a <= self._high[self._order[b]]
        ]

    def _best(self, moves: Iterable[Move], limit: tuple[float, float], free: bool) -> Move | None:
        """The move of the least value that keeps the hard limits, if that is below the limit.

        Of equal ones that which changes fewer calls. free: none that changes more than now.
        """
        spare = self._spare
        best: Move | None = None
        least = (limit[0], math.inf, limit[1])
        for looked, move in enumerate(sorted(moves)):
            if looked == LOOKS or self._value(move.price, -spare) > (least[0], math.inf):
                break
            changes = self._changes_by(move)
            value = self._value(move.price, changes)
            found = (value[0], changes, value[1])
            pays = value < limit and found < least and not (free and changes > 0)
            if pays and self._legal(move):
                best, least = move, found
        return best

    def _changes_by(self, move: Move) -> int:
        """By how much the move changes the number of changed calls."""
        if min(move.a, move.b) >= self._horizon.released:
            return 0
        count = self._counter.after_swap if move.kind == "swap" else self._counter.after_insert
        return count(self._was, move.a, move.b) - self._changed

    # ---- hard limits, after a move that the spans allow

    def _legal(self, move: Move) -> bool:
        if self._pairs:
            order = self._order.copy()
            _apply(order, move)
            if not self._pairs_keep(order):
                return False
        return self._batches_keep(move)

    def _pairs_keep(self, order: list[int]) -> bool:
        if not self._pairs:
            return True
        at = {car: place for place, car in enumerate(order)}
        return all(_keeps(pair, at[second] - at[first]) for pair, first, second in self._pairs)

    def _batches_keep(self, move: Move) -> bool:
        limit = self._instance.rules.batch_limit
        if limit is None:
            return True
        colours = self._colours.copy()
        _apply(colours, move)
        return all(_run_at(colours, place) <= limit for place in (move.a, move.b))

    # ---- where trouble is

    def _troubled(self, places: Iterable[int], least: float) -> list[int]:
        """Positions around the places whose cars cost something there, and no less than `least`.

        The costliest first: the weight of the over-full windows that a car counts in, and of the
        changes of colour at the place itself.
        """
        costs: dict[int, float] = defaultdict(float)
        for place in set(places):
            for at, cost in self.line.trouble(place):
                costs[at] += cost
            if 0 < place < len(self._order) and self._colours[place - 1] != self._colours[place]:
                for at in (place - 1, place):
                    costs[at] += self._colour_weight
        movable = (at for at, cost in costs.items() if cost >= least and self._movable(at))
        return sorted(movable, key=lambda at: (-costs[at], at))


def _apply(column: list[Any] | array[int], move: Move) -> None:
    if move.kind == "insert":
        column.insert(move.b, column.pop(move.a))
    else:
        column[move.a], column[move.b] = column[move.b], column[move.a]


def _keeps(pair: Pair, distance: int) -> bool:
    return (distance if pair.kind == "in_order" else abs(distance)) >= pair.places


def _run_at(colours: Sequence[str], place: int) -> int:
    """Length of the run of one colour that holds this position."""
    first = last = place
    while first > 0 and colours[first - 1] == colours[place]:
        first -= 1
    while last + 1 < len(colours) and colours[last + 1] == colours[place]:
        last += 1
    return last - first + 1
