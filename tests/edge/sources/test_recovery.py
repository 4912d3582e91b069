"""The OPC UA source against another maker's server that is cut off, restarted and made to forget:
what the server counted is in the journal, each once, or inside a gap that names it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.journal import SampleBatch
from edge.journal.records import Origin
from edge.sources.opcua import OpcUaSettings
from firmware_sim.proxy.proxy import FaultProxy
from tests.edge.sources.reading import Reading, reading, settings_for, until
from tests.fixtures.node_opcua import NodeOpcua, needs_node_opcua, run_node_opcua

pytestmark = [pytest.mark.anyio, pytest.mark.slow, needs_node_opcua]
NAMES = ("Force", "Torque")
_MOST_CUTS = 20


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[NodeOpcua]:
    """One server for all tests here: it takes seconds to start."""
    async with run_node_opcua() as server:
        yield server


@asynccontextmanager
async def counting(server: NodeOpcua, history: int = 0) -> AsyncIterator[NodeOpcua]:
    """The server with two variables that count from 0 on, and nothing of them or of its sessions
    afterwards."""
    for name in NAMES:
        await server.add(name, "Double", 0.0, history=history)
    try:
        yield server
    finally:
        await server.hold()
        await server.end_sessions(subscriptions=True)
        for name in NAMES:
            await server.delete(name)


def settings_of(server: NodeOpcua, port: int | None = None, **more: Any) -> OpcUaSettings:
    tags = [{"name": name, "node": server.node(name)} for name in NAMES]
    endpoint = f"opc.tcp://127.0.0.1:{port or server.port}/"
    return settings_for(endpoint, *tags, **{"queue_size": 2000, "publishing_ms": 50, **more})


def read_from(server: NodeOpcua, path: Path) -> AbstractAsyncContextManager[Reading]:
    return reading(path / "journal.sqlite", settings_of(server))


async def lose(
    server: NodeOpcua,
    proxy: FaultProxy,
    got: Reading,
    values: int,
    names: Sequence[str] = NAMES,
) -> None:
    """Cut the connection, end the session and its subscriptions, let each of these count on by so
    many values that nobody hears, and mend the connection."""
    heard = len(got.devices.heard)
    await proxy.make("cut")
    await until(lambda: len(got.devices.heard) == heard + 1)
    await server.end_sessions(subscriptions=True)
    await asyncio.sleep(0.2)  # the source times of a burst lie up to 0.1 s back
    for name in names:
        await server.burst(name, values)
    await proxy.make("none")


async def all_there(got: Reading, server: NodeOpcua) -> None:
    """Wait for the last value of each variable, after which nothing is counted any more."""
    last = await server.hold()
    await until(lambda: all(last[name] in got.values(name) for name in NAMES))


def missing(got: Reading, name: str, last: int) -> list[int]:
    """The values from 0 on that did not come; none came twice."""
    counts = Counter(got.values(name))
    assert not {value: n for value, n in counts.items() if n > 1}
    return [value for value in range(last + 1) if value not in counts]


async def waiting_requests(server: NodeOpcua) -> list[int]:
    """How many publish requests each session with a subscription has at the server."""
    return [s["publish_requests"] for s in await server.sessions() if s["subscriptions"]]


def from_history(got: Reading) -> int:
    return sum(
        len(record)
        for record in got.records
        if isinstance(record, SampleBatch) and record.origin is Origin.HISTORY
    )


async def test_a_cut_loses_nothing_of_what_the_server_holds(
    shared: NodeOpcua, tmp_path: Path
) -> None:
    async with counting(shared) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        settings = settings_of(server, proxy.port)
        async with reading(tmp_path / "journal.sqlite", settings, commit_ms=200) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await server.ramp(NAMES, per_s=200)
            await until(lambda: got.figures.samples > 100)
            # A server that is not given the time to send anything into a cut loses nothing by it.
            for cut in range(_MOST_CUTS):
                if cut > 1 and got.figures.republished:
                    break
                heard = len(got.devices.heard)
                await proxy.make("cut", seconds=0.3)
                await until(lambda heard=heard: len(got.devices.heard) >= heard + 2)  # type: ignore[misc]
            await all_there(got, server)
            last = await server.produced()
            assert {name: missing(got, name, last[name]) for name in NAMES} == {
                name: [] for name in NAMES
            }
            assert not got.gaps
            assert got.figures.republished
            assert got.figures.reconnects >= 2
            # In the order in which they were made, those asked for again included.
            assert got.values("Force") == sorted(got.values("Force"))
            await until(lambda: got.figures.publishes_in_flight == settings.publish_requests)
            async with asyncio.timeout(30):  # the last of them may be on its way
                while await waiting_requests(server) != [settings.publish_requests]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


async def test_a_restarted_agent_goes_on_with_its_subscription(
    shared: NodeOpcua, tmp_path: Path
) -> None:
    async with counting(shared) as server:
        path = tmp_path / "journal.sqlite"
        async with reading(path, settings_of(server)) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await server.ramp(NAMES, per_s=200)
            await until(lambda: got.figures.samples > 50)
        await asyncio.sleep(0.5)
        async with reading(path, settings_of(server)) as got:
            await all_there(got, server)
            last = await server.produced()
            assert [missing(got, name, last[name]) for name in NAMES] == [[], []]
            assert not got.gaps
            assert got.figures.republished + got.figures.samples > 0


async def test_a_lost_subscription_is_filled_in_from_history(
    shared: NodeOpcua, tmp_path: Path
) -> None:
    async with counting(shared, 10_000) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        settings = settings_of(server, proxy.port)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await lose(server, proxy, got, values=100)
            await until(lambda: got.figures.backfilled == 2 * 99)  # the newest: live
            await until(lambda: len(got.devices.heard) == 3)
            await server.restart(pause_ms=200)
            await until(lambda: len(got.devices.heard) == 5)
            await server.ramp(NAMES, per_s=200)
            await until(lambda: got.figures.samples > 300)
            await all_there(got, server)
            last = await server.produced()
            assert [missing(got, name, last[name]) for name in NAMES] == [[], []]
            assert not got.gaps
            assert from_history(got) == got.figures.backfilled


async def test_more_history_than_fits_into_one_answer(
    shared: NodeOpcua, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.opcua.history.VALUES_PER_NODE", 7)
    async with counting(shared, 10_000) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        settings = settings_of(server, proxy.port)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await lose(server, proxy, got, values=50)
            await until(lambda: not any(missing(got, name, 50) for name in NAMES))
            assert got.figures.backfilled == 2 * 49  # the newest: live
            assert not got.gaps


async def test_what_history_no_longer_has_is_the_gap(shared: NodeOpcua, tmp_path: Path) -> None:
    async with counting(shared, 20) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        settings = settings_of(server, proxy.port)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await lose(server, proxy, got, 100, ["Force"])
            await until(lambda: bool(got.gaps) and 100.0 in got.values("Force"))
            (gap,) = got.gaps
            assert gap.cause.startswith("connection lost: ")
            assert gap.cause.endswith(": not in the PLC's history: Force")
            lost = missing(got, "Force", 100)
            assert lost == list(range(1, 81))
            times = {value: time_us for time_us, value, _ in got.samples("Force")}
            assert gap.to_us == times[81]
            assert gap.from_us is not None
            assert gap.from_us < times[81] - 80 * 1000


async def test_without_history_an_interruption_is_a_gap(shared: NodeOpcua, tmp_path: Path) -> None:
    async with counting(shared) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        settings = settings_of(server, proxy.port)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await server.ramp(["Force"], per_s=200)
            await until(lambda: got.figures.samples > 100)
            await lose(server, proxy, got, values=50)
            await until(lambda: len(got.devices.heard) == 3)
            await all_there(got, server)
            (gap,) = got.gaps
            lost = missing(got, "Force", (await server.produced())["Force"])
            assert len(lost) >= 50 - 1
            times = {value: time_us for time_us, value, _ in got.samples("Force")}
            assert lost == list(range(lost[0], lost[-1] + 1))
            assert gap.from_us is not None
            assert gap.from_us <= times[lost[0] - 1]
            assert gap.to_us == times[lost[-1] + 1]


@pytest.mark.parametrize("history", [0, 10_000])
async def test_an_overflow_is_filled_in_from_history_or_a_gap(
    shared: NodeOpcua, tmp_path: Path, history: int
) -> None:
    async with counting(shared, history) as server:
        settings = settings_of(server, queue_size=50)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await asyncio.sleep(0.2)  # the values to come are stamped up to 200 ms back
            await server.burst("Force", 200)
            await until(lambda: 200.0 in got.values("Force"))
            assert got.figures.overflows == 1
            if history:
                await until(lambda: not missing(got, "Force", 200))
                assert from_history(got) == 150
                assert not got.gaps
            else:
                times = {value: time_us for time_us, value, _ in got.samples("Force")}
                (gap,) = got.gaps
                assert missing(got, "Force", 200) == list(range(1, 151))
                assert (gap.from_us, gap.to_us) == (times[0.0], times[151.0])
                assert gap.cause == "OPC UA queue overflow: Force"


async def test_a_node_that_is_deleted_stops_nobody_and_heals(
    shared: NodeOpcua, tmp_path: Path
) -> None:
    async with counting(shared) as server, FaultProxy("127.0.0.1", server.port) as proxy:
        settings = settings_of(server, proxy.port)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await proxy.make("cut", seconds=0.1)  # the subscription is of an earlier session
            await until(lambda: len(got.devices.heard) == 3)
            await server.delete("Force")
            await until(lambda: got.figures.refused_nodes == 1)
            assert got.samples("Force")[-1][1:] == (None, 0)
            await server.set(Torque=5.0)
            await until(lambda: 5.0 in got.values("Torque"))
            await server.add("Force", "Double", 7.0)
            await until(lambda: got.figures.refused_nodes == 0)
            await server.set(Force=8.0)
            await until(lambda: got.values("Force")[-2:] == [7.0, 8.0])
            (mine,) = [s for s in await server.sessions() if s["subscriptions"]]
            assert [s["items"] for s in mine["subscriptions"]] == [2]


async def test_a_server_that_takes_few_requests_at_a_time(
    shared: NodeOpcua, tmp_path: Path
) -> None:
    async with counting(shared) as server:
        settings = settings_of(server, publish_requests=16)
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: len(got.devices.heard) == 1)
            await server.ramp(NAMES, per_s=200)
            await until(lambda: got.figures.samples > 200)
            await all_there(got, server)
            last = await server.produced()
            assert [missing(got, name, last[name]) for name in NAMES] == [[], []]
