"""Colours for paint codes: a known word has its own, any other code one that differs from the rest.

Distances are taken in Oklab (Björn Ottosson, 2020), where equal distances look equally different.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import product
from typing import Literal

Oklab = tuple[float, float, float]

KNOWN = {
    "white": "#f7f7f5",
    "black": "#1b1b1e",
    "grey": "#83878c",
    "gray": "#83878c",
    "silver": "#bfc4ca",
    "red": "#a51c2d",
    "blue": "#2557a7",
    "green": "#2f7d4f",
    "yellow": "#f2c81e",
    "orange": "#ea7a1c",
    "brown": "#76492c",
    "beige": "#d9c7a3",
    "gold": "#b8953f",
    "purple": "#6d3b91",
    "violet": "#6d3b91",
}
ALARM = "#e5172f"
"""What violations are drawn in; no code gets a colour close to it."""

_LIGHTNESS = (0.50, 0.62, 0.74, 0.86)
_CHROMA = (0.05, 0.12)
_HUES = 24


def palette(codes: Iterable[str]) -> dict[str, str]:
    """A colour as `#rrggbb` for each code; the same set of codes has the same colours."""
    chosen: dict[str, str] = {}
    ordered = sorted(set(codes), key=_natural)
    for code in ordered:
        word = next((word for word in re.split(r"[^a-z]+", code.lower()) if word in KNOWN), None)
        if word is not None and KNOWN[word] not in chosen.values():
            chosen[code] = KNOWN[word]
    # As they are shown: a screen cannot show all candidates, and clips some.
    free = {colour: _oklab(colour) for colour in map(_hex, _candidates())}
    taken = [_oklab(colour) for colour in (ALARM, *chosen.values())]
    distance = {
        colour: min(math.dist(place, other) for other in taken) for colour, place in free.items()
    }
    """From each free colour to the nearest one taken."""
    for code in [code for code in ordered if code not in chosen]:
        colour = max(distance, key=distance.__getitem__)
        chosen[code] = colour
        for other, place in free.items():
            distance[other] = min(distance[other], math.dist(place, free[colour]))
    return chosen


def ground(colour: str) -> Literal["light", "dark"]:
    """What kind of ground the colour is to be written on."""
    return "light" if _oklab(colour)[0] > 0.62 else "dark"


def _natural(code: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts `2` before `10`, and `1` and `01` always alike; by digits, as a number of thousands of
    them cannot be converted."""
    key = []
    for i, part in enumerate(re.split(r"([0-9]+)", code)):
        digits = part.lstrip("0")
        key.append((len(digits), digits) if i % 2 else (-1, part))
    return key, code


def _candidates() -> Iterable[Oklab]:
    for lightness, chroma, step in product(_LIGHTNESS, _CHROMA, range(_HUES)):
        hue = 2 * math.pi * step / _HUES
        yield lightness, chroma * math.cos(hue), chroma * math.sin(hue)


def _oklab(colour: str) -> Oklab:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    small = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * small,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * small,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * small,
    )


def _hex(colour: Oklab) -> str:
    lightness, a, b = colour
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    small = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    channels = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * small,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * small,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * small,
    )
    return "#" + "".join(f"{round(255 * _gamma(channel)):02x}" for channel in channels)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _gamma(channel: float) -> float:
    channel = min(max(channel, 0.0), 1.0)
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
