"""Data identifiers of ANSI MH10.8.2: a code of up to three digits and a letter before the data.

The names are those of the standard as the Global Transport Label (VDA 4994) uses them. One that is
not listed is read as well, if it has the form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

NAMES: Mapping[str, str] = {
    "B": "container type",
    "D": "date YYMMDD",
    "16D": "production date YYYYMMDD",
    "J": "licence plate",
    "1J": "licence plate of a single package",
    "2J": "licence plate of a package whose contents are broken",
    "5J": "licence plate of a mixed package",
    "6J": "licence plate of a master package",
    "K": "customer's order number",
    "1K": "supplier's order number",
    "2K": "bill of lading or shipping number",
    "L": "storage location",
    "P": "customer's part number",
    "1P": "supplier's part number",
    "2P": "engineering change level",
    "Q": "quantity",
    "S": "serial number",
    "2S": "shipping note number",
    "25S": "world-wide unique serial number",
    "T": "batch number of the customer",
    "1T": "batch number of the supplier",
    "V": "supplier number given by the customer",
    "8V": "receiving plant",
    "Z": "mutually agreed",
}
MOST = 60
"""Characters of data that are taken."""

_FORM = re.compile(r"([0-9]{0,3}[A-Z])(.*)", re.DOTALL)
_DATA = re.compile(rf"[\x20-\x7e]{{1,{MOST}}}")
_DIGITS = re.compile(r"[0-9]+(\.[0-9]+)?")
_NUMBERS = frozenset({"Q"})


@dataclass(frozen=True)
class Datum:
    """A value with its identifier."""

    identifier: str
    value: str

    @property
    def name(self) -> str:
        """What it is, or nothing if the identifier is not listed here."""
        return NAMES.get(self.identifier, "")

    def __str__(self) -> str:
        return self.identifier + self.value


def parse_datum(text: str) -> Datum:
    """Read `1JUN123456789A4711`. Raises `ValueError` that says what is wrong."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:20]!r} begins with no data identifier (up to three digits and a capital)"
        )
    return make_datum(found[1], found[2])


def make_datum(identifier: str, value: str) -> Datum:
    """A value with its identifier. Raises `ValueError` for what a label cannot hold."""
    if not re.fullmatch(r"[0-9]{0,3}[A-Z]", identifier):
        raise ValueError(f"{identifier[:20]!r} is no data identifier")
    if not _DATA.fullmatch(value):
        raise ValueError(
            f"{identifier}: {value[:20]!r} is not 1 to {MOST} printable ASCII characters"
        )
    if identifier in _NUMBERS and not _DIGITS.fullmatch(value):
        raise ValueError(f"{identifier}: {value[:20]!r} is no {NAMES[identifier]}")
    return Datum(identifier, value)
