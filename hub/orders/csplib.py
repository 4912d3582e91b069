"""Instances of CSPLib problem 001, the classic car sequencing problem, and their sequences.

Whole numbers, blanks between; lines that begin with % or # are remarks:

    cars options classes
    p of each option: of any q cars in a row, at most p may have it
    q of each option
    class demand flags      one line per class, a flag 0 or 1 per option

A sequence is the class of each car, in the order they are built, blanks or newlines between.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.orders.problems import InputError, Problems
from hub.orders.tables import read_text
from hub.sequencing.model import Car, Instance, InstanceError, Ratio, Rules

MAX_CARS = 5_000
COLOUR = "any"
"""Of all cars: the problem knows no colours."""

_WHOLE = re.compile(r"-?[0-9]{1,9}")
_Row = tuple[int, list[int]]
"""A line's number, and the numbers in it."""


@dataclass(frozen=True, slots=True)
class CsplibDay:
    """A day whose cars come in classes; those of one class are alike."""

    instance: Instance
    """Cars are named `class.unit` and stand in the order of the file. The mark is the sum of the
    excess over each option's ratio, whole windows only."""
    classes: tuple[int, ...]
    """The class of each car of `instance.cars`."""

    def class_of(self, cars: Sequence[Car]) -> list[int]:
        """The classes of these cars, as a result file lists them."""
        known = dict(zip(self.instance.cars, self.classes, strict=True))
        return [known[car] for car in cars]


def read_csplib(path: Path) -> CsplibDay:
    """The instance in a file. Raises `InputError` with the line of every problem."""
    rows = _numbers(path)
    problems = Problems(path)
    if len(rows) < 3:
        problems.add(None, "holds no instance; it begins with `cars options classes`, then p, q")
        raise InputError(problems.found)
    (head_line, head), most, window, *classes = rows
    if len(head) != 3 or min(head) < 1:
        problems.add(head_line, "the first line is `cars options classes`, each from 1 up")
        raise InputError(problems.found)
    cars, options, count = head
    if cars > MAX_CARS:
        problems.add(head_line, f"{cars} cars; at most {MAX_CARS}")
    ratios = _ratios(problems, options, most, window)
    if len(classes) != count:
        problems.add(head_line, f"{count} classes are announced, {len(classes)} follow")
    lines: dict[int, int] = {}
    for line, numbers in classes:
        _check_class(problems, line, numbers, options)
        if numbers and lines.setdefault(numbers[0], line) != line:
            problems.add(line, f"class {numbers[0]} stands in line {lines[numbers[0]]} already")
    _raise(problems)
    demand = sum(numbers[1] for _, numbers in classes)
    if demand != cars:
        problems.add(head_line, f"{cars} cars are announced, the classes demand {demand}")
    _raise(problems)
    units = [
        (
            numbers[0],
            Car(
                f"{numbers[0]}.{unit}",
                COLOUR,
                frozenset(r.option for r, has in zip(ratios, numbers[2:], strict=True) if has),
            ),
        )
        for _, numbers in classes
        for unit in range(1, numbers[1] + 1)
    ]
    rules = Rules(tuple(ratios), ("high_priority",), cut_windows=False, weights=(1,))
    return CsplibDay(
        Instance(tuple(car for _, car in units), rules), tuple(number for number, _ in units)
    )


def read_classes(path: Path, day: CsplibDay, *, whole: bool = True) -> tuple[Car, ...]:
    """The cars that a result file names by class; unless `whole`, some may be missing.

    Raises `InputError` with the line of each that the day does not have, or not so often.
    """
    problems = Problems(path)
    units: dict[int, list[Car]] = defaultdict(list)
    for number, car in zip(day.classes, day.instance.cars, strict=True):
        units[number].append(car)
    demand = Counter(day.classes)
    used: Counter[int] = Counter()
    cars = []
    for line, numbers in _numbers(path):
        for number in numbers:
            used[number] += 1
            if number not in demand:
                problems.add(line, f"no class {number}")
            elif used[number] == demand[number] + 1:
                problems.add(line, f"class {number} has {demand[number]} cars, here is one more")
            elif used[number] <= demand[number]:
                cars.append(units[number][used[number] - 1])
    if whole and not problems.found:
        for number, wanted in demand.items():
            if used[number] < wanted:
                problems.add(None, f"class {number}: {used[number]} of {wanted} cars")
    _raise(problems)
    return tuple(cars)


def _ratios(problems: Problems, options: int, most: _Row, window: _Row) -> list[Ratio]:
    ratios: list[Ratio] = []
    for what, (line, numbers) in (("p", most), ("q", window)):
        if len(numbers) != options:
            problems.add(line, f"{options} options are announced, {len(numbers)} have a {what}")
    for at, (p, q) in enumerate(zip(most[1], window[1], strict=False), 1):
        try:
            ratios.append(Ratio(f"option{at}", p, q, high_priority=True))
        except InstanceError as error:
            problems.add(window[0], str(error))
    return ratios


def _check_class(problems: Problems, line: int, numbers: list[int], options: int) -> None:
    if len(numbers) != 2 + options:
        problems.add(
            line, f"{len(numbers)} numbers where a class has {2 + options}: number, demand, flags"
        )
    elif numbers[1] < 0:
        problems.add(line, f"class {numbers[0]} demands {numbers[1]} cars")
    elif numbers[1] > MAX_CARS:
        problems.add(line, f"class {numbers[0]} demands {numbers[1]} cars; at most {MAX_CARS}")
    elif any(flag not in (0, 1) for flag in numbers[2:]):
        problems.add(line, f"class {numbers[0]}: flags are 0 or 1")


def _numbers(path: Path) -> list[_Row]:
    problems = Problems(path)
    rows = []
    for line, text in enumerate(read_text(path).splitlines(), 1):
        if not text.strip() or text.lstrip()[0] in "%#":
            continue
        words = text.split()
        strange = next((word for word in words if not _WHOLE.fullmatch(word)), None)
        if strange is not None:
            problems.add(line, f"{strange[:40]!r} is not a whole number of at most nine digits")
        else:
            rows.append((line, [int(word) for word in words]))
    _raise(problems)
    return rows


def _raise(problems: Problems) -> None:
    if problems.found:
        raise InputError(problems.found)
