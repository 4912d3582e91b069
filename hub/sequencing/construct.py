"""A valid order to begin with, near one that is wished for.

The order is built from the front. At each position the first car of the wished order is taken that
may stand there and leaves room for the rest; where none is left, the last choices are taken back,
so far as the effort allows. What then still breaks a limit is repaired.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from hub.sequencing.conflicts import (
    ConflictError,
    Gap,
    check_colours,
    check_conflicts,
    check_room,
    narrow,
)
from hub.sequencing.hard_limits import HardLimits, both_ways, neighbours
from hub.sequencing.model import Car, Instance, InstanceError
from hub.sequencing.repair import repair
from hub.sequencing.scoring import Score, score

ORIENTED_EFFORT, EFFORT = 2_000, 20_000
"""Choices beyond one per car; first with the order of each pair apart settled, then with it open.
The second exhausts any day of up to seven cars."""
NAMED = 5
"""Broken limits that a text names at most."""


def valid_start(instance: Instance, cars: Sequence[Car]) -> tuple[Car, ...]:
    """The cars in an order that keeps all hard limits, near the one in `cars`.

    An order that keeps them is returned unchanged. Else each position takes, as far as limits
    allow, the first car of `cars` that is left; where only the paint shop's limit is set the result
    is that of `mend_batches`. Repeatable: there is no clock in it.

    Raises `ConflictError` if limits contradict each other, or if no order was found; the text says
    which of the two, and which limits. Raises `InstanceError` if there are no cars, or if they are
    not those of the day.
    """
    wished = tuple(cars)
    if not instance.cars:
        raise InstanceError("there are no cars to be sequenced")
    if score(instance, wished).feasible:
        return wished
    check_conflicts(instance)
    limits = HardLimits.of(instance)
    whole = (0, len(wished) - 1)
    if not limits.orders and not limits.apart and all(span == whole for span in limits.spans):
        return mend_batches(instance, wished)
    place = {car.production_no: number for number, car in enumerate(instance.cars)}
    wish = [place[car.production_no] for car in wished]
    order, exhausted = _build(instance, limits, wish)
    if len(order) < len(wish):
        begun = set(order)
        order = repair(limits, [*order, *(car for car in wish if car not in begun)])
    found = tuple(instance.cars[number] for number in order)
    result = score(instance, found)
    if not result.feasible:
        broken = dict.fromkeys(number for limit in result.broken for number in limit.cars)
        raise ConflictError(_not_found(result, exhausted=exhausted), broken)
    return found


def _build(instance: Instance, limits: HardLimits, wish: list[int]) -> tuple[list[int], bool]:
    """The longest valid beginning found, and whether there is no longer one."""
    if limits.apart:
        oriented = _oriented(instance, limits, wish)
        if oriented is not None:
            order, _ = _Front(oriented, wish).build(len(wish) + ORIENTED_EFFORT)
            if len(order) == len(wish):
                return order, True
    return _Front(limits, wish).build(len(wish) + EFFORT)


def _oriented(instance: Instance, limits: HardLimits, wish: list[int]) -> HardLimits | None:
    """The same with it settled which car of a pair apart comes first; None if that has no room.

    Settled are the pairs as the cars stand in the wished order, when it keeps spans and orders.
    """
    loose = replace(limits, apart=(), batch_limit=None)
    order, _ = _Front(loose, wish).build(len(wish) + ORIENTED_EFFORT)
    at = {car: position for position, car in enumerate(order)}
    settled: list[Gap] = []
    for one, other, places in limits.apart:
        first, second = (one, other) if at.get(one, 0) < at.get(other, 0) else (other, one)
        if limits.spans[first][0] + places > limits.spans[second][1]:
            first, second = second, first
        settled.append((first, second, places))
    orders = [*limits.orders, *settled]
    try:
        narrowed = narrow(instance, limits.spans, orders)
        check_room(instance, narrowed)
    except ConflictError:
        return None
    return replace(limits, spans=narrowed, orders=orders, apart=())


def _not_found(result: Score, *, exhausted: bool) -> str:
    texts = [broken.text for broken in result.broken]
    texts += [
        f"a batch of {batch.length} cars of colour {batch.colour} begins at {batch.position}"
        for batch in result.long_batches
    ]
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    known = (
        "no order keeps all limits: each was tried"
        if exhausted
        else "no order was found that keeps all limits; that there is none is not proven"
    )
    return f"{known}. In the nearest {'; '.join(texts[:NAMED])}{more}. Relax one of these limits"


class _Front:
    """An order that grows from the front, and can be taken back."""

    def __init__(self, limits: HardLimits, wish: Sequence[int]) -> None:
        cars = len(wish)
        self.order: list[int] = []
        self._release = [low for low, _ in limits.spans]
        """First position of each car, as far as those that stand already say."""
        self._due = [high for _, high in limits.spans]
        self._followers = neighbours(cars, limits.orders)
        self._apart = neighbours(cars, both_ways(limits.apart))
        self._waits_for = [0] * cars
        for _, second, _ in limits.orders:
            self._waits_for[second] += 1
        self._kinds = self._alike(limits)
        self._colours = limits.colours
        self._paint = _Paint(limits.colours, limits.batch_limit)
        self._room = _Room(self._due)
        self._stands = bytearray(cars)
        self._before: list[list[tuple[int, int]]] = []
        """Per car that stands: the releases it changed, as they were."""
        # The cars that wait, in the wished order, as a ring through the number after the last.
        ring = [cars, *wish, cars]
        self._next, self._previous = [0] * (cars + 1), [0] * (cars + 1)
        for one, other in pairwise(ring):
            self._next[one], self._previous[other] = other, one

    def _alike(self, limits: HardLimits) -> list[tuple[int, int]]:
        """Two cars of a kind can stand for each other wherever both may stand."""
        paired = {
            c for first, second, _ in (*limits.orders, *limits.apart) for c in (first, second)
        }
        return [
            (-1, car) if car in paired else (colour, self._due[car])
            for car, colour in enumerate(limits.colours)
        ]

    def build(self, effort: int) -> tuple[list[int], bool]:
        """The longest valid beginning in so many choices, and whether there is no longer one."""
        cars = len(self._due)
        longest: list[int] = []
        choices = [self._candidates()]
        while choices and len(self.order) < cars:
            car = next(choices[-1], None)
            if car is not None:
                if not effort:
                    return max(longest, self.order, key=len), False
                effort -= 1
                self._place(car)
                choices.append(self._candidates())
                continue
            if len(self.order) > len(longest):
                longest = self.order[:]
            choices.pop()
            if self.order:
                self._take_back()
        return (self.order if choices else longest), True

    def _candidates(self) -> Iterator[int]:
        """The cars that can come next and leave room for the rest, one of a kind."""
        position, latest = len(self.order), self._room.latest()
        release, due, waits_for = self._release, self._due, self._waits_for
        seen: set[tuple[int, int]] = set()
        fits: dict[int, bool] = {}
        end = len(due)
        car = self._next[end]
        while car != end:
            if release[car] <= position and due[car] <= latest and not waits_for[car]:
                colour, kind = self._colours[car], self._kinds[car]
                if colour not in fits:
                    fits[colour] = self._paint.fits(colour)
                if fits[colour] and kind not in seen and self._leaves_room(car, position):
                    seen.add(kind)
                    yield car
            car = self._next[car]

    def _leaves_room(self, car: int, position: int) -> bool:
        """Whether those that must stand apart from the car still can, behind it."""
        return all(
            self._stands[other] or position + places <= self._due[other]
            for other, places in self._apart[car]
        )

    def _place(self, car: int) -> None:
        position = len(self.order)
        before = []
        for others in (self._followers[car], self._apart[car]):
            for other, places in others:
                before.append((other, self._release[other]))
                self._release[other] = max(self._release[other], position + places)
        for other, _ in self._followers[car]:
            self._waits_for[other] -= 1
        self._before.append(before)
        self._room.take(position, self._due[car])
        self._paint.push(self._colours[car])
        self._stands[car] = 1
        before_it, behind_it = self._previous[car], self._next[car]
        self._next[before_it], self._previous[behind_it] = behind_it, before_it
        self.order.append(car)

    def _take_back(self) -> None:
        """Undo the last `_place`, in the opposite order."""
        car = self.order.pop()
        self._next[self._previous[car]] = self._previous[self._next[car]] = car
        self._stands[car] = 0
        self._paint.pop(self._colours[car])
        self._room.give_back(len(self.order), self._due[car])
        for other, _ in self._followers[car]:
            self._waits_for[other] += 1
        for other, release in reversed(self._before.pop()):
            self._release[other] = release


class _Room:
    """Which deadlines leave no choice: so many cars wait for the positions up to them.

    Kept per position b from 0: the free positions up to b, less the waiting cars due by b. Where
    that is nothing, the next car has to be one of those due by b. As each step changes it for all
    positions behind one, the differences are kept, in a tree with the least of their sums.
    """

    def __init__(self, due: Sequence[int]) -> None:
        self._leaves = 1 << len(due).bit_length()
        """More than there are positions: those behind the last have no room either."""
        self._total = [0] * (2 * self._leaves)
        self._least = [0] * (2 * self._leaves)
        for position in range(len(due)):
            self._total[self._leaves + position] = 1
        for position in due:
            self._total[self._leaves + position] -= 1
        self._least[self._leaves :] = self._total[self._leaves :]
        for node in range(self._leaves - 1, 0, -1):
            self._sum_up(node)

    def take(self, position: int, due: int) -> None:
        """A car due by `due` takes the first free position, `position`."""
        self._add(position + 1, -1)
        self._add(due, 1)

    def give_back(self, position: int, due: int) -> None:
        self._add(position + 1, 1)
        self._add(due, -1)

    def latest(self) -> int:
        """The first deadline without choice: the next car has to be due by it."""
        node, total = 1, 0
        while node < self._leaves:
            node *= 2
            if total + self._least[node] > 0:
                total += self._total[node]
                node += 1
        return node - self._leaves

    def _add(self, position: int, more: int) -> None:
        node = self._leaves + position
        self._total[node] += more
        self._least[node] += more
        while node > 1:
            node >>= 1
            self._sum_up(node)

    def _sum_up(self, node: int) -> None:
        total, least = self._total, self._least
        left = total[2 * node]
        total[node] = left + total[2 * node + 1]
        one, other = least[2 * node], left + least[2 * node + 1]
        least[node] = one if one < other else other


class _Paint:
    """The paint shop's limit while an order grows: which colour may come next."""

    def __init__(self, colours: Sequence[int], limit: int | None) -> None:
        self._limit = limit
        counts = Counter(colours)
        self._left = [counts[colour] for colour in range(len(counts))]
        self._total = len(colours)
        self._batches: list[tuple[int, int]] = [(-1, 0)]
        """Colour and length of the batch that stood last, after each car."""

    def fits(self, colour: int) -> bool:
        """Whether a car of the colour can come next, and the rest after it in some order.

        Then each colour must be left with cars enough of others to part its batches; the batch
        that stands takes from the first of its colour.
        """
        if self._limit is None:
            return True
        run = self._run(colour)
        if run > self._limit:
            return False
        self._left[colour] -= 1
        own, most = self._left[colour], max(self._left)
        self._left[colour] += 1
        total = self._total - 1
        return own + run <= self._limit * (total - own + 1) and most <= self._limit * (
            total - most + 1
        )

    def push(self, colour: int) -> None:
        """A car of the colour comes next."""
        self._batches.append((colour, self._run(colour)))
        self._left[colour] -= 1
        self._total -= 1

    def pop(self, colour: int) -> None:
        """Undo the last `push`."""
        self._batches.pop()
        self._left[colour] += 1
        self._total += 1

    def _run(self, colour: int) -> int:
        last, run = self._batches[-1]
        return run + 1 if colour == last else 1


def mend_batches(instance: Instance, cars: tuple[Car, ...]) -> tuple[Car, ...]:
    """The same cars, in this order as far as the paint shop's limit allows.

    Looks at no other limit. Raises `InstanceError` if there are no cars, or so many of one colour
    that no order keeps it.
    """
    if not cars:
        raise InstanceError("there are no cars to be sequenced")
    limit = instance.rules.batch_limit
    if limit is None:
        return cars
    check_colours(instance, limit)
    numbers: dict[str, int] = {}
    colours = [numbers.setdefault(car.colour, len(numbers)) for car in cars]
    paint = _Paint(colours, limit)
    waiting: list[deque[int]] = [deque() for _ in numbers]
    for place, colour in enumerate(colours):
        waiting[colour].append(place)
    # Of each colour that waits its first car; the first of all comes, unless its colour must not.
    first = [places[0] for places in waiting]
    heapq.heapify(first)
    mended: list[Car] = []
    while first:
        barred = []
        while not paint.fits(colours[first[0]]):
            barred.append(heapq.heappop(first))
        place = heapq.heappop(first)
        colour = colours[place]
        paint.push(colour)
        mended.append(cars[place])
        waiting[colour].popleft()
        if waiting[colour]:
            barred.append(waiting[colour][0])
        for place in barred:
            heapq.heappush(first, place)
    return tuple(mended)
