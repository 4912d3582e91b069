"""The agent as a process: killed and stopped in mid-flight, every record still arrives once."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from edge.agent import run
from edge.config import EdgeConfig
from firmware_sim.line.ledger import CallDecision, Result, Sample, read_ledger
from firmware_sim.line.process import PROCESS_TAGS
from protocols.opcua.line import NAMESPACE
from tests.edge.hub import Hub
from tests.edge.plant import DEVICE, GROUP, NODE, Child, agent, calls, edge_config, line_plc
from tests.edge.waiting import until
from tests.fixtures.broker import BROKERS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    # One broker is enough here, a real Mosquitto if there is one: uplink and lane meet both.
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]

TAGS = [{"name": tag.node, "node": f"nsu={NAMESPACE};s={tag.node}"} for tag in PROCESS_TAGS]


class World:
    """A line PLC and a gateway, each a process."""

    def __init__(self, directory: Path, broker_port: int, tags: list[dict[str, Any]]) -> None:
        self.directory = directory
        self.ledger = directory / "ledger.jsonl"
        plc_port = free_port()
        self.plc = line_plc(directory, plc_port, ship_idle_s=0.5)
        self.config: EdgeConfig = edge_config(directory / "data", broker_port, plc_port, tags)
        self.agent: Child = agent(self.config, directory)

    def entries(self, kind: type[Any]) -> list[Any]:
        return [entry for entry in read_ledger(self.ledger) if isinstance(entry, kind)]


@pytest.fixture
def world(tmp_path: Path, broker: LocalBroker) -> Iterator[World]:
    made = World(tmp_path, broker.port, TAGS)
    made.plc.start()
    with made.plc, made.agent:
        yield made


def unaccounted(world: World, hub: Hub, until_us: int) -> list[Sample]:
    """Samples that the PLC counted and that are neither at the hub once nor inside a named gap."""
    arrived = Counter((sample.tag, sample.time_ms) for sample in hub.samples)
    assert max(arrived.values()) == 1, "a sample is doubled"
    gaps = [(_ms(gap["from"], 0), _ms(gap["to"], 2**62)) for gap in hub.gaps]
    return [
        sample
        for sample in world.entries(Sample)
        if sample.at <= until_us
        and not arrived[sample.node, sample.at // 1000]
        and not any(first <= sample.at // 1000 <= last for first, last in gaps)
    ]


def _ms(instant: str | None, unknown: int) -> int:
    return unknown if instant is None else int(datetime.fromisoformat(instant).timestamp() * 1000)


async def test_killed_again_and_again(world: World, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        await asyncio.to_thread(world.agent.start)
        await until(lambda: hub.samples, "the first samples")
        for kill in range(3):
            hub.call(*calls(1 + 4 * kill, 4))
            await asyncio.sleep(0.4 + 0.3 * kill)
            world.agent.kill()
            await asyncio.to_thread(world.agent.start)
        await until(
            lambda: Counter(event.kind for event in hub.events)["shipped"] == 12,
            "all parts shipped",
            60,
        )
        now_us = time.time_ns() // 1000
        await until(lambda: not unaccounted(world, hub, now_us), "every sample or its gap")
    told = [(e.kind, str(e.key), e.serial or "", e.verdict or "") for e in hub.events]
    assert len(set(told)) == len(told), "an event is doubled"
    results = [(r.result, r.key, r.serial, r.verdict) for r in world.entries(Result)]
    assert [event for event in told if event[0] != "accepted"] == results
    taken = [d.key for d in world.entries(CallDecision) if d.accepted and not d.repeated]
    assert taken == [str(call.key) for call in calls(1, 12)]
    assert len(set(hub.deaths)) >= 1


async def test_stopped_in_order_it_flushes_and_says_goodbye(
    world: World, broker: LocalBroker
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        await asyncio.to_thread(world.agent.start)
        await until(lambda: hub.samples, "the first samples")
        hub.call(*calls(1, 1))
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(world.agent.stop) == 0
        await until(lambda: hub.deaths, "its death")
        await asyncio.to_thread(world.agent.start)
        await until(lambda: any(e.kind == "shipped" for e in hub.events), "the part")
        now_us = time.time_ns() // 1000
        await until(lambda: not unaccounted(world, hub, now_us), "every sample or its gap")


async def test_a_second_agent_on_the_same_directory_is_refused(
    world: World, tmp_path: Path
) -> None:
    await asyncio.to_thread(world.agent.start)
    (tmp_path / "second").mkdir()
    with agent(world.config, tmp_path / "second") as second:
        with pytest.raises(AssertionError, match="in use by another agent"):
            await asyncio.to_thread(second.start)
        assert second.stop() == 1


async def test_a_disk_that_goes_away_is_waited_for(
    tmp_path: Path,
    broker: LocalBroker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("edge.journal.journal._TIDY_EVERY_S", 0.05)
    monkeypatch.setattr("edge.agent._REOPEN_S", 0.05)
    caplog.set_level(logging.INFO)
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    config = EdgeConfig.model_validate(
        {
            "version": 1,
            "gateway": {"group": GROUP, "node": NODE},
            "data_dir": data,
            "broker": {"host": "127.0.0.1", "port": broker.port, "tls": False},
        }
    )

    def said(what: str) -> int:
        return sum(what in message for message in caplog.messages)

    running = asyncio.create_task(run(config))
    await until(lambda: said("ready: "), "the first start")
    data.rename(elsewhere)
    data.write_text("in the way")
    with closing(sqlite3.connect(elsewhere / "journal.sqlite", timeout=60)) as database:
        database.execute("DROP TABLE record")
    await until(lambda: said("opened anew"), "the failure")
    await asyncio.sleep(0.3)
    assert not running.done()
    data.unlink()
    elsewhere.rename(data)
    await until(lambda: said("ready: ") == 2, "the second start")
    assert said("opened anew") == 1
    os.kill(os.getpid(), signal.SIGTERM)
    await running


async def test_a_plc_that_is_not_there_stops_nobody(tmp_path: Path, broker: LocalBroker) -> None:
    config = edge_config(tmp_path / "data", broker.port, free_port(), TAGS)
    with Hub(broker.port, GROUP, NODE) as hub, agent(config, tmp_path) as gateway:
        await asyncio.to_thread(gateway.start)
        await until(lambda: ("DDEATH", DEVICE) in hub.messages, "birth and death of the device")
        hub.call(*calls(1, 1))
        await until(lambda: hub.calls_answer and hub.calls_answer.watermark == 1, "the call kept")
        await until(lambda: hub.node_metrics.get("Gateway/Calls Open") == 1, "the open call told")
        await until(lambda: "line P1/SEAT1: " in gateway.output, "the word of it")
        assert gateway.output.count("line P1/SEAT1: ") == 1, "said once"
