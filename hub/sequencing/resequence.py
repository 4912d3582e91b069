"""The next sequence when the plant is disturbed: soon, and with few changes to released calls.

Order of aims: the hard limits; then the mark plus `worth` for each changed call of the released
horizon. With `worth` infinite the number of changed calls comes before the mark.

How: the cars that stay close up, and those that the disturbance moves are tried at every place.
Then a gap may be filled from behind, and the cars that make trouble around the disturbed places are
tried at all others, alone or in exchange; the cheapest move that pays is made, until none does or
the effort is spent. Moves that change no further call come first; next the cars behind the released
horizon are searched for a better mark, which changes none; at last come moves that change a call
and save its worth. Nothing is drawn but in that search, and there from a fixed seed: the same state
gives the same answer, unless `max_ms` cuts it short.

What a disturbance means is said in `plant_state.py`, what a changed call is in `released.py`.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from hub.sequencing.conflicts import ConflictError
from hub.sequencing.construct import valid_start
from hub.sequencing.model import Car, Instance, InstanceError, Limits, Place
from hub.sequencing.plant_state import ClosedUp, PlantState, close_up, remaining
from hub.sequencing.released import ChangedCall, Horizon, Moved, moved_cars
from hub.sequencing.scoring import Score, score
from hub.sequencing.standing import Effort, Standing

__all__ = [
    "ChangedCall",
    "Moved",
    "PlantState",
    "Resequenced",
    "remaining",
    "resequence",
]

TOLERANCE = 5
"""Places a released car may shift before its calls are timed anew: 5 min at a takt of 60 s."""
MAX_MOVES = 16_000
FREE, REST = 0.4, 0.85
"""Parts of the effort after which moves that change no call end, and then the search of the rest;
what is left is for those that change calls."""
PLACED = 8
"""Cars whose calls change that are tried at every place, beside those the disturbance moves."""


@dataclass(frozen=True)
class Resequenced:
    """The next sequence and all that it changes."""

    cars: tuple[Car, ...]
    held: tuple[Car, ...]
    """Cars of the instance that stand neither in the sequence nor are pulled out."""
    moved: tuple[Moved, ...]
    """Every car that stands elsewhere than planned."""
    calls: tuple[ChangedCall, ...]
    """Every released call that changes."""
    instance: Instance
    state: PlantState
    """What was asked for."""
    closed_up: Instance
    """The cars to come as they would stand had the plant only closed up, under the limits that bind
    them now."""
    moves: int
    """Moves priced."""
    elapsed_s: float

    @cached_property
    def score_before(self) -> Score:
        """Of the planned sequence, as if nothing had happened; hard limits are not looked at."""
        return score(_planned(self.instance, self.state))

    @cached_property
    def score_after(self) -> Score:
        """Of the new sequence."""
        return score(self.closed_up, self.cars)


def resequence(
    instance: Instance,
    state: PlantState,
    *,
    worth: float | None = None,
    tolerance: int = TOLERANCE,
    max_moves: int = MAX_MOVES,
    max_ms: float | None = None,
) -> Resequenced:
    """The next sequence in a given state of the plant.

    instance: the cars to come, held ones too, and yesterday's, those that have passed among them
    (`remaining`); its own `limits.frozen` is not looked at, the state's is. worth: how much mark a
    changed released call must save to be changed; None: the weight of the first objective, that is
    one violation of the most important one; math.inf: only what must. tolerance: places a released
    call may move without counting as retimed. max_moves: moves priced, the effort; max_ms: ends it
    sooner.

    Raises `InstanceError` for a state that names cars which are not there and for numbers below 0
    or nan, and `ConflictError` where no sequence keeps the hard limits.
    """
    began = time.perf_counter()
    if worth is None:
        worth = next(iter(instance.rules.weight_of().values()), 0.0)
    if math.isnan(worth) or worth < 0:
        raise InstanceError(f"worth of {worth}: a number from 0 up")
    if tolerance < 0:
        raise InstanceError(f"tolerance of {tolerance} places: from 0 up")
    if max_moves < 0:
        raise InstanceError(f"{max_moves} moves at most: a number from 0 up")
    if max_ms is not None and not max_ms >= 0:
        raise InstanceError(f"{max_ms} ms at most: a number from 0 up")
    closed = close_up(instance, state)
    effort = Effort(max_moves, None if max_ms is None else began + max_ms / 1000)
    horizon = Horizon(state.sequence, state.released, tolerance)
    cars = _next_cars(closed, horizon, worth, effort)
    numbers = [car.production_no for car in cars]
    here = set(numbers)
    return Resequenced(
        cars=cars,
        held=tuple(
            car
            for car in instance.cars
            if car.production_no not in here and car.production_no not in state.pulled_out
        ),
        moved=moved_cars(state.sequence, numbers),
        calls=horizon.changes(numbers),
        instance=instance,
        state=state,
        closed_up=closed.instance,
        moves=effort.spent,
        elapsed_s=time.perf_counter() - began,
    )


def _planned(instance: Instance, state: PlantState) -> Instance:
    cars = {car.production_no: car for car in instance.cars}
    due = {
        number: Place(due_from=place.due_from, due_until=place.due_until)
        for number in state.sequence
        if (place := instance.limits.places.get(number)) is not None
    }
    here = set(state.sequence)
    return Instance(
        tuple(cars[number] for number in state.sequence),
        instance.rules,
        instance.yesterday,
        Limits(due),
        {number: parts for number, parts in instance.consumption.items() if number in here},
    )


def _next_cars(closed: ClosedUp, horizon: Horizon, worth: float, effort: Effort) -> tuple[Car, ...]:
    """The best order found within the effort; `closed` tells what there is to be ordered."""
    if not closed.instance.cars:
        return ()
    effort.allow(FREE)
    starts = [_start(closed, horizon, worth, effort)]
    if starts[0].retimed:
        # Many have left: filling their places keeps the rest in time, but only all of them at once.
        starts.append(Standing(closed, closed.instance.cars, horizon, worth, effort))
        starts[1].fill(closed.gaps)
        if not starts[1].keeps_limits():
            starts.pop()
    for standing in starts:
        _repair(standing, closed, free=True)
    best = min(starts, key=lambda standing: standing.value)
    effort.allow(REST)
    best.search_rest()
    if worth < math.inf:
        effort.allow(1.0)
        _repair(best, closed, free=False)
    return best.cars()


def _start(closed: ClosedUp, horizon: Horizon, worth: float, effort: Effort) -> Standing:
    """An order that keeps the hard limits: closed up if that does, or if few moves mend it."""
    plain = Standing(closed, closed.instance.cars, horizon, worth, effort)
    if not plain.keeps_limits():
        plain.part_batches(len(closed.gaps) + len(closed.displaced))
    if plain.keeps_limits():
        return plain
    return Standing(closed, _built(closed, horizon), horizon, worth, effort)


def _built(closed: ClosedUp, horizon: Horizon) -> tuple[Car, ...]:
    """A valid order near the closed-up one; if it can be, with the released cars in front."""
    instance = closed.instance
    was = horizon.places([car.production_no for car in instance.cars])
    stays = {
        car.production_no
        for place, car in zip(was, instance.cars, strict=True)
        if place >= 0 and car.production_no not in closed.displaced
    }
    cars = tuple(sorted(instance.cars, key=lambda car: car.production_no not in stays))
    fixed = max(len(stays), instance.limits.frozen)
    held = replace(instance, cars=cars, limits=replace(instance.limits, frozen=fixed))
    with suppress(ConflictError):
        return valid_start(held, cars)
    return valid_start(instance, instance.cars)


def _repair(standing: Standing, closed: ClosedUp, *, free: bool) -> None:
    """Mend what the disturbance has done. free: without any further changed call."""
    placed = list(closed.displaced)
    if free:
        changed = [call.production_no for call in standing.calls() if call.change != "withdrawn"]
        placed = list(dict.fromkeys([*placed, *changed[:PLACED]]))
    standing.place(placed, free=free)
    places = [*closed.gaps, *(standing.position_of(number) for number in placed)]
    standing.repair(places, free=free)
