"""What can want attention, and what can be decided of it, read from `exceptions.md` beside this
file: data, not code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, cast, get_args

from hub.orders.problems import did_you_mean
from protocols.tables import Row, TableError, read_tables

Severity = Literal["info", "warning", "critical"]
Party = Literal["plant", "supplier"]
Effect = Literal["", "confirm", "return", "take", "buffer", "mode_manual", "resend", "leave_empty"]
"""What a decision does besides being recorded; `hub/calls/decisions.py` has the code of each."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of exception."""

    id: str
    title: str
    title_zh: str
    about: str
    severity: Severity
    told: tuple[Party, ...]
    closes_itself: bool
    decisions: tuple[str, ...]
    help: str
    help_zh: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person can decide."""

    id: str
    title: str
    title_zh: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Mode:
    """How a line can work with the plant; `hub/calls/modes.py` keeps its rules."""

    id: str
    title: str
    title_zh: str
    entered_when: str
    left_when: str
    help: str
    help_zh: str


@dataclass(frozen=True, slots=True)
class Kinds:
    """The whole file."""

    kinds: dict[str, Kind]
    decisions: dict[str, Decision]
    modes: dict[str, Mode]

    def kind(self, name: str) -> Kind:
        """A kind by name. Raises `LookupError` that says what to do."""
        try:
            return self.kinds[name]
        except KeyError:
            hint = did_you_mean(name, self.kinds)
            raise LookupError(f"no exception {name!r} in exceptions.md: add a row{hint}") from None


def read_kinds(text: str, name: str = "exceptions.md") -> Kinds:
    """What a text describes. Raises `TableError` with the line."""
    tables = read_tables(text, name)
    for heading in ("Kinds", "Decisions", "Modes"):
        if not tables.get(heading):
            raise TableError(f"{name}: no table under the heading ## {heading}")
    try:
        decisions = {row.cells["decision"]: _decision(row, name) for row in tables["Decisions"]}
        kinds = {row.cells["kind"]: _kind(row, name, decisions) for row in tables["Kinds"]}
        modes = {row.cells["mode"]: _mode(row) for row in tables["Modes"]}
    except KeyError as missing:
        raise TableError(f"{name}: no column {missing}") from None
    return Kinds(kinds, decisions, modes)


@cache
def exception_kinds() -> Kinds:
    """Those of this release, read once."""
    path = resources.files("hub.calls").joinpath("exceptions.md")
    return read_kinds(path.read_text(encoding="utf-8"))


def _decision(row: Row, name: str) -> Decision:
    cells = row.cells
    _one_of(row, name, "effect", get_args(Effect))
    return Decision(cells["decision"], cells["title"], cells["标题"], cast(Effect, cells["effect"]))


def _kind(row: Row, name: str, decisions: dict[str, Decision]) -> Kind:
    cells = row.cells
    _one_of(row, name, "severity", get_args(Severity))
    _one_of(row, name, "closes", ("itself", "person"))
    for column, known in (("told", get_args(Party)), ("decisions", tuple(decisions))):
        for word in cells[column].split():
            if word not in known:
                raise TableError(f"{name}:{row.line}: {column} {word!r}; known are {known}")
    return Kind(
        cells["kind"],
        cells["title"],
        cells["标题"],
        cells["about"],
        cast(Severity, cells["severity"]),
        cast(tuple[Party, ...], tuple(cells["told"].split())),
        cells["closes"] == "itself",
        tuple(cells["decisions"].split()),
        cells["what can be done"],
        cells["可以做什么"],
    )


def _mode(row: Row) -> Mode:
    cells = row.cells
    return Mode(
        cells["mode"],
        cells["title"],
        cells["标题"],
        cells["entered when"],
        cells["left when"],
        cells["what the line does"],
        cells["产线做法"],
    )


def _one_of(row: Row, name: str, column: str, known: tuple[str, ...]) -> None:
    if row.cells[column] not in known:
        raise TableError(f"{name}:{row.line}: {column} {row.cells[column]!r}; known are {known}")
