"""A device's map of registers as a table: what manuals print, kept as CSV.

    name,address,type,unit,scale,shift,order,unit_id,comment
    Temperature,30001,int16,degC,0.1,,,,inside the oven
    Power,40100,float32,kW,,,CDAB,3,

`name` and `address` must be there; the others may. A type stands in its own column or behind the
address (`40100:float32`). Fields are divided by comma, semicolon or tab, whichever the head has; a
number may have a decimal comma where the fields are not divided by one. Lines that begin with `#`
are passed over. Each error says file, line and what to do, and all are found at once.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

from protocols.modbus.address import Address, AddressError, parse
from protocols.modbus.values import Order

COLUMNS = ("name", "address", "type", "unit", "scale", "shift", "order", "unit_id", "comment")
_ALIASES = {
    "tag": "name", "register": "address", "data type": "type", "datatype": "type", "format": "type",
    "units": "unit", "factor": "scale", "gain": "scale", "multiplier": "scale", "offset": "shift",
    "byte order": "order", "word order": "order", "slave": "unit_id", "slave id": "unit_id",
    "unit id": "unit_id", "description": "comment",
}  # fmt: skip
MOST_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a map."""

    name: str
    address: Address
    unit: str
    scale: float
    shift: float
    order: Order | None
    """None: that of the device."""
    unit_id: int | None
    comment: str
    line: int


class MapError(ValueError):
    """The file cannot be used; `problems` has each reason with file and line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def read(text: str, file: str) -> list[Register]:
    """The values of a map. Raises `MapError`."""
    text = text.lstrip("\ufeff")
    rows = _rows(text)
    line, head = next(rows, (1, []))
    if not head:
        raise MapError([f"{file}: is empty; its first line names the columns: {','.join(COLUMNS)}"])
    columns, problems = _columns(head)
    problems = [f"{file}:{line}: {problem}" for problem in problems]
    found: list[Register] = []
    if not problems:
        names: dict[str, int] = {}
        for line, row in rows:
            cells = dict(zip(columns, row, strict=False))
            said = [f"{file}:{line}: {what}" for what in _more_than(columns, row)]
            try:
                register = _register(cells, line)
                if register.name in names:
                    said.append(
                        f"{file}:{line}: name {register.name} stands in line "
                        f"{names[register.name]} already; names are unique"
                    )
                names.setdefault(register.name, line)
                found.append(register)
            except ValueError as error:
                said.append(f"{file}:{line}: {error}")
            problems += said
            if line > MOST_LINES:
                raise MapError([f"{file}: has more than {MOST_LINES} lines; is it a map?"])
    if not problems and not found:
        problems = [f"{file}: has no values below its head"]
    if problems:
        raise MapError(problems)
    return found


def _columns(head: list[str]) -> tuple[list[str], list[str]]:
    columns, problems = [], []
    for cell in head:
        word = " ".join(cell.lower().split())
        name = _ALIASES.get(word, word.replace(" ", "_"))
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, [*COLUMNS, *_ALIASES], n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(COLUMNS)}"
            problems.append(f"there is no column {cell!r}; {hint}")
        elif name in columns:
            problems.append(f"two columns are {name}; leave one out")
        columns.append(name)
    for name in ("name", "address"):
        if name not in columns and not problems:
            problems.append(f"column {name} is missing")
    return columns, problems


def _more_than(columns: list[str], row: list[str]) -> list[str]:
    if len(row) <= len(columns):
        return []
    return [
        f"{len(row)} fields, and the head has {len(columns)}; quote one that has the divider in it"
    ]


def _register(cells: dict[str, str], line: int) -> Register:
    name = cells.get("name", "")
    if not name:
        raise ValueError("a value without a name")
    text, kind = cells.get("address", ""), cells.get("type", "")
    try:
        address = parse(f"{text}:{kind}" if kind and not _bit(text, kind) else text)
    except AddressError as error:
        raise ValueError(f"{name}: {error}") from None
    order = cells.get("order", "").upper()
    if order and order not in list(Order):
        near = difflib.get_close_matches(order, list(Order), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(Order)}"
        raise ValueError(f"{name}: there is no order {order}; {hint}")
    return Register(
        name,
        address,
        cells.get("unit", ""),
        _number(name, "scale", cells, 1.0),
        _number(name, "shift", cells, 0.0),
        Order(order) if order else None,
        _unit_id(name, cells.get("unit_id", "")),
        cells.get("comment", ""),
        line,
    )


def _bit(address: str, kind: str) -> bool:
    """A bit of a register, whose type says no more than that."""
    return "." in address and kind.lower() in ("bool", "bit", "boolean")


def _number(name: str, column: str, cells: dict[str, str], default: float) -> float:
    text = cells.get(column, "")
    if not text:
        return default
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (column == "scale" and number == 0):
        raise ValueError(f"{name}: {column} is a number other than {text!r}, such as 0.1")
    return number


def _unit_id(name: str, text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) > 255:
        raise ValueError(f"{name}: unit_id is a number from 0 to 255, not {text!r}")
    return int(text)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first = next((row for row in text.split("\n") if row.strip() and row[:1] != "#"), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            row = [""]
        if row is None:
            return
        cells = [cell.strip() for cell in row]
        if any(cells) and not cells[0].startswith("#"):
            yield line, cells
        line = reader.line_num + 1
