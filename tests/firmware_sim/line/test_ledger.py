"""The ledger: what is written is read back, and a killed writer does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.line.ledger import (
    CallDecision,
    Entry,
    Ledger,
    LedgerError,
    LedgerTail,
    Result,
    Sample,
    read_ledger,
)

ENTRIES: list[Entry] = [
    Sample("Line.Station10.Force", 1_700_000_000_001_000, "Double", 0.1),
    Sample("Line.Station10.Cycles", 1_700_000_000_002_000, "Int64", 2**62 + 1),
    Sample("Line.Station10.Running", 1_700_000_000_003_000, "Boolean", True),
    Sample("Line.Station10.Recipe", 1_700_000_000_004_000, "String", 'ö"\n'),
    CallDecision("P1/SEAT1/1/SEAT-FRONT/0", True, False, "", 5),
    Result(1, "packed", "P1/SEAT1/1/SEAT-FRONT/0", "000123", "", "R001", 4, 6),
]


def write(path: Path, entries: list[Entry]) -> None:
    ledger = Ledger(path)
    for entry in entries:
        ledger.add(entry)
    ledger.close()


def test_entries_come_back_as_they_were_over_two_lives(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.jsonl"
    write(path, ENTRIES[:3])
    write(path, ENTRIES[3:])
    assert list(read_ledger(path)) == ENTRIES


def test_an_entry_can_be_read_while_the_writer_lives(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add(ENTRIES[0])
    assert list(read_ledger(tmp_path / "ledger.jsonl")) == ENTRIES[:1]
    ledger.close()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_keeps_every_bit(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    write(path, [Sample("n", 0, "Double", value)])
    (entry,) = read_ledger(path)
    assert isinstance(entry, Sample)
    assert repr(entry.value) == repr(value)


def test_a_torn_last_line_is_left_out_and_cut_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, ENTRIES[:2])
    with path.open("a") as file:
        file.write('{"kind": "sam')
    assert list(read_ledger(path)) == ENTRIES[:2]
    write(path, ENTRIES[2:3])
    assert list(read_ledger(path)) == ENTRIES[:3]


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"kind": "other"}', '{"kind": "call"}'])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, ENTRIES[:1])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(LedgerError, match=r"ledger\.jsonl:2: "):
        list(read_ledger(path))


def test_a_tail_reads_on_over_kills_and_never_takes_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    tail = LedgerTail(path)
    assert tail.read_on() == 0
    write(path, ENTRIES[:2])
    assert tail.read_on() == 2
    with path.open("a") as torn:
        torn.write('{"kind": "call", "key"')
    assert tail.read_on() == 2
    write(path, ENTRIES[2:])
    assert tail.read_on() == len(ENTRIES)
    assert tail.entries == ENTRIES


def test_samples_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, ENTRIES)
    assert list(read_ledger(path, samples=False)) == ENTRIES[4:]
