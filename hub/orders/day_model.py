"""A day to be sequenced, as people and programs write it down; `day.py` makes an instance of it.

Everything is bounded, so that what comes from outside cannot ask for more than a plant has.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from hub.orders.calendar_entry import Entry, Instant, WorkEntry
from hub.orders.plant import Label, Name, RuleEntry
from hub.sequencing.model import Objective
from hub.sequencing.numbering import LoadOrder

MAX_CARS = 5_000
MAX_OPTIONS = 500
MAX_LINES = 200
MAX_RULES = 20_000

ProductionNo = Annotated[str, Field(pattern=r"^[^/;\s]([^/;\t\r\n]{0,62}[^/;\s])?$")]
"""1 to 64 characters; no semicolon, since sequence files part their cells by it."""
Position = Annotated[int, Field(strict=True, ge=1, le=MAX_CARS)]
Weight = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


When = Annotated[
    Annotated[Position, Tag("position")] | Annotated[Instant, Tag("time")],
    Discriminator(lambda given: "time" if isinstance(given, (str, date)) else "position"),
]
"""A position of the day, from 1; or a time, which the calendar turns into one."""
Objectives = Annotated[
    Annotated[list[Objective], Field(min_length=1, max_length=10), Tag("order")]
    | Annotated[dict[Objective, Weight], Field(min_length=1), Tag("weights")],
    Discriminator(lambda given: "weights" if isinstance(given, dict) else "order"),
]
RatioText = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{1,4}/[1-9][0-9]{0,3}$",
        description="n/p: at most n of any p cars in a row",
        examples=["1/3"],
    ),
]


class PlainCarEntry(Entry):
    """A car of yesterday."""

    production_no: ProductionNo = Field(title="Production number", examples=["0004711"])
    colour: Name = Field(title="Colour of its paint", examples=["white"])
    options: list[Name] = Field(
        default=[], max_length=MAX_OPTIONS, title="What it has, of the day's options"
    )


class CarEntry(PlainCarEntry):
    """A car of the day."""

    fixed: Position | None = Field(default=None, title="Its position, which no sequence changes")
    earliest: When | None = Field(default=None, title="First position it may have, or first time")
    latest: When | None = Field(default=None, title="Last position it may have, or last time")
    due_from: When | None = Field(
        default=None,
        title="Wanted from here on",
        description="each place before it costs one under `lateness`",
    )
    due_until: When | None = Field(
        default=None,
        title="Wanted up to here",
        description="each place after it costs one under `lateness`",
    )

    @model_validator(mode="after")
    def _placed_once(self) -> CarEntry:
        if self.fixed is not None and (self.earliest is not None or self.latest is not None):
            raise ValueError(
                f"car {self.production_no} is fixed: earliest and latest have no meaning"
            )
        return self


class OptionEntry(Entry):
    """An option that cars may have."""

    ratio: RatioText | None = Field(
        default=None, title="At most n of any p cars in a row; none: any number"
    )
    priority: Literal["high", "low"] = Field(
        default="high", title="Objective that its excess counts under"
    )


class CapacityEntry(Entry):
    """What a supplier line can make; its excess counts under `capacity`."""

    options: list[Name] = Field(
        min_length=1, max_length=MAX_OPTIONS, title="A car with any of them needs a part"
    )
    per_hour: int | None = Field(
        default=None, ge=0, le=100_000, title="Cars it can serve in an hour of the calendar's takt"
    )
    ratio: RatioText | None = Field(default=None, title="Or: at most n of any p cars in a row")

    @model_validator(mode="after")
    def _one_way(self) -> CapacityEntry:
        if (self.per_hour is None) == (self.ratio is None):
            raise ValueError("give one of per_hour and ratio")
        return self


class GroupEntry(Entry):
    """Parts of one kind, called together."""

    id: Name = Field(title="Name of the part group", examples=["SEAT-FRONT"])
    bom: list[RuleEntry] = Field(
        min_length=1,
        max_length=MAX_RULES,
        title="Bill of material: of the rules that fit a car, the first names its part",
    )


class SupplyLineEntry(Entry):
    """A supplier's line, its part groups, and what it can make."""

    id: Label = Field(title="Name of the line", examples=["SEAT1"])
    unloading_point: Label = Field(default="-", title="Where its racks arrive")
    lead_s: float = Field(
        default=0, ge=0, le=604_800, title="Seconds from the call until the part is fitted"
    )
    rack_slots: int = Field(default=1, ge=1, le=10_000, title="Slots of a rack")
    load_order: LoadOrder = Field(
        default="forward", title="Whether slot 1 holds what is fitted first, or last"
    )
    sequence_wrap: int = Field(
        default=9999, ge=1, le=2_000_000_000, title="Last short sequence number before 1 comes"
    )
    first_call: int = Field(
        default=1, ge=1, le=2_000_000_000, title="Number of the day's first call"
    )
    part_groups: list[GroupEntry] = Field(
        default=[], max_length=MAX_LINES, title="What it is called for"
    )
    capacity: CapacityEntry | None = Field(default=None, title="What it can make")


class PairEntry(Entry):
    """Two cars that keep a distance."""

    kind: Literal["apart", "in_order"] = Field(
        title="apart: either may come first. in_order: `first` does"
    )
    first: ProductionNo = Field(title="Production number of one")
    second: ProductionNo = Field(title="Production number of the other")
    places: int = Field(default=1, ge=1, le=MAX_CARS, title="Least difference of positions")


class PreSeriesEntry(Entry):
    """Cars of a coming model, built among the others: spread out, and in a span of the day."""

    cars: list[ProductionNo] = Field(
        min_length=1, max_length=MAX_CARS, title="Their production numbers"
    )
    ratio: RatioText = Field(title="At most n of them in any p cars in a row")
    priority: Literal["high", "low"] = Field(
        default="high", title="Objective that the excess counts under"
    )
    earliest: When | None = Field(default=None, title="First position they may have, or first time")
    latest: When | None = Field(default=None, title="Last position they may have, or last time")


_ROADEF_ORDER: list[Objective] = ["high_priority", "colour_changes", "low_priority"]


class CalendarEntry(WorkEntry):
    """When the plant works, and when the day's first car starts."""

    takt_s: float = Field(gt=0, le=86_400, title="Seconds of work from one car to the next")
    start: Instant = Field(title="When the day's first car starts")


class DayModel(Entry):
    """A day to be sequenced: cars, rules, limits, calendar, and what suppliers deliver."""

    version: Literal[1] = Field(title="Of this format")
    cars: list[CarEntry] = Field(
        min_length=1, max_length=MAX_CARS, title="The day's cars, in the order given"
    )
    yesterday: list[PlainCarEntry] = Field(
        default=[],
        max_length=MAX_CARS,
        title="The last cars of the day before; windows reach back into them",
    )
    options: dict[Name, OptionEntry] = Field(
        default={}, max_length=MAX_OPTIONS, title="All options of the day, by name"
    )
    batch_limit: int | None = Field(
        default=None, ge=1, le=100_000, title="Most cars of one colour in a row; a hard limit"
    )
    objectives: Objectives = Field(
        default=_ROADEF_ORDER,
        title="What counts: in order, each a thousand times the next; or each with its weight",
        examples=[["high_priority", "colour_changes"], {"high_priority": 1000, "levelling": 0.5}],
    )
    whole_windows: bool = Field(
        default=False, title="Leave out windows that the end of the day cuts short"
    )
    lines: list[SupplyLineEntry] = Field(
        default=[], max_length=MAX_LINES, title="Suppliers' lines that deliver in sequence"
    )
    pairs: list[PairEntry] = Field(
        default=[], max_length=10_000, title="Cars that must keep a distance or an order"
    )
    pre_series: PreSeriesEntry | None = Field(default=None, title="Cars of a coming model")
    calendar: CalendarEntry | None = Field(
        default=None, title="Needed for times, capacities per hour, and calls"
    )
    frozen: int = Field(default=0, ge=0, le=MAX_CARS, title="First cars that keep their positions")
    forward: int | None = Field(
        default=None, ge=0, le=MAX_CARS, title="Places a car may at most move to the front"
    )
    back: int | None = Field(
        default=None, ge=0, le=MAX_CARS, title="Places a car may at most move to the back"
    )
