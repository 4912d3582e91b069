"""An outage of a million values: memory meanwhile, and how the gateway comes back from it.

    python -m tests.benchmarks.bench_outage [--values 1000000] [--tags 1000] [--hz 10]

A real gateway reads a server that changes its tags all the time. The primary host goes offline, so
that everything stays in the journal, until so many values wait. Then the host is back: how long
until the first live sample is committed, and how long until nothing of the outage waits any more,
with live values going on beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.gateway import CountingHub, Gateway, broker_name, gateway, until_first_values
from tests.benchmarks.opcua_load import opcua_load
from tests.benchmarks.report import Goal, NoMoreThan, Row, report
from tests.edge.waiting import until

WARM_UP_S = 3.0
DRAIN_S = 600.0
"""How long the drain may take at most before it counts as none."""
GOALS: dict[str, Goal] = {"memory over the outage": NoMoreThan(10)}
"""MiB that the outage may add: it must not grow with what waits."""


async def outage(running: Gateway, hub: CountingHub, seconds: float) -> tuple[float, float]:
    """The host is away for so long; resident memory in MiB at its start and the most meanwhile."""
    hub.say_state(online=False)
    await asyncio.sleep(WARM_UP_S)
    before = most = running.rss_mib
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        await asyncio.sleep(min(2.0, left))
        most = max(most, running.rss_mib)
        print(f"  {left:4.0f} s to go, {running.rss_mib:.1f} MiB", end="\r", flush=True)
    return before, most


async def come_back(hub: CountingHub) -> tuple[float, float, int]:
    """(seconds to the first live sample, seconds to an empty backlog, values of the backlog)."""
    live, late, births = hub.live, hub.late, len(hub.births)
    began = time.monotonic()
    hub.say_state(online=True)
    await until(lambda: len(hub.births) > births, "a birth")
    kept = next(m.value for m in hub.births[births].metrics if m.name == "Stream/Next")
    assert isinstance(kept, int)
    await until(lambda: hub.live > live, "a live sample")
    first_live = time.monotonic() - began
    await until(lambda: hub.watermark >= kept, "an empty backlog", DRAIN_S)
    return first_live, time.monotonic() - began, hub.late - late


async def measure(values: int, tags: int, hz: float) -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory(prefix="bench-outage-") as scratch:
        directory = Path(scratch)
        async with opcua_load(directory, tags) as load:
            hz = min(hz, load.most_per_s / tags)
            await load.change(hz)
            with gateway(directory / "gateway", load.port, load.nodes) as (running, hub):
                await until_first_values(hub, tags)
                await asyncio.sleep(WARM_UP_S)
                before, most = await outage(running, hub, values / (tags * hz))
                cpu_s = running.cpu_s
                first_live_s, empty_s, drained = await come_back(hub)
                cpu_s = running.cpu_s - cpu_s
                after = running.rss_mib
            await load.stop()
            note = (
                f"{tags} tags, {hz:g} changes/s each from {load.name}, live values going on; "
                f"{broker_name()}; {drained:,} values drained"
            )
    return [
        Row("memory over the outage", most - before, None, "MiB", f"{before:.1f} MiB before it"),
        Row("memory after the drain", after - before, None, "MiB"),
        Row("reconnect to the first live sample", first_live_s, None, "s"),
        Row("reconnect to an empty backlog", empty_s, None, "s", note),
        Row("backlog drained", drained / empty_s, None, "values/s"),
        Row("CPU meanwhile, live values too", cpu_s / empty_s, None, "cores"),
    ]


def main() -> int:
    """Measure and report; exit code 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--tags", type=int, default=1000)
    parser.add_argument("--hz", type=float, default=10.0)
    options = parser.parse_args()
    rows = asyncio.run(measure(options.values, options.tags, options.hz))
    return 0 if report("outage", rows, GOALS) else 1


if __name__ == "__main__":
    sys.exit(main())
