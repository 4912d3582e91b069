"""The label of a rack as PDF and as ZPL: a decoder reads its codes, its words are there."""

from __future__ import annotations

import base64
import io
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from PIL import Image
from pydantic import ValidationError

from protocols.labels.envelope import parse_envelope
from protocols.labels.fonts import width_of
from protocols.labels.layout import HEIGHT, WIDTH, Box, Linear, Matrix, Text, lay_out
from protocols.labels.pdf import rack_labels_pdf
from protocols.labels.rack import LoadOrder, RackLabel, RackSlot
from protocols.labels.zpl import DOTS_8, DOTS_12, rack_labels_zpl
from tests.fixtures.peers import ask_peer, needs_peer


def label(count: int = 12, **changes: Any) -> RackLabel:
    given = {
        "plant": "PLANT01",
        "supplier": "100234567",
        "supplier_name": "华东饰件",
        "unloading_point": "TOR 7",
        "line": "LINE 1 / T17",
        "part_group": "前保险杠 BUMPER-F",
        "rack_no": "R-0042",
        "licence_plate": "UN123456789A0042",
        "shipment": "LS-4472",
        "slots": tuple(
            RackSlot(
                slot=n,
                sequence_no=f"{(9994 + n) % 10000:04}",
                part_no=f"5K0 807 217 {'ABCDE'[n % 5]} GRU",
                is_empty=n == 4,
            )
            for n in range(1, count + 1)
        ),
    }
    return RackLabel.model_validate({**given, **changes})


def codes_in(picture: Image.Image) -> set[str]:
    found = zxingcpp.read_barcodes(picture.convert("L"), text_mode=zxingcpp.TextMode.Plain)
    return {each.text for each in found}


@pytest.mark.parametrize("slots", [1, 5, 12, 48])
def test_the_pdf_shows_codes_and_words(slots: int) -> None:
    drawn = label(slots)
    page = pypdfium2.PdfDocument(rack_labels_pdf([drawn]))[0]
    assert codes_in(page.render(scale=200 / 72).to_pil()) == {drawn.code_text, drawn.matrix_text}
    words = page.get_textpage().get_text_bounded()
    for word in ("TOR 7", "前保险杠 BUMPER-F", "华东饰件", "R-0042", "LINE 1 / T17", "SLOT 1"):
        assert word in words
    for slot in drawn.slots:
        assert (slot.part_no in words and slot.sequence_no in words) or slot.is_empty


def test_each_label_has_its_page_and_the_same_labels_the_same_bytes() -> None:
    labels = [label(), label(3, licence_plate="UN123456789A0043")]
    made = rack_labels_pdf(labels)
    assert len(pypdfium2.PdfDocument(made)) == 2
    assert rack_labels_pdf(labels) == made


@needs_peer("zpl-renderer-js")
def test_the_printer_shows_the_same_codes() -> None:
    odd = label(2, line="^XZ~JR\\5E", licence_plate="UN1./-Z")
    printed = [(label(48), DOTS_8), (odd, DOTS_12)]
    asked = [
        {"zpl": rack_labels_zpl([each], dots), "width": WIDTH, "height": HEIGHT, "dpmm": dots}
        for each, dots in printed
    ]
    drawn = [Image.open(io.BytesIO(base64.b64decode(each))) for each in
             ask_peer("zpl-renderer-js", asked)]  # fmt: skip
    for picture, (each, _) in zip(drawn, printed, strict=True):
        assert codes_in(picture) == {each.code_text, each.matrix_text}


def test_zpl_is_ascii_and_holds_no_command_of_a_text() -> None:
    made = rack_labels_zpl([label(line="^XZ~JR\\5E")])
    assert made.isascii()
    assert made.count("^XZ") == 1
    assert "~" not in made


def test_the_matrix_holds_licence_plate_supplier_and_plant() -> None:
    assert [str(each) for each in parse_envelope(label().matrix_text)] == [
        "1JUN123456789A0042",
        "V100234567",
        "8VPLANT01",
        "2SLS-4472",
        "Q11",
    ]


@pytest.mark.parametrize("order", LoadOrder)
def test_which_slot_comes_out_first(order: LoadOrder) -> None:
    texts = [item.text for item in lay_out(label(load_order=order)) if isinstance(item, Text)]
    assert texts[-1] == ("SLOT 1" if order is LoadOrder.FORWARD else "SLOT 12")


@pytest.mark.parametrize("slots", [1, 5, 6, 14, 15, 27, 28, 48])
def test_everything_lies_on_the_label_and_no_text_in_another(slots: int) -> None:
    boxes: list[tuple[float, float, float, float]] = []
    for item in lay_out(label(slots, unloading_point="W" * 40, rack_no="长" * 40)):
        width = item.size if isinstance(item, Matrix) else item.width
        height = item.size if isinstance(item, Matrix) else item.height
        assert item.x >= 5
        assert item.y >= 5
        assert item.x + width <= WIDTH - 5
        assert item.y + height <= HEIGHT - 5
        if isinstance(item, (Text, Matrix, Linear)):
            boxes.append((item.x, item.y, item.x + width, item.y + height))
        else:
            assert isinstance(item, Box)
    for at, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = (
                other[0] >= right - 0.01
                or other[2] <= left + 0.01
                or other[1] >= bottom - 0.01
                or other[3] <= top + 0.01
            )
            assert apart, (boxes[at], other)


def test_chinese_has_letters_in_the_font() -> None:
    assert width_of("前保险杠") == pytest.approx(4, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"licence_plate": "un 1"}, "is no licence plate"),
        ({"slots": ()}, "at least 1 item"),
        ({"plant": "车"}, "should match pattern"),
        ({"slots": (RackSlot(slot=1, sequence_no="1", part_no="A"),) * 2}, "a slot stands twice"),
    ],
)
def test_what_is_no_label(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        label(**changes)
