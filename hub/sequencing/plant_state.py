"""Where the plant stands when a disturbance comes, and the order if it did no more than close up.

What is decided here, beside the limits of the model:

- Positions count from 1, the first car that has not passed. What has passed is the instance's
  `yesterday`: windows reach back into it, the paint batch is counted from the first car to come.
  `remaining` makes such an instance from the day's.
- A blocked or pulled-out car leaves, and all behind it close up; the frozen ones too, without
  change of their order, so that fewer cars are then frozen. What limits ask of frozen cars alone
  binds no longer, for nobody can move them: their places, pairs of two, and a paint batch that has
  become too long among them; no further car of its colour follows it, and the score names it. Only
  parts that come late for a frozen car are a conflict: the line would stop.
- A re-inserted car stands behind the frozen ones, and where nothing else is said behind the
  released ones, where it changes no call.
- Pairs bind while both cars stand in the sequence. `forward` and `back` count from the closed-up
  order, and do not bind cars that the disturbance itself moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.sequencing.conflicts import ConflictError
from hub.sequencing.model import Car, Instance, InstanceError, Limits, Pair, Place


@dataclass(frozen=True, slots=True)
class PlantState:
    """The sequence as it was planned, and what has come between. Cars by production number."""

    sequence: tuple[str, ...]
    """Cars still to be built, as planned until now."""
    frozen: int = 0
    """So many first cars of the sequence are past being moved."""
    released: int = 0
    """So many first cars of the sequence have released calls."""
    blocked: frozenset[str] = frozenset()
    """May not be built now: they leave the sequence and are held."""
    pulled_out: frozenset[str] = frozenset()
    """Leave for good."""
    reinsert: Mapping[str, int | None] = field(default_factory=dict)
    """Held cars that come back, each with its earliest position, or None."""
    late_parts: Mapping[str, int] = field(default_factory=dict)
    """Earliest position of cars whose parts are late."""

    def __post_init__(self) -> None:
        counts = Counter(self.sequence)
        twice = [number for number, count in counts.items() if count > 1]
        if twice:
            raise InstanceError(f"car {twice[0]} stands in the sequence {counts[twice[0]]} times")
        for what, value in (("frozen", self.frozen), ("released", self.released)):
            if not 0 <= value <= len(self.sequence):
                raise InstanceError(
                    f"{value} {what} cars: the sequence has {len(self.sequence)}, from 0 up"
                )
        for number in sorted(self.blocked & self.pulled_out):
            raise InstanceError(f"car {number} is both blocked and pulled out: give one of the two")
        for number, earliest in self.reinsert.items():
            if number in counts:
                raise InstanceError(f"car {number} is to be re-inserted, but has never left")
            if number in self.blocked or number in self.pulled_out:
                raise InstanceError(
                    f"car {number} is to be re-inserted, but is blocked or pulled out"
                )
            _check_position(number, earliest)
        for number, earliest in self.late_parts.items():
            _check_position(number, earliest)


def _check_position(number: str, earliest: int | None) -> None:
    if earliest is not None and earliest < 1:
        raise InstanceError(f"car {number} at position {earliest} at the earliest: from 1 up")


def remaining(day: Instance, passed: Sequence[str]) -> Instance:
    """The day from its next car on, once `passed` have been built in that order.

    They become the tail that windows reach back into, as far as any does; positions count on from
    them. Pairs with a car that has passed become limits of the other's place.

    Raises `InstanceError` if a car is not one of the day or has passed twice, and `ConflictError`
    if one that is left should have passed by now.
    """
    cars = {car.production_no: car for car in day.cars}
    _check_known(passed, cars)
    at = {number: place for place, number in enumerate(passed, start=1)}
    if len(at) != len(passed):
        raise InstanceError("a car has passed twice")
    left = tuple(car for car in day.cars if car.production_no not in at)
    places = {
        number: _later(number, place, len(passed))
        for number, place in day.limits.places.items()
        if number not in at
    }
    pairs = []
    for pair in day.limits.pairs:
        if pair.first not in at and pair.second not in at:
            pairs.append(pair)
        elif (bound := _of_pair(pair, at, len(passed))) is not None:
            number, earliest = bound
            place = places.get(number, Place())
            places[number] = replace(place, earliest=max(earliest, place.earliest or 1))
    for number, place in places.items():
        if place.earliest is not None and place.earliest > len(left):
            raise ConflictError(
                f"car {number} may come {place.earliest} places from now at the earliest, "
                f"but only {len(left)} cars are left"
            )
        if (
            place.earliest is not None
            and place.latest is not None
            and place.earliest > place.latest
        ):
            raise ConflictError(
                f"car {number} must keep its distance to a car that has passed, and has no place "
                f"left: {place.earliest} at the earliest, {place.latest} at the latest from now"
            )
    reach = _longest_window(day) - 1
    tail = (*day.yesterday, *(cars[number] for number in passed))
    still_frozen = sum(car.production_no not in at for car in day.cars[: day.limits.frozen])
    return replace(
        day,
        cars=left,
        yesterday=tail[max(0, len(tail) - max(1, reach)) :],
        limits=replace(day.limits, places=places, pairs=tuple(pairs), frozen=still_frozen),
        consumption={n: parts for n, parts in day.consumption.items() if n not in at},
    )


def _longest_window(day: Instance) -> int:
    windows = [ratio.window for ratio in day.rules.ratios]
    return max(windows + [line.window for line in day.rules.capacities], default=1)


def _later(number: str, place: Place, passed: int) -> Place:
    """The place, counted from `passed` cars later on."""
    if place.latest is not None and place.latest <= passed:
        raise ConflictError(
            f"car {number} was to stand at {place.latest} at the latest, but {passed} cars have "
            "passed without it: give it another latest position"
        )
    return Place(
        None if place.earliest is None else max(1, place.earliest - passed),
        None if place.latest is None else place.latest - passed,
        None if place.due_from is None else place.due_from - passed,
        None if place.due_until is None else place.due_until - passed,
    )


def _of_pair(pair: Pair, at: Mapping[str, int], passed: int) -> tuple[str, int] | None:
    """The car of the pair that is left, and its earliest place; None if nothing binds it."""
    for gone, left in ((pair.first, pair.second), (pair.second, pair.first)):
        if gone in at and left not in at:
            if pair.kind == "in_order" and gone == pair.second:
                return None  # the wrong way round already: no place mends it
            return left, max(1, at[gone] + pair.places - passed)
    return None


@dataclass(frozen=True, slots=True)
class ClosedUp:
    """What the disturbance leaves to be sequenced."""

    instance: Instance
    """The cars to come, in the planned order closed up, and the limits they stand under."""
    spans: tuple[tuple[int, int], ...]
    """First and last position of each of them, from 0, as those limits say."""
    displaced: tuple[str, ...]
    """Cars to find a place for: re-inserted ones and those with late parts."""
    gaps: tuple[int, ...]
    """Of each car that left: the place in the closed-up order, from 0, of the next behind it."""


def close_up(instance: Instance, state: PlantState) -> ClosedUp:
    """The sequence if the plant did no more than close up.

    Cars with late parts go back as far as they must. Raises `InstanceError` for a car that is not
    one of the instance, `ConflictError` for late parts that no place satisfies.
    """
    cars = {car.production_no: car for car in instance.cars}
    for numbers in (
        state.sequence, state.blocked, state.pulled_out, state.reinsert, state.late_parts
    ):  # fmt: skip
        _check_known(numbers, cars)
    gone = state.blocked | state.pulled_out
    order = [number for number in state.sequence if number not in gone]
    frozen = sum(number not in gone for number in state.sequence[: state.frozen])
    earliest = _earliest(state, set(order), frozen)
    total = len(order) + len(state.reinsert)
    for number, position in earliest.items():
        if position > total:
            raise ConflictError(
                f"car {number} may come at {position} at the earliest, but the sequence ends at "
                f"{total}: block it until then"
            )
    for position, number in enumerate(order[:frozen], start=1):
        if earliest.get(number, 0) > position:
            raise ConflictError(
                f"parts of car {number} are late until position {earliest[number]}, but it is "
                f"frozen at {position}: block it or bring the parts forward"
            )
    unbound = max(state.released, frozen) + 1
    order, displaced = _put_back(order, state.reinsert, earliest, unbound)
    here = set(order)
    limits = _limits(instance.limits, order, frozen, earliest, set(displaced))
    return ClosedUp(
        Instance(
            tuple([cars[number] for number in order]),
            instance.rules,
            instance.yesterday,
            limits,
            {n: parts for n, parts in instance.consumption.items() if n in here},
        ),
        tuple(_spans(limits, order)),
        displaced,
        tuple(_gaps(state.sequence, order, gone.union(displaced))),
    )


def _gaps(before: Iterable[str], after: list[str], gone: frozenset[str]) -> Iterator[int]:
    """Where in `after` the cars stand that have closed up to one that is gone."""
    at = {number: place for place, number in enumerate(after)}
    left = 0
    for number in before:
        if number in gone:
            left += 1
        else:
            yield from [at[number]] * left
            left = 0


def _earliest(state: PlantState, order: set[str], frozen: int) -> dict[str, int]:
    """Earliest position of each car that the disturbance gives one; others have none."""
    earliest = {n: position for n, position in state.late_parts.items() if n in order}
    for number, position in state.reinsert.items():
        late = state.late_parts.get(number)
        if position is not None or late is not None:
            earliest[number] = max(position or 1, late or 1, frozen + 1)
    return earliest


def _put_back(
    order: list[str], reinserted: Iterable[str], earliest: Mapping[str, int], unbound: int
) -> tuple[list[str], tuple[str, ...]]:
    """The order with re-inserted and late cars at their earliest places, and which cars these are.

    `unbound`: the place of a car that has no earliest one. Each late car that goes back lets those
    behind it close up, others with late parts among them: hence the rounds.
    """
    displaced = list(reinserted)
    while True:
        moving = set(displaced)
        closed = [number for number in order if number not in moving]
        # In order of their places: an insertion then shifts none that already stands.
        for number in sorted(displaced, key=lambda n: earliest.get(n, unbound)):
            closed.insert(min(earliest.get(number, unbound) - 1, len(closed)), number)
        early = [n for at, n in enumerate(closed, start=1) if at < earliest.get(n, 0)]
        if not early:
            return closed, tuple(displaced)
        if moving.issuperset(early):
            raise ConflictError(
                f"car {early[0]} may come at {earliest[early[0]]} at the earliest, but so many "
                f"others may not come before that no place is left for it up to {len(closed)}: "
                "block one of them"
            )
        displaced += (number for number in early if number not in moving)


def _limits(
    limits: Limits, order: list[str], frozen: int, earliest: Mapping[str, int], moving: set[str]
) -> Limits:
    """What binds the cars of the closed-up order; reach is told as places, car by car."""
    here = {number: position for position, number in enumerate(order, start=1)}
    if limits.forward is None and limits.back is None:
        bound = [n for n in here if n in limits.places or n in earliest]
    else:
        bound = order
    places = {}
    for number in bound:
        place, position = limits.places.get(number, Place()), here[number]
        if position <= frozen:
            place = Place(due_from=place.due_from, due_until=place.due_until)
        else:
            low = max(place.earliest or 1, earliest.get(number, 1), frozen + 1)
            high = min(place.latest or len(order), len(order))
            if limits.forward is not None and number not in moving:
                low = max(low, position - limits.forward)
            if limits.back is not None and number not in moving:
                high = min(high, position + limits.back)
            if low > high:
                raise ConflictError(
                    f"car {number} may come at {low} at the earliest and {high} at the latest: "
                    "no place is left"
                )
            place = Place(low, high, place.due_from, place.due_until)
        places[number] = place
    pairs = [
        pair
        for pair in limits.pairs
        if pair.first in here
        and pair.second in here
        and max(here[pair.first], here[pair.second]) > frozen
    ]
    return Limits(places, tuple(pairs), frozen)


def _spans(limits: Limits, order: list[str]) -> list[tuple[int, int]]:
    """What `conflicts.spans` says of limits as they are made here, in a tenth of the time."""
    found = [(at, at) for at in range(limits.frozen)]
    found += [(limits.frozen, len(order) - 1)] * (len(order) - limits.frozen)
    if limits.places:
        for at, number in enumerate(order):
            place = limits.places.get(number)
            if place is not None and place.earliest is not None and place.latest is not None:
                found[at] = (place.earliest - 1, place.latest - 1)
    return found


def _check_known(numbers: Iterable[str], cars: Mapping[str, Car]) -> None:
    for number in numbers:
        if number not in cars:
            raise InstanceError(f"car {number} is not one of the day")
