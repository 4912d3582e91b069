"""Limits that no sequence can keep together: found before a search starts, and named.

Each check here is a proof. That none of them finds anything does not prove that a sequence exists:
with pairs that must stay apart and paint batches that is as hard as sequencing itself.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from hub.sequencing.model import Instance, InstanceError

Span = tuple[int, int]
"""First and last position from 0, both included."""
Gap = tuple[int, int, int]
"""(first, second, places): the second car stands at least so many places behind the first."""

NAMED = 8
"""Cars that a text names at most; of the others it gives the number."""


class ConflictError(InstanceError):
    """The hard limits cannot be kept together; the text names what contradicts what."""

    def __init__(self, text: str, cars: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.cars = tuple(cars)
        """Production numbers of the cars that the text names because of limits of their own."""


def check_conflicts(instance: Instance) -> None:
    """Raise `ConflictError` if the hard limits provably contradict each other.

    Found are: a car without a position; positions with more cars than places, or with none (exact
    for spans and `in_order` by one place); a ring or too long a chain of `in_order` pairs; cars
    that must stay apart in too small a space; colours that no order brings within the batch limit.
    """
    own = spans(instance)
    _check_fixed(instance, own)
    numbers = {car.production_no: given for given, car in enumerate(instance.cars)}
    pairs = [
        (pair.kind, (numbers[pair.first], numbers[pair.second], pair.places))
        for pair in instance.limits.pairs
    ]
    narrowed = narrow(instance, own, [order for kind, order in pairs if kind == "in_order"])
    check_room(instance, narrowed)
    _check_apart(instance, narrowed, [pair for _, pair in pairs])
    _check_batches(instance, narrowed)


def spans(instance: Instance) -> list[Span]:
    """Where each of `instance.cars` may stand by itself: first and last position from 0, included.

    What earliest and latest, the frozen positions and the places a car may move leave in common.
    Raises `ConflictError` if that is nothing.
    """
    found = []
    for given in range(len(instance.cars)):
        (low, not_before), (high, not_after) = _low(instance, given), _high(instance, given)
        if low > high:
            raise ConflictError(
                f"car {instance.cars[given].production_no} has no position left: "
                f"{not_before}, but {not_after}; one of the two has to be relaxed",
                _numbers(instance, [given]),
            )
        found.append((low, high))
    return found


def _low(instance: Instance, given: int) -> tuple[int, str]:
    """First position, from 0, of the car given at `given`, and the limit that says so."""
    return max(_not_before(instance, given), key=lambda bound: bound[0])


def _high(instance: Instance, given: int) -> tuple[int, str]:
    """Last position, from 0, of the car given at `given`, and the limit that says so."""
    return min(_not_after(instance, given), key=lambda bound: bound[0])


def _not_before(instance: Instance, given: int) -> Iterator[tuple[int, str]]:
    limits = instance.limits
    yield 0, "the day begins at 1"
    place = limits.places.get(instance.cars[given].production_no)
    if place is not None and place.earliest is not None:
        yield place.earliest - 1, f"its earliest position is {place.earliest}"
    if given < limits.frozen:
        yield given, f"it is frozen at {given + 1}"
    elif limits.frozen:
        yield limits.frozen, f"positions 1 to {limits.frozen} are frozen"
    if limits.forward is not None:
        yield (
            given - limits.forward,
            f"it may move at most {limits.forward} forward from {given + 1}",
        )


def _not_after(instance: Instance, given: int) -> Iterator[tuple[int, str]]:
    limits = instance.limits
    last = len(instance.cars) - 1
    yield last, f"the day ends at {last + 1}"
    place = limits.places.get(instance.cars[given].production_no)
    if place is not None and place.latest is not None:
        yield place.latest - 1, f"its latest position is {place.latest}"
    if given < limits.frozen:
        yield given, f"it is frozen at {given + 1}"
    if limits.back is not None:
        yield given + limits.back, f"it may move at most {limits.back} back from {given + 1}"


def _check_fixed(instance: Instance, own: Sequence[Span]) -> None:
    """Two cars that each have one position only, and the same."""
    taken: dict[int, int] = {}
    for given, (low, high) in enumerate(own):
        if low != high:
            continue
        if low in taken:
            one, other = (_fixed_by(instance, car) for car in (taken[low], given))
            raise ConflictError(
                f"{one} and {other} can both stand at position {low + 1} only; "
                "one of them has to give way",
                _numbers(instance, [taken[low], given]),
            )
        taken[low] = given


def _fixed_by(instance: Instance, given: int) -> str:
    """The car, and the limits that leave it one position."""
    bounds = dict.fromkeys((_low(instance, given)[1], _high(instance, given)[1]))
    return f"car {instance.cars[given].production_no} ({', '.join(bounds)})"


def narrow(instance: Instance, own: Sequence[Span], orders: Sequence[Gap]) -> list[Span]:
    """The spans that are left when each car of an order leaves room for those before and after it.

    `own` and the result are by position in `instance.cars`. Raises `ConflictError` on a ring of
    orders, or a chain of them that is longer than its cars have room for.
    """
    if not orders:
        return list(own)
    followers: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for first, second, places in orders:
        followers[first].append((second, places))
    line = _first_to_last(instance, orders, followers)
    low, high = [span[0] for span in own], [span[1] for span in own]
    pushed_by: dict[int, int] = {}
    pulled_by: dict[int, int] = {}
    for first in line:
        for second, places in followers[first]:
            if low[first] + places > low[second]:
                low[second], pushed_by[second] = low[first] + places, first
    for first in reversed(line):
        for second, places in followers[first]:
            if high[second] - places < high[first]:
                high[first], pulled_by[first] = high[second] - places, second
    for car in line:
        if low[car] > high[car]:
            _raise_chain(instance, car, pushed_by, pulled_by, low[car] - high[car])
    return list(zip(low, high, strict=True))


def _first_to_last(
    instance: Instance,
    orders: Sequence[Gap],
    followers: defaultdict[int, list[tuple[int, int]]],
) -> list[int]:
    """The cars that stand in an order, each behind those it has to follow."""
    waits_for: Counter[int] = Counter(second for _, second, _ in orders)
    line = [first for first in dict.fromkeys(o[0] for o in orders) if not waits_for[first]]
    for car in line:  # grows while it is walked
        for second, _ in followers[car]:
            waits_for[second] -= 1
            if not waits_for[second]:
                line.append(second)
    stuck = {car for car, count in waits_for.items() if count}
    if not stuck:
        return line
    # Each stuck car follows a stuck one; so the way back must come round.
    leader = {second: first for first, second, _ in orders if first in stuck}
    way = [min(stuck)]
    while leader[way[-1]] not in way:
        way.append(leader[way[-1]])
    ring = [*way[way.index(leader[way[-1]]) :]][::-1]
    raise ConflictError(
        f"the cars of a ring are each to stand before the next: {_chain(instance, ring + ring[:1])}"
        "; one of these in_order pairs has to go",
        _numbers(instance, ring),
    )


def _raise_chain(
    instance: Instance,
    car: int,
    pushed_by: dict[int, int],
    pulled_by: dict[int, int],
    missing: int,
) -> None:
    chain = [car]
    while chain[0] in pushed_by:
        chain.insert(0, pushed_by[chain[0]])
    while chain[-1] in pulled_by:
        chain.append(pulled_by[chain[-1]])
    first, last = chain[0], chain[-1]
    raise ConflictError(
        f"cars {_chain(instance, chain)} have to stand in this order, but of car "
        f"{instance.cars[first].production_no} {_low(instance, first)[1]}, and of car "
        f"{instance.cars[last].production_no} {_high(instance, last)[1]}: the room between "
        f"them is short by {missing}; an in_order pair, its places or one of the two limits has to "
        "be relaxed",
        _numbers(instance, chain),
    )


def check_room(instance: Instance, narrowed: Sequence[Span]) -> None:
    """Raise `ConflictError` if the spans, by position in `instance.cars`, cannot all be kept.

    Cars are put in place one after the other, of those that may stand there the one first that has
    to stand first (earliest deadline); this fails only if nothing succeeds (Hall's condition).
    """
    coming = sorted(range(len(narrowed)), key=lambda car: narrowed[car][0], reverse=True)
    ready: list[tuple[int, int]] = []
    for position in range(len(narrowed)):
        while coming and narrowed[coming[-1]][0] <= position:
            car = coming.pop()
            heapq.heappush(ready, (narrowed[car][1], car))
        if not ready:
            raise ConflictError(
                f"position {position + 1} stays empty: only {position} of {len(narrowed)} cars may "
                f"stand at 1 to {position + 1}; of the others "
                f"{_where(instance, narrowed, coming[-1:])} is the first; let one stand further to "
                "the front",
                _numbers(instance, coming[-1:]),
            )
        deadline, _ = heapq.heappop(ready)
        if deadline < position:
            _raise_crowd(instance, narrowed, deadline)


def _raise_crowd(instance: Instance, narrowed: Sequence[Span], deadline: int) -> None:
    """Name the fewest positions up to the deadline that more cars have to stand at."""
    crowd: list[int] = []
    due = [car for car, (_, high) in enumerate(narrowed) if high <= deadline]
    for car in sorted(due, key=lambda c: -narrowed[c][0]):
        crowd.append(car)
        begin = narrowed[car][0]
        positions = deadline - begin + 1
        if len(crowd) > positions:
            raise ConflictError(
                f"{len(crowd)} cars have to stand at the {positions} positions {begin + 1} to "
                f"{deadline + 1}: {_named(instance, sorted(crowd))}; earliest, latest, frozen "
                "positions, reach or order of one of them has to be relaxed",
                _numbers(instance, sorted(crowd)),
            )


def _check_apart(
    instance: Instance, narrowed: Sequence[Span], pairs: Sequence[tuple[int, int, int]]
) -> None:
    """Pairs that are too near wherever they stand, and groups that need more room than there is."""
    for one, other, places in pairs:
        widest = max(narrowed[one][1] - narrowed[other][0], narrowed[other][1] - narrowed[one][0])
        if widest < places:
            raise ConflictError(
                f"cars {_named(instance, [one, other])} have to stand {places} places from each "
                f"other, but can be {widest} at most: "
                f"{_where(instance, narrowed, [one, other])}; "
                "the pair, its places or one of the two positions has to be relaxed",
                _numbers(instance, [one, other]),
            )
    for places in sorted({places for _, _, places in pairs if places > 1}):
        near: defaultdict[int, set[int]] = defaultdict(set)
        for one, other, distance in pairs:
            if distance >= places:
                near[one].add(other)
                near[other].add(one)
        for group in _groups(near):
            if len(group) > 2:
                _check_group(instance, narrowed, group, places)


def _groups(near: dict[int, set[int]]) -> Iterator[list[int]]:
    """Groups of cars of which each is paired with each other, together all cars that are paired.

    Grown greedily: not each group there is.
    """
    seen: set[int] = set()
    for car in sorted(near, key=lambda c: (-len(near[c]), c)):
        if car in seen:
            continue
        group, common = [car], set(near[car])
        while common:
            joins = min(common)
            group.append(joins)
            common &= near[joins]
        seen.update(group)
        yield group


def _check_group(
    instance: Instance, narrowed: Sequence[Span], group: Sequence[int], places: int
) -> None:
    """A group of which each two stand `places` apart, against the room between its limits."""
    for begin in {narrowed[car][0] for car in group}:
        inside = sorted((c for c in group if narrowed[c][0] >= begin), key=lambda c: narrowed[c][1])
        for before, car in enumerate(inside):
            end = narrowed[car][1]
            if begin + before * places > end:
                raise ConflictError(
                    f"{before + 1} cars have to stand {places} places from each other, which takes "
                    f"{before * places + 1} positions, but have only {begin + 1} to {end + 1}: "
                    f"{_named(instance, inside[: before + 1])}; "
                    "their places, a pair or the positions of one has to be relaxed",
                    _numbers(instance, inside[: before + 1]),
                )


def _check_batches(instance: Instance, narrowed: Sequence[Span]) -> None:
    """Colours that the paint shop's limit has no room for."""
    limit = instance.rules.batch_limit
    if limit is None or not instance.cars:
        return
    check_colours(instance, limit)
    whole = (0, len(instance.cars) - 1)
    if all(span == whole for span in narrowed):
        return
    _check_other_colour(instance, narrowed, limit)
    by_colour: defaultdict[str, list[int]] = defaultdict(list)
    for given, car in enumerate(instance.cars):
        by_colour[car.colour].append(given)
    for cars in by_colour.values():
        if len(cars) > limit:
            _check_colour_room(instance, narrowed, cars, limit)


def check_colours(instance: Instance, limit: int) -> None:
    """Raise `ConflictError` if a colour has more cars than batches of `limit` can take.

    A colour needs a car of another between any two of its batches.
    """
    if not instance.cars:
        return
    colour, count = Counter(car.colour for car in instance.cars).most_common(1)[0]
    others = len(instance.cars) - count
    if count > limit * (others + 1):
        raise ConflictError(
            f"{count} of {len(instance.cars)} cars have colour {colour}: no order keeps batches of "
            f"at most {limit}; it takes a limit of {-(-count // (others + 1))}, or fewer cars of "
            "this colour"
        )


def _check_other_colour(instance: Instance, narrowed: Sequence[Span], limit: int) -> None:
    """Positions in a row, one more than a batch may have, where all cars are of one colour."""
    comes = sorted(range(len(narrowed)), key=lambda car: narrowed[car][0])
    goes = sorted(range(len(narrowed)), key=lambda car: narrowed[car][1])
    may_stand: Counter[str] = Counter()
    come = gone = 0
    for begin in range(len(narrowed) - limit):
        while come < len(comes) and narrowed[comes[come]][0] <= begin + limit:
            may_stand[instance.cars[comes[come]].colour] += 1
            come += 1
        while narrowed[goes[gone]][1] < begin:
            colour = instance.cars[goes[gone]].colour
            may_stand[colour] -= 1
            if not may_stand[colour]:
                del may_stand[colour]
            gone += 1
        if len(may_stand) == 1:
            raise ConflictError(
                f"at positions {begin + 1} to {begin + limit + 1} only cars of colour "
                f"{next(iter(may_stand))} can stand: no order keeps batches of at most {limit}; "
                "the limit has to be relaxed, or a car of another colour let in between"
            )


def _check_colour_room(
    instance: Instance, narrowed: Sequence[Span], cars: Sequence[int], limit: int
) -> None:
    """Cars of one colour that have to stand between two positions, against room for batches."""
    ends: list[tuple[int, int]] = []
    for car in sorted(cars, key=lambda c: narrowed[c][0], reverse=True):
        begin, end = narrowed[car]
        insort(ends, (end, car))
        for count, (end, _) in enumerate(ends, 1):
            positions = end - begin + 1
            room = positions - positions // (limit + 1)
            if room >= len(ends):
                break  # here and further back there is room for all
            if count > room:
                raise ConflictError(
                    f"{count} cars of colour {instance.cars[car].colour} have to stand at positions"
                    f" {begin + 1} to {end + 1}, where batches of at most {limit} take {room}: "
                    f"{_named(instance, [c for _, c in ends[:count]])}: no order keeps batches of "
                    f"at most {limit}; the limit or the position of one car has to be relaxed",
                    _numbers(instance, [c for _, c in ends[:count]]),
                )


def _numbers(instance: Instance, cars: Iterable[int]) -> list[str]:
    return [instance.cars[car].production_no for car in cars]


def _named(instance: Instance, cars: Iterable[int]) -> str:
    """The cars' production numbers, so many of them that a reader takes them in."""
    numbers = _numbers(instance, cars)
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return ", ".join(numbers[:NAMED]) + more


def _chain(instance: Instance, cars: Sequence[int]) -> str:
    """The cars in their order; of a long chain the two ends."""
    numbers = _numbers(instance, cars)
    if len(numbers) > NAMED:
        left_out = len(numbers) - NAMED
        numbers[NAMED // 2 : -NAMED // 2] = [f"… {left_out} more …"]
    return " → ".join(numbers)


def _where(instance: Instance, narrowed: Sequence[Span], cars: Sequence[int]) -> str:
    """Where each of the cars may stand, in positions from 1."""
    return ", ".join(
        f"{instance.cars[car].production_no} at {narrowed[car][0] + 1} to {narrowed[car][1] + 1}"
        for car in cars
    )
