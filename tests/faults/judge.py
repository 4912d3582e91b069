"""What may be missing, from what was broken when: nothing else, whatever gaps are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from deploy.local.verify import Gap, Judge, LineTruth
from firmware_sim.line.ledger import CallDecision, Result
from tests.faults.faults import KINDS, Cost, Fault
from tests.faults.stand import Cell

SLACK_S = 6.0
"""Before a fault: values that were on their way. After its end: until all flows again."""
NAMED_WITHIN_S = 180.0
"""The hub hears of destroyed events at the gateway's next connection, which other faults delay."""

STORED_VALUES = frozenset({Cost.STORED_VALUES, Cost.STORED})
STORED_EVENTS = frozenset({Cost.STORED_EVENTS, Cost.STORED})
VALUES = frozenset(Cost) - {Cost.NOTHING}
"""Nobody reads the PLC while its gateway is down, whatever brought it down."""


@dataclass(slots=True)
class Made:
    """A fault as it happened. Instants are monotonic; `settled` is the last one at which all that
    was produced before was known to be committed."""

    fault: Fault
    settled: float
    began: float
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    mended: float | None = None
    recovered: float | None = None

    @property
    def cost(self) -> Cost:
        return KINDS[self.fault.kind].cost

    @property
    def recovery_s(self) -> float | None:
        """From its end until what was produced after it is committed."""
        if self.mended is None or self.recovered is None:
            return None
        return self.recovered - self.mended

    def touches(self, cell: Cell) -> bool:
        """Whether it was made at this gateway, its line, or a link of theirs."""
        return self.fault.place.partition(":")[2] in ("", cell.name)

    def window(self, stored_on: frozenset[Cost]) -> tuple[float, float]:
        """When what it may cost was produced; `stored_on`: costs that reach what the disk had."""
        since = (self.settled if self.cost in stored_on else self.began) - SLACK_S
        return since, float("inf") if self.recovered is None else self.recovered + SLACK_S


EventGaps = Mapping[str, Sequence[datetime]]
"""By line, when the hub noted that events of its gateway are missing."""


def event_gaps(database: psycopg.Connection[Any]) -> EventGaps:
    """What the hub has noted."""
    noted: dict[str, list[datetime]] = {}
    for line, at in database.execute(
        """SELECT l.id, p.recorded_at FROM lineside.gap p
           JOIN lineside.supplier_line l ON l.gateway = p.gateway WHERE p.stream = 'events'"""
    ):
        noted.setdefault(line, []).append(at)
    return noted


def judge(cells: Sequence[Cell], made: Sequence[Made], gaps: EventGaps) -> Judge:
    """A judge of what these faults may have cost."""
    by_line = {cell.supplier.line: cell for cell in cells}
    values = {line: _ranges(cell, made, VALUES, STORED_VALUES) for line, cell in by_line.items()}
    events = {
        line: _ranges(cell, _named(made, gaps.get(line, ())), STORED_EVENTS, STORED_EVENTS)
        for line, cell in by_line.items()
    }
    calls = {line: _calls(cell) for line, cell in by_line.items()}

    def value_may_be_missing(line: LineTruth, index: int, _gaps: Sequence[Gap]) -> bool:
        return _within(values[line.line], index)

    def event_may_be_missing(line: LineTruth, index: int) -> bool:
        return _within(events[line.line], index)

    def call_may_stay(line: LineTruth, key: str, status: str) -> bool:
        # A person looks at the line: what it never took is settled by hand.
        if status == "unclear":
            return key not in calls[line.line].taken
        indices = calls[line.line].entries.get(key, ())
        return any(_within(events[line.line], index) for index in indices)

    return Judge(value_may_be_missing, event_may_be_missing, call_may_stay)


@dataclass(frozen=True, slots=True)
class _Calls:
    taken: frozenset[str]
    entries: Mapping[str, Sequence[int]]
    """Indices of what the ledger says of each call."""


def _calls(cell: Cell) -> _Calls:
    taken: set[str] = set()
    entries: dict[str, list[int]] = {}
    for index, entry in enumerate(cell.marks.entries()):
        if isinstance(entry, CallDecision) and entry.accepted:
            taken.add(entry.key)
        if isinstance(entry, CallDecision | Result):
            entries.setdefault(entry.key, []).append(index)
    return _Calls(frozenset(taken), entries)


def _ranges(
    cell: Cell, made: Sequence[Made], costs: frozenset[Cost], stored_on: frozenset[Cost]
) -> list[range]:
    return [
        cell.marks.between(*one.window(stored_on))
        for one in made
        if one.cost in costs and one.touches(cell)
    ]


def _named(made: Sequence[Made], noted: Sequence[datetime]) -> list[Made]:
    """The faults after which the hub has noted that events are missing."""
    within = timedelta(seconds=NAMED_WITHIN_S)
    return [one for one in made if any(one.began_at <= at <= one.began_at + within for at in noted)]


def _within(ranges: Sequence[range], index: int) -> bool:
    return any(index in each for each in ranges)
