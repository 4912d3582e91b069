"""A day file: YAML or JSON in the form of `DayModel`; `sample/day.yaml` shows all of it.

Cars, of the day and of yesterday, may also stand in a CSV file beside it: `cars: cars.csv`, with a
column for each key of a car that is wanted, options with blanks between.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.orders.day import Day, DayError, make_day
from hub.orders.day_model import CarEntry, DayModel, PlainCarEntry
from hub.orders.problems import InputError, Problems, did_you_mean
from hub.orders.tables import check_width, read_commas, whole_number
from hub.orders.yaml_file import YamlFile

_SAID_OF_A_KEY = ("title", "description", "default", "examples")


def schema() -> dict[str, Any]:
    """The JSON Schema of a day file."""
    found = DayModel.model_json_schema()
    for key in ("cars", "yesterday"):
        given = found["properties"][key]
        inside = {name: given.pop(name) for name in list(given) if name not in _SAID_OF_A_KEY}
        given["anyOf"] = [inside, {"type": "string", "title": "CSV file beside this one"}]
    return found


def read_day(path: Path) -> Day:
    """Read and check a day file. Raises `InputError` with every problem and its line."""
    return read_with_places(path)[0]


def read_with_places(path: Path) -> tuple[Day, tuple[Path, ...], Callable[[str], str]]:
    """The day as `read_day` has it, all files that it was read from, and file:line of each car,
    by its production number."""
    files = [path]
    file = YamlFile(path, "day; it begins with version: 1")
    for key, model in (("cars", CarEntry), ("yesterday", PlainCarEntry)):
        if isinstance(name := file.content.get(key), str):
            csv = path.parent / name
            files.append(csv)
            file.include(key, csv, _read_cars(csv, list(model.model_fields)))
    day = file.check(DayModel)
    try:
        made = make_day(day)
    except DayError as error:
        file.refuse(error.problems)
        raise
    at = {entry.production_no: given for given, entry in enumerate(day.cars)}
    return made, tuple(files), lambda number: file.place_of(("cars", at[number]))


def _read_cars(path: Path, columns: list[str]) -> list[tuple[int, dict[str, Any]]]:
    """The cars of a CSV file, each with its line, as they would stand in the day file."""
    header, rows = read_commas(path)
    problems = Problems(path)
    for name in header.cells:
        if name not in columns:
            problems.add(header.line, f"unknown column {name!r}{did_you_mean(name, columns)}")
        elif header.cells.count(name) > 1:
            problems.add(header.line, f"column {name} occurs twice")
    cars = [
        (row.line, {name: _value(name, cell) for name, cell in named.items() if cell})
        for row in rows
        if check_width(problems, header, row)
        and (named := dict(zip(header.cells, row.cells, strict=False)))
    ]
    if problems.found:
        raise InputError(problems.found)
    return cars


def _value(column: str, cell: str) -> object:
    if column == "options":
        return cell.split()
    if column in ("production_no", "colour"):
        return cell
    number = whole_number(cell)
    return cell if number is None else number
