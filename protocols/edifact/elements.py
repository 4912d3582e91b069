"""Segments as models: which element of the directory each field is, read and written by that.

    class Loc(SegmentModel):
        TAG = "LOC"
        qualifier: Annotated[str, Item("3227", "an..3", 1)]
        place: Annotated[str, Item("3225", "an..25", 2, 1)] = ""

A field without a default is mandatory. What was not sent is an empty text, or None for a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict

from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.syntax import Elements, Segment, trimmed

_NUMBER = re.compile(r"-?[0-9]+([.,][0-9]+)?|-?[.,][0-9]+")


@dataclass(frozen=True)
class Item:
    """A data element in its place."""

    name: str
    """Its number in the directory."""
    form: str
    """`an..35`, `n..15`: representation and greatest length."""
    at: int
    """Element of the segment, from 1."""
    part: int = 1
    """Component of the element, from 1."""

    @property
    def most(self) -> int:
        """Greatest length in characters."""
        return int(self.form.rpartition("..")[2])

    @property
    def is_number(self) -> bool:
        """Whether it is numeric (n), which counts digits alone."""
        return self.form.startswith("n")


@dataclass(frozen=True)
class Items:
    """A composite that may stand several times, in elements that follow each other."""

    name: str
    at: int
    most: int


@dataclass(frozen=True)
class FieldSpec:
    """A field of a segment or composite model, with what its annotation says."""

    field: str
    item: Item
    is_mandatory: bool


@dataclass(frozen=True)
class RepeatSpec:
    """A field that holds a composite as often as it stands."""

    field: str
    items: Items
    is_mandatory: bool
    composite: type[CompositeModel]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class CompositeModel(_Frozen):
    """A composite data element that stands several times in a segment."""


class SegmentModel(_Frozen):
    """A segment of a message."""

    __slots__ = ("_read_from",)

    TAG: ClassVar[str]

    @property
    def segment_number(self) -> int:
        """Its number in the interchange it was read from, else 0. No part of what it is."""
        return int(getattr(self, "_read_from", 0))

    @classmethod
    def read(cls, segment: Segment, problems: list[Problem]) -> Self:
        """Read one, adding to the problems; what is wrong then has a stand-in value."""
        values: dict[str, Any] = {}
        for spec in specs_of(cls):
            values[spec.field] = _read(spec.item, spec.is_mandatory, segment, problems)
        for repeat in repeats_of(cls):
            values[repeat.field] = tuple(_read_composites(repeat, segment, problems))
        problems.extend(_beyond(cls, segment))
        read = cls(**values)
        object.__setattr__(read, "_read_from", segment.number)
        return read

    def write(self) -> Segment:
        """The segment. Raises `EdifactError` for what does not fit the directory."""
        cells: dict[tuple[int, int], str] = {}
        problems: list[Problem] = []
        blank = Segment(self.TAG, ())
        for spec in specs_of(type(self)):
            text = _text(getattr(self, spec.field))
            problems.extend(_unfit(text, spec.item, spec.is_mandatory, blank))
            cells[spec.item.at, spec.item.part] = text
        for repeat in repeats_of(type(self)):
            composites = getattr(self, repeat.field)
            if not repeat.is_mandatory <= len(composites) <= repeat.items.most:
                problems.append(
                    Problem(
                        f"holds {len(composites)} {repeat.items.name}, "
                        f"{int(repeat.is_mandatory)} to {repeat.items.most} may stand",
                        0,
                        self.TAG,
                        code=ErrorCode.TOO_MANY_CONSTITUENTS,
                    )
                )
            for at, composite in enumerate(composites, start=repeat.items.at):
                for inner in specs_of(repeat.composite):
                    item = replace(inner.item, at=at)
                    text = _text(getattr(composite, inner.field))
                    problems.extend(_unfit(text, item, inner.is_mandatory, blank))
                    cells[item.at, item.part] = text
        if problems:
            raise EdifactError(problems)
        return Segment(self.TAG, _elements(cells))


class PlainSegment(SegmentModel):
    """A segment that may stand in a message and means nothing to us: kept as it was sent."""

    elements: Elements = ()

    @classmethod
    def read(cls, segment: Segment, problems: list[Problem]) -> Self:
        """Take the elements as they are."""
        del problems
        return cls(elements=segment.elements)

    def write(self) -> Segment:
        """Give the elements as they were."""
        return Segment(self.TAG, trimmed(self.elements))


@cache
def specs_of(model: type[SegmentModel | CompositeModel]) -> tuple[FieldSpec, ...]:
    """The fields of a segment or composite that are one data element, in their order."""
    return tuple(
        FieldSpec(name, item, info.is_required())
        for name, info in model.model_fields.items()
        for item in info.metadata
        if isinstance(item, Item)
    )


@cache
def repeats_of(model: type[SegmentModel]) -> tuple[RepeatSpec, ...]:
    """The fields of a segment that are a composite, as often as it stands."""
    return tuple(
        RepeatSpec(name, items, info.is_required(), get_args(info.annotation)[0])
        for name, info in model.model_fields.items()
        for items in info.metadata
        if isinstance(items, Items)
    )


@cache
def _widths(model: type[SegmentModel]) -> dict[int, int]:
    """How many components each element of the directory has, as far as the model knows."""
    widths: dict[int, int] = {}
    for spec in specs_of(model):
        widths[spec.item.at] = max(widths.get(spec.item.at, 0), spec.item.part)
    for repeat in repeats_of(model):
        for at in range(repeat.items.at, repeat.items.at + repeat.items.most):
            widths[at] = len(specs_of(repeat.composite))
    return widths


def _beyond(model: type[SegmentModel], segment: Segment) -> Iterator[Problem]:
    """What stands where the directory has nothing."""
    widths = _widths(model)
    for at, parts in enumerate(segment.elements, start=1):
        width = widths.get(at, 0)
        if any(parts[width:]):
            reason = (
                f"has {len(parts)} components, the directory has {width}"
                if width
                else "is one that the directory does not have"
            )
            yield Problem(
                reason,
                segment.number,
                segment.tag,
                f"element {at}",
                ErrorCode.TOO_MANY_CONSTITUENTS,
                place=(at, width + 1 if width else None),
            )


def _read_composites(
    repeat: RepeatSpec, segment: Segment, problems: list[Problem]
) -> Iterator[CompositeModel]:
    # An empty one before others is sent as an empty element, and is kept, to write it alike.
    first = repeat.items.at
    sent = max(0, min(repeat.items.most, len(segment.elements) - first + 1))
    if not sent and repeat.is_mandatory:
        item = replace(specs_of(repeat.composite)[0].item, at=first)
        problems.append(problem_at(segment, item, "is missing", ErrorCode.MISSING))
    for at in range(first, first + sent):
        values = {
            spec.field: _read(replace(spec.item, at=at), spec.is_mandatory, segment, problems)
            for spec in specs_of(repeat.composite)
        }
        yield repeat.composite(**values)


def _read(item: Item, is_mandatory: bool, segment: Segment, problems: list[Problem]) -> Any:
    value = segment.value(item.at - 1, item.part - 1)
    wrong = _unfit(value, item, is_mandatory, segment)
    problems.extend(wrong)
    if not item.is_number:
        return value
    if wrong or not value:
        return Decimal(0) if is_mandatory else None
    return Decimal(value.replace(",", "."))


def _unfit(value: str, item: Item, is_mandatory: bool, segment: Segment) -> list[Problem]:
    """What is wrong with a value in this place, if anything."""
    reason, code = "", ErrorCode.UNSPECIFIED
    if not value:
        if is_mandatory:
            reason, code = "is missing", ErrorCode.MISSING
    elif item.is_number and not _NUMBER.fullmatch(value):
        reason, code = f"{_short(value)} is no number", ErrorCode.NOT_NUMERIC
    else:
        length = sum(c.isdigit() for c in value) if item.is_number else len(value)
        if length > item.most:
            reason = f"{_short(value)} has {length} characters, {item.form} has {item.most}"
            code = ErrorCode.TOO_LONG
    if not reason:
        return []
    return [problem_at(segment, item, reason, code)]


def problem_at(segment: Segment, item: Item, reason: str, code: ErrorCode) -> Problem:
    """A problem of one data element."""
    return Problem(
        reason,
        segment.number,
        segment.tag,
        f"{item.name} (element {item.at}{f'.{item.part}' if item.part > 1 else ''})",
        code,
        place=(item.at, item.part),
    )


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:40]}…")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _elements(cells: dict[tuple[int, int], str]) -> Elements:
    rows: list[list[str]] = []
    for (at, part), text in cells.items():
        rows.extend([] for _ in range(at - len(rows)))
        row = rows[at - 1]
        row.extend("" for _ in range(part - len(row)))
        row[part - 1] = text
    return trimmed(rows)
