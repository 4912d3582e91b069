"""SVG elements whose texts are safe whatever stands in them, and the numbers written in them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/2000/svg"
# Control characters and lone surrogates, which XML 1.0 cannot hold even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(
    parent: ET.Element, tag: str, text: str = "", tip: str = "", **attributes: str | float
) -> ET.Element:
    """Add an element. `tip` is what a browser shows over it; `class_` and `_` stand for `-`."""
    made = ET.SubElement(
        parent,
        tag,
        {
            name.rstrip("_").replace("_", "-"): clean(value)
            if isinstance(value, str)
            else short(value)
            for name, value in attributes.items()
        },
    )
    if text:
        made.text = clean(text)
    if tip:
        ET.SubElement(made, "title").text = clean(tip)
    return made


def clean(text: str) -> str:
    """The text with what no XML can hold replaced."""
    return _NOT_XML.sub("\ufffd", text)


def short(value: float) -> str:
    """A coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def cut(text: str, most: int) -> str:
    """The text, cut to so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def figure(value: float) -> str:
    """A number to be read: whole where it is, else to a tenth, or small ones to three digits."""
    if float(value).is_integer() or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def spoken(name: str) -> str:
    """An objective's name as words."""
    return name.replace("_", " ")
