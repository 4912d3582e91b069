"""Results as events: of another maker's server with the model Machine Vision, over faults."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edge.journal import Gap
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.events import ResultEvents
from edge.sources.opcua.missed import held_results
from firmware_sim.proxy.proxy import FaultProxy
from protocols.inspection import RESULT, Result, parse_result
from tests.edge.sources.plc import run_plc
from tests.edge.sources.reading import Reading, reading, run, settings_for, until
from tests.fixtures.node_opcua import URI, needs_node_opcua, run_node_opcua

VISION: dict[str, Any] = {
    "node": f"nsu={URI};s=Camera",
    "measured": [
        {"name": "Width", "value": "ResultContent.0", "unit": "mm", "lower": 4, "upper": 5},
        {"name": "Clip", "value": "ResultContent.1"},
        {"name": "Label", "value": "ResultContent.2.Id"},
    ],
    "ok_words": ["ok", "door label"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def camera(endpoint: str, *tags: str, **vision: Any) -> OpcUaSettings:
    return settings_for(endpoint, *tags, machine_vision={**VISION, **vision})


def a_result(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "part": f"SN{number:04}",
        "made_ms": int(time.time() * 1000),
        "content": [
            {"type": "Double", "value": 4 + number / 1000},
            {"type": "Boolean", "value": True},
            {"fields": {"id": "door label"}},
        ],
        **more,
    }


def results(got: Reading) -> list[Result]:
    return [parse_result(text) for text in got.values(RESULT)]


def parts(got: Reading) -> Counter[str | None]:
    return Counter(r.serial for r in results(got) if r.characteristic == "Vision")


@needs_node_opcua
def test_results_come_as_events_beside_values(path: Path) -> None:
    async def work() -> None:
        async with run_node_opcua(nodesets=["machineVision"]) as server:
            await server.add("Force", "Double", 1.0)
            force = {"name": "Force", "node": server.node("Force")}
            settings = settings_for(server.endpoint, force, machine_vision=VISION)
            async with reading(path, settings) as got:
                await until(lambda: got.values("Force") == [1.0])
                await server.raise_results(
                    a_result(1),
                    a_result(2, partial=True),
                    a_result(3, simulated=True),
                    a_result(4, content=[{"type": "Double", "value": 9.0}], recipe="doors"),
                    a_result(5, content=[{"type": "String", "value": "?"}]),
                )
                await server.set(Force=2.0)
                await until(lambda: len(results(got)) == 12)
                await until(lambda: got.values("Force") == [1.0, 2.0])
                told = {(r.serial, r.characteristic): r for r in results(got)}
                assert [r.verdict for r in results(got)] == [
                    *("ok", "ok", "ok", "ok"),
                    *("nok", "nok", "unknown", "unknown"),
                    *("unknown", "unknown", "unknown", "unknown"),
                ]
                assert told["SN0001", "Width"].value == 4.001
                assert told["SN0001", "Width"].unit == "mm"
                assert told["SN0004", "Vision"].programme == "doors"
                assert told["SN0004", "Vision"].tool == "Camera"
                assert got.gaps == []

    run(work)


@needs_node_opcua
def test_what_happens_while_the_link_or_the_agent_is_away_comes_once(path: Path) -> None:
    async def work() -> None:
        async with (
            run_node_opcua(nodesets=["machineVision"]) as server,
            FaultProxy("127.0.0.1", server.port) as proxy,
        ):
            settings = camera(f"opc.tcp://127.0.0.1:{proxy.port}/", node="i=2253")
            number = 0

            async def more() -> None:
                nonlocal number
                await server.raise_results(*(a_result(number + n) for n in range(1, 11)))
                number += 10

            async with reading(path, settings) as got:
                await until(lambda: got.figures.state == "online")
                await more()
                for fault in ("cut", "half_open"):
                    await proxy.make(fault, seconds=1)
                    await more()
                    await until(lambda: len(parts(got)) == number)
                await until(lambda: got.figures.state == "online")
            await more()
            async with reading(path, settings) as got:
                await until(lambda: len(parts(got)) == number)
                assert set(parts(got).values()) == {1}
                assert got.gaps == []

    run(work)


@needs_node_opcua
def test_what_was_not_heard_is_fetched_or_a_gap_that_names_the_results(path: Path) -> None:
    async def work() -> None:
        async with (
            run_node_opcua(nodesets=["machineVision"]) as server,
            reading(path, camera(server.endpoint)) as got,
        ):
            await until(lambda: got.figures.state == "online")
            await server.raise_results(a_result(1))
            await until(lambda: parts(got)["SN0001"] == 1)
            await server.stop()
            await server.start()
            await server.raise_results(*(a_result(n) for n in range(2, 12)))
            await until(lambda: len(parts(got)) == 11)
            await until(lambda: got.figures.state == "online")
            told = {(r.serial, r.characteristic): r for r in results(got)}
            assert told["SN0007", "Width"].value == 4.007
            assert told["SN0007", "Label"].verdict == "ok"
            assert told["SN0007", "Vision"].tool == "Camera"
            assert got.gaps == []

            first_us = time.time_ns() // 1000
            await server.forget_results()
            await server.restart()
            await until(lambda: bool(got.gaps))
            (gap,) = got.gaps
            assert gap.cause.startswith("machine vision results: ")
            assert gap.from_us is not None
            assert gap.to_us is not None
            assert gap.from_us <= first_us < gap.to_us
            await until(lambda: got.figures.state == "online")
            await server.raise_results(a_result(12))
            await until(lambda: parts(got)["SN0012"] == 1)

    run(work)


@needs_node_opcua
@pytest.mark.parametrize("broken_off", [False, True], ids=["at once", "after a restart"])
def test_what_comes_while_the_time_before_is_accounted_for_does_not_stand_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken_off: bool
) -> None:
    """The node was refused at first, so that the session is under way when its events come."""
    monkeypatch.setattr("edge.sources.opcua.events._SLACK_US", 0)
    request = ResultEvents.request
    refusing, waiting = False, [3]

    def refused(events: ResultEvents, namespaces: list[str]) -> Any:
        if refusing:
            raise ValueError("the server has not come so far")
        return request(events, namespaces)

    async def work() -> None:
        nonlocal refusing
        async with run_node_opcua(nodesets=["machineVision"]) as server:

            async def fetch(*asked: Any) -> Any:
                while waiting:
                    await server.raise_results(a_result(waiting.pop()))
                    await until(lambda: parts(got)["SN0003"] == 1)
                    if broken_off:
                        await asyncio.Event().wait()
                return await held_results(*asked)

            async with reading(path, camera(server.endpoint)) as got:
                await until(lambda: got.figures.state == "online")
                await server.raise_results(a_result(1))
                await until(lambda: parts(got)["SN0001"] == 1)
                monkeypatch.setattr(ResultEvents, "request", refused)
                monkeypatch.setattr("edge.sources.opcua.subscription.held_results", fetch)
                refusing = True
                await server.restart()
                await until(lambda: got.figures.refused_nodes == 1)
                refused_us = time.time_ns() // 1000
                await server.raise_results(a_result(2))
                await server.forget_results()
                refusing = False
                await until(lambda: parts(got)["SN0003"] == 1)
                if not broken_off:
                    await until(lambda: bool(told_missing(got)))
            async with reading(path, camera(server.endpoint)) as got:
                await until(lambda: bool(told_missing(got)))
                (gap,) = told_missing(got)
                assert gap.from_us is not None
                assert gap.from_us < refused_us
                assert parts(got) == {"SN0001": 1, "SN0003": 1}

    run(work)


def told_missing(got: Reading) -> list[Gap]:
    return [gap for gap in got.gaps if gap.cause.startswith("machine vision results: ")]


@needs_node_opcua
def test_a_queue_that_overflows_is_a_gap_though_the_server_says_nothing(path: Path) -> None:
    async def work() -> None:
        async with (
            run_node_opcua(nodesets=["machineVision"]) as server,
            reading(path, camera(server.endpoint, queue_size=10)) as got,
        ):
            await until(lambda: got.figures.state == "online")
            await server.raise_results(*(a_result(n) for n in range(1, 51)))
            await until(lambda: parts(got)["SN0050"] == 1)
            assert len(parts(got)) == 10
            assert [gap.cause for gap in got.gaps] == [
                "machine vision results: the server's queue of 10 was full"
            ]

    run(work)


def test_a_server_without_the_model_is_read_all_the_same(path: Path) -> None:
    async def work() -> None:
        async with run_plc(Force=1.0) as plc:
            settings = camera(plc.endpoint, "Force")
            async with reading(path, settings) as got:
                await until(lambda: got.values("Force") == [1.0])
                await until(lambda: got.figures.refused_nodes == 1)
                (gap,) = got.gaps
                assert "does not have the model" in gap.cause
                assert gap.to_us is None

    run(work)
