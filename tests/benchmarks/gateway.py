"""A real gateway process under load, and a hub that counts what it commits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.broker import EmbeddedBroker, Mosquitto
from protocols.sparkplug import Payload
from tests.edge.hub import MAX_AHEAD, Hub
from tests.edge.plant import GROUP, NODE, Child, agent, edge_config
from tests.edge.waiting import until

PUBLISHING_MS = 125


class CountingHub(Hub):
    """A hub that counts the samples it commits, live and late, and keeps none of them."""

    live = 0
    late = 0

    @property
    def committed(self) -> int:
        return self.live + self.late

    @property
    def watermark(self) -> int:
        """All records below are committed."""
        cursor = self.telemetry.cursor
        return 0 if cursor is None else cursor.watermark

    def _on_samples(self, device: str, payload: Payload) -> None:
        epoch, offset, *samples = payload.metrics
        assert isinstance(epoch.value, int)
        assert isinstance(offset.value, int)
        if self.telemetry.offer(epoch.value, offset.value, offset.value + 1, MAX_AHEAD):
            if samples[0].is_historical:
                self.late += len(samples)
            else:
                self.live += len(samples)
        self.messages.clear()
        self._answer()


class Gateway:
    """A running gateway: what it uses of the machine."""

    def __init__(self, process: Child) -> None:
        self._process = process

    @property
    def cpu_s(self) -> float:
        """CPU time so far, of all its threads, user and system."""
        return cpu_s(self._process.pid)

    @property
    def rss_mib(self) -> float:
        return rss_mib(self._process.pid)


@contextmanager
def gateway(
    directory: Path, plc_port: int, nodes: list[str], **journal: Any
) -> Iterator[tuple[Gateway, CountingHub]]:
    """A gateway that reads these nodes, with a durable journal, through a broker to a hub."""
    directory.mkdir()
    kind = Mosquitto if Mosquitto.executable() is not None else EmbeddedBroker
    tags = [{"name": f"tag{n:04}", "node": node} for n, node in enumerate(nodes)]
    with kind(directory / "broker") as broker, CountingHub(broker.port, GROUP, NODE) as hub:
        config = edge_config(directory / "data", broker.port, plc_port, tags)
        update = {"publishing_ms": PUBLISHING_MS, "sampling_ms": 0}  # 0: each change, as it is made
        source = config.sources[0].model_copy(update=update)
        config = config.model_copy(
            update={
                "sources": [source],
                "jis": [],
                "journal": config.journal.model_copy(update={"commit_ms": 50, **journal}),
            }
        )
        with agent(config, directory) as process:
            process.start()
            yield Gateway(process), hub


def broker_name() -> str:
    return "Mosquitto" if Mosquitto.executable() is not None else "the embedded broker"


async def until_first_values(hub: CountingHub, tags: int, within_s: float = 60.0) -> None:
    """Return once each tag's first value is committed."""
    await until(lambda: hub.committed >= tags, "the first value of each tag", within_s)


def cpu_s(pid: int) -> float:
    """CPU time of a process and all its threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
