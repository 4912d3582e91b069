"""Damage: whatever becomes of the file, it opens, and nothing is read that was not written."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.journal.errors import DamagedError
from edge.journal.opening import condemn, open_store
from edge.journal.reading import read
from edge.journal.records import Gap, Lost, SampleBatch, SampleClass, Stored, Tag
from edge.journal.store import Store, connect, judged, row_of
from edge.journal.wal import last_commit

NOW_US = 1_700_000_000_000_000
ROWS = 60
WAL_HEADER, FRAME_HEADER, PAGE = 32, 24, 4096


def batch(n: int) -> SampleBatch:
    """Between 1 and 300 samples: some rows share a page, some take several."""
    size = 1 + n * 37 % 300
    return SampleBatch(
        "press",
        SampleClass(n % 3),
        array("I", [1, 2, 3] * size),
        array("q", [NOW_US + n] * (3 * size)),
        array("d", [float(n)] * (3 * size)),
    )


def fill(store: Store, first: int, after: int) -> None:
    for n in range(first, after):
        with store.transaction():
            store.append(row_of(batch(n), NOW_US), NOW_US)


class Original:
    """A journal of `ROWS` rows, one commit each, as a killed process leaves it: some of it in the
    database, the rest in the write-ahead log."""

    def __init__(self, directory: Path) -> None:
        self._files = directory / "killed"
        self._files.mkdir(parents=True)
        store = open_store(directory / "journal.sqlite")
        self.tags = {n: Tag(n, "press", f"tag {n}", 10, "mm") for n in (1, 2, 3)}
        with store.transaction():
            for tag in self.tags.values():
                store.remember(tag)
        fill(store, 0, ROWS // 2)
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with store.transaction():
            store.evict(store.used_bytes() - 1, 0, 0)  # a tombstone
        fill(store, ROWS // 2, ROWS)
        self.epoch = store.position.epoch
        for file in directory.glob("journal.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, self._files)
        store.close()
        self._closed = store.path
        self.kept = everything(store.path)

    def copy(self, directory: Path, *, closed: bool = False) -> Path:
        """As a killed process has left it, or one that closed it: without a write-ahead log."""
        for file in [self._closed] if closed else self._files.iterdir():
            shutil.copy(file, directory)
        return directory / "journal.sqlite"


def everything(path: Path) -> list[Stored]:
    db = connect(path)
    try:
        return read(db, 0, 2**53, 10**9)[0]
    except sqlite3.DatabaseError as error:
        raise judged(error) from error
    finally:
        db.close()


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    with tempfile.TemporaryDirectory() as directory:
        yield Original(Path(directory))


def flip(path: Path, share: float, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path.write_bytes(content)


def check_what_is_left(original: Original, path: Path) -> None:
    """The laws for a file that was damaged and is opened."""
    store = open_store(path)
    try:
        if store.position.epoch != original.epoch:
            assert store.position.set_aside == 1
            assert path.with_name("journal.sqlite.damaged-1").exists()
            (stored,) = everything(path)
            assert isinstance(stored.record, Gap)
            return
        assert store.position.next >= ROWS, "an offset would be given a second time"
        assert store.tags == original.tags
        at = store.position.first_kept
        assert at == 0
        for stored in everything(path):
            assert stored.first == at
            at = stored.after
            if isinstance(stored.record, SampleBatch):
                assert stored.record == batch(stored.first)
            else:
                assert isinstance(stored.record, Lost)
        assert at == store.position.next
        # It can be written, or says that it is damaged.
        with store.transaction():
            store.append(row_of(batch(store.position.next), NOW_US), NOW_US)
        with store.transaction():
            store.evict(0, 0, 0)
    finally:
        store.close()


@settings(max_examples=120, deadline=None)
@given(
    share=st.floats(0, 0.999999),
    bit=st.integers(0, 7),
    file=st.sampled_from(["log", "database", "closed"]),
)
def test_any_flipped_bit(original: Original, share: float, bit: int, file: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = original.copy(Path(directory), closed=file == "closed")
        flip(path.with_name("journal.sqlite-wal") if file == "log" else path, share, bit)
        assert_lawful(original, path)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 99), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_header(original: Original, at: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = original.copy(Path(directory), closed=True)
        content = bytearray(path.read_bytes())
        content[at] ^= 1 << bit
        path.write_bytes(content)
        assert_lawful(original, path)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 0.999999), closed=st.booleans())
def test_any_torn_tail(original: Original, share: float, closed: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = original.copy(Path(directory), closed=closed)
        content = path.read_bytes()
        path.write_bytes(content[: max(closed, int(share * len(content)))])
        assert_lawful(original, path)


def test_a_bit_that_makes_a_name_no_text(original: Original, tmp_path: Path) -> None:
    path = original.copy(tmp_path, closed=True)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"press", b"pr\xe5ss"))
    assert_lawful(original, path)


def assert_lawful(original: Original, path: Path) -> None:
    try:
        check_what_is_left(original, path)
    except DamagedError:  # while in use: the agent opens it anew
        condemn(path)
        check_what_is_left(original, path)


def test_the_original_is_whole(original: Original, tmp_path: Path) -> None:
    path = original.copy(tmp_path)
    check_what_is_left(original, path)
    records = [stored.record for stored in original.kept]
    assert sum(isinstance(record, Lost) for record in records) > 0
    assert sum(isinstance(record, SampleBatch) for record in records) > ROWS // 2


def test_a_bit_in_the_write_ahead_log_costs_what_was_written_after_it_by_name(
    original: Original, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = original.copy(tmp_path)
    flip(path.with_name("journal.sqlite-wal"), 0.5, 3)
    store = open_store(path)
    found = everything(path)
    sound = [s for s in found if isinstance(s.record, SampleBatch)]
    last = found[-1]
    assert store.position.epoch == original.epoch
    assert ROWS // 2 <= sound[-1].first < ROWS - 1
    assert last.first == sound[-1].after
    assert isinstance(last.record, Lost)
    assert last.record.cause == "corrupt on disk: the end of the write-ahead log"
    assert last.after == store.position.next == store.repeats_from >= ROWS
    assert "write-ahead log is damaged" in caplog.text
    with store.transaction():
        assert store.append(row_of(batch(0), NOW_US), NOW_US) == last.after
    store.close()
    store = open_store(path)
    assert store.repeats_from == last.after
    store.close()


def test_the_last_commit_of_a_log_is_found_without_its_checksums(
    original: Original, tmp_path: Path
) -> None:
    wal = original.copy(tmp_path).with_name("journal.sqlite-wal")
    frames = (wal.stat().st_size - WAL_HEADER) // (FRAME_HEADER + PAGE)
    assert last_commit(wal) == frames
    content = bytearray(wal.read_bytes())
    content[WAL_HEADER + FRAME_HEADER + 100] ^= 1
    wal.write_bytes(content)
    assert last_commit(wal) == frames, "the page does not matter"
    content[16] ^= 1
    wal.write_bytes(content)
    assert last_commit(wal) == frames, "nor does the header"
    wal.write_bytes(content[: WAL_HEADER + FRAME_HEADER + PAGE + 7])
    assert last_commit(wal) <= 1
    wal.write_bytes(b"")
    assert last_commit(wal) == 0
    wal.unlink()
    assert last_commit(wal) == 0


def test_a_log_begun_anew_holds_no_commits_of_the_one_before(tmp_path: Path) -> None:
    """SQLite writes a log over from its start: what is behind its end is of the run before."""
    store = open_store(tmp_path / "journal.sqlite")
    fill(store, 0, 30)
    store._db.execute("PRAGMA wal_checkpoint(RESTART)")
    fill(store, 30, 31)
    killed = tmp_path / "killed"
    killed.mkdir()
    for part in ("", "-wal"):
        shutil.copy(tmp_path / f"journal.sqlite{part}", killed)
    store.close()
    assert last_commit(killed / "journal.sqlite-wal") < 30
    store = open_store(killed / "journal.sqlite")
    assert store.position.next == 31
    store.close()
