"""How stream records travel as JSON, version 1: records, losses, states; and answers back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from protocols.jis.messages import Contract
from protocols.refusal import first_problem
from protocols.streams import Answer, State

Epoch = Annotated[int, Field(ge=1, lt=2**53)]
Offset = Annotated[int, Field(ge=0, lt=2**53)]

MAX_MESSAGE_BYTES = 262_144
"""Larger messages are refused unread; `dump_records` splits records over several."""


class Records(Contract):
    """Records `first`, `first + 1`, … of a stream. Each is read on its own: one bad record must not
    stop its neighbours, so they are plain JSON here and checked by the reader."""

    v: Literal[1] = 1
    type: Literal["records"] = "records"
    epoch: Epoch
    first: Offset
    records: list[Any] = Field(min_length=1, max_length=1000)


class Lost(Contract):
    """The writer no longer has these records: evicted or found corrupt."""

    v: Literal[1] = 1
    type: Literal["lost"] = "lost"
    epoch: Epoch
    first: Offset
    next: Offset
    cause: str = Field(max_length=200)

    @model_validator(mode="after")
    def _some_offsets(self) -> Lost:
        if self.first >= self.next:
            raise ValueError(f"no offsets from first {self.first} to next {self.next}")
        return self


class StateMessage(Contract):
    """The writer's position, said at each connect and when an answer names another epoch."""

    v: Literal[1] = 1
    type: Literal["state"] = "state"
    epoch: Epoch
    first_kept: Offset
    next: Offset

    @model_validator(mode="after")
    def _in_order(self) -> StateMessage:
        if self.first_kept > self.next:
            raise ValueError(f"first_kept {self.first_kept} lies behind next {self.next}")
        return self

    @classmethod
    def of(cls, state: State) -> StateMessage:
        return cls(epoch=state.epoch, first_kept=state.first_kept, next=state.next)

    def state(self) -> State:
        return State(self.epoch, self.first_kept, self.next)


class AnswerMessage(Contract):
    """The reader's position. `epoch` null: the reader has lost its cursor and knows no epoch."""

    v: Literal[1] = 1
    type: Literal["answer"] = "answer"
    epoch: Epoch | None
    watermark: Offset = 0
    ahead: list[tuple[Offset, Offset]] = Field(default=[], max_length=1000)

    @model_validator(mode="after")
    def _canonical(self) -> AnswerMessage:
        edges = [self.watermark, *(edge for bounds in self.ahead for edge in bounds)]
        if any(a >= b for a, b in pairwise(edges)):
            raise ValueError("ahead must be sorted, disjoint ranges above the watermark")
        return self

    @classmethod
    def of(cls, answer: Answer) -> AnswerMessage:
        return cls(epoch=answer.epoch, watermark=answer.watermark, ahead=list(answer.ahead))

    def answer(self) -> Answer:
        return Answer(self.epoch, self.watermark, tuple(self.ahead))


WriterMessage = Annotated[Records | Lost | StateMessage, Field(discriminator="type")]
_WRITER: TypeAdapter[Records | Lost | StateMessage] = TypeAdapter(WriterMessage)
_ANSWER: TypeAdapter[AnswerMessage] = TypeAdapter(AnswerMessage)

_T = TypeVar("_T")


class EnvelopeError(ValueError):
    """The bytes are not a message of this contract; the text says where and why."""


def parse_writer_message(data: bytes) -> Records | Lost | StateMessage:
    """What a writer sent. Raises `EnvelopeError`."""
    return _parse(_WRITER, data)


def parse_answer(data: bytes) -> AnswerMessage:
    """What a reader sent. Raises `EnvelopeError`."""
    return _parse(_ANSWER, data)


def dump(message: Contract) -> bytes:
    """A message as it travels."""
    return message.model_dump_json().encode()


def dump_records(epoch: int, first: int, records: Sequence[Any]) -> Iterator[bytes]:
    """Records `first`, `first + 1`, … in as few messages as carry them. One that no message carries
    is named as lost: the reader would wait for it for good, and for all behind it."""
    data = dump(Records(epoch=epoch, first=first, records=list(records)))
    if len(data) <= MAX_MESSAGE_BYTES:
        yield data
    elif len(records) == 1:
        cause = f"a record of {len(data)} bytes; at most {MAX_MESSAGE_BYTES} are carried"
        yield dump(Lost(epoch=epoch, first=first, next=first + 1, cause=cause))
    else:
        half = len(records) // 2
        yield from dump_records(epoch, first, records[:half])
        yield from dump_records(epoch, first + half, records[half:])


def _parse(adapter: TypeAdapter[_T], data: bytes) -> _T:
    if len(data) > MAX_MESSAGE_BYTES:
        raise EnvelopeError(f"message of {len(data)} bytes; at most {MAX_MESSAGE_BYTES} are read")
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise EnvelopeError(first_problem(error, "message")) from None


def dump_answer(answer: Answer) -> bytes:
    """The same as `dump(AnswerMessage.of(answer))`, for a reader of so many streams that what an
    answer costs counts. A reader's own position needs no check."""
    epoch = "null" if answer.epoch is None else answer.epoch
    ahead = ",".join(f"[{first},{after}]" for first, after in answer.ahead)
    text = f'"epoch":{epoch},"watermark":{answer.watermark},"ahead":[{ahead}]'
    return f'{{"v":1,"type":"answer",{text}}}'.encode()
