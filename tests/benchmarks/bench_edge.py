"""What a value costs the gateway, against a bare OPC UA session that drops what it gets.

    python -m tests.benchmarks.bench_edge [--seconds 15] [--rounds 2] [--tags 1000] [--hz 8]

A simulated PLC changes its tags; in turns a bare session and a real gateway process (journal on
disk, Mosquitto if it is there, a hub that commits and answers) take its values at the same
publishing interval. CPU is that of the process under test alone, from its own /proc entry.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.local.broker import EmbeddedBroker, Mosquitto
from deploy.local.ports import free_port
from firmware_sim.line.process import extra_tags
from protocols.opcua.line import NAMESPACE
from tests.benchmarks.report import AtMost, Row, report
from tests.edge.hub import Hub
from tests.edge.plant import DEVICE, GROUP, NODE, agent, edge_config, line_plc

PUBLISHING_MS = 125
WARM_UP_S = 3.0
GOAL = AtMost(3)


@dataclass(frozen=True, slots=True)
class Measured:
    """One turn: values in it, CPU seconds of the process, its resident memory, wall seconds."""

    values: int
    cpu_s: float
    rss_mib: float
    wall_s: float

    @property
    def us_per_value(self) -> float:
        return self.cpu_s / self.values * 1e6


class CountingHub(Hub):
    """A hub that counts the samples it commits and forgets them."""

    committed = 0

    def _answer(self) -> None:
        self.committed += len(self.samples)
        self.samples.clear()
        self.messages.clear()
        super()._answer()


def bare(endpoint: str, tags: int, seconds: float) -> Measured:
    """A session that drops everything."""
    command = [sys.executable, "-m", "tests.benchmarks.bare_opcua", endpoint, str(tags)]
    process = subprocess.Popen(
        [*command, str(PUBLISHING_MS)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if int(line.split()[0]) > tags:
                break
        time.sleep(WARM_UP_S)
        began = time.monotonic()
        readings: list[tuple[int, float]] = []
        for line in process.stdout:
            values, cpu_s = line.split()
            readings.append((int(values), float(cpu_s)))
            if time.monotonic() - began >= seconds:
                break
        (first, first_cpu), (last, last_cpu) = readings[0], readings[-1]
        return Measured(
            last - first, last_cpu - first_cpu, _rss_mib(process.pid), 0.5 * (len(readings) - 1)
        )
    finally:
        process.kill()
        process.wait()


def gateway(directory: Path, plc_port: int, tags: int, seconds: float) -> Measured:
    """A real gateway, from the PLC to the hub's answer."""
    directory.mkdir()
    kind = Mosquitto if Mosquitto.executable() is not None else EmbeddedBroker
    settings = [
        {"name": tag.node, "node": f"nsu={NAMESPACE};s={tag.node}"} for tag in extra_tags(tags)
    ]
    with kind(directory / "broker") as broker, CountingHub(broker.port, GROUP, NODE) as hub:
        config = edge_config(directory / "data", broker.port, plc_port, settings)
        source = config.sources[0].model_copy(update={"publishing_ms": PUBLISHING_MS})
        config = config.model_copy(update={"sources": [source], "jis": []})
        with agent(config, directory) as running:
            running.start()
            while hub.committed <= tags:
                time.sleep(0.1)
            time.sleep(WARM_UP_S)
            began, first, first_cpu = time.monotonic(), hub.committed, _cpu_s(running.pid)
            time.sleep(seconds)
            last, last_cpu = hub.committed, _cpu_s(running.pid)
            wall_s = time.monotonic() - began
            measured = Measured(last - first, last_cpu - first_cpu, _rss_mib(running.pid), wall_s)
            backlog = int(hub.node_metrics.get("Gateway/Journal Records", 0))
            gaps = [gap for gap in hub.gaps if gap["device"] == DEVICE]
            if backlog > 100 or gaps:
                print(f"not kept up: {backlog} records of backlog, gaps {gaps[:3]}")
    return measured


def _cpu_s(pid: int) -> float:
    """CPU time of a process and all its threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Measure and report; exit code 1 if the goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tags", type=int, default=1000)
    parser.add_argument("--hz", type=float, default=8.0)
    options = parser.parse_args()
    ours: list[Measured] = []
    theirs: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="bench-edge-") as scratch:
        directory, port = Path(scratch), free_port()
        given = {"extra_tags": options.tags, "extra_hz": options.hz}
        plc = line_plc(directory, port, ledger=os.devnull, **given)
        with plc:
            plc.start(120)
            for round_no in range(options.rounds):
                theirs.append(bare(f"opc.tcp://127.0.0.1:{port}/", options.tags, options.seconds))
                place = directory / f"round{round_no}"
                ours.append(gateway(place, port, options.tags, options.seconds))
    rate = statistics.median(m.values / m.wall_s for m in ours)
    bare_rate = statistics.median(m.values / m.wall_s for m in theirs)
    rows = [
        Row(
            "CPU per value",
            ours=statistics.median(m.us_per_value for m in ours),
            bare=statistics.median(m.us_per_value for m in theirs),
            unit="µs",
            note=f"{options.tags} tags, {options.hz:g} changes/s each asked for; OPC UA to the "
            "hub's answer, durable journal, against a session that drops all",
        ),
        Row(
            "resident memory",
            ours=max(m.rss_mib for m in ours),
            bare=max(m.rss_mib for m in theirs),
            unit="MiB",
        ),
        Row("values taken", ours=rate, bare=bare_rate, unit="values/s", note="as the PLC gave"),
    ]
    return 0 if report("edge", rows, {"CPU per value": GOAL}) else 1


if __name__ == "__main__":
    sys.exit(main())
