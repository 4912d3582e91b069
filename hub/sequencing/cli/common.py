"""What the commands on files share: how a day is named, refused, and written to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hub.orders.formats import Format
from hub.orders.problems import InputError, nearest
from hub.sequencing.conflicts import NAMED, ConflictError
from hub.sequencing.model import InstanceError

DayArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DAY", help="ROADEF 2005 instance folder, CSPLib file, or day file (YAML, JSON)."
    ),
]
SequenceArgument = Annotated[
    Path | None, typer.Argument(metavar="SEQUENCE", help="Its file; if absent, the order given.")
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="Of DAY and its sequences; if absent, a folder is roadef, .txt csplib, .yaml or .json "
        "day.",
    ),
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="SVG", help="Draw the sequence into this file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON in place of text.")]


def summary_text(summary: Mapping[str, object]) -> str:
    """JSON with a line for each key, so that people find theirs."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in summary.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def figure(value: float) -> str:
    """A number to be read: whole where it is."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.2f}"


def table_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns side by side, numbers to the right; as wide as they are, for pipes as for people."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if cell[:1].isdecimal() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in (list(head), *cells)
    )


@contextmanager
def placing(source: object, place_of: Callable[[str], str] | None = None) -> Iterator[None]:
    """Turns what is wrong with an instance into a problem of where it came from.

    place_of: file:line of a car; those whose limits contradict each other are told by it.
    """
    try:
        yield
    except InstanceError as error:
        if place_of is None or not isinstance(error, ConflictError) or not error.cars:
            raise InputError([f"{source}: {error}"]) from None
        first, *others = error.cars[:NAMED]
        told = [f"{place_of(number)}: car {number} stands here" for number in others]
        raise InputError([f"{place_of(first)}: {error}", *told]) from None


def check_cars(option: str, numbers: Iterable[str], known: Sequence[str]) -> None:
    """Raise `InputError` for a car that an option names and the day does not have."""
    for number in numbers:
        if number not in known:
            hint = nearest(number, known)
            raise InputError([f"{option} {number}: no such car{hint}"])


def check_outputs(wanted: Sequence[tuple[str, Path | None]], inputs: Sequence[Path | None]) -> None:
    """Raise `InputError` if one of these files, by option, could not be written in the end.

    Asked before a search begins, so that no result is lost for want of a place.
    """
    problems = []
    taken = {path.resolve(): "is read by this command" for path in inputs if path is not None}
    for option, path in wanted:
        if path is None:
            continue
        place = path.resolve()
        if place in taken:
            problems.append(f"{path}: {taken[place]}; give {option} another name")
        elif reason := _unwritable(path):
            problems.append(f"{path}: {option} cannot be written: {reason}")
        taken[place] = f"is written by {option}"
    if problems:
        raise InputError(problems)


def _unwritable(path: Path) -> str | None:
    """Why the system would not write there; None if it would. Nothing is changed."""
    try:
        if path.exists():
            path.open("ab").close()
        else:
            path.open("xb").close()
            path.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def write_output(path: Path, text: str) -> None:
    """Write a result. Raises `InputError` if the system refuses now what it allowed before."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError([f"{path}: cannot be written: {error.strerror}"]) from None
