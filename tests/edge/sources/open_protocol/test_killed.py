"""A gateway that is killed in the middle of its work, against the controller's own count."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from edge.journal import JournalSettings, SampleBatch, TelemetryJournal
from edge.sources.open_protocol.seen import Seen
from firmware_sim.line.ledger import Sample, read_ledger
from protocols.inspection import parse_result
from tests.edge.plant import Child

pytestmark = pytest.mark.slow
WAIT_S = 60


def kept_in(directory: Path) -> tuple[Counter[int], Seen]:
    """How often each tightening is in the journal, and what its bookmark says of them."""

    async def read() -> tuple[Counter[int], Seen]:
        journal = TelemetryJournal.open(
            directory / "journal.sqlite", JournalSettings(keep_free_mb=0)
        )
        try:
            records = [stored.record for stored in journal.read(0, 2**53, 10**9)]
            bookmark = json.loads(journal.bookmarks["load/tightenings"])
        finally:
            await journal.close()
        texts = [
            text
            for record in records
            if isinstance(record, SampleBatch)
            for text in record.others.values()
            if isinstance(text, str) and text.startswith("{")
        ]
        found = [parse_result(text) for text in texts]
        counts = Counter(int(r.key[:10]) for r in found if r.characteristic == "Tightening")
        return counts, Seen.recall(bookmark["seen"])

    return asyncio.run(read())


def test_a_killed_gateway_has_each_tightening_once(tmp_path: Path) -> None:
    ledger = tmp_path / "nut.jsonl"
    sim = [sys.executable, "-c", "from firmware_sim.cli import main; main()", "open-protocol"]
    options = ["--cycle-s", "0.02", "--ledger", str(ledger), "--clients", "10"]
    with Child([*sim, *options], tmp_path / "sim.log") as controller:
        port = controller.start().split()[1].rpartition(":")[2]
        source = [sys.executable, "-m", "tests.benchmarks.source_child", "ours", "open_protocol",
                  port, "1", "0", str(tmp_path)]  # fmt: skip
        for life in range(3):
            log = tmp_path / f"source-{life}.log"
            with Child(source, log) as gateway:
                gateway.begin()
                deadline = time.monotonic() + WAIT_S
                while not any(
                    line[0] != "0" for line in log.read_text().splitlines() if line[:1].isdigit()
                ):
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.05)
                gateway.kill()
    counted = [int(entry.value) for entry in read_ledger(ledger) if isinstance(entry, Sample)]
    found, seen = kept_in(tmp_path)
    assert max(found.values()) == 1
    assert seen.last is not None
    missing = {number for hole in seen.holes for number in hole.ids}
    assert set(found) | missing == set(range(min(found), seen.last + 1))
    assert not set(found) & missing
    assert set(found) <= set(counted)
