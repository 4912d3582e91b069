"""Why a sequence costs what it costs: by windows, cars, parts and supplier lines.

The score says how much, this says where. Every sum here is the one of `scoring.py`, taken apart;
each takes time in the length of the day, not in that of the windows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise

from hub.sequencing.explanation import (
    CarCost,
    ColourChange,
    Explanation,
    LineCost,
    ObjectiveCost,
    Overload,
    PartCost,
    RatioCost,
    Takers,
)
from hub.sequencing.model import Car, Instance, Objective
from hub.sequencing.scoring import Score, score


def explain(instance: Instance, sequence: Sequence[Car] | None = None) -> Explanation:
    """Take apart what this order of the cars costs; without one, the order given.

    Raises `InstanceError` if the sequence does not hold each car of the day once.
    """
    sequence = instance.cars if sequence is None else sequence
    found = score(instance, sequence)
    ratios = tuple(
        RatioCost(ratio, sum(o.cost for o in overloads), overloads)
        for ratio in instance.rules.ratios
        for overloads in [
            _overloads(instance, sequence, frozenset([ratio.option]), ratio.most, ratio.window)
        ]
    )
    parts, levelling_at = _level(instance.consumption, sequence)
    lines = _lines(instance, sequence, parts, found.weights)
    changes = _colour_changes(instance.yesterday, sequence)
    return Explanation(
        found,
        _objectives(found),
        ratios,
        lines,
        parts,
        _cars(instance, sequence, ratios, lines, changes, found.weights),
        changes,
        levelling_at,
    )


def _overloads(
    instance: Instance, sequence: Sequence[Car], options: frozenset[str], most: int, window: int
) -> tuple[Overload, ...]:
    """The windows that hold more than `most` cars with any of the options, as the score counts."""
    line = [*instance.yesterday, *sequence]
    tail, n = len(instance.yesterday), len(line)
    if not sequence:  # no window holds a car of today
        return ()
    counts = [not options.isdisjoint(car.options) for car in line]
    positions = tuple(at for at, does in enumerate(counts, 1 - tail) if does)
    takers = Takers(tuple(line[at - 1 + tail].production_no for at in positions), positions)
    before = [0, *accumulate(counts)]
    end = n if instance.rules.cut_windows else n - window + 1
    windows = (
        (start, before[start], before[min(start + window, n)])
        for start in range(max(0, tail - window + 1), end)
    )
    too_full = ((start, low, high) for start, low, high in windows if high - low > most)
    found: list[Overload] = []
    # Both ends only grow, so windows that hold the same cars follow one another.
    for (low, high), same in groupby(too_full, key=lambda window: window[1:]):
        starts = [start for start, _, _ in same]
        found.append(
            Overload(
                starts[0] + 1 - tail,
                min(starts[-1] + window, n) - tail,
                len(starts),
                takers,
                low,
                high,
                high - low - most,
            )
        )
    return tuple(found)


def _lines(
    instance: Instance,
    sequence: Sequence[Car],
    parts: Sequence[PartCost],
    weights: Mapping[Objective, float],
) -> tuple[LineCost, ...]:
    levelling: dict[str, float] = defaultdict(float)
    for part in parts:
        levelling[part.line] += part.levelling
    capacities = {capacity.line: capacity for capacity in instance.rules.capacities}
    found = []
    for line in [*capacities, *sorted(levelling.keys() - capacities.keys())]:
        capacity = capacities.get(line)
        overloads: tuple[Overload, ...] = ()
        if capacity is not None:
            overloads = _overloads(
                instance, sequence, capacity.options, capacity.most, capacity.window
            )
        excess, uneven = sum(o.cost for o in overloads), levelling.get(line, 0.0)
        mark = weights.get("capacity", 0) * excess + weights.get("levelling", 0) * uneven
        found.append(LineCost(line, capacity, excess, overloads, uneven, mark))
    return tuple(found)


def _level(
    consumption: Mapping[str, frozenset[str]], sequence: Sequence[Car]
) -> tuple[tuple[PartCost, ...], tuple[float, ...]]:
    """(each part's levelling, what each position adds to the sum of all).

    With X of the first k of n cars taking a part, and T of all, the distance from the even rate is
    X - k T / n. All is reckoned in whole numbers, n times as large, and touches a part only where a
    car takes it: between two takers X stands still.
    """
    n = len(sequence)
    takers: dict[str, list[int]] = defaultdict(list)
    for position, car in enumerate(sequence, 1):
        for part in consumption.get(car.production_no, ()):
            takers[part].append(position)
    parts = tuple(_part(part, takers[part], n) for part in sorted(takers))

    # Summed over the parts, (n X - k T)^2 is n^2 A - 2 n k B + k^2 C, with A, B, C the sums of X^2,
    # X T and T^2; a taker of a part adds 2 X - 1 to its X^2 and T to its X T.
    squares, products = [0] * (n + 1), [0] * (n + 1)
    for at in takers.values():
        for x, position in enumerate(at, 1):
            squares[position] += 2 * x - 1
            products[position] += len(at)
    totals = sum(len(at) ** 2 for at in takers.values())
    course = zip(accumulate(squares), accumulate(products), strict=True)
    scaled = [n * n * a - 2 * n * k * b + k * k * totals for k, (a, b) in enumerate(course)]
    return parts, tuple(value / (n * n) for value in scaled[1:]) if takers else ()


def _part(part: str, at: Sequence[int], n: int) -> PartCost:
    total = len(at)
    levelling, worst, worst_position = 0, 0, 1
    for x, (first, after) in enumerate(pairwise([1, *at, n + 1])):
        # X is x from `first` up to the place before `after`; x is 0 before the first taker.
        if first == after:
            continue
        places = after - first
        sum_k = (first + after - 1) * places // 2
        sum_k2 = _squares(after - 1) - _squares(first - 1)
        levelling += places * (n * x) ** 2 - 2 * n * x * total * sum_k + total * total * sum_k2
        for k in (first, after - 1):
            distance = n * x - k * total
            if abs(distance) > abs(worst):
                worst, worst_position = distance, k
    return PartCost(part, total, levelling / (n * n), worst_position, worst / n)


def _squares(k: int) -> int:
    """1 + 4 + … + k^2."""
    return k * (k + 1) * (2 * k + 1) // 6


def _colour_changes(yesterday: Sequence[Car], sequence: Sequence[Car]) -> tuple[ColourChange, ...]:
    line = [*yesterday[-1:], *sequence]
    first = 2 - len(yesterday[-1:])
    return tuple(
        ColourChange(position, a.colour, b.colour)
        for position, (a, b) in enumerate(pairwise(line), first)
        if a.colour != b.colour
    )


def _cars(
    instance: Instance,
    sequence: Sequence[Car],
    ratios: Sequence[RatioCost],
    lines: Sequence[LineCost],
    changes: Sequence[ColourChange],
    weights: Mapping[Objective, float],
) -> tuple[CarCost, ...]:
    costs: list[dict[Objective, float]] = [defaultdict(int) for _ in sequence]
    rules: list[tuple[Objective, tuple[Overload, ...]]] = [
        *((ratio.objective, ratio.overloads) for ratio in ratios),
        *(("capacity", line.overloads) for line in lines),
    ]
    for objective, overloads in rules:
        for position, charge in _charges(overloads):
            if position > 0 and charge:
                costs[position - 1][objective] += charge
    for change in changes:
        costs[change.position - 1]["colour_changes"] += 1
    found = []
    for position, (car, cost) in enumerate(zip(sequence, costs, strict=True), 1):
        off = _off_due(instance, car, position)
        if off:
            cost["lateness"] += abs(off)
        mark = sum(weights.get(objective, 0) * value for objective, value in cost.items())
        found.append(CarCost(car.production_no, position, dict(cost), mark, off))
    return tuple(found)


def _charges(overloads: Sequence[Overload]) -> Iterator[tuple[int, int]]:
    """(position, cost of the windows that it is in) of each car that counts under one rule."""
    if not overloads:
        return
    positions = overloads[0].takers.positions
    changes = [0] * (len(positions) + 1)
    for overload in overloads:
        changes[overload.begin] += overload.cost
        changes[overload.end] -= overload.cost
    yield from zip(positions, accumulate(changes), strict=False)


def _off_due(instance: Instance, car: Car, position: int) -> int:
    place = instance.limits.places.get(car.production_no)
    if place is None:
        return 0
    if place.due_from is not None and position < place.due_from:
        return position - place.due_from
    if place.due_until is not None and position > place.due_until:
        return position - place.due_until
    return 0


def _objectives(found: Score) -> tuple[ObjectiveCost, ...]:
    mark = found.mark
    in_mark = sorted(found.weights, key=lambda objective: -found.weights[objective])
    others = [objective for objective in found.values if objective not in found.weights]
    return tuple(
        ObjectiveCost(
            objective,
            found.values[objective],
            weight,
            weight * found.values[objective] / mark if mark else 0.0,
        )
        for objective in [*in_mark, *others]
        for weight in [found.weights.get(objective, 0)]
    )
