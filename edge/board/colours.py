"""What a colour's name looks like."""

from __future__ import annotations

import hashlib

_NAMED = {
    "black": "#17191c",
    "white": "#f5f5f0",
    "grey": "#85898f",
    "gray": "#85898f",
    "silver": "#c3c8cd",
    "red": "#c8102e",
    "blue": "#1450b4",
    "green": "#18794e",
    "yellow": "#f2c230",
    "orange": "#e8731a",
    "brown": "#6b4423",
    "beige": "#d8c4a0",
    "gold": "#c8a24a",
    "purple": "#6f3aa0",
    "黑": "#17191c",
    "白": "#f5f5f0",
    "灰": "#85898f",
    "银": "#c3c8cd",
    "红": "#c8102e",
    "蓝": "#1450b4",
    "绿": "#18794e",
    "黄": "#f2c230",
    "橙": "#e8731a",
    "棕": "#6b4423",
}


def swatch(colour: str) -> str:
    """A colour of CSS for a name or code: its own where the name says it, else one that is the same
    each time and differs from most others."""
    lowered = colour.lower()
    for name, value in _NAMED.items():
        if name in lowered:
            return value
    hue = int.from_bytes(hashlib.blake2b(colour.encode(), digest_size=2).digest(), "big") % 360
    return f"hsl({hue} 45% 52%)"
