"""What an explanation of a sequence holds, and how it reads, as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.sequencing.model import Capacity, Objective, Ratio
from hub.sequencing.scoring import Score

_NAMED = 6
"""Cars of a window that a line of text names."""


@dataclass(frozen=True, slots=True)
class ObjectiveCost:
    """One objective's part of the mark."""

    objective: Objective
    value: float
    weight: float
    """0 where it does not enter the mark."""
    share: float
    """Of the mark, 0 … 1."""


class Takers(NamedTuple):
    """The cars of yesterday and today that count under one rule, in order."""

    numbers: tuple[str, ...]
    """Production numbers."""
    positions: tuple[int, ...]

    def named(self, begin: int, end: int, most: int) -> str:
        """Those from index `begin` to before `end`, to be read: the first `most`, and how many
        more."""
        shown = slice(begin, min(end, begin + most))
        pairs = zip(self.numbers[shown], self.positions[shown], strict=True)
        more = f" and {end - begin - most} more" if end - begin > most else ""
        return ", ".join(f"{number} at {position}" for number, position in pairs) + more


@dataclass(frozen=True, slots=True)
class Overload:
    """Neighbouring windows that hold the same cars, and too many of them.

    The windows begin at `first`, `first + 1` …, one place apart. Positions count from 1;
    yesterday's last car stands at 0, the one before it at -1.
    """

    first: int
    """Position of the first window's first car."""
    last: int
    """Position of the last window's last car."""
    windows: int
    takers: Takers = field(repr=False)
    """All of the rule's. The windows hold those from index `begin` to before `end`: written out for
    each overload, long windows would take memory in the square of the day."""
    begin: int
    end: int
    excess: int
    """Cars too many in each of the windows."""

    @property
    def cars(self) -> tuple[str, ...]:
        """Production numbers of the cars that count, in order; yesterday's may be among them."""
        return self.takers.numbers[self.begin : self.end]

    @property
    def positions(self) -> tuple[int, ...]:
        """Of these cars."""
        return self.takers.positions[self.begin : self.end]

    @property
    def cost(self) -> int:
        """Excess over all of its windows."""
        return self.excess * self.windows


@dataclass(frozen=True, slots=True)
class RatioCost:
    """Where a ratio is not kept."""

    ratio: Ratio
    excess: int
    overloads: tuple[Overload, ...]
    """By position."""

    @property
    def objective(self) -> Objective:
        """The objective its excess counts in."""
        return "high_priority" if self.ratio.high_priority else "low_priority"


@dataclass(frozen=True, slots=True)
class LineCost:
    """What a supplier line is asked for that it cannot make, and how unevenly it is asked."""

    line: str
    capacity: Capacity | None
    excess: int
    overloads: tuple[Overload, ...]
    levelling: float
    """Of all of its parts."""
    mark: float
    """What both add to the mark."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """How far a part's consumption is from its even rate."""

    part: str
    """As `supplier line/part group/part`."""
    cars: int
    levelling: float
    """Squared distance from the even rate, summed over the day."""
    worst_position: int
    worst: float
    """Cars by which consumption is ahead of the even rate there (above 0), or behind it."""

    @property
    def line(self) -> str:
        """The supplier line that makes it."""
        return self.part.split("/", 1)[0]


@dataclass(frozen=True, slots=True)
class CarCost:
    """What one car of the day is part of."""

    production_no: str
    position: int
    cost: dict[Objective, float]
    """Excess of the windows that it is one too many of, its colour change, its places off; what is
    0 is left out. A window counts in full for each of its cars: these say where to look, and add up
    to more than the mark. Levelling belongs to no one car."""
    mark: float
    """The same, weighted."""
    off_due: int
    """Places before (below 0) or after the span it is due in."""


@dataclass(frozen=True, slots=True)
class ColourChange:
    """A place at which the paint shop changes colour."""

    position: int
    """Of the first car in the new colour."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, taken apart."""

    score: Score
    objectives: tuple[ObjectiveCost, ...]
    """Those of the mark by weight, most important first, then the others."""
    ratios: tuple[RatioCost, ...]
    lines: tuple[LineCost, ...]
    """Supplier lines with a capacity, then those of which only parts are known."""
    parts: tuple[PartCost, ...]
    cars: tuple[CarCost, ...]
    """All cars of the day, by position."""
    colour_changes: tuple[ColourChange, ...]
    levelling_at: tuple[float, ...]
    """For each position the squared distance from the even rate, summed over the parts."""

    def as_json(self, top: int | None = None) -> dict[str, object]:
        """The explanation as JSON types.

        With `top`, every list of places and cars holds the most costly so many of them; without,
        all in order. Counts and sums are always of all.
        """
        return {
            "mark": self.score.mark,
            "feasible": self.score.feasible,
            "objectives": [
                {
                    "objective": cost.objective,
                    "value": cost.value,
                    "weight": cost.weight,
                    "share": cost.share,
                }
                for cost in self.objectives
            ],
            "ratios": [_ratio_json(cost, top) for cost in self.ratios],
            "lines": [_line_json(cost, top) for cost in self.lines],
            "parts": [_part_json(cost) for cost in _worst_parts(self.parts, top)],
            "cars": [_car_json(cost) for cost in _worst_cars(self.cars, top)],
            "colour_changes": [
                {"position": change.position, "from": change.before, "to": change.after}
                for change in self.colour_changes[:top]
            ],
            "long_batches": [
                {"position": batch.position, "length": batch.length, "colour": batch.colour}
                for batch in self.score.long_batches[:top]
            ],
            "broken": [
                {"kind": limit.kind, "cars": list(limit.cars), "text": limit.text}
                for limit in self.score.broken[:top]
            ],
        }

    def as_text(self, top: int = 10) -> str:
        """The explanation to be read; each list ends after its `top` most costly lines."""
        sections = [
            _mark_lines(self.score, self.objectives),
            _hard_limit_lines(self.score, top),
            *(_overload_lines(_ratio_title(c), c.overloads, top) for c in self.ratios if c.excess),
            *(_overload_lines(_line_title(c), c.overloads, top) for c in self.lines if c.excess),
            _supplier_lines(self.lines, top),
            _part_lines(self.parts, top),
            _car_lines(self.cars, top),
        ]
        return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _worst_overloads(overloads: Sequence[Overload], top: int | None) -> Sequence[Overload]:
    if top is None:
        return overloads
    return sorted(overloads, key=lambda overload: (-overload.cost, overload.first))[:top]


def _worst_parts(parts: Sequence[PartCost], top: int | None) -> Sequence[PartCost]:
    if top is None:
        return parts
    return sorted(parts, key=lambda part: (-part.levelling, part.part))[:top]


def _worst_cars(cars: Sequence[CarCost], top: int | None) -> Sequence[CarCost]:
    """Those that cost anything."""
    costly = [car for car in cars if car.cost]
    if top is None:
        return costly
    return sorted(costly, key=lambda car: (-car.mark, car.position))[:top]


def _ratio_json(cost: RatioCost, top: int | None) -> dict[str, object]:
    return {
        "option": cost.ratio.option,
        "most": cost.ratio.most,
        "window": cost.ratio.window,
        "objective": cost.objective,
        "excess": cost.excess,
        **_overloads_json(cost.overloads, top),
    }


def _line_json(cost: LineCost, top: int | None) -> dict[str, object]:
    return {
        "line": cost.line,
        "most": cost.capacity.most if cost.capacity else None,
        "window": cost.capacity.window if cost.capacity else None,
        "excess": cost.excess,
        "levelling": cost.levelling,
        "mark": cost.mark,
        **_overloads_json(cost.overloads, top),
    }


def _overloads_json(overloads: Sequence[Overload], top: int | None) -> dict[str, object]:
    return {
        "windows": sum(overload.windows for overload in overloads),
        "overloads": [
            {
                "first": overload.first,
                "last": overload.last,
                "windows": overload.windows,
                "excess": overload.excess,
                "cost": overload.cost,
                "cars": list(overload.cars),
                "positions": list(overload.positions),
            }
            for overload in _worst_overloads(overloads, top)
        ],
    }


def _part_json(cost: PartCost) -> dict[str, object]:
    return {
        "part": cost.part,
        "cars": cost.cars,
        "levelling": cost.levelling,
        "worst": cost.worst,
        "worst_position": cost.worst_position,
    }


def _car_json(cost: CarCost) -> dict[str, object]:
    return {
        "production_no": cost.production_no,
        "position": cost.position,
        "mark": cost.mark,
        "cost": dict(cost.cost),
        "off_due": cost.off_due,
    }


def _mark_lines(found: Score, objectives: Sequence[ObjectiveCost]) -> list[str]:
    return [
        f"mark {_number(found.mark)}",
        *(
            f"  {cost.objective:<15}{_number(cost.value):>12} x {_number(cost.weight):<15}"
            f"{cost.share:8.2%}"
            for cost in objectives
            if cost.weight or cost.value
        ),
    ]


def _hard_limit_lines(found: Score, top: int) -> list[str]:
    texts = [
        *(
            f"paint batch of {batch.length} cars of colour {batch.colour} from {batch.position} on"
            for batch in found.long_batches
        ),
        *(limit.text for limit in found.broken),
    ]
    return _titled(f"hard limits broken: {len(texts)}", texts, top) if texts else []


def _ratio_title(cost: RatioCost) -> str:
    ratio = cost.ratio
    return f"{ratio.option} {ratio.most}/{ratio.window}, {cost.objective}: excess {cost.excess:,}"


def _line_title(cost: LineCost) -> str:
    most = f" {cost.capacity.most}/{cost.capacity.window}" if cost.capacity else ""
    return f"supplier line {cost.line}{most}, capacity: excess {cost.excess:,}"


def _overload_lines(title: str, overloads: Sequence[Overload], top: int) -> list[str]:
    windows = sum(overload.windows for overload in overloads)
    ranked = _worst_overloads(overloads, len(overloads))
    texts = [
        f"{overload.cost:>6}  positions {overload.first} … {overload.last}: {overload.excess} too "
        f"many in {_count(overload.windows, 'window')}, "
        f"cars {overload.takers.named(overload.begin, overload.end, _NAMED)}"
        for overload in ranked
    ]
    return _titled(f"{title} in {_count(windows, 'window')}", texts, top)


def _supplier_lines(lines: Sequence[LineCost], top: int) -> list[str]:
    texts = [
        f"{_number(line.mark):>12}  {line.line}: capacity {line.excess:,}, "
        f"levelling {_number(line.levelling)}"
        for line in sorted(lines, key=lambda line: (-line.mark, line.line))
        if line.mark
    ]
    return _titled("supplier lines, by what they add to the mark", texts, top) if texts else []


def _part_lines(parts: Sequence[PartCost], top: int) -> list[str]:
    texts = [
        f"{part.levelling:>12,.1f}  {part.part}: {part.cars} cars, "
        f"{abs(part.worst):.1f} {'ahead' if part.worst > 0 else 'behind'} at {part.worst_position}"
        for part in _worst_parts(parts, len(parts))
        if part.levelling
    ]
    return _titled("parts furthest from their even rate", texts, top) if texts else []


def _car_lines(cars: Sequence[CarCost], top: int) -> list[str]:
    texts = [
        f"{car.production_no} at {car.position}: "
        + ", ".join(f"{objective} {value:,}" for objective, value in car.cost.items())
        for car in _worst_cars(cars, len(cars))
        if car.mark
    ]
    return _titled("cars to look at first", texts, top) if texts else []


def _titled(title: str, texts: Sequence[str], top: int) -> list[str]:
    more = [f"  … and {len(texts) - top:,} more"] if len(texts) > top else []
    return [title, *(f"  {text}" for text in texts[:top]), *more]


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    """Whole where it is; else one decimal, or what a small one needs."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"
