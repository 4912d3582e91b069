"""Text tables with a header: read with the number of each line, so that problems can be placed."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from hub.orders.problems import InputError, Problems

MAX_BYTES = 64 * 1024 * 1024
_WHOLE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, cells stripped."""

    line: int
    cells: list[str]


def read_text(path: Path) -> str:
    """The file as text. Raises `InputError` if it cannot be read, is not UTF-8, or is empty."""
    problems = Problems(path)
    text = ""
    try:
        if path.stat().st_size > MAX_BYTES:
            problems.add(None, f"is larger than {MAX_BYTES >> 20} MiB")
        else:
            text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.add(None, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.add(line, "is not UTF-8; save the file as UTF-8")
    if not problems.found and not text.strip():
        problems.add(None, "is empty")
    if "\0" in text:
        problems.add(text[: text.index("\0")].count("\n") + 1, "holds a NUL; is this a text file?")
    if problems.found:
        raise InputError(problems.found)
    return text


def read_semicolons(path: Path) -> tuple[Row, list[Row]]:
    """(header, rows) of a file of cells that end with `;`, the last `;` of a line being optional.

    Blank lines are passed over. Raises `InputError` like `read_text`.
    """
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(";")]
        if cells[-1] == "":
            cells.pop()
        rows.append(Row(number, cells))
    return rows[0], rows[1:]


def read_commas(path: Path) -> tuple[Row, list[Row]]:
    """(header, rows) of a CSV file. Blank lines are passed over. Raises `InputError`."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[Row] = []
    first_line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(first_line, [cell.strip() for cell in cells]))
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise InputError([f"{path}:{reader.line_num}: is not CSV: {error}"]) from None
    return rows[0], rows[1:]


def check_width(problems: Problems, header: Row, row: Row) -> bool:
    """Whether a row has as many cells as the header; notes it if not."""
    if len(row.cells) == len(header.cells):
        return True
    problems.add(
        row.line, f"{len(row.cells)} cells where the header has {len(header.cells)} columns"
    )
    return False


def whole_number(cell: str) -> int | None:
    """The cell as a number from 0 up; None if it is none, or longer than any that is meant."""
    return int(cell) if _WHOLE.fullmatch(cell) else None
