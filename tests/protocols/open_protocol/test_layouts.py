"""The data of messages against frames of others, and there and back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.open_protocol import DataError, Message, Splitter, Value, make, programmes, read
from protocols.open_protocol.fields import Field, Kind
from protocols.open_protocol.layouts import LAYOUTS, newest

FRAMES = [
    line[:-1]
    for line in (Path(__file__).parent / "frames.txt").read_text("ascii").splitlines()
    if not line.startswith("#")
]


def message_of(frame: str) -> Message:
    splitter = Splitter()
    splitter.feed(frame.encode() + b"\0")
    message = splitter.take()
    assert message is not None
    return message


def frame_of(mid: int, revision: int) -> Message:
    """The first frame of others of this kind."""
    return next(
        m for m in map(message_of, FRAMES) if (m.mid, m.revision) == (mid, revision)
    )  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame[4:11])
def test_frames_of_others_are_read_and_made_again(frame: str) -> None:
    message = message_of(frame)
    values = read(message)
    assert values
    if message.revision in LAYOUTS[message.mid]:
        again = make(message.mid, values, message.revision)
        # Error codes stand on the right in some, and on the left in others.
        assert again.data.replace(b" ", b"") == message.data.replace(b" ", b"")
        assert len(again.data) == len(message.data)


def _values(field: Field) -> st.SearchStrategy[Value]:
    width = field.width
    match field.kind:
        case Kind.TEXT:
            some: st.SearchStrategy[Value] = st.text(
                st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=width
            )
            return some
        case Kind.TIME:
            return st.none() | st.datetimes(datetime(1, 1, 1)).map(
                lambda t: t.replace(microsecond=0)
            )
        case Kind.FLAG:
            return st.none() | st.booleans()
        case Kind.HUNDREDTHS:
            return st.none() | st.integers(-(10 ** (width - 1)) + 1, 10**width - 1).map(
                lambda number: number / 100
            )
    return st.none() | st.integers(-(10 ** (width - 1)) + 1, 10**width - 1)


def some_of(fields: Sequence[Field]) -> st.SearchStrategy[dict[str, Value]]:
    """Values of these fields that come back as they are."""
    return st.fixed_dictionaries({field.name: _values(field) for field in fields})


KINDS = [(mid, revision) for mid, revisions in LAYOUTS.items() for revision in revisions]


@given(st.data(), st.sampled_from(KINDS))
def test_round_trip(data: st.DataObject, kind: tuple[int, int]) -> None:
    mid, revision = kind
    values = data.draw(some_of(LAYOUTS[mid][revision].fields))
    message = make(mid, values, revision)
    assert read(message) == values


@given(st.sampled_from(KINDS), st.binary(max_size=700))
def test_any_data_is_read_or_refused(kind: tuple[int, int], data: bytes) -> None:
    mid, revision = kind
    with contextlib.suppress(DataError):
        read(Message(mid, data, revision))


@given(st.data())
def test_a_spoilt_result_is_read_or_refused(data: st.DataObject) -> None:
    message = frame_of(61, data.draw(st.integers(1, 7)))
    spoilt = bytearray(message.data)
    for _ in range(data.draw(st.integers(1, 5))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(spoilt)))
    for broken in (bytes(spoilt), message.data[:cut]):
        try:
            values = read(Message(61, broken, message.revision))
        except DataError:
            continue
        assert set(values) == {field.name for field in LAYOUTS[61][message.revision].fields}


def test_what_a_later_revision_adds_is_passed_over() -> None:
    known = read(frame_of(61, 7))
    assert read(frame_of(61, 11)) == known
    assert newest(61) == 7


def test_the_error_names_the_value() -> None:
    good = frame_of(61, 1).data
    with pytest.raises(DataError, match="0061 revision 1: torque: b'000x39' is no hundredths"):
        read(Message(61, good.replace(b"15000739", b"15000x39")))
    with pytest.raises(DataError, match="the message ends before it"):
        read(Message(61, good[:-1]))
    with pytest.raises(DataError, match="in place of 01"):
        read(Message(61, b"99" + good[2:]))


def test_what_has_no_layout_is_refused() -> None:
    for strange in (Message(4711), Message(15, revision=999)):
        with pytest.raises(DataError, match="is not known here"):
            read(strange)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="programme: b'1000' has 4"):
        make(18, {"programme": 1000})
    with pytest.raises(ValueError, match="has 26 characters, not 25"):
        make(50, {"vin": "X" * 26})
    with pytest.raises(ValueError, match="there is no colour"):
        make(18, {"colour": 1})


def test_text_is_read_in_the_controller_s_encoding() -> None:
    message = make(52, {"vin": "发动机 1"}, encoding="gbk")
    assert len(message.data) == 25
    assert read(message, "gbk") == {"vin": "发动机 1"}


def test_programmes_are_listed() -> None:
    assert list(programmes(Message(11, b"003001002250"))) == [1, 2, 250]
    assert list(programmes(Message(11, b"00"))) == []
