"""Groups of segments as models: the order of the fields is the order of the directory.

    class SequenceGroup(GroupModel):
        seq: Seq
        dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()

The first field of a group is the segment that opens it. `UpTo(n)` says how often a member may
stand; a tuple without a default must stand at least once. One definition serves to read, to write,
to check and to document; the tests hold it against another maker's table of the directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import NoneType
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

from protocols.edifact.elements import SegmentModel
from protocols.edifact.interchange import Message
from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.syntax import Segment

RELEASE = "97A"
"""The directory release of all our messages."""


@dataclass(frozen=True)
class UpTo:
    """How often a member may stand at most."""

    most: int


@dataclass(frozen=True)
class Member:
    """A place in a group."""

    field: str
    model: type[SegmentModel | GroupModel]
    tag: str
    """Of the segment, or of the one that opens the group."""
    least: int
    most: int
    is_single: bool


class GroupModel(BaseModel):
    """A group of segments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def write(self) -> Iterator[Segment]:
        """Its segments in order. Raises `EdifactError` for what the directory does not have."""
        for member in members_of(type(self)):
            value = getattr(self, member.field)
            items = ((value,) if value is not None else ()) if member.is_single else value
            if not member.least <= len(items) <= member.most:
                raise EdifactError(
                    Problem(
                        f"stands {len(items)} times in {_name(type(self))}, "
                        f"{member.least} to {member.most} may",
                        0,
                        member.tag,
                        code=ErrorCode.TOO_MANY_REPETITIONS,
                    )
                )
            for item in items:
                if isinstance(item, GroupModel):
                    yield from item.write()
                else:
                    yield item.write()


class MessageModel(GroupModel):
    """A whole message, from BGM to the segment before UNT."""

    KIND: ClassVar[str]
    """Message type (0065)."""

    @classmethod
    def read(cls, message: Message) -> Self:
        """Read one. Raises `EdifactError` with every problem of its elements, or the first of its
        order, behind which nothing can be told."""
        return _Reader(cls, message).read()

    def as_message(self, reference: str, association: str = "") -> Message:
        """The message as it goes into an interchange. Raises `EdifactError`."""
        return Message(reference, self.KIND, tuple(self.write()), association=association)


@cache
def members_of(model: type[GroupModel]) -> tuple[Member, ...]:
    """The places of a group in their order."""
    found = []
    for name, info in model.model_fields.items():
        limit = next((m for m in info.metadata if isinstance(m, UpTo)), None)
        kind = next(arg for arg in (*get_args(info.annotation), info.annotation)
                    if arg not in (NoneType, Ellipsis))  # fmt: skip
        found.append(
            Member(
                field=name,
                model=kind,
                tag=tag_of(kind),
                least=1 if info.is_required() else 0,
                most=limit.most if limit else 1,
                is_single=limit is None,
            )
        )
    return tuple(found)


def tag_of(model: type[SegmentModel | GroupModel]) -> str:
    """The tag of a segment, or of the segment that opens a group."""
    if issubclass(model, SegmentModel):
        return model.TAG
    return members_of(model)[0].tag


M = TypeVar("M", bound=MessageModel)


@dataclass
class _Frame:
    """Where the reader stands in a group."""

    model: type[GroupModel]
    at: int = 0
    count: int = 0


class _OrderError(Exception):
    """Reading cannot go on: the segments do not stand as the directory has them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Reader(Generic[M]):
    """Takes the segments of one message in their order."""

    def __init__(self, model: type[M], message: Message) -> None:
        self.model = model
        self.message = message
        self.segments = message.segments
        self.at = 0
        self.problems = list(message.problems)
        self.frames: list[_Frame] = []
        self.taken: list[_Frame] = []
        """The frames as they were when the last segment was taken."""

    def read(self) -> M:
        message = self.message
        if (message.kind, message.version, message.release) != (self.model.KIND, "D", RELEASE):
            raise EdifactError(
                Problem(
                    f"{message.directory[:40]} is not read as {self.model.KIND} D.{RELEASE}",
                    message.number,
                    "UNH",
                    "S009 (element 2)",
                    ErrorCode.INVALID_VALUE,
                    message.reference,
                    (2, None),
                )
            )
        try:
            values = self._values(self.model)
            if self.at < len(self.segments):
                raise _OrderError(self._misplaced(self.segments[self.at]))
        except _OrderError as error:
            self.problems.append(error.problem)
        if self.problems:
            ref = self.message.reference
            raise EdifactError(replace(each, message=ref) for each in self.problems)
        return self.model(**values)

    def _values(self, model: type[GroupModel]) -> dict[str, Any]:
        frame = _Frame(model)
        self.frames.append(frame)
        values: dict[str, Any] = {}
        for frame.at, member in enumerate(members_of(model)):
            frame.count = 0
            found = []
            while frame.count < member.most and self._tag() == member.tag:
                frame.count += 1
                found.append(self._item(member))
            if frame.count < member.least:
                raise _OrderError(self._missing(member, model))
            if not member.is_single:
                values[member.field] = tuple(found)
            elif found:
                values[member.field] = found[0]
        self.frames.pop()
        return values

    def _item(self, member: Member) -> SegmentModel | GroupModel:
        if issubclass(member.model, GroupModel):
            return member.model(**self._values(member.model))
        segment = self.segments[self.at]
        self.at += 1
        self.taken = [replace(frame) for frame in self.frames]
        return member.model.read(segment, self.problems)

    def _tag(self) -> str:
        return self.segments[self.at].tag if self.at < len(self.segments) else ""

    def _missing(self, member: Member, model: type[GroupModel]) -> Problem:
        if self.at < len(self.segments):
            segment = self.segments[self.at]
            tags = [each.tag for each in members_of(model)]
            if segment.tag in tags[: tags.index(member.tag)]:
                return self._misplaced(segment)
            reason = f"{member.tag} is missing before it; {_order(model)}"
            return Problem(reason, segment.number, segment.tag, code=ErrorCode.MISSING)
        last = self.segments[-1] if self.segments else Segment("UNH", (), self.message.number)
        reason = f"{member.tag} is missing after it; {_order(model)}"
        return Problem(reason, last.number, last.tag, code=ErrorCode.MISSING)

    def _misplaced(self, segment: Segment) -> Problem:
        """Why this segment cannot stand here."""
        for depth, frame in reversed(list(enumerate(self.taken))):
            members = members_of(frame.model)
            tags = [member.tag for member in members]
            if segment.tag not in tags:
                continue
            member = members[tags.index(segment.tag)]
            if members[frame.at].tag == segment.tag and frame.count >= member.most:
                return Problem(
                    f"there are more than {member.most} of them in {_name(frame.model)}",
                    segment.number,
                    segment.tag,
                    code=ErrorCode.TOO_MANY_GROUPS
                    if issubclass(member.model, GroupModel)
                    else ErrorCode.TOO_MANY_REPETITIONS,
                )
            before = self.segments[self.at - 1]
            if depth == len(self.taken) - 1 and tags.index(segment.tag) > 0:
                return Problem(
                    f"stands before {segment.tag}; {_order(frame.model)}",
                    before.number,
                    before.tag,
                    code=ErrorCode.NOT_SUPPORTED_HERE,
                )
            reason = f"stands after {members[frame.at].tag}; {_order(frame.model)}"
            return _not_here(segment, reason)
        parents = _parents(self.model, segment.tag)
        if parents:
            return _not_here(segment, f"stands in {' or '.join(parents)}, and there is none here")
        return _not_here(segment, f"is not part of {self.message.directory}")


def _not_here(segment: Segment, reason: str) -> Problem:
    return Problem(reason, segment.number, segment.tag, code=ErrorCode.NOT_SUPPORTED_HERE)


def _name(model: type[GroupModel]) -> str:
    if issubclass(model, MessageModel):
        return f"the {model.KIND} message"
    return f"a {tag_of(model)} group"


def _order(model: type[GroupModel]) -> str:
    tags = [member.tag for member in members_of(model)]
    if not issubclass(model, MessageModel):
        tags = tags[1:]
    return f"order within {_name(model)} is {', '.join(tags)}"


def _parents(model: type[GroupModel], tag: str) -> list[str]:
    """The groups of a message in which a segment may stand."""
    found: dict[str, None] = {}
    opening = 0 if issubclass(model, MessageModel) else 1
    for member in members_of(model)[opening:]:
        if member.tag == tag:
            found[_name(model)] = None
        if issubclass(member.model, GroupModel):
            found.update(dict.fromkeys(_parents(member.model, tag)))
    return list(found)
