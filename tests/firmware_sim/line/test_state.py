"""A line's memory on disk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.line.state import (
    Echo,
    HandedCall,
    LineState,
    PackedPart,
    Part,
    RetentiveMemory,
    StateError,
)

CALL = HandedCall(
    key="P1/SEAT1/1/SEAT-FRONT/0",
    part_no="1",
    colour="RED",
    rack="R1",
    sequence_no=1,
    slot=1,
    quantity=1,
)


def test_all_that_is_saved_comes_back(tmp_path: Path) -> None:
    memory = RetentiveMemory(tmp_path / "new" / "state.json")
    state = memory.state
    state.echo = Echo(key=CALL.key, accepted=True, strobe=7)
    state.taken[CALL.key] = None
    state.queue.append(CALL)
    state.part = Part(call=CALL, serial="000001", attempt=2, produced=True)
    state.pack("R1", PackedPart(key=CALL.key, serial="000001", slot=1), rack_slots=6)
    state.give("packed", CALL.key, 5, serial="000001", rack="R1", slot=1)
    memory.save()
    assert RetentiveMemory(tmp_path / "new" / "state.json").state == state


def test_without_a_file_the_state_is_that_of_a_new_plc(tmp_path: Path) -> None:
    assert RetentiveMemory(None).state == LineState()
    assert RetentiveMemory(tmp_path / "state.json").state == LineState()


@pytest.mark.parametrize("content", ["", "{", '{"next_result": "x"}'])
def test_a_file_that_is_no_state_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(StateError, match=r"state\.json: not the state of a line PLC"):
        RetentiveMemory(path)


@given(
    st.lists(
        st.one_of(st.integers(1, 4).map(lambda rack: f"R{rack}"), st.just("flush")), max_size=60
    )
)
def test_every_packed_part_ships_once_whenever_racks_are_flushed(steps: list[str]) -> None:
    rack_slots = 3
    state = LineState()
    packed: list[str] = []
    shipped: list[str] = []
    for number, step in enumerate(steps):
        if step == "flush":
            for rack in [name for name, content in state.racks.items() if content.waiting]:
                shipped += [part.key for part in state.ship(rack, rack_slots)]
            continue
        packed.append(str(number))
        part = PackedPart(key=str(number), serial="1", slot=1)
        if state.pack(step, part, rack_slots):
            shipped += [leaving.key for leaving in state.ship(step, rack_slots)]
            assert step not in state.racks
    waiting = [part.key for rack in state.racks.values() for part in rack.waiting]
    assert sorted(shipped + waiting) == sorted(packed)
    assert all(len(rack.waiting) <= rack.filled < rack_slots for rack in state.racks.values())


@given(st.lists(st.booleans(), max_size=40), st.randoms(use_true_random=False))
def test_results_are_numbered_without_gaps_and_held_until_acknowledged(
    steps: list[bool], chance: random.Random
) -> None:
    state = LineState()
    given_out: list[int] = []
    acknowledged: set[int] = set()
    for give in steps:
        if give or not state.results:
            given_out.append(state.give("produced", "key", 0).no)
        else:
            number = chance.choice(state.results).no
            state.acknowledge(number)
            acknowledged.add(number)
    assert given_out == list(range(1, len(given_out) + 1))
    assert [result.no for result in state.results] == [
        number for number in given_out if number not in acknowledged
    ]
