"""The check can fail: what is planted here in a run that went well is found, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.verify import Gap, Identity, Place, SampleFindings, compare
from deploy.local.world import SUPPLIERS
from firmware_sim.line.ledger import CallDecision, Ledger, Result, Sample
from tests.faults.faults import KINDS, Cost, Fault
from tests.faults.judge import SLACK_S, VALUES, Made, judge
from tests.faults.stand import Cell

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
KEY = "P1/SEAT1/0000001/SEAT-FRONT/0"
GAP = Gap("SEAT1", None, None, "test")
LAST: Place = (1000, (0, 0))
"""In a transaction after all others."""


def value(tag: str, number: int) -> Identity:
    return tag, START + timedelta(milliseconds=number), float(number)


Story = tuple[list[tuple[int, Identity]], list[tuple[Identity, bool, Place]]]


@st.composite
def arrivals(draw: st.DrawFn) -> Story:
    """What two tags produced, and how it may come in: some of it late, as historical, both in
    order; each value in a transaction of its own."""
    produced = [(n, value(draw(st.sampled_from("AB")), n)) for n in range(draw(st.integers(2, 60)))]
    late = {n for n, _ in produced if draw(st.booleans())}
    live = [(identity, False) for n, identity in produced if n not in late]
    backlog = [(identity, True) for n, identity in produced if n in late]
    turns = draw(st.permutations([False] * len(live) + [True] * len(backlog)))
    came = [(backlog if turn else live).pop(0) for turn in turns]
    return produced, [(*row, (n, (0, 0))) for n, row in enumerate(came)]


def wrongs(findings: SampleFindings) -> set[str]:
    """Which kinds of wrong were found."""
    return {
        name for name in ("missing", "doubled", "reordered", "strange") if getattr(findings, name)
    }


@given(arrivals())
def test_all_once_and_in_order_within_live_and_within_backlog_is_well(story: Story) -> None:
    findings = compare(*story)
    assert findings.committed == len(story[0])
    assert wrongs(findings) == set()


@given(arrivals(), st.data())
def test_each_planted_wrong_is_found_and_no_other(story: Story, data: st.DataObject) -> None:
    produced, rows = story
    at = data.draw(st.integers(0, len(rows) - 1))
    identity, historical, place = rows[at]

    lost = compare(produced, rows[:at] + rows[at + 1 :])
    assert [found for _, found in lost.missing] == [identity]
    assert wrongs(lost) == {"missing"}

    doubled = compare(produced, [*rows, (identity, not historical, LAST)])
    assert doubled.doubled == [identity]
    assert wrongs(doubled) == {"doubled"}

    wrong = (identity[0], identity[1], -1.0)
    strange = compare(produced, [*rows[:at], (wrong, historical, place), *rows[at + 1 :]])
    assert len(strange.strange) == 1
    assert [found for _, found in strange.missing] == [identity]

    late = compare(produced, [*rows[:at], *rows[at + 1 :], (identity, historical, LAST)])
    overtaken = any((row[0][0], row[1]) == (identity[0], historical) for row in rows[at + 1 :])
    assert late.reordered == ([identity] if overtaken else [])
    assert wrongs(late) <= {"reordered"}


def test_between_two_pages_of_one_transaction_there_is_no_order() -> None:
    first, second, third = ((n, value("A", n)) for n in range(3))
    produced = [first, second, third]

    def reordered(*came: tuple[tuple[int, Identity], Place]) -> list[Identity]:
        return compare(produced, [(what, False, place) for (_, what), place in came]).reordered

    old, new = (1, (7, 247)), (1, (7, 250))
    assert reordered((third, old), (first, new), (second, new)) == []
    assert reordered((third, new), (first, new), (second, new)) == [first[1], second[1]]
    assert reordered((third, old), (first, new), (second, (2, (7, 250)))) == [second[1]]


class Bench:
    """A line whose ledger grows as the test says, and faults made at it."""

    def __init__(self, directory: Path) -> None:
        self.cell = Cell(SUPPLIERS[0], directory)
        self._ledger = Ledger(self.cell.ledger)
        self.made: list[Made] = []
        self.noted: list[datetime] = []

    def produce(self, *entries: Sample | Result | CallDecision) -> list[int]:
        """Indices of the entries, each at an instant of its own."""
        first = self.cell.marks.take()
        for entry in entries:
            self._ledger.add(entry)
        return list(range(first, self.cell.marks.take()))

    def fault(self, kind: str, *, settled: float, began: float) -> Made:
        place = KINDS[kind].places([self.cell.name])[0]
        made = Made(Fault(0, kind, place, 1, 0, 1), settled, began)
        self.made.append(made)
        return made

    def value_may_be_missing(self, index: int) -> bool:
        may = judge([self.cell], self.made, {})
        return may.value_may_be_missing(self.cell.truth(), index, [GAP])

    def event_may_be_missing(self, index: int) -> bool:
        may = judge([self.cell], self.made, {"SEAT1": self.noted})
        return may.event_may_be_missing(self.cell.truth(), index)

    def call_may_stay(self, status: str) -> bool:
        may = judge([self.cell], self.made, {"SEAT1": self.noted})
        return may.call_may_stay(self.cell.truth(), KEY, status)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


SAMPLE = Sample("Line.Counters.Count00", 1000, "Int64", 1)
RESULT = Result(1, "produced", KEY, "S1", "", "", 0, 1)
LONG_S = 10 * SLACK_S


def kinds_of(*costs: Cost) -> Sequence[str]:
    return [name for name, kind in KINDS.items() if kind.cost in costs]


@pytest.mark.parametrize("kind", kinds_of(Cost.NOTHING))
def test_no_gap_excuses_a_value_where_the_fault_costs_none(kind: str, bench: Bench) -> None:
    (index,) = bench.produce(SAMPLE)
    bench.fault(kind, settled=0, began=time.monotonic() - LONG_S)
    assert not bench.value_may_be_missing(index)


@pytest.mark.parametrize("kind", kinds_of(*VALUES))
def test_a_gap_excuses_a_value_only_around_a_fault_that_may_cost_it(
    kind: str, bench: Bench
) -> None:
    (index,) = bench.produce(SAMPLE)
    assert not bench.value_may_be_missing(index)
    now = time.monotonic()
    over = bench.fault(kind, settled=now - LONG_S, began=now - LONG_S)
    assert bench.value_may_be_missing(index)
    over.recovered = now - LONG_S / 2
    assert not bench.value_may_be_missing(index)
    bench.fault(kind, settled=now + LONG_S, began=now + LONG_S)
    assert not bench.value_may_be_missing(index)


def test_a_destroyed_disk_may_cost_all_since_the_last_calm(bench: Bench) -> None:
    (index,) = bench.produce(SAMPLE)
    now = time.monotonic()
    bench.fault("kill agent", settled=now - LONG_S, began=now + LONG_S)
    assert not bench.value_may_be_missing(index)
    bench.fault("torn calls", settled=now - LONG_S, began=now + LONG_S)
    assert not bench.value_may_be_missing(index)
    bench.fault("torn journal", settled=now - LONG_S, began=now + LONG_S)
    assert bench.value_may_be_missing(index)


def test_an_event_may_be_missing_only_where_the_hub_names_what_a_disk_has_lost(
    bench: Bench,
) -> None:
    (index,) = bench.produce(RESULT)
    now = time.monotonic()
    bench.fault("kill agent", settled=now - LONG_S, began=now - LONG_S)
    bench.noted.append(datetime.now(UTC))
    assert not bench.event_may_be_missing(index)
    bench.fault("torn calls", settled=now - LONG_S, began=now - LONG_S)
    bench.noted.clear()
    assert not bench.event_may_be_missing(index)
    bench.noted.append(bench.made[-1].began_at - timedelta(seconds=1))
    assert not bench.event_may_be_missing(index)
    bench.noted.append(bench.made[-1].began_at + timedelta(seconds=1))
    assert bench.event_may_be_missing(index)
    assert bench.call_may_stay("inspected")


def test_a_person_settles_an_unclear_call_that_the_line_never_took(bench: Bench) -> None:
    bench.produce(CallDecision("", False, False, "key: not a call key", 1))
    assert bench.call_may_stay("unclear")
    assert not bench.call_may_stay("received")
    bench.produce(CallDecision(KEY, True, False, "", 2))
    assert not bench.call_may_stay("unclear")
