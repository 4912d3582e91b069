"""The status net as a picture: the way of car and part, and what each pair of both means.

Drawn from the table alone: the straight way is what `STRAIGHT` tells in turn, every other status
hangs below the last straight one it can be reached from.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from protocols.jis.net import Axis, Net, Pair
from protocols.jis.net.check import reachable_pairs

STRAIGHT: dict[Axis, tuple[str, ...]] = {
    "car": ("forecast", "plan", "release", "fit"),
    "part": (
        *("announce", "call", "acknowledged", "accepted", "started", "produced", "inspected_ok"),
        *("packed", "loaded", "shipped", "arrived", "confirmed", "consumed"),
    ),
}
"""Events of a call that goes well, in order."""

_BOX_W, _BOX_H, _STEP_X, _STEP_Y, _LEFT = 84, 40, 108, 66, 24
_SOURCE_COLOURS = {
    "plant": "#1f6fc4",
    "gateway": "#6b7280",
    "supplier": "#15803d",
    "dock": "#b45309",
}
_STATE_COLOURS = {"open": "#dbeafe", "attention": "#fecaca", "done": "#bbf7d0"}
_STYLE = """
text { font: 11px system-ui, 'Noto Sans CJK SC', sans-serif; fill: #1c2126; }
.title { font-size: 16px; font-weight: 600; } .zh { font-size: 10px; fill: #59636e; }
.mid { text-anchor: middle; } .event { font-size: 9.5px; } .cell { font-size: 8px; }
.box { fill: #fff; stroke: #8a94a3; } .final { stroke-width: 3; } .page { fill: #fff; }
.none { fill: #f3f4f6; }
"""


def draw_net(net: Net) -> str:
    """An SVG document that needs nothing else."""
    parts: list[str] = []
    top = 30
    for axis, title in (("car", "Car 车"), ("part", "Part 零件")):
        top = _axis(net, "car" if axis == "car" else "part", title, top, parts)
    width = _LEFT * 2 + _STEP_X * len(STRAIGHT["part"])
    top = _grid(net, top + 20, width, parts)
    legend = "".join(
        f'<tspan fill="{colour}" dx="14">■ {source}</tspan>'
        for source, colour in _SOURCE_COLOURS.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top + 20}" '
        f'viewBox="0 0 {width} {top + 20}"><title>The status net of a call</title>'
        f'<style>{_STYLE}</style><rect class="page" width="100%" height="100%"/>'
        f'<text x="{width - 330}" y="20">told by:{legend}</text>{"".join(parts)}</svg>\n'
    )


def _axis(net: Net, axis: Axis, title: str, top: int, parts: list[str]) -> int:
    """One axis from `top` down; returns where it ends."""
    parts.append(f'<text class="title" x="{_LEFT}" y="{top}">{title}</text>')
    straight = _straight(net, axis)
    places = {name: (column, 0) for column, (name, _) in enumerate(straight)}
    below = [0] * len(straight)
    for name in net.names(axis):
        if name not in places:
            column = _column(net, axis, name, places)
            below[column] += 1
            places[name] = (column, below[column])
    top += 14
    for column, (_, event) in enumerate(straight):
        if column:
            x = _LEFT + column * _STEP_X
            colour = _SOURCE_COLOURS[net.source(event)]
            y = top + _BOX_H // 2
            parts.append(
                f'<path d="M{x - _STEP_X + _BOX_W} {y}h{_STEP_X - _BOX_W - 2}" stroke="{colour}" '
                f'stroke-width="2"/><text class="event mid" x="{x - (_STEP_X - _BOX_W) // 2}" '
                f'y="{top - 3}" fill="{colour}">{escape(event)}</text>'
            )
    for name, place in places.items():
        _box(net, axis, name, place, top, parts)
    return top + (max(below) + 1) * _STEP_Y + 14


def _straight(net: Net, axis: Axis) -> list[tuple[str, str]]:
    """(status, the event that leads there) along the straight way. Raises `KeyError` if the net
    does not take it."""
    found, status = [], "start"
    for event in STRAIGHT[axis]:
        target = net.target(event, status)
        if target is None:
            raise KeyError(f"{event} from {status}")
        status = target
        found.append((status, event))
    return found


def _column(net: Net, axis: Axis, name: str, places: dict[str, tuple[int, int]]) -> int:
    """Below which straight status another hangs: the last before it that leads there."""
    names = net.names(axis)
    origins = {m.origin for m in net.moves() if m.axis == axis and m.target == name != m.origin}
    before = [
        o for o in names[: names.index(name)] if o in origins and places.get(o, (0, 1))[1] == 0
    ]
    return places[before[-1]][0] if before else 0


def _box(
    net: Net, axis: Axis, name: str, place: tuple[int, int], top: int, parts: list[str]
) -> None:
    status = net.status(axis, name)
    x, y = _LEFT + place[0] * _STEP_X, top + place[1] * _STEP_Y
    ways: dict[str, list[str]] = {}
    for move in net.moves():
        if move.axis == axis and move.target == name != move.origin:
            ways.setdefault(move.event, []).append(move.origin)
    tip = "; ".join(f"{event} from {', '.join(origins)}" for event, origins in ways.items())
    middle = x + _BOX_W / 2
    parts.append(
        f"<g><title>{escape(status.title)}\n{escape(tip)}</title>"
        f'<rect class="box{" final" if status.final else ""}" x="{x}" y="{y}" width="{_BOX_W}" '
        f'height="{_BOX_H}" rx="6"/><text class="mid" x="{middle}" y="{y + 17}">{name}</text>'
        f'<text class="mid zh" x="{middle}" y="{y + 32}">{status.title_zh}</text></g>'
    )
    if place[1]:
        event = next(iter(ways))
        colour = _SOURCE_COLOURS[net.source(event)]
        bend = 4 * place[1]
        parts.append(
            f'<path d="M{x + 8} {top + _BOX_H}v6h{-8 - bend}V{y + _BOX_H // 2}h{bend}" '
            f'fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text class="event" x="{x + 2}" y="{y - 4}" fill="{colour}">{escape(event)}</text>'
        )


def _grid(net: Net, top: int, width: int, parts: list[str]) -> int:
    """Which pairs are open, want attention, are done."""
    parts.append(
        f'<text class="title" x="{_LEFT}" y="{top}">What a pair of both means 组合含义</text>'
    )
    for at, (state, colour) in enumerate(_STATE_COLOURS.items()):
        parts.append(
            f'<rect x="{340 + at * 120}" y="{top - 11}" width="14" height="14" fill="{colour}"/>'
            f'<text x="{360 + at * 120}" y="{top}">{state}</text>'
        )
    cars, names = net.names("car"), net.names("part")
    left, cell_h = 90, 40
    cell_w = (width - left - _LEFT) / len(names)
    top += 26
    for column, part in enumerate(names):
        parts.append(
            f'<text class="cell" x="{left + column * cell_w + 2:.1f}" y="{top - 4}">{part}</text>'
        )
    reachable = reachable_pairs(net)
    for row, car in enumerate(cars):
        y = top + row * cell_h
        parts.append(f'<text x="{_LEFT}" y="{y + 24}">{car}</text>')
        for column, part in enumerate(names):
            pair = Pair(car, part)
            x = left + column * cell_w
            parts.append(_cell(net, pair, x, y, cell_w, cell_h, pair in reachable))
    return top + len(cars) * cell_h


def _cell(net: Net, pair: Pair, x: float, y: int, w: float, h: int, possible: bool) -> str:
    where = f'x="{x:.1f}" y="{y}" width="{w - 2:.1f}" height="{h - 2}"'
    if not possible:
        return f'<rect class="none" {where}/>'
    situation = net.situation(pair)
    may = [*sorted(situation.may), *(f"{word}?" for word in sorted(situation.may_ask))]
    means = f"{situation.text} {situation.text_zh}"
    tip = f"{pair.car} × {pair.part}: {means}\nplant may: {', '.join(may) or 'nothing'}"
    lines = _wrapped(situation.raises.replace("_", " "), 9)
    text = "".join(
        f'<text class="cell" x="{x + 2:.1f}" y="{y + 12 + at * 10}">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    return (
        f"<g><title>{escape(tip)}</title>"
        f'<rect {where} fill="{_STATE_COLOURS[situation.state]}"/>{text}</g>'
    )


def _wrapped(text: str, width: int) -> Sequence[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines
