"""The journal file against a model: any order of appends, trims, evictions, expiry, damage, crashes
and restarts."""

from __future__ import annotations

import contextlib
import shutil
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
from edge.journal.reading import TORN, read
from edge.journal.records import GAP_CLASS, Gap, Lost, SampleBatch, SampleClass, Tag
from edge.journal.store import LEAST_BYTES, Store, connect, row_of
from edge.set_aside import KEPT

MEGABYTE = 1024 * 1024
NOW_US = 1_700_000_000_000_000
PLENTY = 10**15
HOUR_US = 3_600_000_000


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
    """What the model holds for each offset: a record, or the cause of its loss; none are the many
    that a damaged log leaves at the end. Offsets are those of the file; `base` begins the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "0" / "telemetry.db"
        self.path.parent.mkdir()
        self.store = open_store(self.path, free=lambda _: PLENTY)
        self.epoch = self.store.position.epoch
        self.base = 0
        self.now_us = NOW_US
        self.model: dict[int, SampleBatch | Gap | str] = {}
        self.appended_us: dict[int, int] = {}
        self.first_kept = self.next = self.watermark = 0
        self.last_us: dict[int, int] = {}
        self.crashes = 0

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
                assert self.store.append(row_of(record, NOW_US), self.now_us) == self.next
                self.model[self.next] = record
                self.appended_us[self.next] = self.now_us
                self.last_us.update(dict.fromkeys(record.tags, NOW_US + self.next))
                self.next += 1

    @rule(device=st.sampled_from(["press", None]), to_us=st.sampled_from([NOW_US, None]))
    def append_gap(self, device: str | None, to_us: int | None) -> None:
        gap = Gap(device, NOW_US, to_us, "PLC unreachable")
        with self.store.transaction():
            self.store.append(row_of(gap, NOW_US), self.now_us)
        self.model[self.next] = gap
        self.appended_us[self.next] = self.now_us
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
            assert not self.store.trim(watermark, keep_from_us=self.now_us + 1)
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
        assert all(isinstance(self.model[o], str) for o in self.among(before.first_kept, kept))
        self.first_kept = kept

    @rule()
    def evict_all(self) -> None:
        """A quota that nothing fits in: committed rows go without a trace, others leave one."""
        with self.store.transaction():
            self.store.evict(0, 0, 0)
        position = self.store.position
        assert self.first_kept <= position.first_kept <= max(self.first_kept, self.watermark)
        self.first_kept = position.first_kept
        for offset in self.among(self.first_kept, self.next):
            if not isinstance(self.model[offset], str):
                self.model[offset] = "evicted: journal full"

    @rule(hours=st.integers(1, 5))
    def time_passes(self, hours: int) -> None:
        self.now_us += hours * HOUR_US

    @rule(
        max_age_h=st.dictionaries(st.sampled_from(SampleClass), st.integers(1, 12), max_size=3),
    )
    def expire(self, max_age_h: dict[SampleClass, int]) -> None:
        limits = {which: self.now_us - age * HOUR_US for which, age in max_age_h.items()}
        with self.store.transaction():
            expired, more = self.store.expire(limits)
        assert not more
        for offset in self.among(max(self.first_kept, self.watermark), self.next):
            record = self.model[offset]
            if isinstance(record, SampleBatch) and record.sample_class in limits:
                newest = max(self.appended_us[offset], *record.times_us)
                if newest < limits[record.sample_class]:
                    self.model[offset] = "expired: older than max_age_h"
                    expired -= 1
        assert expired == 0

    @rule()
    def begin_epoch(self) -> None:
        before = self.epoch
        with self.store.transaction():
            self.store.begin_epoch(self.watermark)
        self.epoch = self.store.position.epoch
        self.base = self.first_kept = self.watermark = self.store.position.base
        assert self.epoch != before
        assert self.base >= self.first_kept

    @rule()
    def crash(self) -> None:
        """The process is killed: what it has committed is in the files, nothing is closed."""
        self._crash()
        self.store = open_store(self.path, free=lambda _: PLENTY)
        assert self.store.position.epoch == self.epoch

    @rule(share=st.floats(0, 0.999), bit=st.integers(0, 7))
    def crash_with_a_damaged_log(self, share: float, bit: int) -> None:
        """A bit of the write-ahead log has flipped: the last transactions are undone, and what they
        brought is lost by name, or is there all the same."""
        log = self._crash()
        content = bytearray(log.read_bytes()) if log.exists() else bytearray()
        if content:
            content[int(share * len(content))] ^= 1 << bit
            log.write_bytes(content)
        self.store = open_store(self.path, free=lambda _: PLENTY)
        position = self.store.position
        if position.set_aside:  # nothing was in the database yet
            self._begin_anew()
            return
        assert position.next >= self.next, "an offset would be given a second time"
        db = connect(self.path)
        _, bad = read(db, 0, 2**53, 10**9)
        db.close()
        with self.store.transaction():
            for first, after in bad:
                self.store.bury(first, after)
        self.tags()  # as the sources name them again; the first transaction may be among the lost
        written = dict(self.model)
        position = self.store.position
        self.first_kept, self.next = position.first_kept, position.next
        self.watermark, self.base, self.epoch = position.watermark, position.base, position.epoch
        self.model = {}
        for first, after, record in everything(self.path):
            if isinstance(record, Lost):
                self.model |= dict.fromkeys(range(first, min(after, first + 50)), record.cause)
                continue
            self.model[first] = record
            self.appended_us.setdefault(first, self.now_us)
            was = written.get(first)
            assert record == was or isinstance(was, str | None)

    def among(self, first: int, after: int) -> list[int]:
        """The model's offsets among first … after - 1."""
        return [offset for offset in self.model if first <= offset < after]

    def _crash(self) -> Path:
        self.crashes += 1
        place = Path(self.directory.name) / str(self.crashes)
        place.mkdir()
        for part in ("", "-wal"):
            if (file := self.path.with_name(self.path.name + part)).exists():
                shutil.copy(file, place)
        self.store.close()
        self.path = place / self.path.name
        return self.path.with_name(self.path.name + "-wal")

    def _begin_anew(self) -> None:
        self.epoch, self.base = self.store.position.epoch, 0
        ((_, _, gap),) = everything(self.path)
        assert isinstance(gap, Gap)
        self.model, self.first_kept, self.next, self.watermark = {0: gap}, 0, 1, 0
        self.appended_us = {0: self.now_us}
        self.last_us = {}
        self.tags()

    @rule(share=st.floats(0, 0.999), column=st.sampled_from(["body", "last_us", "device"]))
    def corrupt(self, share: float, column: str) -> None:
        among = self.among(self.first_kept, self.next)
        kept = [offset for offset in among if not isinstance(self.model[offset], str)]
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
        assert self.store.position.base == self.base
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
            for offset in self.among(first, after):
                got = record.cause if isinstance(record, Lost) else record
                assert got == self.model[offset]
            if len(self.among(first, after)) < after - first:
                assert isinstance(record, Lost)
                assert record.cause == TORN
                assert self.store.repeats_from >= after
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


def test_what_a_damaged_log_had_been_folded_into_is_read_all_the_same() -> None:
    """The log says that the journal ends before it: the tombstone stands behind it."""
    life = JournalFile()
    try:
        life.tags()
        life.crash()
        life.begin_epoch()
        life.append_gap(device="press", to_us=1_700_000_000_000_000)
        life.crash()
        life.crash_with_a_damaged_log(share=0.25, bit=0)
        life.everything_is_there_once()
        life.position_is_the_models()
    finally:
        life.teardown()


TestJournalFile = JournalFile.TestCase
TestJournalFile.settings = hypothesis_settings(
    max_examples=25, stateful_step_count=25, deadline=None
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


def test_very_many_tombstones_become_few_and_name_all_their_causes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.journal.store._MOST_TOMBSTONES", 4)
    store = open_store(path)
    with store.transaction():
        for n in range(12):
            sample_class = SampleClass.NORMAL if n == 6 else SampleClass(2 * (n % 2))
            store.append(row_of(batch(n, sample_class=sample_class), NOW_US), NOW_US)
        store.expire({SampleClass.LOW: NOW_US + HOUR_US})
        store.bury(1, 2)
        store.bury(3, 6)
        store.merge_tombstones()
    found = everything(path)
    kept = [first for first, _, record in found if isinstance(record, SampleBatch)]
    assert kept == [6, 7, 9, 11]
    first, after, lost = found[0]
    assert (first, after) == (0, 6)
    assert lost == Lost("corrupt on disk; expired: older than max_age_h", NOW_US, NOW_US + 5)
    store.close()


def test_a_long_hole_is_buried_as_one(path: Path) -> None:
    store = open_store(path)
    with store.transaction():
        for n in range(10):
            store.append(row_of(batch(n), NOW_US), NOW_US)
        store._db.execute("DELETE FROM record WHERE offset BETWEEN 2 AND 8")
        assert store.bury(0, 2) == 2
        assert store.bury(0, 9) == 7
    assert [(a, b) for a, b, record in everything(path) if isinstance(record, Lost)] == [(0, 9)]
    store.close()


def test_a_clock_that_was_wrong_makes_no_young_row_old(path: Path) -> None:
    store = open_store(path)
    with store.transaction():
        store.append(row_of(batch(0), NOW_US), 0)  # the gateway did not know the time yet
        store.append(row_of(batch(-NOW_US), NOW_US), NOW_US)  # nor did the PLC
        assert store.expire({SampleClass.NORMAL: NOW_US}) == (0, False)
        assert store.expire({SampleClass.NORMAL: NOW_US + 1}) == (2, False)
    store.close()


def test_damaged_files_go_before_rows_do_when_the_disk_runs_short(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.journal.store.LEAST_BYTES", 100_000)
    path.write_text("damaged" * 1000)
    free = PLENTY
    store = open_store(path, free=lambda _: free)
    fill(store, 10, PLENTY)
    free = 0
    assert fill(store, 1, PLENTY, keep_free=MEGABYTE) == 0
    assert path.with_name("telemetry.db.damaged-1").stat().st_size == 0
    assert fill(store, 3, PLENTY, keep_free=MEGABYTE) > 0
    store.close()


def test_a_file_of_the_first_release_is_taken_over(path: Path) -> None:
    store = open_store(path)
    with store.transaction():
        store.remember(Tag(1, "press", "Force", 10, "kN"))
        for n in range(4):
            store.append(row_of(batch(n, size=1), NOW_US), NOW_US)
        store.set_bookmark("press", "42")
        store.bury(1, 2)
        store.reflect()
    position = store.position
    rows = everything(path)
    for table in ("log", "tag", "lost", "bookmark"):
        store._db.execute(f"ALTER TABLE {table} DROP COLUMN row_check")
    store._db.execute("ALTER TABLE log DROP COLUMN base")
    store._db.execute("PRAGMA application_id = 0")
    store._db.execute("PRAGMA user_version = 1")
    store.close()
    for _ in range(2):
        store = open_store(path)
        assert store.position == position
        assert everything(path) == rows
        assert store.tags == {1: Tag(1, "press", "Force", 10, "kN")}
        assert store.last_us == {1: NOW_US + 3}
        assert store.bookmarks == {"press": "42"}
        store.close()


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ("UPDATE log SET next = next + 2", False),
        ("UPDATE log SET epoch = epoch + 1", False),
        ("UPDATE tag SET name = 'Forde'", False),
        ("UPDATE lost SET after = after + 1", True),
        ("UPDATE bookmark SET text = '43'", True),
    ],
)
def test_no_table_is_believed_without_its_check(path: Path, change: str, whole: bool) -> None:
    store = open_store(path)
    with store.transaction():
        store.remember(Tag(1, "press", "Force", 10, "kN"))
        for n in range(4):
            store.append(row_of(batch(n, size=1), NOW_US), NOW_US)
        store.set_bookmark("press", "42")
        store.bury(1, 2)
    epoch = store.position.epoch
    store._db.execute(change)
    store.close()
    store = open_store(path)
    assert (store.position.epoch == epoch) == whole
    if whole:
        assert store.bookmarks.get("press") in ("42", None)
        assert [first for first, _, _ in everything(path)][:4] == [0, 1, 2, 3]
    store.close()


def test_a_mistake_of_our_own_condemns_no_file(path: Path) -> None:
    store = open_store(path)
    with pytest.raises(sqlite3.ProgrammingError), store.transaction():
        store._db.execute("INSERT INTO bookmark VALUES (?, ?, ?)", (1, 2))
    store.close()
