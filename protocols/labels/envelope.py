"""The envelope of ISO/IEC 15434 around the data of a two-dimensional code.

    [)> RS 06 GS 1JUN123456789A4711 GS V100234567 RS EOT

Format 06 holds data identifiers (ANSI MH10.8.2), format 05 GS1 application identifiers.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols.labels.gs1 import GS, Element, make_elements, parse_elements
from protocols.labels.identifiers import Datum, make_datum, parse_datum

HEADER = "[)>"
RS = "\x1e"
EOT = "\x04"
MOST = 2400
"""Characters; a Data Matrix holds no more."""


def make_envelope(data: Iterable[Datum]) -> str:
    """Data identifiers in an envelope of format 06. Raises `ValueError`."""
    checked = [str(make_datum(each.identifier, each.value)) for each in data]
    return _bounded(f"{HEADER}{RS}06{GS}{GS.join(checked)}{RS}{EOT}")


def make_gs1_envelope(elements: Iterable[Element]) -> str:
    """GS1 elements in an envelope of format 05. Raises `ValueError`."""
    return _bounded(f"{HEADER}{RS}05{GS}{make_elements(elements)}{RS}{EOT}")


def parse_envelope(text: str) -> tuple[Datum | Element, ...]:
    """What lies in an envelope, of all its formats. Raises `ValueError` that says what is wrong."""
    _bounded(text)
    if not text.startswith(f"{HEADER}{RS}"):
        raise ValueError(f"is no ISO 15434 envelope: it begins with {text[:4]!r}")
    if not text.endswith(f"{RS}{EOT}"):
        raise ValueError("does not end with RS and EOT; a part of the code is missing")
    found: list[Datum | Element] = []
    for part in text[len(HEADER) + 1 : -2].split(RS):
        form, separator, data = part.partition(GS)
        if not separator:
            raise ValueError(f"format {form[:8]!r} has no data")
        if form == "06":
            found.extend(parse_datum(each) for each in data.split(GS))
        elif form == "05":
            found.extend(parse_elements(data))
        else:
            raise ValueError(f"format {form[:8]!r} is not read; known: 05, 06")
    return tuple(found)


def _bounded(text: str) -> str:
    if len(text) > MOST:
        raise ValueError(f"has {len(text)} characters, a code holds {MOST}")
    return text
