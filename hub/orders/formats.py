"""A day to be sequenced in whichever format it was given, and its sequences beside it.

roadef  a ROADEF 2005 instance folder; sequences are `rank;Ident` lines
csplib  a CSPLib problem 001 file; sequences are class indices
day     a day file; sequences are production numbers, one a line
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hub.orders.csplib import CsplibDay, read_classes, read_csplib
from hub.orders.day import Day
from hub.orders.day_file import read_with_places
from hub.orders.problems import InputError, Problems
from hub.orders.roadef import FILES, read_folder
from hub.orders.tables import read_semicolons, whole_number
from hub.sequencing.model import Car, Instance


class Format(StrEnum):
    """How a day is written."""

    ROADEF = "roadef"
    CSPLIB = "csplib"
    DAY = "day"


_BY_ENDING = {
    ".txt": Format.CSPLIB,
    ".yaml": Format.DAY,
    ".yml": Format.DAY,
    ".json": Format.DAY,
}


@dataclass(frozen=True, slots=True)
class GivenDay:
    """An instance, and how its sequences are written."""

    files: tuple[Path, ...]
    """All that it was read from."""
    format: Format
    instance: Instance
    day: Day | None = None
    """All that a day file says beside the instance; None in the other formats."""
    place_of: Callable[[str], str] | None = None
    """file:line of a car, by its production number; None in formats that set no car limits."""
    _classes: CsplibDay | None = None

    def read_sequence(self, path: Path, *, whole: bool = True) -> tuple[Car, ...]:
        """The cars that a sequence file names, in its order; each of the day once, or, unless
        `whole`, at most once.

        Raises `InputError` with the line of each that is not one of the day, or stands twice.
        """
        if self._classes is not None:
            return read_classes(path, self._classes, whole=whole)
        return _read_numbers(path, self.instance, whole)

    def sequence_text(self, cars: Sequence[Car]) -> str:
        """What `read_sequence` reads, in the format's own form."""
        if self._classes is not None:
            return " ".join(map(str, self._classes.class_of(cars))) + "\n"
        if self.format is Format.ROADEF:
            return "".join(f"{rank};{car.production_no}\n" for rank, car in enumerate(cars, 1))
        return "".join(f"{car.production_no}\n" for car in cars)


def read_given(path: Path, given: Format | None = None) -> GivenDay:
    """The day at `path`; without a format, by what it is: a folder, or its ending.

    Raises `InputError` with every problem and its line.
    """
    match given or _guess(path):
        case Format.ROADEF:
            instance = read_folder(path).instance()
            return GivenDay(tuple(path / name for name in FILES), Format.ROADEF, instance)
        case Format.CSPLIB:
            classes = read_csplib(path)
            return GivenDay((path,), Format.CSPLIB, classes.instance, _classes=classes)
        case Format.DAY:
            day, files, place_of = read_with_places(path)
            return GivenDay(files, Format.DAY, day.instance, day, place_of)


def _guess(path: Path) -> Format:
    if path.is_dir():
        return Format.ROADEF
    if not path.exists():
        raise InputError([f"{path}: no such file or folder"])
    if path.suffix.lower() not in _BY_ENDING:
        raise InputError(
            [
                f"{path}: not known by its ending; a folder is read as roadef, .txt as csplib, "
                ".yaml and .json as day: say which with --format"
            ]
        )
    return _BY_ENDING[path.suffix.lower()]


def _read_numbers(path: Path, instance: Instance, whole: bool) -> tuple[Car, ...]:
    """The cars of `Ident` or `rank;Ident` lines, in the order of the lines or of the ranks."""
    problems = Problems(path)
    by_number = {car.production_no: car for car in instance.cars}
    lines: dict[str, int] = {}
    ranks: dict[int, int] = {}
    ranked: list[tuple[int, Car]] = []
    first, rest = read_semicolons(path)
    for row in (first, *rest):
        *before, number = row.cells
        at = whole_number(before[0]) if before else row.line
        if number not in by_number:
            problems.add(row.line, f"{number[:64]!r} is not a car of the day")
        elif at is None or len(before) > 1 or len(row.cells) != len(first.cells):
            problems.add(row.line, "expected `Ident` or `rank;Ident`, the same in every line")
        elif lines.setdefault(number, row.line) != row.line:
            problems.add(row.line, f"car {number} stands in line {lines[number]} already")
        else:
            if ranks.setdefault(at, row.line) != row.line:
                problems.add(row.line, f"rank {at} stands in line {ranks[at]} already")
            ranked.append((at, by_number[number]))
    if whole and not problems.found and len(ranked) < len(by_number):
        missing = next(number for number in by_number if number not in lines)
        count = len(by_number) - len(ranked)
        problems.add(None, f"{count} of the day's {len(by_number)} cars are missing: {missing} …")
    if problems.found:
        raise InputError(problems.found)
    return tuple(car for _, car in sorted(ranked, key=lambda entry: entry[0]))
