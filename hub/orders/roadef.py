"""Orders from, and to, an instance folder of the ROADEF 2005 challenge: one day of a Renault plant.

vehicles.txt                 Date;SeqRank;Ident;Paint Color;<options>: end of yesterday, then today
ratios.txt                   Ratio;Prio;Ident: N/P and 1 (high priority) or 0 per option
optimization_objectives.txt  rank;objective name
paint_batch_limit.txt        limitation
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.orders.book import Order, OrderBook
from hub.orders.names import check_name, check_number
from hub.orders.problems import InputError, Problems, did_you_mean
from hub.orders.tables import Row, check_width, read_semicolons, whole_number
from hub.sequencing.model import BATCH_AT_MOST, Car, InstanceError, Objective, Ratio, Rules

VEHICLES = "vehicles.txt"
RATIOS = "ratios.txt"
OBJECTIVES = "optimization_objectives.txt"
LIMIT = "paint_batch_limit.txt"
FILES = (VEHICLES, RATIOS, OBJECTIVES, LIMIT)

MODEL = "car"
"""The challenge names no models."""

# Easy or difficult to satisfy: both are the sum over the ratios of high priority.
OBJECTIVE_NAMES: Mapping[str, Objective] = {
    "high_priority_level_and_difficult_to_satisfy_ratio_constraints": "high_priority",
    "high_priority_level_and_easy_to_satisfy_ratio_constraints": "high_priority",
    "low_priority_level_ratio_constraints": "low_priority",
    "paint_color_batches": "colour_changes",
}
_VEHICLE_COLUMNS = ("Date", "SeqRank", "Ident", "Paint Color")
_DATE = re.compile(r"^(\d{4}) (\d{1,2}) (\d{1,2})$")


@dataclass(frozen=True, slots=True)
class _Vehicle:
    """One line of vehicles.txt."""

    line: int
    date: tuple[int, ...]
    rank: int
    car: Car


def read_folder(folder: Path) -> OrderBook:
    """The day in an instance folder. Raises `InputError`: every problem of the first bad file."""
    if folder.is_file():
        raise InputError([f"{folder}: is a file; an instance is a folder with {', '.join(FILES)}"])
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            [f"{folder}: no {name}; an instance has {', '.join(FILES)}" for name in missing]
        )
    ratios = _read_ratios(folder / RATIOS)
    rules = Rules(ratios, _read_objectives(folder / OBJECTIVES), _read_limit(folder / LIMIT))
    yesterday, today = _read_vehicles(folder / VEHICLES, [ratio.option for ratio in ratios])
    checksum = hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()
    orders = tuple(Order(c.production_no, MODEL, c.colour, c.options) for c in today)
    return OrderBook(folder.name, checksum, orders, rules, yesterday)


def _read_ratios(path: Path) -> tuple[Ratio, ...]:
    header, rows = read_semicolons(path)
    problems = Problems(path)
    _check_header(problems, header, ("Ratio", "Prio", "Ident"))
    ratios: dict[str, tuple[int, Ratio]] = {}
    for row in rows:
        if not check_width(problems, header, row) or len(row.cells) != 3:
            continue
        text, priority, option = row.cells
        check_name(problems, row.line, "option", option)
        most, window = map(whole_number, text.split("/", 1)) if "/" in text else (None, None)
        if most is None or window is None:
            problems.add(row.line, f"ratio {text[:40]!r} is not of the form N/P")
            continue
        if priority not in ("0", "1"):
            problems.add(row.line, f"priority {priority!r} of {option} is neither 1 nor 0")
        if option in ratios:
            problems.add(row.line, f"option {option} stands in line {ratios[option][0]} already")
            continue
        try:
            ratio = Ratio(option, most, window, priority == "1")
        except InstanceError as error:
            problems.add(row.line, str(error))
        else:
            ratios[option] = (row.line, ratio)
    _raise(problems)
    return tuple(ratio for _, ratio in ratios.values())


def _read_objectives(path: Path) -> tuple[Objective, ...]:
    header, rows = read_semicolons(path)
    problems = Problems(path)
    _check_header(problems, header, ("rank", "objective name"))
    by_rank: dict[int, Objective] = {}
    for row in rows:
        if not check_width(problems, header, row) or len(row.cells) != 2:
            continue
        rank, name = whole_number(row.cells[0]), row.cells[1]
        if name not in OBJECTIVE_NAMES:
            hint = did_you_mean(name, OBJECTIVE_NAMES)
            problems.add(row.line, f"unknown objective {name!r}{hint}")
        elif rank is None or rank in by_rank:
            problems.add(row.line, f"rank {row.cells[0][:40]!r} is not a number of its own")
        elif OBJECTIVE_NAMES[name] in by_rank.values():
            problems.add(row.line, f"objective {name} is given twice")
        else:
            by_rank[rank] = OBJECTIVE_NAMES[name]
    if not by_rank:
        problems.add(None, "names no objective")
    _raise(problems)
    return tuple(by_rank[rank] for rank in sorted(by_rank))


def _read_limit(path: Path) -> int:
    header, rows = read_semicolons(path)
    problems = Problems(path)
    _check_header(problems, header, ("limitation",))
    if len(rows) != 1 or len(rows[0].cells) != 1:
        problems.add(None, "needs one line with the paint batch limit below the header")
        raise InputError(problems.found)
    text = rows[0].cells[0]
    limit = whole_number(text)
    if limit is None or not 1 <= limit <= BATCH_AT_MOST:
        problems.add(
            rows[0].line, f"limit {text[:40]!r} is not a whole number from 1 to {BATCH_AT_MOST:,}"
        )
        raise InputError(problems.found)
    return limit


def _read_vehicles(path: Path, options: list[str]) -> tuple[tuple[Car, ...], tuple[Car, ...]]:
    """(yesterday's cars, today's cars), each by rank."""
    header, rows = read_semicolons(path)
    problems = Problems(path)
    _check_header(problems, header, (*_VEHICLE_COLUMNS, *header.cells[4:]))
    columns = header.cells[4:]
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        problems.add(header.line, f"option column {name} occurs twice")
    for name in columns:
        if name not in options:
            hint = did_you_mean(name, options)
            problems.add(header.line, f"option column {name} is not in {RATIOS}{hint}")
    for name in options:
        if name not in columns:
            problems.add(header.line, f"no column for option {name} of {RATIOS}")
    _raise(problems)

    vehicles = [
        vehicle for row in rows if (vehicle := _read_vehicle(problems, header, row)) is not None
    ]
    dates = sorted({vehicle.date for vehicle in vehicles})
    if len(dates) > 2:
        third = next(v for v in vehicles if v.date == dates[2])
        problems.add(third.line, "a third date; an instance has yesterday's last cars and one day")
    if not dates:
        problems.add(None, "holds no vehicles")
    _raise(problems)
    today = [v for v in vehicles if v.date == dates[-1]]
    yesterday = [v for v in vehicles if v.date != dates[-1]]
    # Yesterday is history: plants do list a car of it twice, and it is not built again.
    _check_ranks(problems, yesterday)
    _check_numbers(problems, today)
    _check_ranks(problems, today)
    if not problems.found:
        _check_complete(problems, today)
    _raise(problems)
    return tuple(_by_rank(yesterday)), tuple(_by_rank(today))


def _read_vehicle(problems: Problems, header: Row, row: Row) -> _Vehicle | None:
    if not check_width(problems, header, row):
        return None
    before = len(problems.found)
    date, rank_text, number, colour, *flags = row.cells
    rank = whole_number(rank_text)
    found = _DATE.match(date)
    if found is None:
        problems.add(row.line, f"date {date!r} is not of the form year week day, as in 2003 38 2")
    if rank is None or rank < 1:
        problems.add(row.line, f"rank {rank_text[:40]!r} is not a whole number from 1 up")
    check_number(problems, row.line, number)
    check_name(problems, row.line, "colour", colour)
    for name, flag in zip(header.cells[4:], flags, strict=True):
        if flag not in ("0", "1"):
            problems.add(row.line, f"option {name} of car {number} is {flag!r}, neither 0 nor 1")
    if len(problems.found) > before or found is None or rank is None:
        return None
    has = frozenset(n for n, flag in zip(header.cells[4:], flags, strict=True) if flag == "1")
    day = tuple(int(part) for part in found.groups())
    return _Vehicle(row.line, day, rank, Car(number, colour, has))


def _check_numbers(problems: Problems, day: list[_Vehicle]) -> None:
    lines: dict[str, int] = {}
    for vehicle in day:
        number = vehicle.car.production_no
        first = lines.setdefault(number, vehicle.line)
        if first != vehicle.line:
            problems.add(vehicle.line, f"production number {number} stands in line {first} already")


def _check_ranks(problems: Problems, day: list[_Vehicle]) -> None:
    lines: dict[int, int] = {}
    for vehicle in day:
        first = lines.setdefault(vehicle.rank, vehicle.line)
        if first != vehicle.line:
            problems.add(vehicle.line, f"rank {vehicle.rank} stands in line {first} already")


def _check_complete(problems: Problems, day: list[_Vehicle]) -> None:
    for rank, vehicle in enumerate(sorted(day, key=lambda v: v.rank), 1):
        if vehicle.rank != rank:
            problems.add(vehicle.line, f"rank {vehicle.rank} where {rank} comes next")
            return


def _by_rank(day: list[_Vehicle]) -> list[Car]:
    return [vehicle.car for vehicle in sorted(day, key=lambda v: v.rank)]


def _check_header(problems: Problems, header: Row, expected: tuple[str, ...]) -> None:
    if [name.lower() for name in header.cells] != [name.lower() for name in expected]:
        problems.add(
            header.line,
            f"the header is {';'.join(header.cells)!r}, expected {';'.join(expected)!r}",
        )
        raise InputError(problems.found)


def _raise(problems: Problems) -> None:
    if problems.found:
        raise InputError(problems.found)


def write_folder(book: OrderBook, folder: Path) -> None:
    """Write a day as an instance folder that `read_folder` reads. Raises `OSError`."""
    options = [ratio.option for ratio in book.rules.ratios]
    lines = [";".join((*_VEHICLE_COLUMNS, *options)) + ";"]
    instance = book.instance()
    for date, cars in (("2026 10 1", instance.yesterday), ("2026 10 2", instance.cars)):
        for rank, car in enumerate(cars, 1):
            flags = ["1" if option in car.options else "0" for option in options]
            lines.append(";".join((date, str(rank), car.production_no, car.colour, *flags)) + ";")
    names: dict[Objective, str] = {meaning: name for name, meaning in OBJECTIVE_NAMES.items()}
    files = {
        VEHICLES: lines,
        RATIOS: [
            "Ratio;Prio;Ident;",
            *(f"{r.most}/{r.window};{int(r.high_priority)};{r.option};" for r in book.rules.ratios),
        ],
        OBJECTIVES: [
            "rank;objective name;",
            *(f"{rank};{names[o]};" for rank, o in enumerate(book.rules.objectives, 1)),
        ],
        LIMIT: ["limitation;", f"{book.rules.batch_limit or len(book.orders)};"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text("\n".join(content) + "\n", encoding="utf-8")
