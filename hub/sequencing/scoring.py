"""What a sequence costs, by the rules of the ROADEF 2005 challenge.

Ratio windows reach back into yesterday, and those cut by the end of the day count too (unless the
rules ask for whole windows only); colour changes count against yesterday's last car; paint batches
are counted from the first car of today.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from hub.sequencing import kernels
from hub.sequencing.model import WEIGHTS, Car, Instance, InstanceError, Objective


@dataclass(frozen=True, slots=True)
class LongBatch:
    """A run of one colour that the paint shop does not allow."""

    position: int
    """Of its first car; 1 is the first car of the day."""
    length: int
    colour: str


@dataclass(frozen=True, slots=True)
class Score:
    """The cost of one sequence; less is better."""

    high_priority: int
    low_priority: int
    colour_changes: int
    by_option: dict[str, int]
    """Excess over each ratio, summed over its windows."""
    objectives: tuple[Objective, ...]
    long_batches: tuple[LongBatch, ...]

    @property
    def feasible(self) -> bool:
        """No paint batch is longer than the limit."""
        return not self.long_batches

    @property
    def mark(self) -> int:
        """Objectives in their order, weighted 10^6, 10^3, 1."""
        values: dict[Objective, int] = {
            "high_priority": self.high_priority,
            "low_priority": self.low_priority,
            "colour_changes": self.colour_changes,
        }
        return sum(
            weight * values[objective]
            for weight, objective in zip(WEIGHTS, self.objectives, strict=False)
        )


def score(instance: Instance, sequence: Sequence[Car] | None = None) -> Score:
    """The cost of building the instance's cars in this order; without one, in the order given.

    Raises `InstanceError` if the sequence does not hold each car of the day once.
    """
    sequence = instance.cars if sequence is None else sequence
    _check_complete(instance, sequence)
    line = [*instance.yesterday, *sequence]
    tail = len(instance.yesterday)
    by_option = {
        ratio.option: kernels.window_excess(
            array("B", [ratio.option in car.options for car in line]),
            tail,
            ratio.most,
            ratio.window,
            instance.rules.cut_windows,
        )
        for ratio in instance.rules.ratios
    }
    names = sorted({car.colour for car in line})
    number = {name: i for i, name in enumerate(names)}
    changes, over = kernels.colour_runs(
        array("i", [number[car.colour] for car in line]), tail, instance.rules.batch_limit or 0
    )
    high = sum(by_option[ratio.option] for ratio in instance.rules.ratios if ratio.high_priority)
    return Score(
        high_priority=high,
        low_priority=sum(by_option.values()) - high,
        colour_changes=changes,
        by_option=by_option,
        objectives=instance.rules.objectives,
        long_batches=tuple(
            LongBatch(start + 1, length, sequence[start].colour) for start, length in over
        ),
    )


def _check_complete(instance: Instance, sequence: Sequence[Car]) -> None:
    if sequence is instance.cars:
        return
    wanted = {car.production_no for car in instance.cars}
    found = {car.production_no for car in sequence}
    if unknown := found - wanted:
        raise InstanceError(f"car {min(unknown)} is not one of the day")
    if missing := wanted - found:
        raise InstanceError(f"{len(missing)} cars of the day are missing: {min(missing)} …")
    if len(sequence) != len(found):
        raise InstanceError(f"{len(sequence) - len(found)} cars stand in the sequence twice")
