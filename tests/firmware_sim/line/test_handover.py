"""What a line PLC decides on a call."""

from __future__ import annotations

import pytest

from firmware_sim.line.handover import Decision, decide
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import HandedCall, LineState

SETTINGS = LineSettings(part_groups=frozenset({"SEAT-FRONT"}))
CALL = HandedCall(
    key="P1/SEAT1/0000001/SEAT-FRONT/0",
    part_no="0815-4711",
    colour="BLACK",
    rack="R001",
    sequence_no=1,
    slot=1,
    quantity=1,
)


def test_a_good_call_is_taken() -> None:
    assert decide(CALL, SETTINGS, LineState()) == Decision(accepted=True)


def test_a_line_without_a_list_takes_any_part_group() -> None:
    other = CALL.model_copy(update={"key": "P1/SEAT1/0000001/COCKPIT/0"})
    assert decide(other, LineSettings(), LineState()).accepted


def test_a_key_taken_before_is_accepted_even_if_its_fields_have_changed() -> None:
    state = LineState(taken={CALL.key: None})
    again = CALL.model_copy(update={"quantity": 0})
    assert decide(again, SETTINGS, state) == Decision(accepted=True, repeated=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": "P1/SEAT1/0000001/COCKPIT/0"}, "unknown part group COCKPIT"),
        ({"key": "P1/TRIM1/0000001/SEAT-FRONT/0"}, "this is line P1/SEAT1, not P1/TRIM1"),
        ({"key": "P2/SEAT1/0000001/SEAT-FRONT/0"}, "this is line P1/SEAT1, not P2/SEAT1"),
        ({"key": "nonsense"}, "not a call key"),
        ({"key": "P1/SEAT1//SEAT-FRONT/0"}, "key: "),
        ({"key": ""}, "not a call key"),
        ({"part_no": ""}, "no part number"),
        ({"slot": 0}, "no place to pack it"),
        ({"rack": ""}, "no place to pack it"),
        ({"quantity": 0}, "quantity 0"),
    ],
)
def test_a_bad_call_is_refused_with_a_reason(changes: dict[str, object], reason: str) -> None:
    decision = decide(CALL.model_copy(update=changes), SETTINGS, LineState())
    assert not decision.accepted
    assert reason in decision.reason
    assert len(decision.reason) <= 200
