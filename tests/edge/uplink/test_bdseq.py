"""bdSeq counts over restarts, and stops nothing when the disk does not take it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.uplink import BirthDeathSequence


def test_one_more_each_time_over_restarts_and_round(tmp_path: Path) -> None:
    path = tmp_path / "bdseq"
    numbers = [BirthDeathSequence(path).next() for _ in range(3)]
    later = BirthDeathSequence(path)
    numbers += [later.next() for _ in range(255)]
    assert numbers == [*range(256), 0, 1]


def test_a_file_that_says_nothing_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "bdseq").write_text("torn")
    assert BirthDeathSequence(tmp_path / "bdseq").next() == 0


def test_goes_on_in_memory_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = BirthDeathSequence(tmp_path / "missing" / "bdseq")
    assert [numbers.next() for _ in range(3)] == [0, 1, 2]
    assert caplog.text.count("cannot be kept") == 1


def test_a_number_that_no_connect_bore_is_drawn_again(tmp_path: Path) -> None:
    sequence = BirthDeathSequence(tmp_path / "bdseq")
    assert sequence.next() == 0
    sequence.not_used()
    assert [sequence.next(), sequence.next()] == [0, 1]
