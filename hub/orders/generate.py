"""Orders made up by seed, in the shape of a real day: options of uneven demand, colour batches.

The numbers are ours; they are no plant's. The order given is a random one with colours grouped,
which leaves an optimiser something to do.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from hub.orders.book import Order, OrderBook
from hub.sequencing.model import Car, Ratio, Rules

BATCH_LIMIT = 10


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    share: float
    """Of cars that have it."""
    most: int
    window: int
    high_priority: bool


_OPTIONS = (
    _Option("SUNROOF", 0.25, 1, 3, True),
    _Option("TOWBAR", 0.12, 1, 6, True),
    _Option("AWD", 0.30, 2, 5, True),
    _Option("HEATSEAT", 0.45, 2, 3, False),
    _Option("LEATHER", 0.18, 1, 4, False),
    _Option("SPORT", 0.10, 1, 8, False),
    _Option("CAMERA", 0.50, 2, 3, False),
    _Option("NIGHTVIS", 0.05, 1, 15, False),
)
_MODELS = ("sedan", "estate", "suv")
_COLOURS = ("white", "black", "silver", "blue", "red", "green")
_COLOUR_SHARES = (30, 25, 20, 12, 9, 4)


def generate(cars: int, seed: int, yesterday: int = 15) -> OrderBook:
    """A day of `cars` orders, always the same for the same arguments.

    Raises `ValueError` unless there is at least one car.
    """
    if cars < 1 or yesterday < 0:
        raise ValueError("a day has at least one car, and yesterday no fewer than none")
    # Chance is wanted here, not secrecy.
    chance = random.Random(f"{cars} {seed} {yesterday}")  # noqa: S311
    tail = [_order(chance, f"Y{seed:04d}{n:05d}") for n in range(yesterday)]
    orders = [_order(chance, f"{seed:04d}{n:05d}") for n in range(1, cars + 1)]
    rules = Rules(
        tuple(Ratio(o.name, o.most, o.window, o.high_priority) for o in _OPTIONS),
        ("high_priority", "colour_changes", "low_priority"),
        BATCH_LIMIT,
    )
    return OrderBook(
        source=f"generated-{cars}-{seed}",
        checksum=f"generated {cars} {seed} {yesterday}",
        orders=tuple(_in_batches(chance, orders)),
        rules=rules,
        yesterday=tuple(Car(o.production_no, o.colour, o.options) for o in tail),
    )


def _order(chance: random.Random, number: str) -> Order:
    model = chance.choice(_MODELS)
    (colour,) = chance.choices(_COLOURS, _COLOUR_SHARES)
    options = frozenset(option.name for option in _OPTIONS if chance.random() < option.share)
    return Order(number, model, colour, options)


def _in_batches(chance: random.Random, orders: list[Order]) -> list[Order]:
    """Batches of one colour, none longer than the limit, as far as the colours allow in turn."""
    waiting = {c: [o for o in orders if o.colour == c] for c in _COLOURS}
    given: list[Order] = []
    last = ""
    while any(waiting.values()):
        colours = [c for c, left in waiting.items() if left and c != last] or [last]
        colour = max(colours, key=lambda c: (len(waiting[c]) * chance.random(), c))
        size = chance.randint(1, BATCH_LIMIT)
        given += waiting[colour][:size]
        del waiting[colour][:size]
        last = colour
    return given
