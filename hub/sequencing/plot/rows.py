"""What stands below the paint: a row for each ratio, supplier line and further thing that costs.

A window that holds too many is drawn at its middle, one cell wide (half a cell where the end of the
day cuts it: then the middles lie half a cell apart). So windows never hide one another, and the red
of a row adds up to its excess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from hub.sequencing.explanation import CarCost, Explanation, Overload
from hub.sequencing.model import Car, Instance
from hub.sequencing.plot.svg import figure, spoken

_NAMED = 4
"""Cars that a tooltip names."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Something drawn over a range of cells, and what it costs. The car at p takes p - 1 … p."""

    start: float
    end: float
    cost: float
    style: str
    tip: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the strip, for the whole day."""

    name: str
    detail: str
    tip: str
    ticks: Sequence[int] = ()
    """Positions of the cars that count."""
    bars: Sequence[Bar] = ()
    curve: Sequence[float] = ()
    """One value for each position, drawn as an area in place of ticks."""


def rows_of(instance: Instance, sequence: Sequence[Car], explanation: Explanation) -> list[Row]:
    """The rows from top to bottom: what is of high priority first, rows without use left out."""
    line = [*instance.yesterday, *sequence]
    first = 1 - len(instance.yesterday)

    def having(options: frozenset[str]) -> list[int]:
        return [p for p, car in enumerate(line, first) if not options.isdisjoint(car.options)]

    rows = []
    for cost in sorted(explanation.ratios, key=lambda cost: not cost.ratio.high_priority):
        ratio = cost.ratio
        tip = (
            f"option {ratio.option}, {spoken(cost.objective)}: at most {ratio.most} cars of any "
            f"{ratio.window}\nexcess of the day {cost.excess:,}"
        )
        bars = list(_bars(cost.overloads, ratio.window, len(sequence), ratio.option))
        ticks = having(frozenset([ratio.option]))
        rows.append(Row(ratio.option, f"{ratio.most}/{ratio.window}", tip, ticks, bars))
    for supplier in explanation.lines:
        capacity = supplier.capacity
        if capacity is None:
            continue
        tip = (
            f"supplier line {capacity.line}: parts for at most {capacity.most} of any "
            f"{capacity.window} cars\nexcess of the day {supplier.excess:,}"
        )
        bars = list(_bars(supplier.overloads, capacity.window, len(sequence), capacity.line))
        ticks = having(capacity.options)
        rows.append(Row(capacity.line, f"{capacity.most}/{capacity.window}", tip, ticks, bars))
    if due := _due(instance):
        ticks = [car.position for car in explanation.cars if car.production_no in due]
        bars = [_due_bar(car) for car in explanation.cars if car.off_due]
        tip = f"{len(due):,} cars with a span they are due in, and their places off it"
        rows.append(Row("lateness", "", tip, ticks, bars))
    if explanation.levelling_at:
        tip = (
            "squared distance of all parts from their even rates, position by position\n"
            f"at most {figure(max(explanation.levelling_at))}, "
            f"in sum {figure(explanation.score.levelling)}"
        )
        rows.append(Row("levelling", "", tip, curve=explanation.levelling_at))
    return rows


def _bars(overloads: Sequence[Overload], window: int, cars: int, name: str) -> Iterator[Bar]:
    """Neighbouring windows of the same excess as one bar each."""
    # Windows follow one another without a gap where this difference stays the same.
    before = accumulate((overload.windows for overload in overloads), initial=0)
    runs = groupby(
        zip(overloads, before, strict=False),
        key=lambda entry: (entry[0].first - entry[1], entry[0].excess),
    )
    for (_, excess), entries in runs:
        run = [overload for overload, _ in entries]
        windows = sum(overload.windows for overload in run)
        start = run[0].first - 1
        yield Bar(
            _edge(start, window, cars),
            _edge(start + windows, window, cars),
            excess * windows,
            f"over e{min(excess, 3)}",
            f"{name}: {excess} too many in {windows} window{'' if windows == 1 else 's'}, "
            f"positions {run[0].first} … {run[-1].last}\n"
            # Neighbouring windows overlap or touch: what they hold together has no gap.
            f"{run[0].takers.named(run[0].begin, run[-1].end, _NAMED)}",
        )


def _edge(start: int, window: int, cars: int) -> float:
    """Where the drawing of the window that begins at this cell begins: half a cell before its
    middle. Windows that the end of the day cuts are half as wide, and the last ends with the day.
    """
    whole = min(start, cars - window + 1)
    return whole + window / 2 - 0.5 + (start - whole) / 2


def _due(instance: Instance) -> set[str]:
    return {
        number
        for number, place in instance.limits.places.items()
        if place.due_from is not None or place.due_until is not None
    }


def _due_bar(car: CarCost) -> Bar:
    off = abs(car.off_due)
    style, word = ("over late", "late") if car.off_due > 0 else ("early", "early")
    places = f"{off} place{'' if off == 1 else 's'}"
    return Bar(
        car.position - 1,
        car.position,
        off,
        style,
        f"{car.production_no} at {car.position}: {places} too {word}",
    )
