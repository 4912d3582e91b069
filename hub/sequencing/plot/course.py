"""The course of a search: its best mark over time, both on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from hub.sequencing.plot.svg import element, figure, short

HEIGHT = 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 24, 20, 48
_FOOT = 30
"""Room below the time axis; between it and `_BOTTOM` stands the last mark's label."""
_NARROW = 4.0
"""Marks that differ by no more than this factor are drawn on a linear axis."""
_LABELS = 6


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values on a line of pixels. `knee` above 0 makes it symmetric-logarithmic, so that 0 fits."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool
    knee: float = 0.0

    def at(self, value: float) -> float:
        low, high = self._scaled(self.low), self._scaled(self.high)
        part = (self._scaled(value) - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.end - self.start)

    def _scaled(self, value: float) -> float:
        if not self.logarithmic:
            return value
        return math.log10(1 + value / self.knee) if self.knee else math.log10(value)

    def marks(self) -> list[float]:
        """Round values to be written beside it."""
        if not self.logarithmic:
            return _steps(self.low, self.high)
        lowest = self.knee or self.low
        decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(self.high)) + 1)
        every = max(1, math.ceil(len(decades) / _LABELS))
        steps = (1, 2, 5) if len(decades) <= _LABELS - 2 else (1,)
        found = [10.0**decade * step for decade in decades[::every] for step in steps]
        return [0.0] * bool(self.knee) + [m for m in found if lowest <= m <= self.high]


def _steps(low: float, high: float) -> list[float]:
    """Some multiples of 1, 2 or 5 times a power of ten between two values."""
    if high <= low:
        return [low]
    rough = (high - low) / _LABELS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def draw_course(
    parent: ET.Element,
    course: Sequence[tuple[float, float]],
    elapsed_s: float | None,
    top: float,
    width: float,
) -> float:
    """Draw (seconds, best mark) as steps; the height used. `elapsed_s` is when the search ended."""
    if not course:
        return 0.0
    end_s = max(elapsed_s or 0.0, course[-1][0])
    x_axis = _time_axis([at for at, _ in course if at > 0], end_s, width)
    y_axis = _mark_axis([mark for _, mark in course], top)
    group = element(parent, "g", class_="course")
    _grid(group, x_axis, y_axis, top)

    points = [(x_axis.at(max(at, x_axis.low)), y_axis.at(mark)) for at, mark in course]
    path = f"M{short(points[0][0])} {short(points[0][1])}"
    for x, y in points[1:]:
        path += f"H{short(x)}V{short(y)}"
    last_x, last_y = points[-1]
    element(group, "path", class_="best", d=f"{path}H{short(x_axis.at(max(end_s, x_axis.low)))}")
    to_best_s, best = course[-1]
    element(group, "circle", class_="found", cx=last_x, cy=last_y, r=4)
    # A best mark only falls: below its last point and above its first one nothing is drawn.
    late = last_x > (x_axis.start + x_axis.end) / 2
    element(
        group,
        "text",
        f"mark {figure(best)} after {_seconds(to_best_s)}",
        class_="strong",
        x=last_x + (4 if late else -4),
        y=last_y + 16,
        text_anchor="end" if late else "start",
    )
    if len(points) > 1:
        x, y = points[0]
        element(group, "text", f"from {figure(course[0][1])}", x=x + 4, y=y - 6)
    return HEIGHT


def _time_axis(after_start: Sequence[float], end_s: float, width: float) -> _Axis:
    low = min(after_start, default=end_s or 1.0) / 2  # what was there before is to be seen
    high = max(end_s, low * 10)
    return _Axis(low, high, _LEFT, width - _RIGHT, logarithmic=True)


def _mark_axis(marks: Sequence[float], top: float) -> _Axis:
    low, high = min(marks), max(marks)
    start, end = top + HEIGHT - _BOTTOM, top + _TOP
    if low < 0 or low == high or (low > 0 and high / low <= _NARROW):
        return _Axis(low, high, start, end, logarithmic=False)
    knee = 0.0 if low > 0 else min(mark for mark in marks if mark > 0)
    return _Axis(low, high, start, end, logarithmic=True, knee=knee)


def _grid(group: ET.Element, x_axis: _Axis, y_axis: _Axis, top: float) -> None:
    foot = top + HEIGHT - _FOOT
    for mark in y_axis.marks():
        y = y_axis.at(mark)
        element(
            group, "path", class_="grid", d=f"M{short(x_axis.start)} {short(y)}H{short(x_axis.end)}"
        )
        element(
            group,
            "text",
            figure(mark),
            class_="dim",
            x=x_axis.start - 8,
            y=y + 3.5,
            text_anchor="end",
        )
    for at in x_axis.marks():
        x = x_axis.at(at)
        element(
            group,
            "path",
            class_="grid",
            d=f"M{short(x)} {short(y_axis.end)}V{short(foot)}",
        )
        element(
            group,
            "text",
            _seconds(at),
            class_="dim",
            x=x,
            y=foot + 14,
            text_anchor="middle",
        )


def _seconds(value: float) -> str:
    if 0 < value < 1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s"
