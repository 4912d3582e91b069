"""Where everything of a rack label lies, in millimetres on A5 landscape, whatever draws it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from protocols.labels.rack import LoadOrder, RackLabel, RackSlot

WIDTH, HEIGHT = 210.0, 148.0
_MARGIN = 7.0
_INNER = WIDTH - 2 * _MARGIN
_TABLE_TOP, _TABLE_HEIGHT = 63.0, 58.0
_MOST_ROWS = ((5, 1), (14, 2), (27, 3))
"""Up to so many slots lie in so many columns; more in four."""


@dataclass(frozen=True)
class Text:
    """A text as large as its box allows, its middle in that of the box."""

    x: float
    y: float
    width: float
    height: float
    text: str
    is_bold: bool = True
    is_white: bool = False
    is_centred: bool = False


@dataclass(frozen=True)
class Box:
    """A filled rectangle, or the frame of one."""

    x: float
    y: float
    width: float
    height: float
    is_filled: bool = False
    line: float = 0.3


@dataclass(frozen=True)
class Matrix:
    """A Data Matrix in a square."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True)
class Linear:
    """A Code 128, no wider than its box."""

    x: float
    y: float
    width: float
    height: float
    text: str


Item = Text | Box | Matrix | Linear


def lay_out(label: RackLabel) -> Iterator[Item]:
    """What is drawn, in its order."""
    yield from _head(label)
    yield from _second_row(label)
    yield from _table(label.slots)
    yield from _foot(label)


def _captioned(
    x: float, y: float, width: float, height: float, caption: str, value: str
) -> Iterator[Item]:
    yield Text(x, y, width, 3.4, caption, is_bold=False)
    yield Text(x, y + 3.6, width, height - 3.6, value)


def _head(label: RackLabel) -> Iterator[Item]:
    top, height = _MARGIN, 36.0
    yield Box(_MARGIN, top, 84, height, is_filled=True)
    yield Text(_MARGIN + 4, top + 2, 76, 4, "UNLOADING POINT 卸货点", False, is_white=True)
    yield Text(_MARGIN + 4, top + 8, 76, 25, label.unloading_point, is_white=True)
    yield from _captioned(95, top, 66, 15, "LINE 产线", label.line)
    yield from _captioned(95, top + 17, 66, 19, "PART GROUP 零件组", label.part_group)
    yield Matrix(WIDTH - _MARGIN - 34, top + 1, 34, label.matrix_text)


def _second_row(label: RackLabel) -> Iterator[Item]:
    top, height = 46.0, 14.0
    yield Box(_MARGIN, top - 1, _INNER, 0.3, is_filled=True)
    supplier = " ".join(filter(None, (label.supplier, label.supplier_name)))
    columns = (
        (50.0, "RACK 料架", label.rack_no),
        (34.0, "PLANT 工厂", label.plant),
        (66.0, "SUPPLIER 供应商", supplier),
        (42.0, "SHIPMENT 发运单", label.shipment),
    )
    x = _MARGIN
    for width, caption, value in columns:
        yield from _captioned(x, top, width - 5, height, caption, value)
        x += width


def _table(slots: tuple[RackSlot, ...]) -> Iterator[Item]:
    columns = next((count for most, count in _MOST_ROWS if len(slots) <= most), 4)
    rows = ceil(len(slots) / columns)
    width, height = (_INNER + 1.5) / columns, min(11.5, _TABLE_HEIGHT / rows)
    for at, slot in enumerate(slots):
        column, row = divmod(at, rows)
        yield from _slot(slot, _MARGIN + column * width, _TABLE_TOP + row * height, width, height)


def _slot(slot: RackSlot, x: float, y: float, width: float, height: float) -> Iterator[Item]:
    inner, pad = width - 1.5, height * 0.08
    number, sequence = inner * 0.14, inner * 0.34
    yield Box(x, y, inner, height - 0.8)
    yield Box(x, y, number, height - 0.8, is_filled=True)
    text = height - 0.8 - 2 * pad
    yield Text(x, y + pad, number, text * 0.8 + pad, str(slot.slot), True, True, True)
    left = x + number + 1.2
    if slot.is_empty:
        yield Text(left, y + pad, inner - number - 2, text, "EMPTY 空", is_bold=False)
        return
    yield Text(left, y + pad, sequence - 2, text, slot.sequence_no)
    yield Text(left + sequence, y + pad, inner - number - sequence - 2, text, slot.part_no, False)


def _foot(label: RackLabel) -> Iterator[Item]:
    top = 124.0
    yield Linear(_MARGIN, top, 128, 12, label.code_text)
    yield Text(_MARGIN, top + 12.4, 128, 5, f"(1J) {label.licence_plate}", is_bold=False)
    numbers = [slot.slot for slot in label.slots]
    first = min(numbers) if label.load_order is LoadOrder.FORWARD else max(numbers)
    yield Box(141, top, WIDTH - _MARGIN - 141, 17)
    yield Text(143.5, top + 1.4, 57, 4, "FIRST OUT 先出料位", is_bold=False)
    yield Text(143.5, top + 5.4, 57, 11, f"SLOT {first}")
