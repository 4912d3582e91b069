"""An instance as the kernel takes it: cars, options and limits as numbers."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hub.sequencing.conflicts import Span, spans
from hub.sequencing.model import Car, Instance, InstanceError, Place

if TYPE_CHECKING:
    from hub.sequencing._plant import Dues, Levels, Limits, Plant
    from hub.sequencing._search import Line

ANYWHEN = Place()


def line_of(instance: Instance, cars: Sequence[Car], seed: int) -> Line:
    """The kernel's line with the day's cars in this order, which must keep every hard limit.

    The numbers in `Line.order()` are indices into `cars`. Raises `InstanceError` where the
    instance is more than the kernel can hold, and `ConflictError` if a car has no position left.
    """
    # Imported here: the search needs the compiled kernel, the rest of the package does not.
    from hub.sequencing._search import LOAD_AT_MOST, MAX_RATIOS, Line

    weights = instance.rules.weight_of()
    line = [*instance.yesterday, *cars]
    columns = _columns(instance)
    if len(columns) > MAX_RATIOS:
        raise InstanceError(
            f"{len(columns)} ratios and supplier lines enter the mark; "
            f"at most {MAX_RATIOS} can be searched"
        )
    if (longest := min(max(window for _, _, window, _ in columns), len(line))) > LOAD_AT_MOST:
        raise InstanceError(
            f"a ratio or supplier line has a window over {longest:,} cars; "
            f"at most {LOAD_AT_MOST:,} can be searched"
        )
    # Many cars have the same options; theirs is the same row.
    rows = {
        has: bytes(not options.isdisjoint(has) for options, _, _, _ in columns)
        for has in {car.options for car in line}
    }
    flags = b"".join([rows[car.options] for car in line])
    numbers: dict[str, int] = {}
    return Line(
        memoryview(flags).cast("B", (len(line), len(columns))),
        array("i", [numbers.setdefault(car.colour, len(numbers)) for car in line]),
        len(instance.yesterday),
        array("i", [most for _, most, _, _ in columns]),
        array("i", [window for _, _, window, _ in columns]),
        array("d", [weight for _, _, _, weight in columns]),
        weights.get("colour_changes", 0.0),
        instance.rules.batch_limit or 0,
        instance.rules.cut_windows,
        seed,
        plant_of(instance, cars),
    )


def _columns(instance: Instance) -> list[tuple[frozenset[str], int, int, float]]:
    """(options, most, window, weight) of each ratio and supplier line that enters the mark."""
    rules, weights = instance.rules, instance.rules.weight_of()
    columns = [
        (
            frozenset({ratio.option}),
            ratio.most,
            ratio.window,
            weights.get("high_priority" if ratio.high_priority else "low_priority", 0.0),
        )
        for ratio in rules.ratios
    ]
    weight = weights.get("capacity", 0.0)
    columns += [(line.options, line.most, line.window, weight) for line in rules.capacities]
    # One that nothing can violate stands in where there is none: the kernel wants a column.
    return [column for column in columns if column[3]] or [(frozenset(), 1, 1, 0.0)]


def plant_of(instance: Instance, cars: Sequence[Car]) -> Plant | None:
    """What the kernel has to know beside ratios and colours, or None if that is nothing."""
    from hub.sequencing._plant import Plant

    weights = instance.rules.weight_of()
    due_weight, level_weight = weights.get("lateness", 0.0), weights.get("levelling", 0.0)
    stands = _stands(instance, cars) if _binds(instance) else None
    limits = _limits(instance, cars, stands) if stands is not None else None
    dues = _dues(instance, cars) if due_weight else None
    levels = _levels(instance, cars) if level_weight else None
    if limits is None and dues is None and levels is None:
        return None
    kinds = _kinds(instance, cars, stands, due=dues is not None, levelled=levels is not None)
    return Plant(kinds, limits, dues, due_weight, levels, level_weight / len(cars) ** 2)


def _limits(instance: Instance, cars: Sequence[Car], stands: Sequence[Span]) -> Limits:
    from hub.sequencing._plant import Limits

    tail = len(instance.yesterday)
    pairs = instance.limits.pairs
    number = {car.production_no: tail + i for i, car in enumerate(cars)}
    return Limits(
        array("i", [*range(tail), *(tail + low for low, _ in stands)]),
        array("i", [*range(tail), *(tail + high for _, high in stands)]),
        array("i", [number[pair.first] for pair in pairs]),
        array("i", [number[pair.second] for pair in pairs]),
        array("i", [pair.places for pair in pairs]),
        array("i", [pair.kind == "in_order" for pair in pairs]),
    )


def _binds(instance: Instance) -> bool:
    """Whether there is a hard limit beside the paint shop's."""
    limits = instance.limits
    return bool(
        limits.pairs
        or limits.frozen
        or limits.forward is not None
        or limits.back is not None
        or any(p.earliest is not None or p.latest is not None for p in limits.places.values())
    )


def _stands(instance: Instance, cars: Sequence[Car]) -> list[Span]:
    """First and last position of each of the cars, from 0."""
    numbers = (car.production_no for car in instance.cars)
    own = dict(zip(numbers, spans(instance), strict=True))
    return [own[car.production_no] for car in cars]


def _dues(instance: Instance, cars: Sequence[Car]) -> Dues | None:
    from hub.sequencing._plant import Dues

    places = instance.limits.places
    if all(place.due_from is None and place.due_until is None for place in places.values()):
        return None
    tail = len(instance.yesterday)
    whole = range(tail + len(cars))
    starts, ends = array("i", [0] * len(whole)), array("i", [len(whole)] * len(whole))
    for at, car in enumerate(cars, tail):
        place = places.get(car.production_no, ANYWHEN)
        # A position of the model counts from 1, one of the line from 0 and from yesterday's cars.
        if place.due_from is not None:
            starts[at] = tail + place.due_from - 1
        if place.due_until is not None:
            ends[at] = tail + place.due_until - 1
    return Dues(starts, ends)


def _levels(instance: Instance, cars: Sequence[Car]) -> Levels | None:
    from hub.sequencing._plant import Levels

    consumption = instance.consumption
    parts = sorted({part for taken in consumption.values() for part in taken})
    if not parts:
        return None
    number = {part: i for i, part in enumerate(parts)}
    takes = [consumption.get(car.production_no, frozenset()) for car in cars]
    _check_range(takes, parts)
    start, listed = array("i", [0] * (len(instance.yesterday) + 1)), array("i")
    for taken in takes:
        listed.extend(sorted(number[part] for part in taken))
        start.append(len(listed))
    return Levels(start, listed, len(parts), len(instance.yesterday))


def goal_chased(instance: Instance) -> tuple[Car, ...]:
    """The day's cars as Monden's goal chasing orders them: at each position the car that leaves
    the parts' consumption nearest to even. No limit is looked at.

    Raises `InstanceError` where the instance is more than the kernel can hold.
    """
    levels = _levels(instance, instance.cars)
    if levels is None:
        return instance.cars
    return tuple(instance.cars[i] for i in levels.goal_chased())


def _check_range(takes: Sequence[frozenset[str]], parts: Sequence[str]) -> None:
    """Refuse what 64 bits cannot sum: no |d_k| exceeds T (n - T), no move changes more than 8 times
    the sum of such squares."""
    n = len(takes)
    count = dict.fromkeys(parts, 0)
    for taken in takes:
        for part in taken:
            count[part] += 1
    if n > 32_767 or 8 * n * sum((t * (n - t)) ** 2 for t in count.values()) >= 2**63:
        raise InstanceError(
            f"levelling of {len(parts)} parts over {n} cars is more than can be summed exactly; "
            "level fewer parts, or leave it out of the objectives"
        )


def _kinds(
    instance: Instance,
    cars: Sequence[Car],
    stands: Sequence[Span] | None,
    *,
    due: bool,
    levelled: bool,
) -> array[int]:
    """By car of the line: a number that cars share which the plant's rules cannot tell apart."""
    paired = {number for pair in instance.limits.pairs for number in (pair.first, pair.second)}
    numbers: dict[object, int] = {}
    kinds = array("i", [-1] * len(instance.yesterday))
    for at, car in enumerate(cars):
        number = car.production_no
        place = instance.limits.places.get(number, ANYWHEN)
        alike = (
            number if number in paired else None,
            stands[at] if stands is not None else None,
            (place.due_from, place.due_until) if due else None,
            instance.consumption.get(number) if levelled else None,
        )
        kinds.append(numbers.setdefault(alike, len(numbers)))
    return kinds
