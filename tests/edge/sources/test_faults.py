"""A source that is killed and cut off again and again: the PLC's ledger against the journal."""

from __future__ import annotations

import asyncio
import random
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from edge.journal import Gap, JournalSettings, SampleBatch, TelemetryJournal
from firmware_sim.line.ledger import Sample, read_ledger
from firmware_sim.line.plc import run_line
from firmware_sim.line.process import extra_tags
from firmware_sim.line.settings import LineSettings
from firmware_sim.proxy.proxy import FaultProxy
from tests.edge.sources.reading import until

pytestmark = pytest.mark.anyio
TAGS = 40

READER = textwrap.dedent(
    """
    import asyncio, logging, sys
    from pathlib import Path
    from edge.journal import JournalSettings, TelemetryJournal
    from edge.sources import make_source
    from edge.sources.opcua import OpcUaSettings
    from edge.status import SourceFigures

    class Devices:
        def device_online(self, device):
            print("online", flush=True)

        def device_offline(self, device, reason):
            pass

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)

    async def work():
        journal = TelemetryJournal.open(
            Path(sys.argv[1]), JournalSettings(commit_ms=20, keep_free_mb=0)
        )
        tags = [{"name": n, "node": "nsu=urn:lineside:line:1;s=" + n} for n in sys.argv[3:]]
        settings = OpcUaSettings.model_validate(
            {"device": "plc", "endpoint": sys.argv[2], "publishing_ms": 50, "sampling_ms": 0,
             "queue_size": 10_000, "timeout_s": 10, "tags": tags}
        )
        await make_source(settings, journal, Devices(), SourceFigures("plc")).run()

    asyncio.run(work())
    """
)


async def test_each_change_is_in_the_journal_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    path, ledger = tmp_path / "journal.sqlite", tmp_path / "ledger.jsonl"
    nodes = [tag.node for tag in extra_tags(TAGS)]
    settings = LineSettings(extra_tags=TAGS, extra_hz=25, ledger=ledger)
    async with run_line(settings) as plc:
        port = int(plc.endpoint.rstrip("/").rpartition(":")[2])
        async with FaultProxy("127.0.0.1", port) as proxy:
            endpoint = f"opc.tcp://127.0.0.1:{proxy.port}/"
            for turn in range(5):
                reader = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", READER, str(path), endpoint, *nodes,
                    stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3],
                )  # fmt: skip
                try:
                    await _online(reader)
                    await _counted(ledger)
                    await asyncio.sleep(chance.uniform(0.2, 0.8))
                    if turn % 2:
                        await proxy.make("cut", seconds=chance.uniform(0.05, 0.3))
                        await _online(reader)
                        await asyncio.sleep(chance.uniform(0.1, 0.5))
                finally:
                    reader.kill()
                    await reader.wait()

    journal = TelemetryJournal.open(path, JournalSettings(keep_free_mb=0))
    stored = [s.record for s in journal.read(0, 2**53, 10**9)]
    names = {tag.id: tag.name for tag in journal.tags()}
    await journal.close()
    found: Counter[tuple[str, int]] = Counter()
    order: dict[str, int] = {}
    first: dict[str, int] = {}
    for batch in stored:
        if isinstance(batch, SampleBatch):
            for tag, time_us in zip(batch.tags, batch.times_us, strict=True):
                assert time_us > order.get(names[tag], 0)
                order[names[tag]] = time_us
                first.setdefault(names[tag], time_us)
                found[names[tag], time_us] += 1
    end = min(order.values())
    begin = max(first.values())  # items are made one after the other
    changes = {
        (entry.node, entry.at): entry.value
        for entry in read_ledger(ledger)
        if isinstance(entry, Sample) and entry.node in nodes and begin <= entry.at <= end
    }
    assert not set(changes) - set(found)
    assert max(found.values()) == 1
    assert len(set(changes) & set(found)) > 500
    assert not [record for record in stored if isinstance(record, Gap)]


async def _counted(ledger: Path) -> None:
    """Wait until the PLC has written some 250 entries more."""

    def size() -> int:
        return ledger.stat().st_size

    enough = size() + 20_000
    await until(lambda: size() >= enough)


async def _online(reader: asyncio.subprocess.Process) -> None:
    assert reader.stdout is not None
    async with asyncio.timeout(60):
        assert await reader.stdout.readline() == b"online\n"
