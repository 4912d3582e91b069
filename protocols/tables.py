"""Tables that people and programs read alike: Markdown, found by the heading above each."""

from __future__ import annotations

from typing import NamedTuple


class TableError(ValueError):
    """The text cannot be read as tables; it says in which line and why."""


class Row(NamedTuple):
    """One row: its line in the file, and its cells by column."""

    line: int
    cells: dict[str, str]


def read_tables(text: str, name: str) -> dict[str, list[Row]]:
    """The rows of the table below each heading of the second level. Raises `TableError`."""
    tables: dict[str, list[Row]] = {}
    heading, columns = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            heading, columns = line[3:].strip(), None
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if columns is None:
                columns = cells
            elif not set(line) <= set("|-: "):
                if len(cells) != len(columns):
                    raise TableError(
                        f"{name}:{number}: {len(cells)} cells under {len(columns)} columns"
                    )
                row = Row(number, dict(zip(columns, cells, strict=True)))
                tables.setdefault(heading, []).append(row)
    return tables
