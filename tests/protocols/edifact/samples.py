"""The golden messages, and messages drawn at random from the models themselves."""

from __future__ import annotations

import string
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from protocols.edifact.elements import (
    CompositeModel,
    Item,
    PlainSegment,
    SegmentModel,
    repeats_of,
    specs_of,
)
from protocols.edifact.interchange import Header, Interchange, Message, read_interchange
from protocols.edifact.structure import GroupModel, members_of

GOLDEN = Path(__file__).parent / "golden"

# Latin-1, the service characters among it.
texts = st.text(string.ascii_letters + string.digits + "'+:?, .-/äöüß()", min_size=1, max_size=9)


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.edi").read_bytes()


def golden_message(name: str) -> Message:
    return read_interchange(golden(name)).messages[0]


def changed(name: str, old: str, new: str) -> bytes:
    """A golden message with something else in it, its count put right."""
    data = golden(name).decode("latin-1")
    assert old in data
    data = data.replace(old, new)
    lines = [line for line in data.replace("\n", "").split("'") if line]
    count = next(i for i, x in enumerate(lines) if x.startswith("UNT")) - next(
        i for i, x in enumerate(lines) if x.startswith("UNH")
    )
    lines = [f"UNT+{count + 1}+{x.split('+')[2]}" if x.startswith("UNT") else x for x in lines]
    return "".join(f"{line}'" for line in lines).encode("latin-1")


def interchange_of(*messages: Message) -> Interchange:
    header = golden_header()
    return Interchange(header, messages)


def golden_header() -> Header:
    return read_interchange(golden("deljit")).header


def _value(item: Item, mandatory: bool) -> st.SearchStrategy[Any]:
    if item.is_number:
        digits = st.integers(-(10 ** min(item.most, 6)) + 1, 10 ** min(item.most, 6) - 1)
        number = digits.map(Decimal)
        if item.most > 8:
            number = st.one_of(number, digits.map(lambda n: Decimal(n) / 1000))
        return number if mandatory else st.one_of(st.none(), number)
    text = texts.map(lambda value: value[: item.most])
    return text if mandatory else st.one_of(st.just(""), text)


@cache
def composites(model: type[CompositeModel]) -> st.SearchStrategy[CompositeModel]:
    """One that holds something, since an empty one at the end would not be sent."""
    first, *rest = specs_of(model)
    values = {first.field: _value(first.item, True)}
    values |= {spec.field: _value(spec.item, spec.is_mandatory) for spec in rest}
    return st.builds(model, **values)


@cache
def segments(model: type[SegmentModel]) -> st.SearchStrategy[SegmentModel]:
    if issubclass(model, PlainSegment):
        element = st.lists(texts, min_size=1, max_size=2).map(tuple)
        return st.builds(model, elements=st.lists(element, min_size=1, max_size=2).map(tuple))
    values: dict[str, st.SearchStrategy[Any]] = {
        spec.field: _value(spec.item, spec.is_mandatory) for spec in specs_of(model)
    }
    for repeat in repeats_of(model):
        least = 1 if repeat.is_mandatory else 0
        several = st.lists(composites(repeat.composite), min_size=least, max_size=2)
        values[repeat.field] = several.map(tuple)
    return st.builds(model, **values)


@cache
def groups(model: type[GroupModel]) -> st.SearchStrategy[GroupModel]:
    """Any group; rarely more than one of what may stand several times, to keep it small."""
    values: dict[str, st.SearchStrategy[Any]] = {}
    for member in members_of(model):
        inner: st.SearchStrategy[Any] = (
            groups(member.model) if issubclass(member.model, GroupModel) else segments(member.model)
        )
        if member.is_single:
            values[member.field] = inner if member.least else st.one_of(st.none(), inner)
            continue
        some = st.lists(inner, min_size=max(1, member.least), max_size=min(2, member.most))
        none = st.just(()) if not member.least else some.map(tuple)
        values[member.field] = st.one_of(none, none, none, some.map(tuple))
    return st.builds(model, **values)
