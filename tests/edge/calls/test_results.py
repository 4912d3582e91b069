"""Results out of a real PLC: each stored once and in order, then acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.calls import CallStore, Desk
from edge.calls import results as results_module
from edge.calls.handover import HandOver
from edge.calls.plc import LinePlc, SlotReading
from edge.calls.results import ResultReader
from edge.calls.store import LostEvent, TakenResult
from edge.sources.opcua.connect import close, connect
from edge.status import Condition
from firmware_sim.line.ledger import Result, read_ledger
from firmware_sim.line.plc import RunningLine, run_line
from firmware_sim.line.settings import LineSettings
from protocols.streams import State
from tests.edge.plant import LINE, PART_GROUPS, PLANT, calls, edge_config, opcua_source
from tests.edge.waiting import until

pytestmark = pytest.mark.anyio

NAME = f"{PLANT}/{LINE}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "POLL_S", 0.1)


RESULTS = 15
"""Three parts: started, produced, inspected, packed, shipped."""


@asynccontextmanager
async def session(line: RunningLine, directory: Path) -> AsyncIterator[LinePlc]:
    port = int(line.endpoint.rstrip("/").rpartition(":")[2])
    client = await connect(opcua_source(edge_config(directory, 1, port)))
    try:
        yield await LinePlc.attach(client)
    finally:
        await close(client, 2)


@asynccontextmanager
async def built(directory: Path) -> AsyncIterator[tuple[RunningLine, LinePlc, list[Result]]]:
    """A PLC that has built three parts and holds all their results."""
    ledger = directory / "ledger.jsonl"
    settings = LineSettings(line=LINE, ledger=ledger, cycle_s=0.05, nok_rate=0, rack_slots=1)
    store = CallStore.open(directory / "calls.sqlite")
    store.read_state(State(7, 0, 3))
    records = [call.model_dump(mode="json") for call in calls(1, 3)]
    store.receive(7, 0, records, {NAME: frozenset(PART_GROUPS)})
    desk = Desk(store, [NAME])
    async with run_line(settings) as line, session(line, directory) as plc:
        patience = Condition(logging.getLogger(__name__), "line")
        work = asyncio.create_task(HandOver(desk, plc, NAME, patience).run())

        def results() -> list[Result]:
            return [entry for entry in read_ledger(ledger) if isinstance(entry, Result)]

        await until(lambda: len(results()) == RESULTS, "three parts")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        desk.close()
        yield line, plc, results()


async def read_all(plc: LinePlc, path: Path, last: int) -> list[tuple[str, str]]:
    """Run a reader until the store has result `last`; the events it made."""
    store = CallStore.open(path)
    desk = Desk(store, [NAME])
    running = asyncio.create_task(ResultReader(desk, plc, NAME).run())
    async with asyncio.timeout(60):
        while await desk.run(store.last_result, NAME) != last or await plc.results():
            assert not running.done(), running.exception()
            await asyncio.sleep(0.02)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    events = [
        ("lost", event.cause)
        if isinstance(event, LostEvent)
        else (event["kind"], event["serial"] or "")
        for event in await desk.run(store.events, 0, 100)
        if isinstance(event, LostEvent) or event["kind"] != "accepted"
    ]
    desk.close()
    return events


def as_told(results: list[Result]) -> list[tuple[str, str]]:
    return [(result.result, result.serial) for result in results]


async def test_all_in_order_through_a_ring_that_is_too_small(tmp_path: Path) -> None:
    async with built(tmp_path) as (_, plc, results):
        assert await read_all(plc, tmp_path / "calls.sqlite", RESULTS) == as_told(results)


async def test_killed_between_storing_and_acknowledging(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    async with built(tmp_path) as (_, plc, results):
        store = CallStore.open(path)
        store.take_results(NAME, [reading.taken(NAME) for reading in (await plc.results())[:5]])
        store.close()
        assert await read_all(plc, path, RESULTS) == as_told(results)


async def test_new_gateway_on_a_line_that_has_run(tmp_path: Path) -> None:
    async with built(tmp_path) as (_, plc, results):
        await plc.acknowledge((await plc.results())[:5])
        assert await read_all(plc, tmp_path / "new.sqlite", RESULTS) == as_told(results[5:])


async def test_numbers_that_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "calls.sqlite"
    async with built(tmp_path) as (_, plc, results):
        store = CallStore.open(path)
        earlier = [TakenResult(no, b"of an earlier PLC", None, "", "{}") for no in range(1, 41)]
        store.take_results(NAME, earlier)
        store.close()
        assert await read_all(plc, path, RESULTS) == as_told(results)
    assert caplog.text.count("have begun anew") == 1


async def test_results_that_the_plc_does_not_hold_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "calls.sqlite"
    async with built(tmp_path) as (_, plc, results):
        readings = await plc.results()
        store = CallStore.open(path)
        store.take_results(NAME, [reading.taken(NAME) for reading in readings[:2]])
        store.close()
        await plc.acknowledge(readings[:4])
        events = await read_all(plc, path, RESULTS)
        lost = ("lost", "results 3 … 4 of line P1/SEAT1: not stored here, and not held by the PLC")
        assert events == [*as_told(results[:2]), lost, *as_told(results[4:])]
    assert "results 3 … 4 were never seen" in caplog.text


@pytest.mark.parametrize(("field", "value"), [("Key", 12), ("At", "today"), ("Kind", [1])])
def test_a_result_of_wrong_types_makes_no_event_and_stops_nobody(field: str, value: object) -> None:
    fields = {
        "No": 1,
        "Kind": "produced",
        "Key": "P1/SEAT1/100/SEAT-FRONT/0",
        "Serial": "S-1",
        "Verdict": "",
        "Rack": "",
        "Slot": 0,
        "At": None,
    }
    assert SlotReading(0, 1, fields).taken(NAME).event is not None
    taken = SlotReading(0, 1, {**fields, field: value}).taken(NAME)
    assert taken.event is None
    assert repr(value).strip("'") in taken.reason
