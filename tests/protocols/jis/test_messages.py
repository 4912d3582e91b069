"""Calls, events and their keys: what is taken, what is refused, what stays a string."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.jis.messages import CALL_RECORD, EVENT_RECORD, Call, CallKey, Event

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
KEY = CallKey(plant="P1", line="SEAT1", production_no="0012", part_group="SEAT-FRONT")
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1).filter(
    lambda name: "/" not in name and len(name) <= 64
)


def call(**changed: Any) -> dict[str, Any]:
    return {
        "kind": "call",
        "key": KEY.model_dump(),
        "call_no": 1,
        "sequence_no": 9999,
        "part_no": "0815",
        "colour": "3",
        "unloading_point": "D4",
        "rack": "R1",
        "slot": 1,
        "control_point": "TRIM-IN",
        "called_at": AT.isoformat(),
        "required_at": AT.isoformat(),
        **changed,
    }


@given(NAMES, NAMES, NAMES, NAMES, st.integers(0, 99))
def test_a_key_survives_the_text_a_plc_echoes(p: str, line: str, no: str, g: str, n: int) -> None:
    key = CallKey(plant=p, line=line, production_no=no, part_group=g, reorder_index=n)
    assert CallKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text", ["", "P1/SEAT1/1/SEAT", "P1/SEAT1/1/SEAT/x", "a/b/c/d/0/e", "//1/g/0"]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"call key|at least 1 character"):
        CallKey.parse(text)


def test_leading_zeros_survive_the_wire() -> None:
    read = CALL_RECORD.validate_json(CALL_RECORD.dump_json(Call(**call())))
    assert isinstance(read, Call)
    assert (read.key.production_no, read.part_no) == ("0012", "0815")


@pytest.mark.parametrize(
    "changed",
    [
        {"part_no": 815},
        {"call_no": 0},
        {"slot": 0},
        {"slot": 2**31},
        {"sequence_no": 2**31},
        {"called_at": "2026-03-02T06:00:00"},
        {"rack": ""},
        {"kind": "cancel"},
    ],
)
def test_a_call_that_breaks_the_contract_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CALL_RECORD.validate_python(call(**changed))


def test_what_a_later_version_adds_is_ignored() -> None:
    assert CALL_RECORD.validate_python(call(tier2="x")) == CALL_RECORD.validate_python(call())


def test_an_event_survives_the_wire() -> None:
    event = Event(kind="inspected", key=KEY, at=AT, serial="0007", verdict="nok")
    assert EVENT_RECORD.validate_json(event.model_dump_json()) == event
