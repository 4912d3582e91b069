"""Days with many hard limits, drawn by a seed: tiny ones of any kind, and larger ones that can be
kept, as they are drawn around an order that keeps them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import permutations
from typing import Literal

from hub.sequencing.model import Car, Instance, Limits, Pair, Place, Rules
from hub.sequencing.scoring import score


def can_be_kept(day: Instance) -> bool:
    """Whether any order of the cars keeps all hard limits: all are tried."""
    return any(score(day, order).feasible for order in permutations(day.cars))


def tiny_day(seed: int, *, most: int = 6) -> Instance:
    """Up to `most` cars with any limits; about six of ten days can be kept."""
    draw = random.Random(seed)

    def perhaps(part: float, low: int, high: int) -> int | None:
        return draw.randint(low, high) if draw.random() < part else None

    cars = draw.randint(1, most)
    places = {}
    for number in range(cars):
        if draw.random() < 0.3:
            low, high = sorted((draw.randint(1, cars), draw.randint(1, cars)))
            places[str(number)] = Place(
                low if draw.random() < 0.7 else None, high if draw.random() < 0.7 else None
            )
    kinds: Sequence[Literal["apart", "in_order"]] = ("apart", "in_order")
    pairs = []
    for _ in range(draw.choice([0, 0, 1, 2, 3, 4]) if cars > 1 else 0):
        one, other = draw.sample(range(cars), 2)
        far = draw.randint(1, min(cars, 3))
        pairs.append(Pair(draw.choice(kinds), str(one), str(other), far))
    return Instance(
        tuple(Car(str(n), draw.choice("aab" if seed % 2 else "abc")) for n in range(cars)),
        Rules(batch_limit=perhaps(0.6, 1, 3)),
        limits=Limits(
            places,
            tuple(pairs),
            frozen=perhaps(0.2, 0, cars) or 0,
            forward=perhaps(0.2, 0, 4),
            back=perhaps(0.2, 0, 4),
        ),
    )


def kept_day(
    seed: int,
    cars: int = 200,
    *,
    colours: int = 6,
    batch_limit: int = 6,
    frozen: int = 20,
    reach: int | None = 15,
    fixed: int = 10,
    spans: int = 40,
    pairs: int = 20,
    far: int = 20,
) -> tuple[Instance, tuple[Car, ...]]:
    """A day, and an order that keeps its limits; the order given is a shuffled one.

    With `reach` no car stands further than so many places from where it was given.
    """
    draw = random.Random(seed)
    painted: list[str] = []
    while len(painted) < cars:
        colour = f"c{draw.randrange(colours)}"
        if painted[-1:] != [colour]:
            painted += [colour] * draw.randint(1, batch_limit)
    kept = tuple(Car(f"{n:04}", colour) for n, colour in enumerate(painted[:cars]))
    shuffled = list(range(frozen, cars))
    if reach is None:
        draw.shuffle(shuffled)
    else:
        late = [n + draw.uniform(0, reach * 0.99) for n in range(cars)]
        shuffled.sort(key=late.__getitem__)
    places: dict[str, Place] = {}
    for n in draw.sample(range(cars), fixed + spans):
        early, late_by = (0, 0) if len(places) < fixed else (draw.randint(0, far) for _ in "ab")
        places[kept[n].production_no] = Place(max(1, n + 1 - early), min(cars, n + 1 + late_by))
    limited = []
    for count in range(2 * pairs):
        first = draw.randrange(cars - far)
        second = first + draw.randint(1, far)
        one, other = kept[first].production_no, kept[second].production_no
        if count % 2:
            limited.append(Pair("apart", other, one, second - first))
        else:
            limited.append(Pair("in_order", one, other, draw.randint(1, second - first)))
    day = Instance(
        kept[:frozen] + tuple(kept[n] for n in shuffled),
        Rules(batch_limit=batch_limit),
        limits=Limits(places, tuple(limited), frozen, reach, reach),
    )
    return day, kept
