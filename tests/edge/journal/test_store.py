"""The journal file against a model: any order of appends, trims, evictions, damage and restarts."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from array import array
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.journal.errors import DamagedError, JournalError
from edge.journal.opening import open_store
from edge.journal.reading import read
from edge.journal.records import GAP_CLASS, Gap, Lost, SampleBatch, SampleClass, Tag
from edge.journal.store import LEAST_BYTES, Store, connect, row_of
from edge.set_aside import KEPT

MEGABYTE = 1024 * 1024
NOW_US = 1_700_000_000_000_000
PLENTY = 10**15


def batch(
    n: int, *, size: int = 3, sample_class: SampleClass = SampleClass.NORMAL, first_tag: int = 1
) -> SampleBatch:
    """`size` samples at time n, with every kind of value."""
    return SampleBatch(
        "press",
        sample_class,
        array("I", range(first_tag, first_tag + size)),
        array("q", [NOW_US + n] * size),
        array("d", [float(n)] * size),
        {0: f"text {n}", 1: 2**63 + n} if size > 1 else {},
        {size - 1: 0},
    )


def everything(path: Path) -> list[tuple[int, int, SampleBatch | Gap | Lost]]:
    db = connect(path)
    try:
        return [(s.first, s.after, s.record) for s in read(db, 0, 2**53, 10**9)[0]]
    finally:
        db.close()


class JournalFile(RuleBasedStateMachine):
    """What the model holds for each offset: a record, or the cause of its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "telemetry.db"
        self.store = open_store(self.path, free=lambda _: PLENTY)
        self.epoch = self.store.position.epoch
        self.model: dict[int, SampleBatch | Gap | str] = {}
        self.first_kept = self.next = self.watermark = 0
        self.last_us: dict[int, int] = {}

    @initialize()
    def tags(self) -> None:
        with self.store.transaction():
            for tag_id in range(1, 8):
                self.store.remember(Tag(tag_id, "press", f"t{tag_id}", 10, "mm"))

    @rule(
        sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
        sample_class=st.sampled_from(SampleClass),
        first_tag=st.integers(1, 4),
    )
    def append(self, sizes: list[int], sample_class: SampleClass, first_tag: int) -> None:
        with self.store.transaction():
            for size in sizes:
                record = batch(self.next, size=size, sample_class=sample_class, first_tag=first_tag)
                assert self.store.append(row_of(record, NOW_US), NOW_US) == self.next
                self.model[self.next] = record
                self.last_us.update(dict.fromkeys(record.tags, NOW_US + self.next))
                self.next += 1

    @rule(device=st.sampled_from(["press", None]), to_us=st.sampled_from([NOW_US, None]))
    def append_gap(self, device: str | None, to_us: int | None) -> None:
        gap = Gap(device, NOW_US, to_us, "PLC unreachable")
        with self.store.transaction():
            self.store.append(row_of(gap, NOW_US), NOW_US)
        self.model[self.next] = gap
        self.next += 1

    @rule()
    def transaction_that_fails(self) -> None:
        with contextlib.suppress(ZeroDivisionError), self.store.transaction():
            self.store.append(row_of(batch(self.next), NOW_US), NOW_US)
            self.store.reflect()
            raise ZeroDivisionError
        for tag_id in batch(self.next).tags:  # the same rows are appended again, or the agent ends
            self.store.last_us.pop(tag_id, None)
        self.store.close()
        self.store = open_store(self.path, free=lambda _: PLENTY)

    @rule(share=st.floats(0, 1.2))
    def trim(self, share: float) -> None:
        watermark = round(share * self.next)
        with self.store.transaction():
            assert not self.store.trim(watermark, keep_from_us=NOW_US + 1)
        self.watermark = max(self.watermark, min(watermark, self.next))
        self.first_kept = max(self.first_kept, self.watermark)

    @rule(watermark=st.integers(0, 50))
    def trim_keeps_what_is_young(self, watermark: int) -> None:
        self.watermark = max(self.watermark, min(watermark, self.next))
        before = self.store.position
        with self.store.transaction():
            self.store.trim(watermark, keep_from_us=0)
        kept = self.store.position.first_kept
        assert before.first_kept <= kept
        # Only tombstones may go: every row is young.
        assert all(isinstance(self.model[o], str) for o in range(before.first_kept, kept))
        self.first_kept = kept

    @rule()
    def evict_all(self) -> None:
        """A quota that nothing fits in: committed rows go without a trace, others leave one."""
        with self.store.transaction():
            self.store.evict(0, 0, 0)
        position = self.store.position
        assert self.first_kept <= position.first_kept <= max(self.first_kept, self.watermark)
        self.first_kept = position.first_kept
        for offset in range(self.first_kept, self.next):
            if not isinstance(self.model[offset], str):
                self.model[offset] = "evicted: journal full"

    @rule(share=st.floats(0, 0.999), column=st.sampled_from(["body", "last_us", "device"]))
    def corrupt(self, share: float, column: str) -> None:
        kept = [o for o in range(self.first_kept, self.next) if not isinstance(self.model[o], str)]
        if not kept:
            return
        offset = kept[int(share * len(kept))]
        changed = {"body": "x'00'", "last_us": "last_us + 1", "device": "'pross'"}[column]
        db = connect(self.path)
        db.execute(f"UPDATE record SET {column} = {changed} WHERE offset = ?", (offset,))
        db.close()
        db = connect(self.path)
        _, bad = read(db, offset, offset + 1, 10**9)
        db.close()
        assert bad == [(offset, offset + 1)]
        with self.store.transaction():
            self.store.bury(*bad[0])
        self.model[offset] = "corrupt on disk"

    @rule()
    def reflect(self) -> None:
        with self.store.transaction():
            self.store.reflect()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.path, free=lambda _: PLENTY)
        assert self.store.position.epoch == self.epoch
        assert {t.name for t in self.store.tags.values()} == {f"t{n}" for n in range(1, 8)}

    @invariant()
    def position_is_the_models(self) -> None:
        position = self.store.position
        assert (position.first_kept, position.next) == (self.first_kept, self.next)

    @invariant()
    def everything_is_there_once(self) -> None:
        at = self.first_kept
        previous: tuple[int, int, object] | None = None
        for first, after, record in everything(self.path):
            assert first == at
            for offset in range(first, after):
                expected = self.model[offset]
                got = record.cause if isinstance(record, Lost) else record
                assert got == expected
            if previous is not None and isinstance(record, Lost):
                before = previous[2]
                assert not isinstance(before, Lost) or before.cause != record.cause
            previous = (first, after, record)
            at = after
        assert at == self.next

    @invariant()
    def last_times_survive(self) -> None:
        """A row that is damaged before its times were stored takes them with it, but no tag may
        claim to be newer than it is."""
        for tag_id, last_us in self.store.last_us.items():
            assert last_us <= self.last_us[tag_id]

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()


TestJournalFile = JournalFile.TestCase
TestJournalFile.settings = hypothesis_settings(
    max_examples=60, stateful_step_count=25, deadline=None
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


def fill(store: Store, count: int, quota: int, *, size: int = 1000, keep_free: int = 0) -> int:
    """Append batches of 20 kB, one per transaction, classes in turn; returns how many went."""
    evicted = 0
    for n in range(count):
        row = row_of(batch(n, size=size, sample_class=SampleClass(n % 3)), NOW_US)
        with store.transaction():
            store.append(row, NOW_US)
            evicted += store.evict(quota, keep_free, len(row.body))
    return evicted


def classes_left(path: Path) -> list[int]:
    return [r.sample_class for _, _, r in everything(path) if isinstance(r, SampleBatch)]


def test_lowest_class_goes_first_and_the_file_keeps_its_quota(path: Path) -> None:
    store = open_store(path, free=lambda _: PLENTY)
    assert fill(store, 120, MEGABYTE) > 0
    assert store.used_bytes() <= MEGABYTE
    assert path.stat().st_size <= MEGABYTE + 100_000
    left = classes_left(path)
    assert SampleClass.LOW not in left[:-1]
    assert left.count(SampleClass.HIGH) == 40
    store.close()


def test_gaps_go_last(path: Path) -> None:
    store = open_store(path, free=lambda _: PLENTY)
    with store.transaction():
        store.append(row_of(Gap("press", NOW_US, None, "PLC unreachable"), NOW_US), NOW_US)
    fill(store, 120, MEGABYTE)
    assert isinstance(everything(path)[0][2], Gap)
    assert max(SampleClass) < GAP_CLASS
    store.close()


def test_a_tombstone_names_the_times_of_what_it_stands_for(path: Path) -> None:
    store = open_store(path, free=lambda _: PLENTY)
    with store.transaction():
        for n in range(5):
            store.append(row_of(batch(n), NOW_US), NOW_US)
        store.evict(0, 0, 0)
    (stored,) = everything(path)
    assert stored == (0, 5, Lost("evicted: journal full", NOW_US, NOW_US + 4))
    store.close()


def test_committed_rows_go_before_any_class(path: Path) -> None:
    store = open_store(path, free=lambda _: PLENTY)
    with store.transaction():
        for n in range(40):
            store.append(row_of(batch(n, size=1000, sample_class=SampleClass.HIGH), NOW_US), NOW_US)
        store.trim(20, keep_from_us=0)
    assert store.position.first_kept == 0
    for n in range(8):
        row = row_of(batch(n, size=1000, sample_class=SampleClass.LOW), NOW_US)
        with store.transaction():
            store.append(row, NOW_US)
            assert store.evict(store.used_bytes() - len(row.body), 0, 0) == 0
    assert 0 < store.position.first_kept <= 20
    assert not any(isinstance(record, Lost) for _, _, record in everything(path))
    store.close()


def test_little_free_disk_stops_the_growth_and_nothing_else(path: Path) -> None:
    free = PLENTY
    store = open_store(path, free=lambda _: free)
    fill(store, 10, PLENTY, size=100_000)
    size = store.used_bytes()
    assert size > LEAST_BYTES
    free = 0
    assert fill(store, 10, PLENTY, size=100_000, keep_free=MEGABYTE) > 0
    assert store.used_bytes() <= size + 3 * 2_200_000
    free = PLENTY
    assert fill(store, 3, PLENTY, size=100_000, keep_free=MEGABYTE) == 0
    store.close()


def test_a_small_journal_works_on_a_full_disk(path: Path) -> None:
    store = open_store(path, free=lambda _: 0)
    assert fill(store, 20, PLENTY, keep_free=MEGABYTE) == 0
    store.close()


@pytest.mark.parametrize("damage", ["text", "torn", "header", "other"])
def test_a_damaged_file_is_set_aside(path: Path, damage: str) -> None:
    store = open_store(path)
    epoch = store.position.epoch
    fill(store, 20, PLENTY)
    store.close()
    content = path.read_bytes()
    match damage:
        case "text":
            path.write_text("this is no journal")
        case "torn":
            path.write_bytes(content[:5000])
        case "header":
            path.write_bytes(b"\0" * 100 + content[100:])
        case "other":
            path.unlink()
            other = sqlite3.connect(path)
            other.execute("CREATE TABLE something (x)")
            other.close()
    store = open_store(path)
    assert store.position.epoch != epoch
    assert store.position.set_aside == 1
    assert path.with_name("telemetry.db.damaged-1").exists()
    ((_, _, gap),) = everything(path)
    assert isinstance(gap, Gap)
    assert gap.cause == "journal file damaged and set aside"
    store.close()


def test_damaged_files_are_counted_from_the_first_on(path: Path) -> None:
    for count in range(1, KEPT + 3):
        path.write_text("damaged")
        store = open_store(path)
        assert store.position.set_aside == count
        store.close()
    assert len(list(path.parent.glob("*.damaged-*"))) == KEPT


def test_a_file_of_a_newer_release_is_left_alone(path: Path) -> None:
    open_store(path).close()
    db = connect(path)
    (ours,) = db.execute("PRAGMA application_id").fetchone()
    db.execute(f"PRAGMA application_id = {ours + 97}")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="newer release"):
        open_store(path)
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_broken_page_is_told_apart_from_a_full_disk(path: Path) -> None:
    store = open_store(path)
    fill(store, 50, PLENTY)
    store.close()
    with path.open("r+b") as file:
        for page in range(3, 40):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with pytest.raises(DamagedError):  # noqa: PT012 - wherever the broken page is met
        store = Store(path)
        with store.transaction():
            store.evict(0, 0, 0)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="without samples"):
        row_of(SampleBatch("press", SampleClass.LOW), NOW_US)


def test_reading_stops_at_max_bytes_but_gives_one(path: Path) -> None:
    store = open_store(path)
    fill(store, 10, PLENTY)
    db = connect(path)
    assert len(read(db, 0, 10, 1)[0]) == 1
    found, _ = read(db, 2, 10, 50_000)
    assert [s.first for s in found] == [2, 3, 4]
    db.close()
    store.close()


@pytest.mark.parametrize("stored", [1, 2])
def test_a_transaction_that_fails_leaves_the_times_of_tags_as_they_were(
    path: Path, stored: int
) -> None:
    store = open_store(path)
    with store.transaction():
        for tag_id in (1, 2, 3):
            store.remember(Tag(tag_id, "press", f"tag {tag_id}", 10, ""))
    for n in range(1, stored + 1):
        with store.transaction():
            store.append(row_of(batch(n), NOW_US), NOW_US)
    with pytest.raises(RuntimeError), store.transaction():  # noqa: PT012 - what it rolls back
        store.append(row_of(batch(9), NOW_US), NOW_US)
        store.reflect()
        raise RuntimeError("as a full disk does")
    with store.transaction():
        store.reflect()
    store.close()
    again = open_store(path)
    assert again.last_us == dict.fromkeys((1, 2, 3), NOW_US + stored)
    assert again.last_offset == dict.fromkeys((1, 2, 3), stored - 1)
    again.close()
