"""What the journal costs beside the bare disk, and whether it stays small over a long outage.

    python -m tests.benchmarks.bench_journal [--rounds 5] [--outage 1000000] [--directory DIR]

Append: the same batches in as many durable commits by the journal, by a raw file (the bodies, one
fdatasync a commit: the floor under any design), and by bare SQLite (WAL, synchronous FULL, a table
of offset and body). Drain: all of it read back as batches, beside bodies alone from bare SQLite.
Outage: a process of its own appends batch after batch that nobody takes, far beyond its quota.
Wall time, as the disk decides; in turns, so that a busy neighbour touches all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edge.journal import JournalSettings, SampleBatch, SampleClass, TelemetryJournal
from edge.journal.body import pack_samples
from protocols.streams import Answer, Writer
from tests.benchmarks.report import AtLeast, AtMost, Goal, NoLessThan, Row, report

VALUES = 100
"""In a batch: a publish response of a line with many tags."""
BATCHES = 20
"""In a commit: what comes within `commit_ms` at 40,000 values a second."""
COMMITS = 100
READ = 8
"""Records that the uplink reads at once."""
WARM_UP = 20_000
QUOTA_MB = 256
GOALS: dict[str, Goal] = {
    # Ten times what a gateway is to carry. No ratio: where a sync costs next to nothing, the wait
    # for a commit's company (`commit_ms`) is nearly all of ours, and that is wanted.
    "append": NoLessThan(100_000),
    "append, four in flight": NoLessThan(100_000),
    "drain": AtLeast(0.1),
    "memory over an outage": AtMost(1.2),
}


def batch(n: int) -> SampleBatch:
    """Values that differ from batch to batch."""
    return SampleBatch(
        "press",
        SampleClass(n % 3),
        array("I", range(1, VALUES + 1)),
        array("q", [1_700_000_000_000_000 + n * 1000] * VALUES),
        array("d", [n + 0.5 * tag for tag in range(VALUES)]),
    )


class Turns:
    """Each way of appending in its own file, `COMMITS` commits at a turn."""

    def __init__(self, directory: Path) -> None:
        self._batches = [batch(n) for n in range(BATCHES)]
        self._bodies = [pack_samples(each) for each in self._batches]
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self.journal = self._loop.run_until_complete(self._open())
        self._file = os.open(directory / "raw.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._bare = sqlite3.connect(directory / "bare.sqlite", isolation_level=None)
        self._bare.execute("PRAGMA journal_mode = WAL")
        self._bare.execute("PRAGMA synchronous = FULL")
        self._bare.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    async def _open(self) -> TelemetryJournal:
        settings = JournalSettings(commit_ms=1, quota_mb=16_384, keep_free_mb=0)
        return TelemetryJournal.open(self._directory / "journal.sqlite", settings)

    def ours(self) -> None:
        """Submit a commit's batches, and wait until they are durable before the next."""
        self._loop.run_until_complete(self._append(in_flight=1))

    def flowing(self) -> None:
        """As a source does that keeps several publish requests: what comes while a commit is
        written shares the next."""
        self._loop.run_until_complete(self._append(in_flight=4))

    async def _append(self, in_flight: int) -> None:
        waiting: deque[asyncio.Future[int]] = deque()
        for _ in range(COMMITS):
            waiting += [self.journal.submit(each) for each in self._batches][-1:]
            if len(waiting) == in_flight:
                await waiting.popleft()
        while waiting:
            await waiting.popleft()

    def raw(self) -> None:
        """One write and one fdatasync a commit."""
        for _ in range(COMMITS):
            os.write(self._file, b"".join(self._bodies))
            os.fdatasync(self._file)

    def sqlite(self) -> None:
        """One transaction a commit."""
        for _ in range(COMMITS):
            self._bare.execute("BEGIN")
            self._bare.executemany(
                "INSERT INTO log (body) VALUES (?)", [(body,) for body in self._bodies]
            )
            self._bare.execute("COMMIT")

    def drain(self) -> None:
        """All rows as the uplink reads them."""
        after = self.journal.state.next
        for at in range(0, after, READ):
            self.journal.read(at, min(after, at + READ))

    def drain_sqlite(self) -> None:
        """The bodies, as many at a time."""
        (after,) = self._bare.execute("SELECT max(offset) + 1 FROM log").fetchone()
        for at in range(1, after, READ):
            self._bare.execute(
                "SELECT offset, body FROM log WHERE offset >= ? AND offset < ?", (at, at + READ)
            ).fetchall()

    def close(self) -> None:
        """Close all three."""
        self._loop.run_until_complete(self.journal.close())
        self._loop.close()
        os.close(self._file)
        self._bare.close()


def timed(run: Callable[[], None]) -> float:
    """Wall seconds."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def appends_and_drain(directory: Path, rounds: int) -> list[Row]:
    """Rows of the first two parts."""
    turns = Turns(directory)
    values = COMMITS * BATCHES * VALUES
    try:
        seconds: dict[str, list[float]] = {"ours": [], "raw": [], "sqlite": [], "flowing": []}
        for _ in range(rounds):
            for name in seconds:
                seconds[name].append(timed(getattr(turns, name)))
        rate = {name: values / statistics.median(each) for name, each in seconds.items()}
        note = f"{VALUES} values a batch, {BATCHES} batches a commit; " + ", ".join(
            f"{name} {COMMITS / statistics.median(each):.0f} commits/s"
            for name, each in seconds.items()
            if name != "flowing"
        )
        drains = [(timed(turns.drain), timed(turns.drain_sqlite)) for _ in range(rounds)]
        ours, bare = (statistics.median(each) for each in zip(*drains, strict=True))
        held = 2 * rounds * values
        return [
            Row("append", rate["ours"], rate["raw"], "values/s", f"bare: a raw file. {note}"),
            Row("append, beside SQLite", rate["ours"], rate["sqlite"], "values/s"),
            Row("append, four in flight", rate["flowing"], None, "values/s", "they share commits"),
            Row(
                "SQLite beside a raw file",
                rate["sqlite"],
                rate["raw"],
                "values/s",
                "what leaving SQLite could win at most, for the loss of rows that can be evicted "
                "by class in place, and of tags and bookmarks in the transaction of their samples",
            ),
            Row("drain", held / ours, held / 2 / bare, "values/s", "bare: bodies, not unpacked"),
        ]
    finally:
        turns.close()


def outage(directory: Path, batches: int) -> None:
    """The process without a hub. Prints its memory after the warm-up and at the end."""

    async def work() -> None:
        settings = JournalSettings(commit_ms=1, quota_mb=QUOTA_MB, keep_free_mb=0)
        journal = TelemetryJournal.open(directory / "outage.sqlite", settings)
        tags = array(
            "I", [journal.tag_id("press", f"tag {tag}", 10) for tag in range(1, VALUES + 1)]
        )
        writer = Writer(journal.state, window=128, resend_after_s=5.0, live_first=True)
        writer.connected()
        writer.on_answer(Answer(journal.epoch), 0.0)
        for first in range(0, batches, 500):
            pending = []
            for n in range(first, first + 500):
                each = batch(n)
                each.tags = tags
                pending.append(journal.submit(each))
            await pending[-1]
            writer.appended(journal.state.next)
            while writer.to_send(float(first)) is not None:
                pass
            if first == WARM_UP:
                print(_rss_mib(), flush=True)
        print(_rss_mib(), journal.evicted, flush=True)
        await journal.close()

    asyncio.run(work())


def memory_and_opening(directory: Path, batches: int) -> list[Row]:
    """Rows of the outage, and of opening the file that it leaves."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_journal", "--child", str(directory)]
    done = subprocess.run(
        [*command, "--outage", str(batches)], stdout=subprocess.PIPE, text=True, check=True
    )
    before, after, evicted = map(float, done.stdout.split())
    path = directory / "outage.sqlite"

    async def opening() -> float:
        began = time.perf_counter()
        journal = TelemetryJournal.open(path, JournalSettings(quota_mb=QUOTA_MB))
        taken = time.perf_counter() - began
        await journal.close()
        return taken

    return [
        Row(
            "memory over an outage",
            after,
            before,
            "MiB",
            f"resident after {batches:,} batches of {VALUES} values ({evicted:,.0f} evicted from "
            f"{QUOTA_MB} MB), beside that after {WARM_UP:,}",
        ),
        Row(
            "opening",
            asyncio.run(opening()) * 1000,
            None,
            "ms",
            f"a file of {path.stat().st_size / 1e6:,.0f} MB",
        ),
    ]


def _rss_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Measure and report; exit code 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--outage", type=int, default=1_000_000, metavar="BATCHES")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        outage(options.child, options.outage)
        return 0
    scratch = Path(tempfile.mkdtemp(prefix="bench-journal-", dir=options.directory))
    try:
        rows = appends_and_drain(scratch, options.rounds)
        rows += memory_and_opening(scratch, options.outage)
    finally:
        shutil.rmtree(scratch)
    return 0 if report("journal", rows, GOALS) else 1


if __name__ == "__main__":
    raise SystemExit(main())
