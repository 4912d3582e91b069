"""The font of labels, Latin and Chinese: Noto Sans SC, which may be embedded (SIL OFL 1.1)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pylopdf_fonts_zh_cn
from PIL import Image, ImageDraw, ImageFont

_MEASURED = 1000
"""Pixels of the size that widths are measured at."""
MIDDLE = 0.37
"""Where the middle of capitals and of Chinese characters lies above the base line, in sizes."""


def font_path() -> Path:
    """The file of the font."""
    return pylopdf_fonts_zh_cn.sans_path()


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_path()), size)


def width_of(text: str) -> float:
    """Width of a text, in sizes of the font."""
    return _font(_MEASURED).getlength(text) / _MEASURED


def size_to_fit(text: str, width: float, height: float) -> float:
    """The greatest size at which a text lies in a box, in the unit of the box."""
    wide = width_of(text)
    return min(height / 1.1, width / wide) if wide else height / 1.1


def bitmap_of(text: str, size: int, is_bold: bool) -> tuple[Image.Image, int]:
    """A text in black on white, and how far its base line lies below its top; all in pixels."""
    font = _font(size)
    stroke = size // 40 if is_bold else 0
    left, top, right, bottom = font.getbbox(text, anchor="ls", stroke_width=stroke)
    image = Image.new("1", (max(1, int(right - left)), max(1, int(bottom - top))), 1)
    ImageDraw.Draw(image).text(
        (-left, -top), text, font=font, fill=0, anchor="ls", stroke_width=stroke
    )
    return image, int(-top)
