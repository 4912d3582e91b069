"""The hand-over interrupted at every step: the PLC takes each call once, each is decided once."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from pathlib import Path

import pytest
from asyncua import ua

from edge.calls import CallStore, Desk
from edge.calls.handover import HandOver, next_strobe
from edge.calls.plc import HandOverState, LinePlc
from edge.calls.work import Work
from edge.config.hand_over import HandOverSettings
from edge.sources.opcua.connect import close, connect
from edge.status import Condition
from firmware_sim.line.ledger import CallDecision, read_ledger
from firmware_sim.line.plc import run_line
from firmware_sim.line.server import PlcServer
from firmware_sim.line.settings import LineSettings
from protocols.jis.messages import Call, CallChange, Event
from protocols.opcua import line
from protocols.streams import State
from tests.edge.plant import LINE, PART_GROUPS, PLANT, calls, edge_config, opcua_source

pytestmark = pytest.mark.anyio

NAME = f"{PLANT}/{LINE}"


class PowerCutError(Exception):
    """The gateway dies here."""


class FailingPlc(LinePlc):
    """A real session that loses power before or after one step of the hand-over."""

    cut_before: str = ""
    cut_after: str = ""

    async def write_work(self, work: Work) -> None:
        self._cut("write_work", self.cut_before)
        await super().write_work(work)
        self._cut("write_work", self.cut_after)

    async def write_strobe(self, strobe: int) -> None:
        self._cut("write_strobe", self.cut_before)
        await super().write_strobe(strobe)
        self._cut("write_strobe", self.cut_after)

    def _cut(self, step: str, at: str) -> None:
        if step == at:
            raise PowerCutError(step)


class FailingStore(CallStore):
    """A real file whose process dies before or after one of its transactions."""

    cut_before: str = ""
    cut_after: str = ""

    def offer(self, work: Work, strobes: tuple[int, int] | None = None) -> bool:
        if self.cut_before == "offer":
            raise PowerCutError("offer")
        offered = super().offer(work, strobes)
        if self.cut_after == "offer":
            raise PowerCutError("offer")
        return offered

    def settle(self, work: Work, accepted: bool, reason: str, at: datetime) -> None:
        if self.cut_before == "settle":
            raise PowerCutError("settle")
        super().settle(work, accepted, reason, at)
        if self.cut_after == "settle":
            raise PowerCutError("settle")

    def decide(self, event: Event) -> bool:
        if self.cut_before == "decide":
            raise PowerCutError("decide")
        decided = super().decide(event)
        if self.cut_after == "decide":
            raise PowerCutError("decide")
        return decided


async def hand_over(
    path: Path,
    endpoint: str,
    settings: HandOverSettings | None = None,
    *,
    before: str = "",
    after: str = "",
) -> None:
    """One life of a gateway: hands over what is open, and dies at the given step. `settings`: to
    nodes that they name."""
    store = FailingStore.open(path)
    store.cut_before, store.cut_after = before, after
    desk = Desk(store, [NAME])
    config = edge_config(path.parent, 1, int(endpoint.rstrip("/").rpartition(":")[2]))
    client = await connect(opcua_source(config))
    try:
        plc = await FailingPlc.attach(client, settings)
        plc.cut_before, plc.cut_after = before, after
        work = HandOver(desk, plc, NAME, Condition(logging.getLogger(__name__), "line"))
        await plc.watch(work.ring, lambda: None)
        running = asyncio.create_task(work.run())
        async with asyncio.timeout(60):
            while not running.done():
                if await desk.run(store.next_work, NAME) is None:
                    break
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled() and not isinstance(running.exception(), PowerCutError):
            raise AssertionError(f"not a power cut: {running.exception()!r}")
    finally:
        await close(client, 2)
        desk.close()


STEPS = [
    (when, step)
    for step in ("offer", "write_work", "write_strobe", "decide")
    for when in ("before", "after")
]


async def test_interrupted_at_every_step(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    async with run_line(LineSettings(line=LINE, ledger=ledger, queue_slots=64)) as plc:
        for number, (when, step) in enumerate(STEPS):
            path = tmp_path / f"{when}-{step}.sqlite"
            wanted = calls(1 + 2 * number, 2)
            receive(path, *reversed(wanted))
            await hand_over(path, plc.endpoint, None, **{when: step})
            await hand_over(path, plc.endpoint)
            keys = [str(call.key) for call in wanted]
            decided = [e for e in read_ledger(ledger) if isinstance(e, CallDecision)]
            taken = [d.key for d in decided if d.accepted and not d.repeated]
            assert taken[2 * number :] == keys, f"{when} {step}: by call number, each once"
            assert told(path) == [("accepted", key) for key in keys], f"{when} {step}"


async def test_a_command_interrupted_at_every_step(tmp_path: Path) -> None:
    """Each is obeyed once and answered once. The first call keeps the line busy, so that the others
    wait in its queue."""
    ledger = tmp_path / "ledger.jsonl"
    settings = LineSettings(line=LINE, ledger=ledger, queue_slots=64, cycle_s=1e6)
    async with run_line(settings) as plc:
        busy = tmp_path / "busy.sqlite"
        receive(busy, *calls(1, 1))
        await hand_over(busy, plc.endpoint)
        for number, (when, step) in enumerate(STEPS, start=2):
            path = tmp_path / f"{when}-{step}.sqlite"
            (call,) = calls(number, 1)
            receive(path, call)
            await hand_over(path, plc.endpoint)
            changed = call.model_copy(update={"revision": 2, "part_no": "B"})
            change = CallChange(call=changed, changed=["part_no"], reason="")
            store = CallStore.open(path)
            plain = [change.model_dump(mode="json")]
            store.read_state(State(8, 0, 1))
            store.receive(8, 0, plain, {NAME: frozenset(PART_GROUPS)})
            store.close()
            cut = "settle" if step == "decide" else step
            await hand_over(path, plc.endpoint, None, **{when: cut})
            await hand_over(path, plc.endpoint)
            key = str(call.key)
            assert told(path) == [("accepted", key), ("confirmed_change", key)], f"{when} {cut}"
            asked = [e for e in read_ledger(ledger) if isinstance(e, CallDecision) and e.key == key]
            obeyed = [(e.command, e.revision) for e in asked if not e.repeated]
            assert obeyed == [("build", 1), ("replace", 2)], f"{when} {cut}"
            assert {c.part_no for c in plc.state.queue if c.key == key} == {"B"}


def receive(path: Path, *wanted: Call) -> None:
    """Put calls into the inbox."""
    store = CallStore.open(path)
    store.read_state(State(7, 0, len(wanted)))
    records = [call.model_dump(mode="json") for call in wanted]
    store.receive(7, 0, records, {NAME: frozenset(PART_GROUPS)})
    store.close()


def told(path: Path) -> list[tuple[str, str]]:
    """Kind and key of the events that lie ready for the hub."""
    store = CallStore.open(path)
    events = [Event.model_validate(event) for event in store.events(0, 100)]
    store.close()
    return [(event.kind, str(event.key)) for event in events]


async def test_refused_by_the_plc(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    receive(path, *calls(1, 1))
    settings = LineSettings(line=LINE, part_groups=frozenset({"OTHER"}))
    async with run_line(settings) as plc:
        await hand_over(path, plc.endpoint)
    store = CallStore.open(path)
    assert [(e["kind"], e["reason"]) for e in store.events(0, 9)] == [
        ("refused", "unknown part group SEAT-FRONT")
    ]
    store.close()


async def test_an_echo_that_names_another_call_is_unclear(tmp_path: Path) -> None:
    """Whether the PLC took the call nobody can tell: it is never shown again by itself."""
    path = tmp_path / "calls.sqlite"
    receive(path, *calls(1, 2))
    first, second = (str(call.key) for call in calls(1, 2))
    answers = 0

    async with PlcServer(line.NAMESPACE, "127.0.0.1", 0) as server:
        string, boolean, uint32 = (
            ua.VariantType.String,
            ua.VariantType.Boolean,
            ua.VariantType.UInt32,
        )
        for name in ("SequenceNo", "Slot", "Quantity"):
            await server.add(line.call_field(name), ua.VariantType.Int32, 0, writable=True)
        for name in ("Key", "PartNo", "Colour", "Rack"):
            await server.add(line.call_field(name), string, "", writable=True)
        await server.add(line.CALL_FREE, boolean, value=True)
        await server.add(line.CALL_STROBE, uint32, 0, writable=True)
        await server.add(line.ECHO_KEY, string, "")
        await server.add(line.ECHO_ACCEPTED, boolean, value=False)
        await server.add(line.ECHO_REASON, string, "")
        await server.add(line.ECHO_STROBE, uint32, 0)
        for slot in range(line.RESULT_SLOTS):
            await server.add(line.result_field(slot, "No"), ua.VariantType.Int64, 0)
        strobed = asyncio.Event()
        server.on_write(line.CALL_STROBE, strobed.set)
        await server.listen()

        async def answer() -> None:
            nonlocal answers
            while True:
                await strobed.wait()
                strobed.clear()
                answers += 1
                key = server.text(line.call_field("Key")) if answers > 1 else "another"
                await server.write(line.ECHO_KEY, key)
                await server.write(line.ECHO_ACCEPTED, value=True)
                await server.write(line.ECHO_STROBE, server.number(line.CALL_STROBE))

        answering = asyncio.create_task(answer())
        await hand_over(path, server.endpoint)
        answering.cancel()
    assert told(path) == [("unclear", first), ("accepted", second)]
    assert answers == 2


def test_a_strobe_is_new_and_never_zero() -> None:
    at = calls(1, 1)[0].called_at
    state = HandOverState(True, 2**32 - 1, 1, "", True, "", at)
    assert next_strobe(state) == 2
