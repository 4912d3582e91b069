"""The hard limits of a day by number: what building a valid order, and repairing one, ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.sequencing.conflicts import Gap, Span, narrow, spans
from hub.sequencing.model import Instance


@dataclass(frozen=True, slots=True)
class HardLimits:
    """Cars are numbers, places in `Instance.cars` from 0; positions count from 0 too."""

    spans: Sequence[Span]
    """Of each car, narrowed by the orders it stands in."""
    orders: Sequence[Gap]
    apart: Sequence[Gap]
    """Here either car may come first."""
    colours: Sequence[int]
    batch_limit: int | None

    @classmethod
    def of(cls, instance: Instance) -> HardLimits:
        """Raises `ConflictError` where a car or a chain of orders has no room."""
        number = {car.production_no: place for place, car in enumerate(instance.cars)}
        orders, apart = (
            [
                (number[pair.first], number[pair.second], pair.places)
                for pair in instance.limits.pairs
                if pair.kind == kind
            ]
            for kind in ("in_order", "apart")
        )
        colours: dict[str, int] = {}
        return cls(
            narrow(instance, spans(instance), orders),
            orders,
            apart,
            [colours.setdefault(car.colour, len(colours)) for car in instance.cars],
            instance.rules.batch_limit,
        )


def neighbours(cars: int, pairs: Sequence[Gap]) -> list[list[tuple[int, int]]]:
    """Of each car the (second, places) of the pairs in which it is first."""
    of: list[list[tuple[int, int]]] = [[] for _ in range(cars)]
    for first, second, places in pairs:
        of[first].append((second, places))
    return of


def both_ways(pairs: Sequence[Gap]) -> list[Gap]:
    """Each pair, and each with its cars exchanged."""
    return [*pairs, *((second, first, places) for first, second, places in pairs)]
