"""What a value costs the gateway, against a bare OPC UA session that drops what it gets.

    python -m tests.benchmarks.bench_edge [--seconds 15] [--rounds 2] [--tags 1000] [--hz 10]

A server changes its tags; in turns a bare session and a real gateway process (journal on disk,
Mosquitto if it is there, a hub that commits and answers) take its values at the same publishing
interval. CPU is that of the process under test alone, from its own /proc entry. Then the rate is
raised step by step until the gateway no longer keeps up: `full` is the highest rate that it did,
as measured, not extrapolated.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.gateway import (
    PUBLISHING_MS,
    CountingHub,
    broker_name,
    cpu_s,
    gateway,
    rss_mib,
    until_first_values,
)
from tests.benchmarks.opcua_load import Load, opcua_load
from tests.benchmarks.report import AtMost, Goal, NoMoreThan, Row, report
from tests.edge.plant import DEVICE

WARM_UP_S = 3.0
STEPS = (15_000, 20_000, 30_000, 40_000, 50_000)
"""Rates of the search for a full core, values a second."""
KEPT_UP = 0.98
"""Share of what the server made that must be committed for the gateway to have kept up."""
BACKLOG = 100
"""Records not committed that count as keeping up: what is on its way at any moment."""

GOALS: dict[str, Goal] = {
    "CPU per value": NoMoreThan(20),
    "CPU against the bare session": AtMost(3),
    "resident memory": NoMoreThan(80),
    "backlog": NoMoreThan(BACKLOG),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One turn: values in it, CPU seconds of the process, its resident memory, wall seconds."""

    values: int
    cpu_s: float
    rss_mib: float
    wall_s: float
    backlog: int = 0
    """Records not committed at the end."""
    trouble: str = ""
    """Why the gateway did not keep up."""

    @property
    def us_per_value(self) -> float:
        return self.cpu_s / self.values * 1e6

    @property
    def per_s(self) -> float:
        return self.values / self.wall_s

    @property
    def core(self) -> float:
        """Share of one core."""
        return self.cpu_s / self.wall_s


async def bare(load: Load, per_s: float, seconds: float) -> Measured:
    """A session that drops everything."""
    await load.change(per_s)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.benchmarks.bare_opcua", f"opc.tcp://127.0.0.1:{load.port}/"),
        *(str(PUBLISHING_MS), *load.nodes),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        while int(await process.stdout.readline()) < len(load.nodes):
            pass
        await asyncio.sleep(WARM_UP_S)
        while not process.stdout.at_eof():  # what it said meanwhile is of the past
            try:
                async with asyncio.timeout(0.01):
                    await process.stdout.readline()
            except TimeoutError:
                break
        first, began = int(await process.stdout.readline()), time.monotonic()
        first_cpu = cpu_s(process.pid)
        last = first
        while time.monotonic() - began < seconds:
            last = int(await process.stdout.readline())
        wall_s = time.monotonic() - began
        used_s = cpu_s(process.pid) - first_cpu
        return Measured(last - first, used_s, rss_mib(process.pid), wall_s)
    finally:
        process.kill()
        await process.wait()
        await load.stop()


async def ours(directory: Path, load: Load, per_s: float, seconds: float) -> Measured:
    """A real gateway, from the PLC to the hub's answer."""
    await load.change(per_s)
    with gateway(directory, load.port, load.nodes) as (running, hub):
        await until_first_values(hub, len(load.nodes))
        await asyncio.sleep(WARM_UP_S)
        made = await load.made()
        began, first, first_cpu = time.monotonic(), hub.committed, running.cpu_s
        await asyncio.sleep(seconds)
        last, used_s, wall_s = hub.committed, running.cpu_s - first_cpu, time.monotonic() - began
        backlog = int(hub.node_metrics.get("Gateway/Journal Records", 0))
        trouble = _trouble(hub, backlog, last - first, await load.made() - made)
        measured = Measured(last - first, used_s, running.rss_mib, wall_s, backlog, trouble)
    await load.stop()
    return measured


def _trouble(hub: CountingHub, backlog: int, values: int, made: float) -> str:
    if backlog > BACKLOG:
        return f"{backlog} records of backlog"
    if gaps := [gap for gap in hub.gaps if gap["device"] == DEVICE]:
        return f"{len(gaps)} gaps, the first: {gaps[0]['cause']}"
    if values < KEPT_UP * made:
        return f"{values:,} values of {made:,.0f}"
    return ""


async def full(directory: Path, load: Load, seconds: float) -> Row:
    """The highest rate that the gateway keeps up with, and what ends it."""
    kept: Measured | None = None
    end = "no higher rate was tried"
    for rate in STEPS:
        if rate > load.most_per_s:
            break
        try:
            tried = await ours(directory / f"at{rate}", load, rate / len(load.nodes), seconds)
        except AssertionError as error:  # not even the first values came: it is over with this rate
            end = f"at {rate:,}/s it did not: {error}"
            break
        said = tried.trouble or "kept up"
        print(f"  {rate:,}/s: {tried.core:.0%} of a core, {said}", flush=True)
        if tried.trouble:
            end = f"at {rate:,}/s it did not: {tried.trouble}, {tried.core:.0%} of a core"
            break
        kept = tried
    note = end
    if kept is not None:
        note = (
            f"{kept.core:.0%} of a core and {kept.us_per_value:.1f} µs/value there; {end}; server, "
            "broker and hub share the machine"
        )
    return Row("highest rate kept up with", kept.per_s if kept else 0, None, "values/s", note)


async def measure(seconds: float, rounds: int, tags: int, hz: float) -> tuple[list[Row], bool]:
    """All rows, and whether the gateway kept up at the rate asked for."""
    with tempfile.TemporaryDirectory(prefix="bench-edge-") as scratch:
        directory = Path(scratch)
        async with opcua_load(directory, tags) as load:
            hz = min(hz, load.most_per_s / tags)
            theirs, mine = [], []
            for number in range(rounds):
                theirs.append(await bare(load, hz, seconds))
                mine.append(await ours(directory / f"round{number}", load, hz, seconds))
            last = await full(directory, load, seconds / 2)
            what = (
                f"{tags} tags, {hz:g} changes/s each, from {load.name}, through {broker_name()}; "
                "OPC UA to the hub's answer, durable journal"
            )
    for one in mine:
        if one.trouble:
            print(f"not kept up: {one.trouble}")
    return [*_rows(mine, theirs, what), last], not any(one.trouble for one in mine)


def _rows(mine: Sequence[Measured], theirs: Sequence[Measured], what: str) -> list[Row]:
    cost = statistics.median(m.us_per_value for m in mine)
    bare_cost = statistics.median(m.us_per_value for m in theirs)
    memory = max(m.rss_mib for m in mine)
    bare_memory = max(m.rss_mib for m in theirs)
    dropped = "against a session that drops all"
    return [
        Row("CPU per value", cost, bare_cost, "µs", f"{what}, {dropped}"),
        Row("CPU against the bare session", cost, bare_cost, "µs"),
        Row("resident memory", memory, bare_memory, "MiB"),
        Row(
            "backlog",
            max(m.backlog for m in mine),
            None,
            "records",
            "not committed at the end of a turn: what is on its way, if it does not grow",
        ),
        Row(
            "values taken",
            statistics.median(m.per_s for m in mine),
            statistics.median(m.per_s for m in theirs),
            "values/s",
        ),
    ]


def main() -> int:
    """Measure and report; exit code 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tags", type=int, default=1000)
    parser.add_argument("--hz", type=float, default=10.0)
    options = parser.parse_args()
    rows, kept_up = asyncio.run(measure(options.seconds, options.rounds, options.tags, options.hz))
    return 0 if report("edge", rows, GOALS) and kept_up else 1


if __name__ == "__main__":
    sys.exit(main())
