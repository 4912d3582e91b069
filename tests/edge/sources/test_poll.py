"""Tags that are polled: what comes, what does not, and what was missed."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from edge.journal import Gap
from firmware_sim.proxy.proxy import FaultProxy
from tests.edge.sources.plc import run_plc, us
from tests.edge.sources.reading import Reading, reading, run, settings_for, until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def polled(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "node": f"ns=2;s={name}", "read": "poll", "poll_s": 0.05, **more}


def refusals(got: Reading) -> list[Gap]:
    return [gap for gap in got.gaps if "refused" in gap.cause]


def missed(got: Reading) -> list[int]:
    """How many cycles each gap of the poller names."""
    found = [re.fullmatch(r"polling every 0.05 s: (\d+) cycles missed", g.cause) for g in got.gaps]
    return [int(match[1]) for match in found if match]


def test_polled_and_subscribed_tags_side_by_side(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Slow=1.0, Fast=0, Text="a") as plc:
            tags: list[str | dict[str, Any]] = [polled("Slow"), "Fast", polled("Text", poll_s=0.08)]
            async with reading(path, settings_for(plc.endpoint, *tags)) as got:
                await until(lambda: bool(got.values("Slow") and got.values("Text")))
                for n in range(1, 4):
                    await plc.set("Slow", 1.0 + n, at_ms=n)
                    await plc.set("Fast", n, at_ms=n)
                    await until(lambda n=n: got.values("Slow")[-1] == 1.0 + n)  # type: ignore[misc]
                await plc.set("Text", "b", at_ms=9)
                await until(lambda: got.values("Text") == ["a", "b"])
                # The same value read again is no sample.
                assert got.samples("Slow") == [(us(n), 1.0 + n, 192) for n in range(4)]
                await until(lambda: got.values("Fast") == [0.0, 1.0, 2.0, 3.0])

    run(work)


def test_a_whole_source_is_polled_through_its_filters(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=0.0, Count=0) as plc:
            force = {"name": "Force", "node": "ns=2;s=Force", "deadband": 1.0}
            settings = settings_for(plc.endpoint, force, "Count", read="poll", poll_s=0.03)
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for at_ms, value in enumerate([0.5, 1.0, 1.5, 2.0, 3.0], start=1):
                    await plc.set("Force", value, at_ms=at_ms)
                    await plc.set("Count", at_ms, at_ms=at_ms)
                    await until(lambda n=at_ms: got.values("Count")[-1:] == [float(n)])  # type: ignore[misc]
                assert got.values("Force") == [0.0, 1.5, 3.0]

    run(work)


def test_a_polled_node_that_is_not_there_stops_nobody_and_heals(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0) as plc:
            strange = {**polled("Strange"), "node": "nsu=urn:nobody;s=x"}
            settings = settings_for(plc.endpoint, polled("Late"), polled("Force"), strange)
            async with reading(path, settings) as got:
                await until(lambda: got.values("Force") == [1.0])
                late = "tag Late: node ns=2;s=Late refused: BadNodeIdUnknown"
                nobody = (
                    "tag Strange: node nsu=urn:nobody;s=x refused: the server has no namespace "
                    "urn:nobody"
                )
                await until(lambda: len(refusals(got)) == 2)
                await plc.add("Late", 5.0)
                await until(lambda: got.values("Late")[-1:] == [5.0])
                await until(lambda: len(refusals(got)) == 3)
                assert [(g.cause, g.to_us is None) for g in refusals(got)] == [
                    (nobody, True), (late, True), (late, False),
                ]  # fmt: skip

    run(work)


def test_cycles_that_a_slow_server_leaves_out_are_one_gap_and_pile_up_nowhere(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0) as plc:
            port = int(plc.endpoint.rstrip("/").rpartition(":")[2])
            async with FaultProxy("127.0.0.1", port) as proxy:
                endpoint = f"opc.tcp://127.0.0.1:{proxy.port}/"
                settings = settings_for(endpoint, polled("Force"), timeout_s=20)
                begun_at = time.monotonic()
                async with reading(path, settings) as got:
                    await until(lambda: got.values("Force") == [1.0])
                    await proxy.make("delay", 1.0, seconds=2.0)
                    await plc.set("Force", 2.0, at_ms=1)
                    await until(lambda: got.values("Force") == [1.0, 2.0])
                    await until(lambda: max(missed(got), default=0) >= 20)
                    # One request at a time: what was missed is no more than the time there was.
                    assert sum(missed(got)) * 0.05 <= time.monotonic() - begun_at

    run(work)
