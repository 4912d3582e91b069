"""Writes the Q-DAS ASCII transfer format: DFQ, or DFD and DFX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from protocols.aqdef.model import COUNT_FIELDS, VALUE_FIELDS, Content, Fields, Value

_END = "\r\n"
_TEXT = re.compile(r"[\x00-\x1f\x7f]+")
_FIRST = {"K0001": 0, "K0020": 1, "K0021": 2}


def write(content: Content, *, values: Literal["fields", "lines"] = "fields") -> str:
    """A DFQ: description and values. `fields` writes each value as K-fields of its own, which says
    all there is; `lines` writes value lines, and K-fields for what has no place in those."""
    return describe(content) + write_values(content, values=values)


def describe(content: Content) -> str:
    """A DFD: all but the values."""
    return "".join(line + _END for line in _description(content))


def write_values(content: Content, *, values: Literal["fields", "lines"] = "fields") -> str:
    """A DFX: the values alone."""
    lines = _value_lines(content) if values == "lines" else _value_fields(content.values)
    return "".join(line + _END for line in lines)


def _description(content: Content) -> Iterator[str]:
    yield f"K0100 {len(content.characteristics)}"
    for key, text in content.header.items():
        yield f"{key} {_clean(text)}"
    for part in sorted(content.parts):
        described = {n: c for n, c in content.characteristics.items() if c.part == part}
        # A part is begun by a field of it, even if nothing is known of it.
        yield from _fields(content.parts[part] or {"K1001": ""}, part)
        for number in sorted(described):
            yield from _fields(described[number].fields or {"K2001": ""}, number)
    for key, number, text in content.groups:
        yield f"{key}/{number} {_clean(text)}"
    for (key, number), text in sorted(content.catalogues.items()):
        yield f"{key}/{number} {_clean(text)}"


def _fields(fields: Fields, number: int) -> Iterator[str]:
    for key in sorted(fields):
        yield f"{key}/{number} {_clean(fields[key])}"


def _value_fields(values: list[Value]) -> Iterator[str]:
    for value in values:
        for key in sorted(value.fields, key=lambda k: (_FIRST.get(k, 3), k)):
            yield f"{key}/{value.characteristic} {_clean(value.fields[key])}"


def _value_lines(content: Content) -> Iterator[str]:
    last = max(content.characteristics, default=0)
    for _, members in groupby(content.values, lambda value: value.set):
        together = {value.characteristic: value for value in members}
        portions: list[str] = []
        more: list[str] = []
        for number in range(1, last + 1):
            value = together.get(number)
            if value is None:
                portions.append("")
                continue
            counted = content.characteristics[number].attributive
            order = COUNT_FIELDS if counted else VALUE_FIELDS
            cells = [_clean(value.fields.get(key, "")) for key in order]
            while len(cells) > 2 and not cells[-1]:
                cells.pop()
            portions.append("\x14".join(cells))
            others = {k: text for k, text in value.fields.items() if k not in order}
            more += _fields(others, number)
        yield "\x0f".join(portions)
        yield from more


def _clean(text: str) -> str:
    """What would end a field or a line is a blank."""
    return _TEXT.sub(" ", text).strip()
