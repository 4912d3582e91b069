"""Rack labels as PDF, one a page, the font embedded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby

from fpdf import FPDF

from protocols.labels.fonts import MIDDLE, font_path, size_to_fit, width_of
from protocols.labels.layout import HEIGHT, WIDTH, Box, Item, Linear, Matrix, Text, lay_out
from protocols.labels.rack import RackLabel
from protocols.labels.symbols import linear_modules, matrix_modules

_POINTS = 72 / 25.4
_BLACK, _WHITE = 0, 255


def rack_labels_pdf(labels: Iterable[RackLabel], made_at: datetime | None = None) -> bytes:
    """A page for each label, A5 landscape. The same labels and time give the same bytes."""
    pdf = FPDF(unit="mm", format=(HEIGHT, WIDTH), orientation="landscape")
    pdf.set_creation_date(made_at or datetime(2000, 1, 1, tzinfo=UTC))
    pdf.set_auto_page_break(False)
    pdf.set_title("Rack labels")
    pdf.add_font("label", fname=font_path())
    for label in labels:
        pdf.add_page()
        pdf.set_font("label")
        for item in lay_out(label):
            _draw(pdf, item)
    return bytes(pdf.output())


def _draw(pdf: FPDF, item: Item) -> None:
    match item:
        case Text():
            _text(pdf, item)
        case Box():
            pdf.set_line_width(item.line)
            pdf.set_fill_color(_BLACK)
            style = "F" if item.is_filled else "D"
            pdf.rect(item.x, item.y, item.width, item.height, style)
        case Matrix():
            rows = matrix_modules(item.text)
            side = item.size / len(rows)
            for at, row in enumerate(rows):
                _bars(pdf, row, item.x, item.y + at * side, side, side)
        case Linear():
            bars = linear_modules(item.text)
            module = min(item.width / len(bars), 0.5)
            _bars(pdf, bars, item.x, item.y, module, item.height)


def _text(pdf: FPDF, item: Text) -> None:
    if not item.text:
        return
    size = size_to_fit(item.text, item.width, item.height)
    x = item.x
    if item.is_centred:
        x += (item.width - size * width_of(item.text)) / 2
    shade = _WHITE if item.is_white else _BLACK
    pdf.set_text_color(shade)
    pdf.set_draw_color(shade)
    pdf.set_font_size(size * _POINTS)
    # The font has one weight; a line around the letters gives the other.
    with pdf.local_context(
        text_mode="FILL_STROKE" if item.is_bold else "FILL", line_width=size / 22
    ):
        pdf.text(x, item.y + item.height / 2 + MIDDLE * size, item.text)
    pdf.set_draw_color(_BLACK)


def _bars(pdf: FPDF, row: Sequence[bool], x: float, y: float, module: float, height: float) -> None:
    """A row of modules; those side by side are one rectangle, so that no gap shows between."""
    pdf.set_fill_color(_BLACK)
    at = 0
    for is_dark, group in groupby(row):
        count = len(list(group))
        if is_dark:
            pdf.rect(x + at * module, y, count * module, height, "F")
        at += count
