"""The sequence as a strip of colour, and below it what each ratio and supplier line sees of it.

A day is wrapped into bands. Across, a cell is a car: the car at position p takes the cells' range
p - 1 … p, and yesterday's cars lie below 0. Down, a band has its axis, its paint, and its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.etree import ElementTree as ET

from hub.sequencing.explanation import CarCost, Explanation
from hub.sequencing.model import Car, Instance
from hub.sequencing.plot.colours import ground
from hub.sequencing.plot.rows import Bar, Row, rows_of
from hub.sequencing.plot.svg import cut, element, figure, short, spoken

BAND = 275
"""Most cars in a band; a longer day is wrapped into bands of equal length, to the next ten."""
TAIL = 24
"""Cars of yesterday shown, at most."""
CELL, WIDEST_CELL = 5.0, 14.0
LEFT, RIGHT = 142.0, 56.0
"""Room for the rows' names, and for their sums in a band."""
_AXIS, _PAINT, _ROW, _LEVEL, _GAP = 18.0, 20.0, 11.0, 20.0, 22.0
_CHARACTER = 6.2
"""Pixels a digit takes."""


class Strip:
    """What a strip shows, worked out once; `draw` puts it on the page."""

    def __init__(
        self,
        instance: Instance,
        sequence: Sequence[Car],
        explanation: Explanation,
        colours: Mapping[str, str],
    ) -> None:
        self.instance, self.sequence, self.explanation = instance, sequence, explanation
        self.colours = colours
        """Of each paint code, as `#rrggbb`."""
        self.rows = rows_of(instance, sequence, explanation)
        windows = [ratio.window for ratio in instance.rules.ratios]
        windows += [capacity.window for capacity in instance.rules.capacities]
        self.tail = min(TAIL, max([2, *windows]) - 1, len(instance.yesterday))
        """Cars of yesterday shown: those that a window can reach, and the last one's colour."""
        cars = max(1, len(sequence))
        bands = -(-cars // BAND)
        self.band = cars if bands == 1 else -(-cars // bands // 10) * 10
        """Cars in a band."""
        self.cell = min(WIDEST_CELL, BAND * CELL / self.band) if bands == 1 else CELL
        self.broken: dict[str, list[str]] = defaultdict(list)
        """What hard limits each car breaks."""
        for limit in explanation.score.broken:
            for number in limit.cars:
                self.broken[number].append(limit.text)

    @property
    def width(self) -> float:
        return LEFT + (self.tail + self.band) * self.cell + RIGHT

    def draw(self, parent: ET.Element, top: float) -> float:
        """Draw all bands from `top` down; the height used."""
        y = top
        for begin in range(0, max(1, len(self.sequence)), self.band):
            end = min(begin + self.band, len(self.sequence))
            band = _Band(self, parent, begin - (0 if begin else self.tail), begin, end, y)
            y += band.draw() + _GAP
        return y - _GAP - top


@dataclass(frozen=True, slots=True)
class _Band:
    """Cells `low` … `end` of a strip, of which those before `begin` are yesterday's."""

    strip: Strip
    parent: ET.Element
    low: int
    begin: int
    end: int
    top: float

    def x(self, cell: float) -> float:
        return LEFT + (self.strip.tail + cell - self.begin) * self.strip.cell

    @property
    def height(self) -> float:
        return _AXIS + _PAINT + 4 + sum(_height(row) for row in self.strip.rows)

    def draw(self) -> float:
        group = element(self.parent, "g", class_="band")
        self._axis(group)
        self._cars(group)
        self._paint(group, self.top + _AXIS)
        y = self.top + _AXIS + _PAINT + 4
        for row in self.strip.rows:
            self._row(group, row, y)
            y += _height(row)
        return self.height

    def _axis(self, group: ET.Element) -> None:
        fine = self.strip.cell >= 12
        every, minor = (5, 1) if fine else (25, 5)
        base = self.top + _AXIS - 3
        frozen = min(self.strip.instance.limits.frozen, self.end)
        if frozen > self.begin:
            element(
                group,
                "rect",
                tip=f"frozen: positions 1 to {self.strip.instance.limits.frozen}",
                class_="frozen",
                x=self.x(self.begin),
                y=self.top,
                width=(frozen - self.begin) * self.strip.cell,
                height=_AXIS - 3,
            )
        element(group, "text", "sum", class_="dim", x=self.x(self.end) + 12, y=base - 6)
        ticks = ""
        for position in range(self.begin + 1, self.end + 1):
            # No label so close to the first that they would run into one another.
            after = (position - self.begin - 1) * self.strip.cell
            labelled = after == 0 or (position % every == 0 and after > 5 * _CHARACTER)
            if not (labelled or position % minor == 0):
                continue
            x = self.x(position - 0.5)
            ticks += f"M{short(x)} {short(base)}v{-4 if labelled else -2}"
            if labelled:
                element(
                    group,
                    "text",
                    str(position),
                    class_="dim",
                    x=x,
                    y=base - 6,
                    text_anchor="middle",
                )
        element(group, "path", class_="axis", d=ticks)

    def _cars(self, group: ET.Element) -> None:
        """A column for each car, invisible until it is pointed at, that says which car it is."""
        instance = self.strip.instance
        for cell in range(self.low, self.end):
            if cell < 0:
                car = instance.yesterday[cell]
                tip = f"{car.production_no}, yesterday\ncolour {car.colour}"
            else:
                car = self.strip.sequence[cell]
                cost = self.strip.explanation.cars[cell]
                tip = f"{car.production_no} at {cell + 1}\ncolour {car.colour}{_costs(cost)}"
            options = ", ".join(sorted(car.options))
            element(
                group,
                "rect",
                tip=tip + (f"\n{options}" if options else ""),
                class_="car",
                x=self.x(cell),
                y=self.top + _AXIS,
                width=self.strip.cell,
                height=self.height - _AXIS,
            )

    def _paint(self, group: ET.Element, y: float) -> None:
        line = [(cell, self._car(cell).colour, cell < 0) for cell in range(self.low, self.end)]
        for (colour, yesterday), run in groupby(line, key=lambda entry: entry[1:]):
            cells = [cell for cell, _, _ in run]
            width = len(cells) * self.strip.cell
            fill = self.strip.colours[colour]
            element(
                group,
                "rect",
                class_="paint yesterday" if yesterday else "paint",
                x=self.x(cells[0]) + 0.4,
                y=y,
                width=width - 0.8,
                height=_PAINT,
                fill=fill,
            )
            if not yesterday and width >= len(colour) * _CHARACTER + 5:
                element(
                    group,
                    "text",
                    colour,
                    class_=f"code on-{ground(fill)}",
                    x=self.x(cells[0]) + width / 2,
                    y=y + _PAINT / 2 + 3.5,
                    text_anchor="middle",
                )
        changes = sum(
            self.begin < change.position <= self.end
            for change in self.strip.explanation.colour_changes
        )
        self._name(group, "colour", "", "changes of colour in this band", y + _PAINT / 2 + 4)
        self._sum(group, changes, "sum", y + _PAINT / 2 + 4)
        self._flags(group, y)

    def _car(self, cell: int) -> Car:
        return self.strip.instance.yesterday[cell] if cell < 0 else self.strip.sequence[cell]

    def _flags(self, group: ET.Element, y: float) -> None:
        """Paint batches that are too long, and cars for which a hard limit is broken."""
        limit = self.strip.instance.rules.batch_limit
        for batch in self.strip.explanation.score.long_batches:
            piece = self._clip(batch.position - 1, batch.position - 1 + batch.length)
            if piece is None:
                continue
            element(
                group,
                "rect",
                tip=f"{batch.length} cars of colour {batch.colour} from {batch.position} on: "
                f"the paint shop takes {limit}",
                class_="long",
                x=self.x(piece[0]) + 1,
                y=y - 2,
                width=(piece[1] - piece[0]) * self.strip.cell - 2,
                height=_PAINT + 4,
            )
        for cost in self.strip.explanation.cars[self.begin : self.end]:
            if texts := self.strip.broken.get(cost.production_no):
                x = self.x(cost.position - 0.5)
                element(
                    group,
                    "path",
                    tip="\n".join(texts),
                    class_="broken",
                    d=f"M{short(x)} {short(y + 1)}l-5 -9h10z",
                )

    def _row(self, group: ET.Element, row: Row, y: float) -> None:
        height = _height(row)
        base = y + height - 1
        self._name(group, row.name, row.detail, row.tip, base - 1.5)
        line = f"M{short(self.x(self.low))} {short(base)}H{short(self.x(self.end))}"
        element(group, "path", class_="line", d=line)
        cost = sum(self._bar(group, bar, y + 1, height - 2) for bar in row.bars)
        if row.curve:
            self._curve(group, row.curve, base, height - 3)
            cost = sum(row.curve[self.begin : self.end])
        ticks = "".join(
            f"M{short(self.x(position - 0.5))} {short(base - 1)}v{short(3 - height)}"
            for position in row.ticks
            if self.low < position <= self.end
        )
        if ticks:
            width = min(3.0, self.strip.cell * 0.4)
            element(group, "path", class_="tick", d=ticks, stroke_width=width)
        self._sum(group, cost, "sum bad" if cost and not row.curve else "sum", base - 1.5)

    def _bar(self, group: ET.Element, bar: Bar, y: float, height: float) -> float:
        """Draw the bar's part in this band; its cost, if it begins here."""
        piece = self._clip(bar.start, bar.end)
        if piece is None:
            return 0.0
        begins = self.begin == 0 or bar.start >= self.begin
        start, end = piece
        drawn = element(
            group,
            "rect",
            tip=bar.tip,
            class_=bar.style,
            x=self.x(start),
            y=y,
            # Of what lies before the cars shown, a trace.
            width=max((end - start) * self.strip.cell, 1.0),
            height=height,
        )
        if not begins:
            return 0.0
        drawn.set("data-cost", short(bar.cost))
        return bar.cost

    def _clip(self, start: float, end: float) -> tuple[float, float] | None:
        """The part of a range of cells that lies in this band."""
        first = self.begin == 0
        if start >= self.end or (end <= self.low and not first) or end <= start:
            return None
        return min(max(start, self.low), self.end), max(min(end, self.end), self.low)

    def _curve(self, group: ET.Element, curve: Sequence[float], base: float, height: float) -> None:
        scale = height / (max(curve) or 1.0)
        steps = "".join(
            f"V{short(base - scale * value)}h{short(self.strip.cell)}"
            for value in curve[self.begin : self.end]
        )
        path = f"M{short(self.x(self.begin))} {short(base)}{steps}V{short(base)}z"
        element(group, "path", class_="level", d=path)

    def _name(self, group: ET.Element, name: str, detail: str, tip: str, y: float) -> None:
        room = int((LEFT - 14) / _CHARACTER) - len(detail)
        label = element(group, "text", cut(name, room), tip=tip, x=4, y=y)
        label.set("class", "name")
        if detail:
            element(group, "text", detail, class_="dim", x=LEFT - 8, y=y, text_anchor="end")

    def _sum(self, group: ET.Element, value: float, style: str, y: float) -> None:
        text = figure(value) if value else "·"
        element(group, "text", text, class_=style, x=self.x(self.end) + 12, y=y)


def _costs(cost: CarCost) -> str:
    parts = [f"{spoken(objective)} {figure(value)}" for objective, value in cost.cost.items()]
    return f"\nin {', '.join(parts)}" if parts else ""


def _height(row: Row) -> float:
    return _LEVEL if row.curve else _ROW
