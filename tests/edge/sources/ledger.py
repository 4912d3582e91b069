"""A device's own count against the journal of a source that polls it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from firmware_sim.line.ledger import Sample, read_ledger
from firmware_sim.proxy.proxy import FaultProxy
from tests.edge.sources.reading import Reading, until


async def each_count_is_there_or_in_a_gap(got: Reading, proxy: FaultProxy, ledger: Path) -> None:
    """Break the link again and again; then what the device counted up to the last sample must be
    there once, or within a gap. The source reads the device's counters, faster than they step."""
    for fault in ("cut", "half_open", "cut"):
        await until(lambda: got.figures.state == "online")
        await asyncio.sleep(0.6)
        await proxy.make(fault)
        await until(lambda: got.figures.state == "offline")
        await asyncio.sleep(0.3)
        await proxy.make("none")
    await until(lambda: got.figures.state == "online")
    await asyncio.sleep(0.6)
    gaps = [(gap.from_us, gap.to_us) for gap in got.gaps]
    assert all(begin is not None and end is not None for begin, end in gaps)
    counted = [e for e in read_ledger(ledger) if isinstance(e, Sample)]
    names = {tag.name for tag in got.journal.tags() if tag.name.startswith("Counter")}
    assert names
    for name in names:
        samples = got.samples(name)
        found = Counter(value for _, value, _ in samples)
        assert max(found.values()) == 1
        first, last = samples[0][1], samples[-1][1]
        for entry in counted:
            if entry.node == name and first <= float(entry.value) <= last:
                inside = any(a <= entry.at <= b for a, b in gaps if a and b)
                assert found[float(entry.value)] or inside, (name, entry, gaps)
