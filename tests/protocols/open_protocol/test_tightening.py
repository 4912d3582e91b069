"""What a tightening says, by revision; and which ids lie between two."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.open_protocol import (
    LAST_ID,
    DataError,
    Measured,
    Message,
    ahead,
    is_after,
    make,
    read_tightening,
    step,
)
from tests.protocols.open_protocol.test_layouts import frame_of

IDS = st.integers(1, LAST_ID)


def test_revision_1_as_in_the_specification() -> None:
    found = read_tightening(frame_of(61, 1))
    assert (found.id, found.what, found.verdict) == (345675, "Tightening", "nok")
    assert found.identifiers == ("KPOL3456JKLO897",)
    assert (found.cell, found.channel, found.programme, found.job) == (1, 1, 3, None)
    assert found.at == datetime(2001, 6, 2, 9, 54, 9)
    assert found.measured == (
        Measured("Torque", 7.39, 8.4, 14.0, 12.0, "Nm", "nok"),
        Measured("Angle", 0.0, 0.0, 9999.0, None, "deg", "ok"),
    )


def test_a_later_revision_says_more() -> None:
    found = read_tightening(frame_of(61, 5), torque_unit="?")
    assert found.tool == "C0761275"
    assert found.programme_name == "Test Parameter Set"
    assert found.identifiers[1:] == tuple(f"Identifier result part {n}" for n in (2, 3, 4))
    assert {m.unit for m in found.measured if m.name == "Torque"} == {"lbf ft"}


def test_an_old_result_has_no_limits() -> None:
    found = read_tightening(frame_of(65, 1))
    torque, angle = found.measured
    assert (found.id, found.identifiers) == (123456789, ("AIRBAG",))
    assert (torque.lower, torque.upper, torque.target) == (None, None, None)
    assert (torque.name, angle.name, angle.value) == ("Torque", "Angle", 46.0)


def test_what_was_not_measured_is_no_value() -> None:
    found = read_tightening(
        make(61, {"tightening_id": 7, "tightening_status": 1, "torque": 25.14, "torque_status": 1,
                  "torque_min": 23.0, "torque_max": 27.0, "angle": 91, "angle_status": 1,
                  "rundown_angle": 0, "current": 0, "selftap": 0, "prevail_torque": 1.5,
                  "prevail_torque_status": 1}, 2)
    )  # fmt: skip
    assert [(m.name, m.value, m.lower, m.upper) for m in found.measured] == [
        ("Torque", 25.14, 23.0, 27.0),
        ("Angle", 91.0, None, None),
        ("Prevail torque", 1.5, None, None),
    ]
    assert found.verdict == "ok"
    assert found.at is None
    assert found.identifiers == ()


@pytest.mark.parametrize(
    ("kind", "what"), [(2, "Loosening"), (7, "Tightening"), (42, "Result of type 42")]
)
def test_what_is_no_tightening_is_named(kind: int, what: str) -> None:
    assert read_tightening(make(61, {"tightening_id": 7, "result_type": kind}, 3)).what == what


def test_what_has_no_id_is_refused() -> None:
    with pytest.raises(DataError, match="no tightening id"):
        read_tightening(make(61))
    with pytest.raises(DataError, match="revision 998 is not known"):
        read_tightening(Message(61, b"", 998))


@given(IDS, st.integers(1, 1000))
def test_ids_go_round(last: int, by: int) -> None:
    new = step(last, by)
    assert 1 <= new <= LAST_ID
    assert ahead(last, new) == by
    assert step(new, -by) == last
    assert is_after(last, new)
    assert not is_after(new, last)
    assert not is_after(last, last)
