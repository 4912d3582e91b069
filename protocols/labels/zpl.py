"""Rack labels in ZPL II, for a label printer.

Codes are drawn by the printer (^BX, ^BC). Texts in ASCII are in its own font 0; others, which it
may have no letters for, are sent as pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from PIL import Image

from protocols.labels.fonts import MIDDLE, bitmap_of, size_to_fit, width_of
from protocols.labels.layout import HEIGHT, WIDTH, Box, Item, Linear, Matrix, Text, lay_out
from protocols.labels.rack import RackLabel
from protocols.labels.symbols import linear_modules, matrix_modules

DOTS_8, DOTS_12 = 8, 12
"""Dots a millimetre of printers with 203 and 300 dots an inch."""
_SPECIAL = frozenset("^~\\")
_FONT_0 = 0.8
"""How wide the printer's font 0 is, of ours."""


def rack_labels_zpl(labels: Iterable[RackLabel], dots: int = DOTS_8) -> str:
    """A format for each label; `dots` a millimetre. All of it is ASCII."""
    return "".join(_format(label, dots) for label in labels)


def _format(label: RackLabel, dots: int) -> str:
    head = f"^XA^PW{round(WIDTH * dots)}^LL{round(HEIGHT * dots)}^LH0,0^CI28"
    return head + "".join("".join(_draw(item, dots)) for item in lay_out(label)) + "^XZ\n"


def _draw(item: Item, dots: int) -> Iterator[str]:
    def of(millimetres: float) -> int:
        return max(0, round(millimetres * dots))

    match item:
        case Box():
            least = min(of(item.width), of(item.height)) if item.is_filled else of(item.line)
            yield f"^FO{of(item.x)},{of(item.y)}"
            yield f"^GB{of(item.width)},{of(item.height)},{max(1, least)}^FS"
        case Text() if item.text:
            yield from _text(item, dots)
        case Matrix():
            module = int(item.size * dots // len(matrix_modules(item.text)))
            yield f"^FO{of(item.x)},{of(item.y)}^BXN,{module},200{_field(item.text)}"
        case Linear():
            module = min(int(item.width * dots // len(linear_modules(item.text))), dots // 2)
            yield f"^FO{of(item.x)},{of(item.y)}^BY{module},3,{of(item.height)}"
            yield f"^BCN,{of(item.height)},N,N,N,A{_field(item.text)}"


def _text(item: Text, dots: int) -> Iterator[str]:
    size = size_to_fit(item.text, item.width, item.height)
    is_ascii = item.text.isascii()
    x = item.x
    if item.is_centred:
        x += (item.width - size * width_of(item.text) * (_FONT_0 if is_ascii else 1)) / 2
    base = round((item.y + item.height / 2 + MIDDLE * size) * dots)
    reverse = "^FR" if item.is_white else ""
    if is_ascii:
        high = round(size * dots)
        yield f"^FT{round(x * dots)},{base}^A0N,{high}{reverse}{_field(item.text)}"
        return
    image, rise = bitmap_of(item.text, round(size * dots), item.is_bold)
    row, data = _graphic(image)
    yield f"^FO{round(x * dots)},{max(0, base - rise)}{reverse}"
    yield f"^GFA,{len(data)},{len(data)},{row},{data.hex().upper()}^FS"


def _graphic(image: Image.Image) -> tuple[int, bytes]:
    """Bytes a row, and the dots of a picture as ^GF has them: 1 is black, rows end at a byte."""
    row = (image.width + 7) // 8
    last = 0xFF << (row * 8 - image.width) & 0xFF
    data = bytearray(~byte & 0xFF for byte in image.tobytes())
    for end in range(row - 1, len(data), row):
        data[end] &= last
    return row, bytes(data)


def _field(text: str) -> str:
    """The data of a field, with what the printer would take for a command in hexadecimal."""
    escaped = "".join(
        c if " " <= c <= "\x7e" and c not in _SPECIAL else f"\\{ord(c):02X}" for c in text
    )
    return f"^FH\\^FD{escaped}^FS"
