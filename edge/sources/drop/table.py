"""CSV and JSON as rows: text by the name of its column, with the line it begins in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_ROWS = 200_000
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row."""

    line: int
    cells: dict[str, str]


class TableError(ValueError):
    """A line of the file cannot be used."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(what)


def csv_rows(text: str, delimiter: str = "auto") -> tuple[list[str], Iterator[Row]]:
    """The columns that the first line names, and the rows. Raises `TableError`, also in between."""
    lines = text.lstrip("\ufeff")
    first = next((line for line in lines.split("\n") if line.strip()), "")
    mark = _DELIMITERS.get(delimiter) or max(",;\t", key=first.count)
    rows = _csv(csv.reader(io.StringIO(lines, newline=""), delimiter=mark, strict=True))
    head = next(rows, None)
    if head is None:
        raise TableError(1, "is empty; its first line names the columns")
    line, columns = head
    double = next((c for c in columns if c and columns.count(c) > 1), None)
    if double is not None:
        raise TableError(line, f"two columns are {double!r}; their values cannot be told apart")
    return columns, _rows(columns, rows)


def _rows(columns: list[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    for line, cells in rows:
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            what = f"{len(cells)} fields, and the first line names {len(columns)} columns"
            raise TableError(line, what)
        yield Row(line, dict(zip(columns, cells, strict=False)))


def _csv(reader: Any) -> Iterator[tuple[int, list[str]]]:
    line, count = 1, 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise TableError(line, str(error)) from None
        if row is None:
            return
        cells = [cell.strip() for cell in row]
        if any(cells):
            count += 1
            if count > MOST_ROWS + 1:
                raise TableError(line, f"more than {MOST_ROWS} rows")
            yield line, cells
        line = reader.line_num + 1


def json_rows(text: str) -> Iterator[Row]:
    """The objects of an array, of one after the other, or the only one. Raises `TableError`."""
    decoder = json.JSONDecoder(parse_constant=_no_number)
    text = text.lstrip("\ufeff")
    at, line, count = _skip(text, 0, ""), 1, 0
    line += text.count("\n", 0, at)
    marks = ","
    if text[at : at + 1] == "[":
        if not text.rstrip().endswith("]"):
            raise TableError(line, "is no JSON: the array does not end; is the file whole?")
        marks = ",]"
        at += 1
    before = at
    while (at := _skip(text, at, marks)) < len(text):
        line += text.count("\n", before, at)
        before = at
        try:
            found, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise TableError(error.lineno, f"is no JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise TableError(line, f"is no JSON that can be read: {error}") from None
        if not isinstance(found, dict):
            raise TableError(line, "is no object, with names and values")
        count += 1
        if count > MOST_ROWS:
            raise TableError(line, f"more than {MOST_ROWS} objects")
        yield Row(line, dict(_flat(found, "", line)))


def _skip(text: str, at: int, marks: str) -> int:
    while at < len(text) and (text[at] in " \t\r\n" or text[at] in marks):
        at += 1
    return at


def _flat(found: dict[str, Any], before: str, line: int) -> Iterator[tuple[str, str]]:
    """Texts by name; what lies in an object by its name with a dot."""
    if before.count(".") > 10:
        raise TableError(line, "objects in objects more than ten deep")
    for key, value in found.items():
        name = f"{before}{key}"
        match value:
            case dict():
                yield from _flat(value, f"{name}.", line)
            case None:
                yield name, ""
            case bool():
                yield name, "true" if value else "false"
            case str():
                yield name, value.strip()
            case int() | float():
                yield name, repr(value)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
