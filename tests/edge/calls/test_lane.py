"""Calls to a real PLC and events back, over a real broker: each exactly once, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asyncua import ua

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from edge.calls import CallLane, CallStore, Desk
from edge.calls.line import LineSession
from edge.calls.nodes import PlcError
from edge.calls.store import TakenResult
from edge.link import LinkError
from edge.status import Figures
from edge.supervise import keep_running
from firmware_sim.line.ledger import CallDecision, Result, read_ledger
from firmware_sim.line.plc import run_line
from firmware_sim.line.settings import LineSettings
from protocols.jis.envelope import dump
from protocols.jis.messages import Event
from tests.edge.hub import Hub
from tests.edge.plant import (
    GROUP,
    LINE,
    NODE,
    PART_GROUPS,
    PLANT,
    calls,
    edge_config,
    line_plc,
    opcua_source,
)
from tests.edge.waiting import until

pytestmark = pytest.mark.anyio

NAME = f"{PLANT}/{LINE}"
ROUTES = {NAME: frozenset(PART_GROUPS)}


class Plc:
    """A line PLC's port, and its ledger."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.ledger = directory / "ledger.jsonl"

    def decisions(self) -> list[CallDecision]:
        return [entry for entry in read_ledger(self.ledger) if isinstance(entry, CallDecision)]

    def results(self) -> list[Result]:
        return [entry for entry in read_ledger(self.ledger) if isinstance(entry, Result)]


@pytest.fixture
async def plc(tmp_path: Path) -> AsyncIterator[Plc]:
    """A line PLC that runs in this process; one that is to be killed is a process of its own."""
    made = Plc(tmp_path)
    settings = LineSettings(
        line=LINE, port=made.port, cycle_s=0.2, rack_slots=2, ledger=made.ledger
    )
    async with run_line(settings):
        yield made


@asynccontextmanager
async def lane(
    directory: Path, broker_port: int, plc: Plc | None, *more_ports: int
) -> AsyncIterator[Figures]:
    """A gateway's call lane, with its line if there is a PLC; `more_ports` of further brokers."""
    config = edge_config(directory, broker_port, plc.port if plc else 1)
    config.more_brokers = [
        config.broker.model_copy(update={"port": more_port}) for more_port in more_ports
    ]
    figures = Figures()
    desk = Desk(CallStore.open(directory / "calls.sqlite"), ROUTES)
    served = CallLane(
        desk, config.brokers, GROUP, NODE, ROUTES, figures, resend_after_s=0.5, hub_wait_s=1.0
    )
    parts = [
        keep_running("lane", served.serve, expected=(LinkError,), hint_when_short_lived="identity")
    ]
    if plc is not None:
        parts.append(
            keep_running(
                "line",
                LineSession(desk, NAME, opcua_source(config)).serve,
                expected=(OSError, ua.UaError, PlcError),
                hint_when_short_lived="dropped",
            )
        )
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield figures
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        desk.close()


def kinds(events: list[Event]) -> Counter[str]:
    return Counter(event.kind for event in events)


def check_against_ledger(hub: Hub, plc: Plc) -> None:
    """The hub's events are what the PLC did: each once, in order."""
    told = [(e.kind, str(e.key), e.serial or "", e.verdict or "") for e in hub.events]
    assert len(set(told)) == len(told), "an event is doubled"
    results = [(r.result, r.key, r.serial, r.verdict) for r in plc.results()]
    assert [event for event in told if event[0] not in ("accepted", "refused")] == results
    taken = [d.key for d in plc.decisions() if d.accepted and not d.repeated]
    assert [str(e.key) for e in hub.events if e.kind == "accepted"] == taken
    assert len(set(taken)) == len(taken), "a call was built twice"
    for key in taken:
        mine = [kind for kind, of, _, _ in told if of == key]
        assert mine[0] == "accepted"


async def test_from_call_to_shipped(tmp_path: Path, broker: LocalBroker, plc: Plc) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path, broker.port, plc) as figures:
            hub.call(*calls(1, 4))
            await until(lambda: kinds(hub.events)["shipped"] == 4, "four parts shipped")
            await until(lambda: figures.calls.events_pending == 0, "all events committed")
        assert hub.calls_answer is not None
        assert hub.calls_answer.watermark == 4
    check_against_ledger(hub, plc)
    assert [d.key for d in plc.decisions()] == [str(call.key) for call in calls(1, 4)]


async def test_lost_answers_and_a_broker_that_forgets(
    tmp_path: Path, broker: LocalBroker, plc: Plc
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        lost = iter([True, True, False] * 1000)
        hub.swallow = lambda: next(lost)
        async with lane(tmp_path, broker.port, plc):
            hub.call(*calls(1, 2))
            await until(lambda: kinds(hub.events)["accepted"] == 2, "two calls accepted")
            broker.kill()
            await asyncio.sleep(0.5)
            broker.forget()
            hub.call(*calls(3, 2))
            await until(lambda: kinds(hub.events)["shipped"] == 4, "four parts shipped")
    check_against_ledger(hub, plc)


async def test_plc_that_dies_and_comes_back(tmp_path: Path, broker: LocalBroker) -> None:
    plc = Plc(tmp_path)
    with line_plc(tmp_path, plc.port) as process, Hub(broker.port, GROUP, NODE) as hub:
        await asyncio.to_thread(process.start)
        async with lane(tmp_path, broker.port, plc):
            hub.call(*calls(1, 3))
            await until(lambda: kinds(hub.events)["produced"] >= 1, "the first part")
            process.kill()
            hub.call(*calls(4, 1))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(process.start)
            await until(lambda: kinds(hub.events)["shipped"] == 4, "four parts shipped")
    check_against_ledger(hub, plc)


async def test_calls_that_cannot_be_taken(tmp_path: Path, broker: LocalBroker, plc: Plc) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path, broker.port, plc) as figures:
            hub.call(*calls(1, 1, line="SEAT9"), *calls(2, 1, part_group="ROOF"))
            hub.call_raw({"kind": "call", "key": "nonsense"}, "more of it")
            hub.call(*calls(3, 1))
            await until(lambda: kinds(hub.events)["accepted"] == 1, "the good call")
            await until(lambda: hub.calls_answer and hub.calls_answer.watermark == 5, "the cursor")
            await until(lambda: figures.calls.quarantined == 2, "what is of no use to be shown")
    refused = {str(e.key): e.reason for e in hub.events if e.kind == "refused"}
    assert refused == {
        "P1/SEAT9/0000001/SEAT-FRONT/0": "this gateway serves no line P1/SEAT9",
        "P1/SEAT1/0000002/ROOF/0": "line P1/SEAT1 builds no part group ROOF",
    }
    store = CallStore.open(tmp_path / "calls.sqlite")
    assert store.counts().quarantined == 2
    store.close()


async def test_new_epoch_with_calls_known_already(
    tmp_path: Path, broker: LocalBroker, plc: Plc
) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path, broker.port, plc):
            hub.call(*calls(1, 2))
            await until(lambda: kinds(hub.events)["accepted"] == 2, "two calls accepted")
            again = [call.model_dump(mode="json") for call in calls(1, 3)]
            hub.open_call_epoch(again)
            await until(lambda: kinds(hub.events)["accepted"] == 3, "the new call accepted")
            await asyncio.sleep(0.3)
    assert [d.key for d in plc.decisions()] == [str(call.key) for call in calls(1, 3)]


async def test_replaced_gateway_gets_the_calls_again(tmp_path: Path, broker: LocalBroker) -> None:
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path / "old", broker.port, None):
            hub.call(*calls(1, 2))
            await until(lambda: hub.calls_answer and hub.calls_answer.watermark == 2, "the cursor")
        hub.calls_answer = None
        async with lane(tmp_path / "new", broker.port, None) as figures:
            await until(lambda: hub.calls_answer, "the new gateway's answer")
            hub.open_call_epoch([call.model_dump(mode="json") for call in calls(1, 2)])
            await until(lambda: figures.calls.calls_open == 2, "the calls")


async def test_disk_restored_from_an_old_copy(
    tmp_path: Path, broker: LocalBroker, plc: Plc, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "old"
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path / "new", broker.port, None):
            hub.call(*calls(1, 1, line="SEAT9"))
            await until(lambda: len(hub.events) == 1, "the refusal")
        shutil.copytree(tmp_path / "new", old)
        async with lane(tmp_path / "new", broker.port, None):
            hub.call(*calls(2, 2, line="SEAT9"))
            await until(lambda: len(hub.events) == 3, "two more")
        async with lane(old, broker.port, plc) as figures:
            hub.open_call_epoch([call.model_dump(mode="json") for call in calls(5, 2)])
            await until(lambda: kinds(hub.events)["shipped"] == 2, "two parts shipped")
            await until(lambda: figures.calls.events_pending == 0, "all committed")
    told = [(e.kind, str(e.key), e.verdict, e.serial) for e in hub.events if e.kind != "refused"]
    assert len(set(told)) == len(told)
    assert kinds(hub.events)["accepted"] == 2
    assert caplog.text.count("this disk is an old copy") == 1


async def test_an_answer_that_the_broker_kept_hides_no_old_copy(
    tmp_path: Path, broker: LocalBroker
) -> None:
    old = tmp_path / "old"
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path / "new", broker.port, None):
            hub.call(*calls(1, 1, line="SEAT9"))
            await until(lambda: len(hub.events) == 1, "the refusal")
        shutil.copytree(tmp_path / "new", old)
        kept = dump(hub.events_in.answer())
        async with lane(tmp_path / "new", broker.port, None):
            hub.call(*calls(2, 2, line="SEAT9"))
            await until(lambda: len(hub.events) == 3, "two more")
        hub._publish(hub._topic("events/ack"), kept, 1)
        hub.calls_answer = None
        hub.swallow = lambda: hub.calls_answer is None or hub.calls_answer.watermark < 3
        async with lane(old, broker.port, None) as figures:
            hub.open_call_epoch([c.model_dump(mode="json") for c in calls(5, 3, line="SEAT9")])
            await until(lambda: not hub.swallow(), "the calls")
            await until(lambda: figures.calls.events_pending == 0, "all committed")
    told = {event.key.production_no for event in hub.events}
    assert told == {f"{number:07d}" for number in (1, 2, 3, 5, 6, 7)}


async def test_the_hub_hears_of_results_that_a_disk_has_lost(
    tmp_path: Path, broker: LocalBroker
) -> None:
    store = CallStore.open(tmp_path / "calls.sqlite")
    for no in (1, 5):
        event = Event(
            kind="produced", key=calls(1, 1)[0].key, at=datetime.now(UTC), serial=f"S{no}"
        )
        store.take_results(NAME, [TakenResult(no, b"", event, "", "{}")])
    store.close()
    with Hub(broker.port, GROUP, NODE) as hub:
        async with lane(tmp_path, broker.port, None) as figures:
            await until(lambda: len(hub.events) == 2, "both results")
            await until(lambda: figures.calls.events_pending == 0, "their commit")
    assert [event.serial for event in hub.events] == ["S1", "S5"]
    assert hub.events_in.lost == [(1, 2)]


async def test_goes_to_the_server_where_the_hub_answers(
    tmp_path: Path, broker: LocalBroker
) -> None:
    """The first refuses, the second has no hub on it; and when the third dies the hub is there."""
    refusing = free_port()
    with type(broker)(tmp_path / "third") as third:
        async with lane(tmp_path, refusing, None, broker.port, third.port) as figures:
            with Hub(third.port, GROUP, NODE) as there:
                there.call(*calls(1, 2, line="SEAT9"))
                await until(lambda: len(there.events) == 2, "both refusals")
                await until(lambda: figures.calls.events_pending == 0, "their commit")
            third.kill()
            with Hub(broker.port, GROUP, NODE) as here:
                here.events_in.cursor = there.events_in.cursor
                here.call(*calls(3, 1, line="SEAT9"))
                await until(lambda: len(here.events) == 1, "the third refusal")
    keys = [event.key.production_no for hub in (there, here) for event in hub.events]
    assert keys == ["0000001", "0000002", "0000003"]
