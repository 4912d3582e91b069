"""Reads `net.md`: four Markdown tables, found by their headings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import cast, get_args

from protocols.jis.net.check import problems_of
from protocols.jis.net.model import Axis, Net, NetError, Situation, Source, Status, Transition
from protocols.tables import Row, TableError, read_tables

_AXES: dict[str, Axis] = {"Car": "car", "Part": "part"}


def read_net(text: str, name: str = "net.md") -> Net:
    """The net a text describes. Raises `NetError` with every problem and its line."""
    try:
        tables = read_tables(text, name)
    except TableError as error:
        raise NetError(str(error)) from None
    for heading in ("Car", "Part", "Transitions", "Situations"):
        if not tables.get(heading):
            raise NetError(f"{name}: no table under the heading ## {heading}")
    try:
        net = Net(
            statuses=tuple(
                Status(
                    axis,
                    row.cells["status"],
                    row.cells["title"],
                    row.cells["标题"],
                    row.cells["final"] == "yes",
                )
                for heading, axis in _AXES.items()
                for row in tables[heading]
            ),
            transitions=tuple(_transitions(tables["Transitions"])),
            situations=tuple(_situation(row) for row in tables["Situations"]),
        )
    except KeyError as missing:
        raise NetError(f"{name}: no column {missing}") from None
    problems = [f"{name}:{line}: {what}" for line, what in problems_of(net)]
    if problems:
        raise NetError("\n".join(problems))
    return net


@cache
def status_net() -> Net:
    """The net of this release, read once."""
    return read_net(net_text())


def net_text() -> str:
    """The table as people read it, in Markdown."""
    return resources.files("protocols.jis.net").joinpath("net.md").read_text(encoding="utf-8")


def _transitions(rows: Iterable[Row]) -> Iterator[Transition]:
    for line, cells in rows:
        source, axis = cells["by"], cells["axis"]
        if source not in get_args(Source):
            raise NetError(f"net.md:{line}: by {source!r}; known are {get_args(Source)}")
        if axis not in get_args(Axis):
            raise NetError(f"net.md:{line}: axis {axis!r}; known are {get_args(Axis)}")
        for origin in cells["from"].split():
            target = origin if cells["to"] == "=" else cells["to"]
            yield Transition(
                cells["event"],
                cells["事件"],
                cast(Source, source),
                cast(Axis, axis),
                origin,
                target,
                cells["SAP"],
                cells["what happens"],
                line,
            )


def _situation(row: Row) -> Situation:
    line, cells = row
    state = cells["state"]
    if state not in ("open", "attention", "done"):
        raise NetError(f"net.md:{line}: state {state!r}; known are open, attention, done")
    may = cells["plant may"].split()
    return Situation(
        frozenset(cells["car"].split()),
        frozenset(cells["part"].split()),
        state,  # type: ignore[arg-type]  # one of the three above
        cells["means"],
        cells["含义"],
        frozenset(word for word in may if not word.endswith("?")),
        frozenset(word[:-1] for word in may if word.endswith("?")),
        tuple(cells["who acts"].split()),
        cells["exception"],
        line,
    )
