"""Damaged files: what is kept of them, and for how long."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge import set_aside
from edge.set_aside import KEPT, let_go


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def damaged(path: Path, content: bytes = b"damaged") -> tuple[str, int]:
    path.write_bytes(content)
    aside, number = set_aside.set_aside(path)
    return aside.name, number


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_the_write_ahead_log_goes_along(path: Path) -> None:
    path.with_name("calls.sqlite-wal").write_bytes(b"log")
    path.with_name("calls.sqlite-shm").write_bytes(b"index")
    assert damaged(path) == ("calls.sqlite.damaged-1", 1)
    assert names(path) == [f"calls.sqlite.damaged-1{part}" for part in ("", "-shm", "-wal")]
    assert path.with_name("calls.sqlite.damaged-1-wal").read_bytes() == b"log"


def test_the_newest_few_are_kept_and_the_log_says_which_go(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = path.with_name("journal.sqlite.damaged-1")
    other.write_bytes(b"of another file")
    for number in range(1, KEPT + 3):
        path.with_name("calls.sqlite-wal").write_bytes(b"log")
        assert damaged(path)[1] == number
    kept = range(3, KEPT + 3)
    assert names(path) == sorted(
        [
            *(f"calls.sqlite.damaged-{n}{part}" for n in kept for part in ("", "-wal")),
            other.name,
        ]
    )
    gone = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert ["damaged-1" in gone[0], "damaged-2" in gone[1], len(gone)] == [True, True, 2]


def test_large_ones_go_sooner_but_never_the_last(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "KEPT_BYTES", 1000)
    damaged(path, b"x" * 600)
    damaged(path, b"x" * 300)
    assert names(path) == ["calls.sqlite.damaged-1", "calls.sqlite.damaged-2"]
    damaged(path, b"x" * 300)
    assert names(path) == ["calls.sqlite.damaged-2", "calls.sqlite.damaged-3"]
    damaged(path, b"x" * 5000)
    assert names(path) == ["calls.sqlite.damaged-4"]


def test_a_disk_that_runs_short_gets_their_room_and_the_count_goes_on(path: Path) -> None:
    for _ in range(2):
        path.with_name("calls.sqlite-wal").write_bytes(b"log")
        damaged(path)
    assert let_go(path) == 2 * len(b"damagedlog")
    assert names(path) == ["calls.sqlite.damaged-2"]
    assert path.with_name("calls.sqlite.damaged-2").read_bytes() == b""
    assert let_go(path) == 0
    assert damaged(path)[1] == 3
