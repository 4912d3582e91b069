"""GS1 element strings: application identifiers with their data, and the check digits of GS1 keys.

After the GS1 General Specifications, section 3 (identifiers) and 7.8 (processing). FNC1 between
elements is what decoders give for it: GS (0x1D). Only the identifiers of `IDENTIFIERS` are read:
the length of an unknown one cannot be known, so all behind it would be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

GS = "\x1d"
SYMBOLOGIES = ("]C1", "]d2", "]Q3", "]e0")
"""What a decoder puts before a code that FNC1 marks as GS1: Code 128, Data Matrix, QR, DataBar."""


@dataclass(frozen=True)
class Form:
    """What the data of an identifier looks like."""

    name: str
    least: int
    most: int
    is_numeric: bool = True
    checked: int = 0
    """So many digits at its beginning end with a check digit."""
    begins: str = ""
    """What it begins with, whatever it is."""


def _fixed(name: str, length: int, checked: int = 0) -> Form:
    return Form(name, length, length, True, checked)


def _text(name: str, most: int) -> Form:
    return Form(name, 1, most, False)


IDENTIFIERS: Mapping[str, Form] = {
    "00": _fixed("serial shipping container code (SSCC)", 18, 18),
    "01": _fixed("trade item number (GTIN)", 14, 14),
    "02": _fixed("GTIN of contained trade items", 14, 14),
    "10": _text("batch or lot number", 20),
    "11": _fixed("production date YYMMDD", 6),
    "13": _fixed("packaging date YYMMDD", 6),
    "15": _fixed("best before date YYMMDD", 6),
    "17": _fixed("expiration date YYMMDD", 6),
    "20": _fixed("internal product variant", 2),
    "21": _text("serial number", 20),
    "240": _text("additional item identification", 30),
    "241": _text("customer part number", 30),
    "250": _text("secondary serial number", 30),
    "30": Form("variable count", 1, 8),
    "37": Form("count of contained trade items", 1, 8),
    **{f"310{n}": _fixed(f"net weight, kg, {n} decimals", 6) for n in range(6)},
    **{f"330{n}": _fixed(f"gross weight, kg, {n} decimals", 6) for n in range(6)},
    "400": _text("customer's purchase order number", 30),
    "401": _text("consignment number (GINC)", 30),
    "402": _fixed("shipment number (GSIN)", 17, 17),
    "403": _text("routing code", 30),
    **{
        f"41{n}": _fixed(f"location number (GLN): {name}", 13, 13)
        for n, name in enumerate(
            ("ship to", "bill to", "purchased from", "ship for", "physical location", "invoicing",
             "production or service location", "party")
        )
    },
    "420": _text("ship-to postal code", 20),
    "8003": Form("returnable asset identifier (GRAI)", 14, 30, False, 14, "0"),
    "8004": _text("individual asset identifier (GIAI)", 30),
    "90": _text("mutually agreed", 30),
    **{f"9{n}": _text("company internal", 90) for n in range(1, 10)},
}  # fmt: skip

_PREDEFINED = frozenset(
    {"00", "01", "02", "03", "04", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20",
     "31", "32", "33", "34", "35", "36", "41"}
)  # fmt: skip
"""First two digits of identifiers whose length is known without a separator."""

# GS1 AI encodable character set 82.
_TEXT = re.compile(r"[!\"%-?A-Z_a-z]+")


@dataclass(frozen=True)
class Element:
    """An identifier and its data."""

    identifier: str
    data: str

    @property
    def name(self) -> str:
        """What it is."""
        return IDENTIFIERS[self.identifier].name

    def __str__(self) -> str:
        return f"({self.identifier}){self.data}"


def parse_elements(text: str) -> tuple[Element, ...]:
    """Read what a decoder gives for a GS1 code. Raises `ValueError` that says where."""
    for symbology in SYMBOLOGIES:
        text = text.removeprefix(symbology)
    return tuple(_elements(text.removeprefix(GS)))


def make_elements(elements: Iterable[Element]) -> str:
    """The content of a GS1 code, without the FNC1 at its beginning. Raises `ValueError`."""
    made = []
    given = list(elements)
    for at, element in enumerate(given, start=1):
        form = IDENTIFIERS.get(element.identifier)
        if form is None:
            raise ValueError(f"application identifier {element.identifier[:8]!r} is not known")
        _check(element, form)
        ends = at == len(given) or element.identifier[:2] in _PREDEFINED
        made.append(f"{element.identifier}{element.data}{'' if ends else GS}")
    return "".join(made)


def check_digit(digits: str) -> str:
    """The check digit behind these digits of a GTIN, SSCC, GLN or GSIN: weights 3 and 1 from the
    right, up to the next ten (GS1 General Specifications 7.9). Raises `ValueError`."""
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{digits[:20]!r} are not digits")
    total = sum(int(d) * (3 if n % 2 == 0 else 1) for n, d in enumerate(reversed(digits)))
    return str(-total % 10)


def _elements(text: str) -> Iterator[Element]:
    at = 0
    while at < len(text):
        starts = (text[at : at + length] for length in (2, 3, 4))
        identifier = next((start for start in starts if start in IDENTIFIERS), None)
        if identifier is None:
            raise ValueError(f"no known application identifier at {at + 1}: {text[at : at + 4]!r}")
        form = IDENTIFIERS[identifier]
        at += len(identifier)
        if identifier[:2] in _PREDEFINED:
            end = at + form.most
        else:
            end = text.find(GS, at)
            end = len(text) if end < 0 else end
        element = Element(identifier, text[at:end])
        _check(element, form)
        yield element
        # A separator behind a predefined length is not needed, and is sent by some.
        at = end + 1 if text[end : end + 1] == GS else end


def _check(element: Element, form: Form) -> None:
    data = element.data
    where = f"({element.identifier}) {form.name}"
    if not form.least <= len(data) <= form.most:
        length = str(form.most) if form.least == form.most else f"{form.least} to {form.most}"
        raise ValueError(f"{where}: {data[:20]!r} has {len(data)} characters, not {length}")
    if form.is_numeric and not (data.isascii() and data.isdigit()):
        raise ValueError(f"{where}: {data[:20]!r} are not digits")
    if not _TEXT.fullmatch(data):
        raise ValueError(f"{where}: {data[:20]!r} has a character that GS1 does not")
    if not data.startswith(form.begins):
        raise ValueError(f"{where}: {data[:20]!r} does not begin with {form.begins}")
    if form.checked:
        digits, last = data[: form.checked - 1], data[form.checked - 1]
        if check_digit(digits) != last:
            raise ValueError(f"{where}: ends with {last}, its check digit is {check_digit(digits)}")
