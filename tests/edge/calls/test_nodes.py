"""Calls written to nodes that a user names: in the types they have, and with a handshake whose echo
may name the call or not, interrupted at every step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from asyncua import ua

from edge.calls import CallStore
from edge.calls.nodes import PlcError
from edge.calls.plc import LinePlc
from edge.config.hand_over import HandOverSettings
from edge.sources.opcua.connect import close, connect
from firmware_sim.line.server import PlcServer
from tests.edge.calls.test_handover import STEPS, hand_over, receive, told
from tests.edge.plant import calls, edge_config, opcua_source

pytestmark = pytest.mark.anyio

URI = "urn:test:press"
NODES = {
    "part_no": "Job.Part",
    "slot": "Job.Slot",
    "sequence_no": "Job.Number",
    "required_at": "Job.Due",
    "key": "Job.Key",
}


def node(name: str) -> str:
    return f"nsu={URI};s={name}"


def settings(*, key: bool = False, answer: bool = True) -> HandOverSettings:
    """`key`: the echo names the call; `answer`: it says yes or no."""
    given = {
        "fields": {field: node(name) for field, name in NODES.items()},
        "strobe": node("Job.Strobe"),
        "echo_strobe": node("Job.Done"),
    }
    if answer:
        given |= {"echo_accepted": node("Job.Good"), "echo_reason": node("Job.Why")}
    if key:
        given["echo_key"] = node("Job.DoneKey")
    return HandOverSettings.model_validate(given)


class Press:
    """The program of a PLC that is not of ours. It knows calls by their key if it echoes it."""

    def __init__(self, server: PlcServer, *, key: bool) -> None:
        self.server = server
        self.taken: list[str] = []
        self.refuses: set[str] = set()
        self.dies: Callable[[], bool] = lambda: False
        self._key = key
        self._strobed = asyncio.Event()
        server.on_write("Job.Strobe", self._strobed.set)

    async def run(self) -> None:
        server = self.server
        while True:
            await self._strobed.wait()
            self._strobed.clear()
            if self.dies():
                continue
            key, part = server.text("Job.Key"), server.text("Job.Part")
            refused = part in self.refuses
            if not refused and not (self._key and key in self.taken):
                self.taken.append(key)
            await server.write("Job.DoneKey", key)
            await server.write("Job.Good", value=not refused)
            await server.write("Job.Why", f"no tool for {part}" if refused else "")
            await server.write("Job.Done", server.number("Job.Strobe"))


@asynccontextmanager
async def press(*, key: bool = False, strobe: int = 250) -> AsyncIterator[Press]:
    """A running PLC whose strobe stands at the given number."""
    string, boolean, byte = ua.VariantType.String, ua.VariantType.Boolean, ua.VariantType.Byte
    async with PlcServer(URI, "127.0.0.1", 0) as server:
        for name in ("Job.Part", "Job.Key"):
            await server.add(name, string, "", writable=True)
        await server.add("Job.Slot", ua.VariantType.UInt16, 0, writable=True)
        await server.add("Job.Number", ua.VariantType.Double, 0.0, writable=True)
        await server.add("Job.Due", ua.VariantType.DateTime, datetime(2026, 1, 1), writable=True)
        await server.add("Job.Strobe", byte, strobe, writable=True)
        await server.add("Job.Done", byte, strobe)
        await server.add("Job.DoneKey", string, "")
        await server.add("Job.Good", boolean, value=False)
        await server.add("Job.Why", string, "")
        await server.listen()
        made = Press(server, key=key)
        running = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            running.cancel()


@pytest.mark.parametrize("key", [False, True])
async def test_interrupted_at_every_step(tmp_path: Path, key: bool) -> None:
    """The strobe is a Byte and passes 255 on the way."""
    async with press(key=key) as plc:
        for number, (when, step) in enumerate(STEPS):
            path = tmp_path / f"{when}-{step}.sqlite"
            wanted = calls(1 + 2 * number, 2)
            receive(path, *wanted)
            await hand_over(path, plc.server.endpoint, settings(key=key), **{when: step})
            await hand_over(path, plc.server.endpoint, settings(key=key))
            keys = [str(call.key) for call in wanted]
            assert plc.taken[2 * number :] == keys, f"{when} {step}: in order, each once"
            assert told(path) == [("accepted", key) for key in keys], f"{when} {step}"
        assert plc.server.number("Job.Slot") == 2
        assert plc.server.number("Job.Number") == wanted[-1].sequence_no


async def test_refused_by_the_plc_or_by_the_type_of_a_node(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    first, second, third = calls(1, 3)
    receive(path, first, second.model_copy(update={"slot": 70_000}), third)
    async with press() as plc:
        plc.refuses.add(first.part_no)
        await hand_over(path, plc.server.endpoint, settings())
        assert plc.taken == [str(third.key)]
    store = CallStore.open(path)
    events = [(event["kind"], event["reason"]) for event in store.events(0, 9)]
    store.close()
    assert events == [
        ("refused", f"no tool for {first.part_no}"),
        (
            "refused",
            "the call cannot be written to the PLC: field slot: 70000 does not fit node "
            f"{node('Job.Slot')}, UInt16",
        ),
        ("accepted", None),
    ]


async def test_without_an_answer_to_tell_an_echo_is_a_yes(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    receive(path, *calls(1, 1))
    async with press() as plc:
        plc.refuses.add("A1")
        await hand_over(path, plc.server.endpoint, settings(answer=False))
    assert told(path) == [("accepted", str(calls(1, 1)[0].key))]


async def test_a_plc_that_has_lost_its_memory_leaves_a_call_unclear(tmp_path: Path) -> None:
    """Its strobe is 0 again, so nobody can tell whether it took the call: it is not shown again."""
    path = tmp_path / "calls.sqlite"
    first, second = calls(1, 2)
    receive(path, first, second)
    async with press() as plc:
        plc.dies = lambda: True
        await hand_over(path, plc.server.endpoint, settings(), after="write_strobe")
    async with press(strobe=0) as plc:
        await hand_over(path, plc.server.endpoint, settings())
        assert plc.taken == [str(second.key)]
    assert told(path) == [("unclear", str(first.key)), ("accepted", str(second.key))]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strobe": node("Job.DoneKey")}, f"node {node('Job.DoneKey')} is no whole number"),
        ({"strobe": node("Job.Strobes")}, f"node {node('Job.Strobes')} has no type"),
        ({"strobe": "nsu=urn:no;s=Job"}, "the server has no namespace urn:no"),
        ({"fields": {"slot": node("Job.Good")}}, f"node {node('Job.Good')} is of type Boolean"),
    ],
)
async def test_nodes_that_cannot_be_written_are_named(change: dict[str, str], said: str) -> None:
    given = {**settings(answer=False).model_dump(), **change}
    async with press() as plc:
        port = int(plc.server.endpoint.rstrip("/").rpartition(":")[2])
        client = await connect(opcua_source(edge_config(Path(), 1, port)))
        try:
            with pytest.raises(PlcError, match=said):
                await LinePlc.attach(client, HandOverSettings.model_validate(given))
        finally:
            await close(client, 2)
