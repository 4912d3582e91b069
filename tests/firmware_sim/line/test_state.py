"""A line's memory on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

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
