"""What the API says of why a sequence costs what it does, and of two side by side.

The shapes are those of `Explanation.as_json` and `Comparison.as_json`; what these learn to say has
to be named here too.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.api.sequencing_models import BrokenLimit, LongBatch, Number


class _Said(BaseModel):
    """Closed, so that nothing is said that is not described."""

    model_config = ConfigDict(extra="forbid")


class ObjectiveCost(_Said):
    """One objective's part of the mark."""

    objective: str
    value: Number
    weight: float = Field(description="0: it does not enter the mark")
    share: float = Field(description="of the mark, 0 to 1")


class Overload(_Said):
    """Neighbouring windows that hold the same cars, and too many of them."""

    first: int = Field(
        description="position of the first window's first car; 1 is the first of the day, 0 "
        "yesterday's last"
    )
    last: int = Field(description="position of the last window's last car")
    windows: int
    excess: int = Field(description="cars too many in each of the windows")
    cost: int = Field(description="excess over all of the windows")
    cars: list[str] = Field(description="those that count, yesterday's among them")
    positions: list[int] = Field(description="of these cars")


class RatioCost(_Said):
    """Where a ratio is not kept."""

    option: str
    most: int
    window: int
    objective: str
    excess: int
    windows: int
    overloads: list[Overload]


class LineCost(_Said):
    """What a supplier line is asked for that it cannot make, and how unevenly it is asked."""

    line: str
    most: int | None
    window: int | None
    excess: int
    levelling: Number
    mark: Number = Field(description="what both add to the mark")
    windows: int
    overloads: list[Overload]


class PartCost(_Said):
    """How far a part's consumption is from its even rate."""

    part: str = Field(examples=["SEAT1/SEAT-FRONT/SF-SPORT"])
    cars: int
    levelling: Number
    worst: Number = Field(description="cars ahead of the even rate (above 0) or behind it")
    worst_position: int


class CarCost(_Said):
    """What one car is part of. A window counts in full for each of its cars."""

    production_no: str
    position: int
    mark: Number
    cost: dict[str, Number] = Field(description="by objective")
    off_due: int = Field(description="places before (below 0) or after the span it is due in")


class ColourChange(_Said):
    """A place at which the paint shop changes colour."""

    position: int = Field(description="of the first car in the new colour")
    from_colour: str = Field(alias="from")
    to_colour: str = Field(alias="to")


class ExplanationView(_Said):
    """What a sequence costs, taken apart. Counts and sums are of all, lists hold the worst."""

    mark: Number
    feasible: bool
    objectives: list[ObjectiveCost]
    ratios: list[RatioCost]
    lines: list[LineCost]
    parts: list[PartCost]
    cars: list[CarCost]
    colour_changes: list[ColourChange]
    long_batches: list[LongBatch]
    broken: list[BrokenLimit]


class Marks(_Said):
    """The marks of two sequences."""

    one: Number
    other: Number


class Feasible(_Said):
    """Whether two sequences keep all hard limits."""

    one: bool
    other: bool


class Difference(_Said):
    """One figure of both sequences; less is better."""

    name: str
    one: Number
    other: Number
    change: Number = Field(description="from one to other; below 0 where other is better")


class Adherence(_Said):
    """How well `other` keeps to the order of `one`. Shares are of the cars in both."""

    cars: int
    missing: int
    extra: int
    exact: float = Field(description="share of cars in their place")
    within: float = Field(description="share of cars at most `tolerance` places off")
    tolerance: int
    places_off: list[int] = Field(description="how many cars are 0, 1, 2 … places off")
    in_order: float = Field(description="longest increasing subsequence, as a share")
    not_overtaken: float = Field(description="share of cars that no later one of `one` has passed")
    back_runners: int = Field(description="cars that a later one of `one` has passed")
    back_runner_max: int = Field(description="places of `one` by which the worst was passed")
    successors: float = Field(description="share of neighbours that were neighbours before")
    inversions: int = Field(description="pairs that stand the other way round")
    scrambling_max: int
    scrambling_sigma: float


class MovedCar(_Said):
    """A car that stands elsewhere in `other`."""

    production_no: str
    before: int
    after: int
    shifted: bool = Field(description="it only made room: its order among most cars is kept")


class ComparisonView(_Said):
    """Two sequences of one day: `one` is the sequence compared with, `other` the one in force."""

    one: int = Field(description="number of the sequence compared with")
    other: int = Field(description="number of the sequence in force")
    only_one: list[str] = Field(description="cars that stand in `one` alone; they are left out")
    only_other: list[str] = Field(description="cars that stand in `other` alone; left out too")
    mark: Marks
    feasible: Feasible
    better: Literal["one", "other"] | None
    decided_by: str | None = Field(description="what makes the better one better")
    objectives: list[Difference]
    options: list[Difference]
    lines: list[Difference]
    hard_limits: Difference
    adherence: Adherence
    moved_cars: int
    moved: list[MovedCar] = Field(description="those that moved furthest")
