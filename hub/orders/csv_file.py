"""Orders from a CSV file: UTF-8, commas, a header, one car per line in the order given.

    production_no,model,colour,options,vin
    00017,sedan,red,heated-seats towbar,

`production_no`, `model` and `colour` are needed; `options` (names with blanks between) and `vin`
may be left out, as columns or in a line. A CSV has no rules: nothing judges the order of its cars.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from hub.orders.book import Order, OrderBook
from hub.orders.names import check_name, check_number
from hub.orders.problems import InputError, Problems, did_you_mean
from hub.orders.tables import check_width, read_commas

REQUIRED = ("production_no", "model", "colour")
COLUMNS = (*REQUIRED, "options", "vin")


def read_csv(path: Path) -> OrderBook:
    """The orders of a file. Raises `InputError` with every problem."""
    header, rows = read_commas(path)
    problems = Problems(path)
    for name in header.cells:
        if name not in COLUMNS:
            problems.add(header.line, f"unknown column {name!r}{did_you_mean(name, COLUMNS)}")
        elif header.cells.count(name) > 1:
            problems.add(header.line, f"column {name} occurs twice")
    for name in REQUIRED:
        if name not in header.cells:
            problems.add(header.line, f"no column {name}")
    if problems.found:
        raise InputError(problems.found)
    lines: dict[str, int] = {}
    orders = []
    for row in rows:
        if not check_width(problems, header, row):
            continue
        cells = dict(zip(header.cells, row.cells, strict=True))
        number = cells["production_no"]
        check_number(problems, row.line, number)
        if lines.setdefault(number, row.line) != row.line:
            problems.add(
                row.line, f"production number {number} stands in line {lines[number]} already"
            )
        if not cells["model"]:
            problems.add(row.line, f"car {number} has no model")
        check_name(problems, row.line, "colour", cells["colour"])
        options = frozenset(cells.get("options", "").split())
        for option in sorted(options):
            check_name(problems, row.line, "option", option)
        vin = cells.get("vin") or None
        orders.append(Order(number, cells["model"], cells["colour"], options, vin))
    if not rows:
        problems.add(None, "holds no orders below its header")
    if problems.found:
        raise InputError(problems.found)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return OrderBook(path.name, checksum, tuple(orders))
