"""A line PLC with the optional nodes: commands on calls it has taken, and results that say more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from firmware_sim.line.commands import LateError, Order, obey
from firmware_sim.line.ledger import CallDecision, read_ledger
from firmware_sim.line.plc import RunningLine, run_line
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import HandedCall, LineState, Part
from protocols.opcua.line import Command
from tests.firmware_sim.line.gateway import Gateway, a_call, gateway

KEY = str(a_call(1)["Key"])
Story = Callable[[Gateway, RunningLine], Awaitable[None]]


def play(story: Story, **settings: object) -> None:
    async def scene() -> None:
        chosen = LineSettings.model_validate(
            {"speed": 1e6, "steps": 1, "nok_rate": 0.0, "rack_slots": 2, **settings}
        )
        async with run_line(chosen) as line, gateway(line.endpoint) as visitor:
            await story(visitor, line)

    asyncio.run(scene())


def handed(**changes: object) -> HandedCall:
    fields: dict[str, object] = {
        "key": KEY,
        "part_no": "A",
        "colour": "RED",
        "rack": "R1",
        "sequence_no": 1,
        "slot": 1,
        "quantity": 1,
        **changes,
    }
    return HandedCall.model_validate(fields)


def order(command: Command, *, serial: str = "", keep_slot: bool = True, **call: object) -> Order:
    return Order(command, handed(**call), serial, keep_slot)


def taken(where: str) -> LineState:
    """A line that has taken one call, whose part is there."""
    state = LineState()
    call = handed()
    state.take(call)
    if where != "queue":
        state.queue.clear()
        state.serials[KEY] = "S1"
    if where == "line":
        state.part = Part(call=call, serial="S1", attempt=1)
    elif where == "parked":
        state.held[KEY] = True
        state.parked[KEY] = "S1"
    elif where == "rack":
        state.put(call, "S1")
    elif where == "gone":
        state.put(call, "S1")
        state.ship("R1", 1)
    return state


def results_of(state: LineState, given: Order) -> list[str]:
    """The kinds of results; a second time it changes nothing."""
    kinds = [result.result for result in obey(given, state)]
    before = state.model_dump_json()
    assert obey(given, state) == []
    assert state.model_dump_json() == before
    return kinds


@pytest.mark.parametrize(
    ("command", "where", "kinds"),
    [
        ("hold", "queue", []),
        ("hold", "line", []),
        ("hold", "rack", ["parked"]),
        ("resume", "parked", ["unparked", "packed"]),
        ("cancel", "queue", ["dropped"]),
        ("cancel", "line", []),
        ("cancel", "parked", ["stocked"]),
        ("cancel", "rack", ["stocked"]),
    ],
)
def test_a_command_is_obeyed_once(command: Command, where: str, kinds: list[str]) -> None:
    state = taken(where)
    assert results_of(state, order(command)) == kinds
    assert (state.next_call() is not None) == (command == "resume" and where == "queue")


@pytest.mark.parametrize("command", ["replace", "hold", "cancel"])
def test_it_is_too_late_once_the_rack_has_left(command: Command) -> None:
    state = taken("gone")
    with pytest.raises(LateError, match="has left the line"):
        obey(order(command, revision=2, part_no="B"), state)


def test_another_part_is_taken_before_it_is_begun_and_not_after() -> None:
    queue, line = taken("queue"), taken("line")
    assert results_of(queue, order("replace", revision=2, part_no="B")) == []
    assert queue.queue[0].part_no == "B"
    with pytest.raises(LateError, match="S1 is built or being built"):
        obey(order("replace", revision=2, part_no="B"), line)


def test_another_place_is_taken_while_the_part_stands_in_the_rack() -> None:
    state = taken("rack")
    kinds = results_of(state, order("replace", revision=2, rack="R2", slot=3))
    assert kinds == ["unpacked", "packed"]
    assert [(part.serial, part.slot) for part in state.racks["R2"].waiting] == [("S1", 3)]


@pytest.mark.parametrize("where", ["line", "parked", "rack"])
def test_rework_means_one_serial(where: str) -> None:
    state = taken(where)
    assert obey(order("rework", serial="S0"), state) == []
    assert state.serial_of(KEY) == "S1"
    assert results_of(state, order("rework", serial="S1")) == []
    assert state.packed(KEY) is None
    assert (state.part is not None and state.part.taken_away) or state.queue[0].key == KEY


def test_a_held_slot_stays_empty_and_the_rack_leaves_without_it(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def story(gw: Gateway, line: RunningLine) -> None:
        await gw.hand_over(1, a_call(1, Rack="R1", Slot=1))
        await gw.take(lambda taken: len(taken) == 4)
        # The second of the rack's two slots: its car has gone before its call is begun.
        line.state.held[str(a_call(2)["Key"])] = True
        await gw.hand_over(2, a_call(2, Rack="R1", Slot=2))
        line.state.rack("R1").empty.append(2)
        await gw.hand_over(3, a_call(3, Rack="R2", Slot=1))
        results = await gw.take(lambda taken: [r.kind for r in taken].count("packed") == 1)
        assert [r.key for r in results if r.kind == "shipped"] == [KEY]

    play(story, ledger=ledger)
    decisions = [entry for entry in read_ledger(ledger) if isinstance(entry, CallDecision)]
    assert all(decision.builds for decision in decisions)


def test_missing_material_wrong_slots_and_trucks_are_told() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        for number in range(1, 5):
            await gw.hand_over(number, a_call(number, Rack=f"R{(number + 1) // 2}"))
        results = await gw.take(lambda taken: [r.kind for r in taken].count("delayed") == 1)
        kinds = [result.kind for result in results]
        assert kinds.count("missing") == kinds.count("supplied") == kinds.count("started") == 4
        assert kinds.count("unpacked") == kinds.count("packed") - 4
        assert kinds.index("departed") > max(n for n, kind in enumerate(kinds) if kind == "shipped")
        loaded = [(result.rack, result.slot) for result in results if result.kind == "loaded"]
        assert len(loaded) == len(set(loaded)) == 4, "each in its own slot once it is loaded"
        assert [rack for rack, _ in loaded] == ["R2", "R2", "R1", "R1"], "first needed, last loaded"

    play(
        story,
        missing_rate=1.0,
        missing_s=0.001,
        mispack_rate=1.0,
        truck_racks=2,
        delay_rate=1.0,
        load_order="reversed",
        seed=5,
        result_backlog=10_000,
    )
