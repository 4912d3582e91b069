"""The whole picture: title, course of the search, strip of the sequence, legend.

One file that needs nothing else: no script, no font, no reference. Written with the standard
library; a plotting library would be the hub's heaviest dependency, and would draw the strip no
better. Rules of style are plain classes, so that readers without CSS variables follow them too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from hub.sequencing.explain import explain
from hub.sequencing.explanation import Explanation
from hub.sequencing.model import Car, Instance
from hub.sequencing.plot.colours import ALARM, palette
from hub.sequencing.plot.course import draw_course
from hub.sequencing.plot.strip import LEFT, Strip
from hub.sequencing.plot.svg import NAMESPACE, cut, element, figure, short, spoken

_MARGIN = 20.0
_LEAST_WIDTH = 960.0
_SWATCH = 12.0

_STYLE = f"""
text {{ font: 11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #23272e; }}
.title {{ font-size: 17px; font-weight: 600; }}
.strong {{ font-weight: 600; }}
.dim, .sum {{ fill: #68707c; font-size: 10px; font-variant-numeric: tabular-nums; }}
.name {{ font-size: 10.5px; }}
.code {{ font-size: 10px; font-weight: 600; pointer-events: none; }}
.on-light {{ fill: #000; }}
.on-dark {{ fill: #fff; }}
.bad {{ fill: {ALARM}; font-weight: 600; }}
.page {{ fill: #fff; }}
.grid, .line {{ stroke: #e3e6ea; fill: none; }}
.axis {{ stroke: #9aa2ad; fill: none; }}
.frozen {{ fill: #4a90d9; fill-opacity: .3; }}
.swatch {{ stroke: #8a94a3; stroke-width: .5; }}
.best {{ stroke: #1f6fc4; stroke-width: 2; fill: none; stroke-linejoin: round; }}
.found {{ fill: #1f6fc4; }}
.car {{ fill: #8a94a3; fill-opacity: 0; }}
.car:hover {{ fill-opacity: .25; }}
.paint {{ pointer-events: none; stroke: #8a94a3; stroke-width: .5; }}
.yesterday {{ opacity: .3; }}
.swatch.yesterday {{ fill: #8a94a3; opacity: .5; }}
.long {{ fill: none; stroke: {ALARM}; stroke-width: 2; pointer-events: stroke; }}
.broken {{ fill: {ALARM}; }}
.tick {{ stroke: #4b5563; pointer-events: none; fill: none; }}
.over {{ fill: {ALARM}; }}
.early {{ fill: #2f7fd6; }}
.e1 {{ fill-opacity: .45; }}
.e2 {{ fill-opacity: .7; }}
.level {{ fill: #2f7fd6; fill-opacity: .5; pointer-events: none; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e4e7ec; }}
.dim, .sum {{ fill: #98a1ae; }}
.bad {{ fill: #ff6b78; }}
.page {{ fill: #15181d; }}
.grid, .line {{ stroke: #2b3038; }}
.axis {{ stroke: #5d6673; }}
.best {{ stroke: #5aa9f5; }}
.found {{ fill: #5aa9f5; }}
.tick {{ stroke: #b6beca; }}
.e1 {{ fill-opacity: .6; }}
.e2 {{ fill-opacity: .8; }}
}}
"""


def draw_search(
    instance: Instance,
    sequence: Sequence[Car],
    course: Sequence[tuple[float, float]],
    elapsed_s: float | None = None,
) -> str:
    """A search and the sequence it found, as an SVG document.

    `course` is the best mark over time as (seconds, mark), `elapsed_s` the seconds the search took,
    where that is known: the last mark is drawn on to there.

    Raises `InstanceError` if the sequence does not hold each car of the day once.
    """
    return _draw(instance, sequence, course, elapsed_s)


def draw_sequence(instance: Instance, sequence: Sequence[Car] | None = None) -> str:
    """A sequence, by default the order given, as an SVG document; raises as `draw_search`."""
    return _draw(instance, instance.cars if sequence is None else sequence, (), None)


def _draw(
    instance: Instance,
    sequence: Sequence[Car],
    course: Sequence[tuple[float, float]],
    elapsed_s: float | None,
) -> str:
    explanation = explain(instance, sequence)
    colours = palette(car.colour for car in (*instance.yesterday, *sequence))
    strip = Strip(instance, sequence, explanation, colours)
    inside = max(_LEAST_WIDTH, strip.width)
    width = inside + 2 * _MARGIN
    svg = ET.Element("svg", {"xmlns": NAMESPACE, "role": "img"})
    title = f"Sequence of {len(sequence):,} cars"
    element(svg, "title", title)
    element(svg, "desc", _mark_text(explanation))
    element(svg, "style", _STYLE)
    page = element(svg, "rect", class_="page", width=width)
    body = element(svg, "g", transform=f"translate({short(_MARGIN)} {short(_MARGIN)})")
    y = _head(body, title, explanation)
    y += draw_course(body, course, elapsed_s, y, min(inside, 1000.0))
    y += 14
    y += strip.draw(body, y)
    y += 22
    y += _legend(body, strip, y, inside)
    height = y + 2 * _MARGIN
    page.set("height", short(height))
    svg.set("width", short(width))
    svg.set("height", short(height))
    svg.set("viewBox", f"0 0 {short(width)} {short(height)}")
    return ET.tostring(svg, encoding="unicode")


def _head(body: ET.Element, title: str, explanation: Explanation) -> float:
    """Title, mark, and what is wrong; the height used."""
    element(body, "text", title, class_="title", x=0, y=14)
    element(body, "text", _mark_text(explanation), x=0, y=34)
    found = explanation.score
    if found.feasible:
        return 48.0
    first = [limit.text for limit in found.broken[:1]]
    text = "; ".join(
        [f"hard limits broken: {len(found.long_batches) + len(found.broken):,}", *first]
    )
    element(body, "text", cut(text, 150), class_="bad", x=0, y=52)
    return 66.0


def _mark_text(explanation: Explanation) -> str:
    terms = [
        f"{figure(cost.value)} {spoken(cost.objective)} × {figure(cost.weight)}"
        for cost in explanation.objectives
        if cost.weight
    ]
    beside = [
        f"; beside it {figure(cost.value)} {spoken(cost.objective)}"
        for cost in explanation.objectives
        if cost.value and not cost.weight
    ]
    return f"mark {figure(explanation.score.mark)} = {' + '.join(terms) or '0'}{''.join(beside)}"


def _legend(body: ET.Element, strip: Strip, top: float, width: float) -> float:
    """Paint codes by number of cars, and the signs that occur; the height used."""
    codes = Counter(car.colour for car in strip.sequence).most_common()
    items = _Items(body, "colour · cars", top, width)
    for colour, count in codes:
        sign = items.add(
            f"{cut(colour, 16)} · {count:,}", "rect", f"colour {colour}: {count:,} cars"
        )
        sign.attrib |= {"class": "swatch", "rx": "2", "fill": strip.colours[colour]}
    items = _Items(body, "signs", items.y + 20, width)
    for style, text in _signs(strip):
        if style in ("tick", "broken"):
            sign = items.add(text, "path")
            sign.set("d", "m6 1v10" if style == "tick" else "m1 2h10l-5 8z")
        else:
            sign = items.add(text, "rect")
        sign.set("class", style)
    return items.y - top


class _Items:
    """Signs with their texts, side by side and wrapped to a width."""

    def __init__(self, body: ET.Element, title: str, y: float, width: float) -> None:
        self._body, self._width = body, width
        self.x, self.y = LEFT, y
        """Where the next one begins."""
        element(body, "text", title, class_="name", x=4, y=y)

    def add(self, text: str, shape: str, tip: str = "") -> ET.Element:
        """Add a sign of `_SWATCH` pixels and its text; the sign, still without its style."""
        taken = _SWATCH + 6 + 6.0 * len(text) + 16
        if self.x + taken > self._width and self.x > LEFT:
            self.x, self.y = LEFT, self.y + 18
        at = f"translate({short(self.x)} {short(self.y - 10)})"
        sign = element(self._body, shape, tip=tip, transform=at)
        if shape == "rect":
            sign.attrib |= {"width": short(_SWATCH), "height": short(_SWATCH)}
        element(self._body, "text", text, x=self.x + _SWATCH + 6, y=self.y)
        self.x += taken
        return sign


def _signs(strip: Strip) -> list[tuple[str, str]]:
    """(class, meaning) of the signs that this strip can show."""
    score = strip.explanation.score
    signs = [
        ("tick", "car with the option", any(row.ticks for row in strip.rows)),
        ("over e1", "window with one car too many, drawn at its middle", _any_over(strip, 1)),
        ("over e2", "two too many", _any_over(strip, 2)),
        ("over e3", "more", _any_over(strip, 3)),
        ("swatch yesterday", "yesterday", strip.tail > 0),
        ("early", "car before its due span", any(c.off_due < 0 for c in strip.explanation.cars)),
        ("over late", "car after its due span", any(c.off_due > 0 for c in strip.explanation.cars)),
        ("long", "batch longer than the paint shop takes", bool(score.long_batches)),
        ("broken", "car with a broken hard limit", bool(score.broken)),
        ("frozen", "frozen positions", strip.instance.limits.frozen > 0),
    ]
    return [(style, text) for style, text, shown in signs if shown]


def _any_over(strip: Strip, level: int) -> bool:
    """Whether a window with this excess, 3 for all above 2, is drawn."""
    return any(bar.style == f"over e{level}" for row in strip.rows for bar in row.bars)
