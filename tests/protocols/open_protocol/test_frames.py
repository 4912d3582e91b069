"""Frames out of a stream: any fragments, any garbage, the header's numbers there and back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.open_protocol import FrameError, Message, Splitter, next_sequence

MESSAGES = st.builds(
    Message,
    mid=st.integers(1, 9999),
    data=st.binary(max_size=300),
    revision=st.integers(1, 999),
    no_ack=st.booleans(),
    station=st.integers(0, 99),
    spindle=st.integers(0, 99),
    sequence=st.integers(0, 99),
    parts=st.integers(0, 9),
    part=st.integers(0, 9),
)


def fragments(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(at)]


def taken(chunks: list[bytes]) -> tuple[list[Message], str]:
    """The messages in these fragments, and what ended it."""
    splitter, found = Splitter(), list[Message]()
    try:
        for chunk in chunks:
            splitter.feed(chunk)
            while (message := splitter.take()) is not None:
                found.append(message)
    except FrameError as error:
        return found, str(error)
    assert len(splitter._held) <= 10_000
    return found, ""


@given(st.lists(MESSAGES, max_size=5), st.lists(st.integers(0, 2000), max_size=20))
def test_round_trip_in_any_fragments(messages: list[Message], cuts: list[int]) -> None:
    stream = b"".join(message.encode() for message in messages)
    found, ended = taken(fragments(stream, cuts))
    assert found == messages
    assert not ended
    assert b"".join(message.raw + b"\0" for message in found) == stream


@given(
    st.lists(MESSAGES, max_size=2),
    st.one_of(st.binary(max_size=200), st.text("0123456789 \0A").map(str.encode)),
    st.lists(st.integers(0, 500), max_size=20),
)
def test_garbage_ends_it_the_same_way_in_any_fragments(
    messages: list[Message], garbage: bytes, cuts: list[int]
) -> None:
    stream = b"".join(message.encode() for message in messages) + garbage
    at_once, ended = taken([stream])
    assert at_once[: len(messages)] == messages
    in_parts, parts_ended = taken(fragments(stream, cuts))
    assert in_parts == at_once
    assert bool(parts_ended) == bool(ended)


def test_what_is_not_said_is_spaces_and_revision_1() -> None:
    assert Message(1, revision=3).encode() == b"00200001003         \0"
    for revision in (b"   ", b"000", b"001"):
        found, _ = taken([b"00209999" + revision + b"         \0\0\0" + b"00209999            \0"])
        assert found == [Message(9999), Message(9999)]


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "not with its length"),
        (b"0019", "shorter than a header"),
        (b"0020    001         \0", "without a MID"),
        (b"00209999abc         \0", "revision"),
        (b"00209999            0020", "no NUL"),
    ],
)
def test_the_error_says_what_is_wrong(stream: bytes, said: str) -> None:
    assert said in taken([stream])[1]


def test_what_no_header_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="length 10000"):
        Message(61, bytes(9980)).encode()
    with pytest.raises(ValueError, match="sequence number 100"):
        Message(61, sequence=100).encode()


def test_sequence_numbers_go_round() -> None:
    assert [next_sequence(number) for number in (0, 1, 98, 99)] == [1, 2, 99, 1]
