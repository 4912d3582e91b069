"""Results of several spindles: frames of another implementation, and there and back."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.open_protocol import (
    DataError,
    Measured,
    Message,
    Value,
    make_spindles,
    read_spindles,
    read_together,
)
from protocols.open_protocol.spindles import EACH, OF_ALL
from tests.protocols.open_protocol.test_layouts import message_of, some_of

# As the tests of OpenProtocolInterpreter have them (github.com/Rickedb, MIT).
_DATA = (
    "010202BM3GA02111900601         03030400305000106000107108000680090009201000080011000001200015"
    "1300000142019-11-14:14:08:05152019-11-25:11:22:41160091317118010111000809100000020111000809100"
    "000"
)
FRAMES = {
    1: f"02100101001         {_DATA}",
    4: f"02150101004         {_DATA}19002",
    5: f"02220101005         {_DATA}190022000021",
}


@pytest.mark.parametrize("revision", FRAMES)
def test_frames_of_others_are_read_and_made_again(revision: int) -> None:
    message = message_of(FRAMES[revision])
    of_all, each = read_spindles(message)
    assert (of_all["vin"], of_all["sync_id"], of_all["at"]) == (
        "BM3GA02111900601", 913, datetime(2019, 11, 25, 11, 22, 41),
    )  # fmt: skip
    assert [(s["number"], s["channel"], s["torque"]) for s in each] == [(1, 1, 8.09), (2, 1, 8.09)]
    assert of_all.get("system_subtype") == (2 if revision >= 4 else None)
    assert of_all.get("job_sequence") == (21 if revision >= 5 else None)
    assert make_spindles(of_all, each, revision) == message


def test_a_tightening_has_the_values_of_each_spindle() -> None:
    found = read_together(message_of(FRAMES[1]))
    assert (found.id, found.verdict, found.identifiers) == (913, "ok", ("BM3GA02111900601",))
    assert found.together
    assert found.measured[:3] == (
        Measured("Spindle 1", None, None, None, None, "", "ok"),
        Measured("Spindle 1 torque", 8.09, 6.8, 9.2, 8.0, "Nm", "ok"),
        Measured("Spindle 1 angle", 0.0, 0.0, 15.0, None, "deg", "ok"),
    )
    assert [m.name for m in found.measured[3:]] == [
        "Spindle 2", "Spindle 2 torque", "Spindle 2 angle",
    ]  # fmt: skip


@pytest.mark.parametrize("numbers", [(0, 1), (1, 1), (None, 2)])
def test_spindles_that_share_a_number_are_told_apart_by_their_place(
    numbers: tuple[int | None, int],
) -> None:
    of_all, each = read_spindles(message_of(FRAMES[1]))
    made = make_spindles(
        of_all, [{**one, "number": number} for one, number in zip(each, numbers, strict=True)]
    )
    names = [measured.name for measured in read_together(made).measured]
    assert names == [
        "Spindle 1", "Spindle 1 torque", "Spindle 1 angle",
        "Spindle 2", "Spindle 2 torque", "Spindle 2 angle",
    ]  # fmt: skip


@given(st.data(), st.integers(1, 5), st.integers(0, 20))
def test_round_trip(data: st.DataObject, revision: int, count: int) -> None:
    of_all: dict[str, Value] = data.draw(some_of(OF_ALL.fields[1:]))
    if revision >= 4:
        of_all["system_subtype"] = data.draw(st.integers(0, 999))
    if revision >= 5:
        of_all["job_sequence"] = data.draw(st.integers(0, 99_999))
    each = [data.draw(some_of(EACH.fields)) for _ in range(count)]
    message = make_spindles(of_all, each, revision)
    assert read_spindles(message) == ({**of_all, "spindles": count}, each)


@given(st.integers(0, 220), st.binary(max_size=6))
def test_what_is_cut_off_or_spoiled_is_refused_or_read(at: int, spoilt: bytes) -> None:
    whole = FRAMES[5][20:].encode()
    data = whole[:at] + spoilt + whole[at + len(spoilt) :]
    for each in (data, whole[:at]):
        try:
            found = read_together(Message(101, each, 5))
        except DataError:
            continue
        assert len(found.measured) <= 3 * 99
