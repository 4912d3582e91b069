"""The envelope: what survives it, what it refuses and in which words."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.jis.envelope import (
    MAX_MESSAGE_BYTES,
    AnswerMessage,
    EnvelopeError,
    Lost,
    Records,
    StateMessage,
    dump,
    dump_answer,
    dump_records,
    parse_answer,
    parse_writer_message,
)
from protocols.streams import Answer, State, merged

OFFSETS = st.integers(0, 2**53 - 1)
EPOCHS = st.integers(1, 2**53 - 1)


@given(EPOCHS, OFFSETS, st.lists(st.dictionaries(st.text(), st.integers()), min_size=1, max_size=5))
def test_records_survive(epoch: int, first: int, records: list[dict[str, int]]) -> None:
    message = Records(epoch=epoch, first=first, records=records)
    assert parse_writer_message(dump(message)) == message


@given(EPOCHS, st.integers(0, 2**40), st.lists(st.integers(0, 90_000), min_size=1, max_size=60))
def test_records_are_split_over_messages_that_are_read(
    epoch: int, first: int, sizes: list[int]
) -> None:
    records = ["x" * size for size in sizes]
    at, read = first, []
    for data in dump_records(epoch, first, records):
        message = parse_writer_message(data)
        assert isinstance(message, Records)
        assert (message.epoch, message.first) == (epoch, at)
        at += len(message.records)
        read += message.records
    assert read == records


def test_a_record_that_no_message_carries_is_lost_and_its_neighbours_are_not() -> None:
    giant = "x" * MAX_MESSAGE_BYTES
    before, lost, after = map(parse_writer_message, dump_records(1, 5, ["a", giant, "b"]))
    assert (before, after) == (
        Records(epoch=1, first=5, records=["a"]), Records(epoch=1, first=7, records=["b"])
    )  # fmt: skip
    assert isinstance(lost, Lost)
    assert (lost.first, lost.next) == (6, 7)
    assert "at most 262144" in lost.cause


@given(EPOCHS, st.tuples(OFFSETS, OFFSETS).map(sorted))
def test_a_state_survives(epoch: int, ends: list[int]) -> None:
    state = State(epoch, ends[0], ends[1])
    read = parse_writer_message(dump(StateMessage.of(state)))
    assert isinstance(read, StateMessage)
    assert read.state() == state


@given(st.none() | EPOCHS, OFFSETS, st.lists(st.tuples(OFFSETS, OFFSETS), max_size=4))
def test_an_answer_survives(epoch: int | None, at: int, ahead: list[tuple[int, int]]) -> None:
    answer = Answer(epoch, at, tuple(r for r in merged(ahead) if r[0] > at))
    assert parse_answer(dump(AnswerMessage.of(answer))).answer() == answer
    assert dump_answer(answer) == dump(AnswerMessage.of(answer))


def test_a_loss_survives() -> None:
    lost = Lost(epoch=7, first=3, next=9, cause="corrupt")
    assert parse_writer_message(dump(lost)) == lost


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "EOF"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "object"),
        (b'{"type":"recall"}', "recall"),
        (b'{"v":2,"type":"state","epoch":1,"first_kept":0,"next":0}', "v: "),
        (b'{"v":1,"type":"records","epoch":0,"first":0,"records":[1]}', "epoch: "),
        (b'{"v":1,"type":"records","epoch":1,"first":0,"records":[]}', "records: "),
        (b'{"v":1,"type":"state","epoch":1,"first_kept":5,"next":4}', "first_kept"),
        (b'{"v":1,"type":"lost","epoch":1,"first":5,"next":4,"cause":"x"}', "first"),
        (b" " * (MAX_MESSAGE_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        parse_writer_message(data)


@pytest.mark.parametrize(
    "ahead", [b"[[3,3]]", b"[[9,5]]", b"[[2,4]]", b"[[8,9],[6,7]]", b"[[6,7],[7,8]]"]
)
def test_an_answer_whose_ranges_are_not_canonical_is_refused(ahead: bytes) -> None:
    with pytest.raises(EnvelopeError, match="ahead must be sorted"):
        parse_answer(b'{"v":1,"type":"answer","epoch":1,"watermark":5,"ahead":' + ahead + b"}")


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    for parse in (parse_writer_message, parse_answer):
        with contextlib.suppress(EnvelopeError):
            parse(data)
