"""Which fault comes when: all of it follows from the seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from tests.faults.faults import KINDS, Fault, Kind


def plan_round(
    seed: int,
    number: int,
    *,
    faults: int,
    rate_per_s: float,
    gateways: Sequence[str],
    kinds: Mapping[str, Kind] = KINDS,
) -> list[Fault]:
    """The faults of a round, in order: at random instants, `rate_per_s` of them on average, each of
    a kind drawn by its weight. The first rounds have every kind once before any is drawn, so that a
    short run has as many kinds as it has faults."""
    chance = random.Random(f"{seed}/{number}")
    turn = list(kinds.values())
    random.Random(f"{seed}/turn").shuffle(turn)
    owed = turn[number * faults : (number + 1) * faults]
    drawn = chance.choices(
        list(kinds.values()), [kind.weight for kind in kinds.values()], k=faults - len(owed)
    )
    chosen = [*owed, *drawn]
    chance.shuffle(chosen)
    at_s = 0.0
    planned = []
    for kind in chosen:
        at_s += chance.expovariate(rate_per_s)
        planned.append(
            Fault(
                at_s=round(at_s, 3),
                kind=kind.name,
                place=chance.choice(kind.places(gateways)),
                lasts_s=round(chance.uniform(*kind.lasts_s), 3),
                value=float(f"{chance.uniform(*kind.value):.4g}"),
                seed=chance.randrange(2**31),
            )
        )
    return planned
