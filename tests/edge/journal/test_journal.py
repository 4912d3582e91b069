"""The journal as the agent uses it: durable appends, restarts, `kill -9`, a disk that fills up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from array import array
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.calls import CallStore
from edge.journal import (
    DirectoryInUseError,
    Gap,
    JournalClosedError,
    JournalError,
    JournalSettings,
    Lost,
    SampleBatch,
    SampleClass,
    Tag,
    TelemetryJournal,
)
from edge.journal.records import Origin
from edge.journal.store import connect
from edge.status import JournalFigures
from protocols.streams import State, Writer
from tests.edge.small_disk import needs_mount, small_disk
from tests.edge.waiting import until

NOW_US = 1_700_000_000_000_000
SETTINGS = JournalSettings(commit_ms=1, keep_free_mb=0, retain_committed_h=0)
DOUBLE, STRING = 10, 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


@asynccontextmanager
async def opened(
    path: Path, settings: JournalSettings = SETTINGS
) -> AsyncIterator[TelemetryJournal]:
    journal = TelemetryJournal.open(path, settings)
    try:
        yield journal
    finally:
        await journal.close()


def batch(n: int, *tags: int, size: int = 1) -> SampleBatch:
    ids = list(tags or (1,)) * size
    return SampleBatch(
        "press",
        SampleClass.NORMAL,
        array("I", ids),
        array("q", [NOW_US + n] * len(ids)),
        array("d", [float(n)] * len(ids)),
    )


def test_what_is_written_is_told_once_it_is_durable_whoever_was_cancelled(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            durable: list[int] = []
            journal.on_written = lambda records: durable.extend([journal.state.next] * len(records))
            journal.submit(batch(1)).cancel()
            await journal.append(batch(2))
            await until(lambda: len(durable) == 2, "both to be told")
            assert durable[0] >= 1

    asyncio.run(work())


def test_appends_get_offsets_in_order_and_share_commits(path: Path) -> None:
    async def work() -> None:
        async with opened(path, JournalSettings(commit_ms=20, keep_free_mb=0)) as journal:
            commits = 0

            def count() -> None:
                nonlocal commits
                commits += 1

            journal.on_append = count
            offsets = await asyncio.gather(*(journal.append(batch(n)) for n in range(50)))
            assert offsets == list(range(50))
            assert commits < 50
            assert journal.state == State(journal.epoch, 0, 50)
            assert journal.depth == 50
            assert [s.record for s in journal.read(0, 50)] == [batch(n) for n in range(50)]

    asyncio.run(work())


def test_records_of_one_append_stand_together(path: Path) -> None:
    async def work() -> None:
        gap = Gap("press", NOW_US, NOW_US + 1, "agent stopped")
        async with opened(path) as journal:
            first, second = await asyncio.gather(
                journal.append(gap, batch(1)), journal.append(gap, batch(2))
            )
            assert (first, second) == (0, 2)
            assert [s.record for s in journal.read(0, 4)] == [gap, batch(1), gap, batch(2)]

    asyncio.run(work())


def test_a_restart_keeps_epoch_rows_tags_and_times(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            force = journal.tag_id("press", "Force", DOUBLE, "kN")
            stroke = journal.tag_id("press", "Stroke", DOUBLE, "mm")
            await journal.append(batch(1, force, stroke))
            await journal.append(batch(2, force))
            state = journal.state
        async with opened(path) as journal:
            assert journal.state == state
            assert journal.last_time_us(force) == NOW_US + 2
            assert journal.last_time_us(stroke) == NOW_US + 1
            assert journal.last_device_time_us("press") == NOW_US + 2
            assert journal.last_device_time_us("other") is None
            assert journal.tag_id("press", "Stroke", DOUBLE, "mm") == stroke
            assert journal.tag_id("press", "New", DOUBLE) not in (force, stroke)

    asyncio.run(work())


def test_a_birth_names_tags_in_use_and_tags_still_in_the_journal(path: Path) -> None:
    async def work() -> None:
        told = 0

        def tell() -> None:
            nonlocal told
            told += 1

        async with opened(path) as journal:
            journal.on_tags = tell
            old = journal.tag_id("press", "Old", DOUBLE)
            journal.tag_id("press", "Old", DOUBLE)
            assert told == 1
            await journal.append(batch(1, old))
        async with opened(path) as journal:
            new = journal.tag_id("press", "New", DOUBLE, "kN")
            assert [t.name for t in journal.tags()] == ["Old", "New"]
            journal.committed(1)
            assert journal.tags() == [Tag(new, "press", "New", DOUBLE, "kN")]

    asyncio.run(work())


def test_a_tag_that_changes_its_type_is_two_tags_until_the_old_samples_are_gone(
    path: Path,
) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            number = journal.tag_id("press", "Code", DOUBLE)
            await journal.append(batch(1, number))
            text = journal.tag_id("press", "Code", STRING)
            assert number != text
            names = {t.id: t.name for t in journal.tags()}
            assert names == {number: "Code:10", text: "Code"}
            journal.committed(1)
            assert [t.name for t in journal.tags()] == ["Code"]

    asyncio.run(work())


def test_what_is_committed_goes_and_what_is_not_stays(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            for n in range(10):
                await journal.append(batch(n))
            journal.committed(7)
            assert journal.depth == 3
        async with opened(path) as journal:
            assert journal.state == State(journal.epoch, 7, 10)
            assert [s.first for s in journal.read(0, 10)] == [7, 8, 9]
            assert journal.last_time_us(1) is None or journal.last_time_us(1) == NOW_US + 9

    asyncio.run(work())


def test_committed_rows_are_retained_for_a_hub_that_is_restored(path: Path) -> None:
    async def work() -> None:
        async with opened(path, JournalSettings(commit_ms=1, retain_committed_h=1)) as journal:
            await journal.append(batch(1))
            journal.committed(1)
        async with opened(path) as journal:
            assert journal.state.first_kept == 0
            assert journal.depth == 0

    asyncio.run(work())


def test_a_corrupt_row_is_lost_by_name_and_stays_so(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            for n in range(3):
                await journal.append(batch(n))
        db = connect(path)
        db.execute("UPDATE record SET body = x'00112233' WHERE offset = 1")
        db.close()
        for _ in range(2):
            async with opened(path) as journal:
                found = journal.read(0, 3)
                assert [s.first for s in found] == [0, 1, 2]
                assert found[1].record == Lost("corrupt on disk", NOW_US + 1, NOW_US + 1)
                await journal.append(batch(9))
        db = connect(path)
        assert db.execute("SELECT first, after FROM lost").fetchall() == [(1, 2)]
        db.close()

    asyncio.run(work())


def test_a_file_that_breaks_while_in_use_is_set_aside_at_the_next_opening(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            for n in range(100):
                await journal.append(batch(n, size=500))
        with path.open("r+b") as file:
            for page in range(20, 200):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
        journal = TelemetryJournal.open(path, SETTINGS)
        epoch = journal.epoch
        with pytest.raises(JournalError, match="damaged"):
            journal.read(0, 100, 10**9)
        await journal.close()
        async with opened(path) as journal:
            assert journal.epoch != epoch
            assert journal.set_aside == 1
            (stored,) = journal.read(0, 9)
            assert isinstance(stored.record, Gap)

    asyncio.run(work())


def test_a_failed_write_refuses_appends_and_says_so(path: Path) -> None:
    async def work() -> None:
        journal = TelemetryJournal.open(path, SETTINGS)
        failures: list[JournalError] = []
        journal.on_failure = failures.append
        await journal.append(batch(0))
        db = connect(path)
        db.execute("DROP TABLE record")
        db.close()
        for _ in range(2):
            with pytest.raises(JournalError, match="damaged"):
                await journal.append(batch(1))
        assert len(failures) == 1
        await journal.close()

    asyncio.run(work())


def test_two_agents_cannot_share_a_directory(path: Path) -> None:
    async def work() -> None:
        async with opened(path):
            with pytest.raises(DirectoryInUseError, match="in use by another agent"):
                TelemetryJournal.open(path, SETTINGS)
        async with opened(path):
            pass

    asyncio.run(work())


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            pass
        with pytest.raises(JournalClosedError):
            await journal.append(batch(1))

    asyncio.run(work())


def test_closing_writes_what_is_pending(path: Path) -> None:
    async def work() -> None:
        journal = TelemetryJournal.open(path, JournalSettings(commit_ms=1000, keep_free_mb=0))
        pending = asyncio.create_task(journal.append(batch(1)))
        await asyncio.sleep(0)
        await journal.close()
        assert await pending == 0

    asyncio.run(work())


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: the kernel refuses the write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_holds_appends_back_until_there_is_room(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            stored = 0
            with small_files(400_000):
                waiting = None
                while waiting is None:
                    append = asyncio.create_task(journal.append(batch(stored, size=1000)))
                    while not append.done() and waiting is None:
                        await asyncio.sleep(0.01)
                        waiting = append if journal.full else None
                    stored += 1
                await asyncio.sleep(1.2)  # one more try
                assert not waiting.done()
                assert journal.full
                assert [s.first for s in journal.read(0, 10**6, 10**9)] == list(range(stored - 1))
            assert await waiting == stored - 1
            assert not journal.full
            gap = journal.read(stored, stored + 1)[0].record
            assert isinstance(gap, Gap)
            assert (gap.device, gap.cause) == (None, "gateway disk full")
            assert gap.from_us is not None
            assert gap.to_us is not None
            assert gap.from_us < gap.to_us

    with caplog.at_level(logging.WARNING):
        asyncio.run(work())
    said = [r.getMessage() for r in caplog.records if r.name == "edge.journal.journal"]
    assert len(said) == 2
    assert "cannot be written" in said[0]
    assert "written again" in said[1]


def test_a_disk_that_was_full_while_the_clock_was_set_back_is_a_gap_of_the_times_given_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_us = NOW_US
    monkeypatch.setattr("edge.journal.journal._now_us", lambda: now_us)

    async def work() -> None:
        nonlocal now_us
        free = 10**12
        journal = TelemetryJournal.open(path, SETTINGS, free=lambda _: free)
        free = 0
        waiting = journal.submit(batch(0))
        await until(lambda: journal.full, "a full disk")
        now_us -= 3_600_000_000
        free = 10**12
        await waiting
        gap = journal.read(1, 2)[0].record
        assert gap == Gap(None, now_us, NOW_US, "gateway disk full")
        await journal.close()

    asyncio.run(work())


def test_closing_on_a_full_disk_refuses_what_waits(path: Path) -> None:
    async def work() -> None:
        journal = TelemetryJournal.open(path, SETTINGS)
        with small_files(50_000):
            tag = journal.tag_id("press", "Force", DOUBLE)
            waiting = asyncio.create_task(journal.append(batch(0, tag, size=100_000)))
            async with asyncio.timeout(30):
                while not journal.full:  # noqa: ASYNC110 - a state, not an event
                    await asyncio.sleep(0.01)
            assert journal.last_time_us(tag) == NOW_US
            await journal.close()
            with pytest.raises(JournalClosedError):
                await waiting
        async with opened(path) as journal:
            assert journal.state.next == 0
            assert journal.last_time_us(tag) is None

    asyncio.run(work())


def test_closing_when_there_is_room_again_writes_what_waits_with_its_tags(path: Path) -> None:
    async def work() -> None:
        journal = TelemetryJournal.open(path, SETTINGS)
        with small_files(50_000):
            tag = journal.tag_id("press", "Force", DOUBLE)
            waiting = asyncio.create_task(journal.append(batch(0, tag, size=100_000)))
            async with asyncio.timeout(30):
                while not journal.full:  # noqa: ASYNC110 - a state, not an event
                    await asyncio.sleep(0.01)
        await journal.close()
        assert await waiting == 0
        async with opened(path) as journal:
            assert journal.tag(tag) == Tag(tag, "press", "Force", DOUBLE, "")

    asyncio.run(work())


def test_a_new_epoch_on_a_full_disk_waits_for_room(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            before = journal.epoch
            await journal.append(batch(0))
            tries = 0
            begin = journal._store.begin_epoch

            def counted(watermark: int) -> None:
                nonlocal tries
                tries += 1
                begin(watermark)

            journal._store.begin_epoch = counted  # type: ignore[method-assign]  # to count
            with small_files(0):
                asked = asyncio.create_task(journal.begin_epoch())
                await asyncio.sleep(0.5)
                assert not asked.done()
                assert tries < 5, "it must not spin"
            assert (await asked).epoch != before

    asyncio.run(work())


def test_a_journal_that_cannot_be_read_now_is_not_damaged(path: Path) -> None:
    async def work() -> None:
        journal = TelemetryJournal.open(path, SETTINGS)
        await journal.append(batch(0))
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            with pytest.raises(JournalError, match="cannot be read"):
                journal.read(0, 1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        await journal.close()
        async with opened(path) as journal:
            assert journal.set_aside == 0
            assert isinstance(journal.read(0, 1)[0].record, SampleBatch)

    asyncio.run(work())


WRITER = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from edge.journal import JournalSettings, TelemetryJournal
    from tests.edge.journal.test_journal import batch

    async def work():
        journal = TelemetryJournal.open(
            Path(sys.argv[1]), JournalSettings(commit_ms=2, keep_free_mb=0, retain_committed_h=0)
        )
        tags = [journal.tag_id("press", f"t{n}", 10) for n in range(5)]

        async def write(n):
            offset = await journal.append(batch(n, *tags, size=20))
            print(offset, n, flush=True)

        n = journal.state.next
        while True:
            await asyncio.gather(*(write(n + i) for i in range(4)))
            n += 4
            if n % 40 == 0:
                journal.committed(n - 30)

    asyncio.run(work())
    """
)


def test_kill_9_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """`JOURNAL_KILLS` says how often; each time at another moment."""
    acknowledged: dict[int, int] = {}
    epochs = set()
    kills = int(os.environ.get("JOURNAL_KILLS", "3"))
    for lines in [30, 75, 160, *(random.randrange(1, 400) for _ in range(kills - 3))]:
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
        try:
            assert child.stdout is not None
            for _ in range(lines):
                offset, n = map(int, child.stdout.readline().split())
                acknowledged[offset] = n
        finally:
            child.kill()
            child.wait()
        for line in child.stdout:  # acknowledged between the last line read and the kill
            if line.endswith("\n"):
                offset, n = map(int, line.split())
                acknowledged[offset] = n
        child.stdout.close()

        async def look() -> None:
            async with opened(path) as journal:
                state = journal.state
                epochs.add(state.epoch)
                found = {s.first: s.record for s in journal.read(0, 2**53, 10**9)}
                assert sorted(found) == list(range(state.first_kept, state.next))
                assert max(acknowledged) < state.next
                for offset, n in acknowledged.items():
                    if offset >= state.first_kept:
                        record = found[offset]
                        assert isinstance(record, SampleBatch)
                        assert record.times_us[0] == NOW_US + n
                newest = max(acknowledged.values())
                times = [journal.last_time_us(tag.id) for tag in journal.tags()]
                assert len(times) == 5
                assert all(t is not None and t >= NOW_US + newest for t in times)

        asyncio.run(look())
    assert len(epochs) == 1


def test_a_bookmark_is_durable_with_its_records(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            assert not journal.bookmarks
            first = journal.submit(batch(1), bookmarks={"press": "after 1", "done": "soon"})
            second = journal.submit(batch(2), bookmarks={"press": "after 2"})
            journal.submit(batch(3), bookmarks={"oven": "after 3", "done": ""})
            assert journal.bookmarks == {"press": "after 2", "oven": "after 3"}
            assert [await first, await second] == [0, 1]
        async with opened(path) as journal:
            assert journal.bookmarks == {"press": "after 2", "oven": "after 3"}

    asyncio.run(work())


def test_a_file_of_a_release_without_bookmarks_opens(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            await journal.append(batch(1))
        with contextlib.closing(connect(path)) as db:
            db.execute("DROP TABLE bookmark")
        async with opened(path) as journal:
            assert not journal.bookmarks
            await journal.submit(batch(2), bookmarks={"press": "after 2"})

    asyncio.run(work())


def test_what_history_gave_is_not_the_last_of_its_tag(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            tag = journal.tag_id("press", "Force", DOUBLE)
            await journal.append(batch(9, tag))
            old = batch(5, tag)
            old.origin = Origin.HISTORY
            await journal.append(old)
            assert journal.last_time_us(tag) == NOW_US + 9
        async with opened(path) as journal:
            assert journal.last_time_us(tag) == NOW_US + 9

    asyncio.run(work())


def test_a_damaged_bookmark_is_forgotten_and_a_gap(path: Path) -> None:
    async def work() -> None:
        async with opened(path) as journal:
            await journal.submit(batch(1), bookmarks={"press": "after 1", "oven": "after 2"})
        with contextlib.closing(connect(path)) as db:
            db.execute("UPDATE bookmark SET text = 'after 9' WHERE name = 'press'")
        for _ in range(2):  # once, not at every start
            async with opened(path) as journal:
                assert journal.bookmarks == {"oven": "after 2"}
                (gap,) = (
                    stored.record
                    for stored in journal.read(0, 2**53)
                    if isinstance(stored.record, Gap)
                )
                assert gap.cause == "note of a source damaged in the journal"

    asyncio.run(work())


@needs_mount
def test_a_disk_that_is_full_is_a_state_with_a_gap_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A real file system, filled by another: appends wait, calls go on, and then all goes on."""

    async def work(directory: Path) -> None:
        settings = JournalSettings(commit_ms=1, keep_free_mb=0, reserve_mb=4)
        calls = CallStore.open(directory / "calls.sqlite")
        calls.read_state(State(5, 0, 10**6))
        async with opened(directory / "journal.sqlite", settings) as journal:
            figures = JournalFigures()
            await journal.append(batch(0, size=100))
            filler = directory / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(directory).free - 2_000_000)
            # In one, so that no commit, and the gap at its end, comes between the two.
            waiting = journal.submit(batch(1, size=100), batch(2, size=100))
            async with asyncio.timeout(30):
                while not figures.full:
                    await asyncio.sleep(0.01)
                    journal.report(figures)
            assert not waiting.done(), "the source feels it"
            assert figures.free_bytes < 4 * 1024 * 1024
            for n in range(20):
                calls.lose(5, n, n + 1, "as good as a call")
            assert calls.position().watermark == 20
            filler.unlink()
            async with asyncio.timeout(30):
                assert await waiting == 1
            journal.report(figures)
            assert not figures.full
            assert (figures.records, figures.evicted) == (4, 0)
            found = [stored.record for stored in journal.read(0, 9)]
            assert found[:3] == [batch(n, size=100) for n in range(3)]
            gap = found[3]
            assert isinstance(gap, Gap)
            assert gap.cause == "gateway disk full"
        calls.close()

    with small_disk(32) as directory, caplog.at_level(logging.WARNING):
        asyncio.run(work(directory))
    said = [r.getMessage() for r in caplog.records if r.name == "edge.journal.journal"]
    assert ["are for calls" in said[0], "written again" in said[1], len(said)] == [True, True, 2]


def test_memory_and_answers_stay_small_over_a_long_outage(path: Path) -> None:
    """The quick form of the outage in `tests.benchmarks.bench_journal`."""

    async def work() -> None:
        settings = JournalSettings(commit_ms=1, quota_mb=1, keep_free_mb=0)
        async with opened(path, settings) as journal:
            tag = journal.tag_id("press", "Force", DOUBLE)
            writer = Writer(journal.state, window=128, resend_after_s=5.0, live_first=True)
            sizes = []
            for begin in range(0, 7000, 200):
                waiting = [journal.submit(batch(begin + n, tag, size=10)) for n in range(200)]
                await waiting[-1]
                writer.appended(journal.state.next)
                if begin >= 3000:
                    sizes.append(tracemalloc.get_traced_memory()[0])
            assert journal.evicted > 3000
            assert journal.bytes <= 1024 * 1024
            assert max(sizes) - min(sizes) < 300_000, "75 bytes a batch would be more"
            first = journal.read(0, 9, 1)[0]
            assert isinstance(first.record, Lost)
            assert first.after > 3000, "one tombstone for all that went"

    tracemalloc.start()
    try:
        asyncio.run(work())
    finally:
        tracemalloc.stop()


def test_what_is_too_old_goes_and_is_counted(path: Path) -> None:
    async def work() -> None:
        settings = JournalSettings(commit_ms=1, keep_free_mb=0, max_age_h={"normal": 24})
        async with opened(path, settings) as journal:
            for n in range(3):
                await journal.append(batch(n))  # of 2023
            db = connect(path)
            db.execute("UPDATE record SET appended_us = 0 WHERE offset < 2")
            db.close()
        async with opened(path, settings) as journal:
            found = [stored.record for stored in journal.read(0, 3)]
            assert found == [Lost("expired: older than max_age_h", NOW_US, NOW_US + 1), batch(2)]
            assert journal.depth == 3, "the tombstone is for the hub to hear of"

    asyncio.run(work())


def test_figures_count_what_goes(path: Path) -> None:
    async def work() -> None:
        settings = JournalSettings(commit_ms=1, quota_mb=1, keep_free_mb=0)
        figures = JournalFigures()
        async with opened(path, settings) as journal:
            for n in range(80):
                await journal.append(batch(n, size=1000))
            db = connect(path)
            db.execute("UPDATE record SET body = x'00' WHERE offset = 79")
            db.close()
            journal.read(70, 80)

            def buried() -> bool:
                journal.report(figures)
                return figures.corrupt == 1

            await until(buried, "what cannot be read to be taken note of")
            await journal.append(batch(80))
            journal.report(figures)
            assert figures.evicted == journal.evicted > 0
            assert figures.corrupt == 1
            assert figures.appended == 80_001
            assert figures.commits == 82
            assert figures.records == 81
            assert 0 < figures.bytes <= figures.quota_bytes == 1024 * 1024

    asyncio.run(work())


def test_a_new_epoch_begins_at_0_and_moves_no_row(path: Path) -> None:
    async def work() -> None:
        async with opened(path, JournalSettings(commit_ms=1, retain_committed_h=1)) as journal:
            for n in range(6):
                await journal.append(batch(n))
            journal.committed(4)
            state = await journal.begin_epoch()
            assert (state.first_kept, state.next) == (0, 2)
            assert [s.record for s in journal.read(0, 9)] == [batch(4), batch(5)]
            assert [s.first for s in journal.read(0, 9)] == [0, 1]
            assert await journal.append(batch(6)) == 2
            assert journal.depth == 3
            journal.committed(1)
            assert journal.depth == 2
        async with opened(path) as journal:
            assert journal.epoch == state.epoch
            assert [(s.first, s.record) for s in journal.read(1, 9)] == [
                (1, batch(5)),
                (2, batch(6)),
            ]

    asyncio.run(work())
