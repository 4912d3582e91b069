"""Values of a DELJIT by their carriers, level for level: found in what was read, put into what is
written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TypeVar

from protocols.edifact.deljit import (
    Deljit,
    LineGroup,
    MarkGroup,
    PackageGroup,
    PartyGroup,
    PlaceGroup,
    QuantityGroup,
    ReferenceGroup,
    SequenceGroup,
)
from protocols.edifact.elements import SegmentModel
from protocols.edifact.problems import EdifactError, Problem
from protocols.edifact.profile import BGM_FIELDS, Carrier, DeljitProfile
from protocols.edifact.segments import (
    Bgm,
    Dtm,
    Ftx,
    Gin,
    Gir,
    Identity,
    IdentityRange,
    ItemNumber,
    Lin,
    Loc,
    Nad,
    Pac,
    Pci,
    Pia,
    Qty,
    Rff,
    Seq,
)

T = TypeVar("T")
Found = tuple[str, str, SegmentModel]
"""Qualifier, value and the segment they stand in."""


class Values:
    """What stands at one level of a message, by segment and qualifier."""

    def __init__(self, opening: SegmentModel, found: Iterable[Found]) -> None:
        self.opening = opening
        """The segment that stands for the level in messages."""
        self._found: dict[tuple[str, str], tuple[str, SegmentModel]] = {}
        self._twice: dict[tuple[str, str], SegmentModel] = {}
        for qualifier, value, segment in found:
            key = segment.TAG, qualifier
            first = self._found.setdefault(key, (value, segment))
            if first[0] != value:
                self._twice.setdefault(key, segment)

    def get(self, carrier: Carrier) -> tuple[str, SegmentModel] | None:
        """The first value there and its segment."""
        return self._found.get((carrier.tag, carrier.qualifier))

    def twice(self, carrier: Carrier) -> SegmentModel | None:
        """The segment that says another thing than the first one."""
        return self._twice.get((carrier.tag, carrier.qualifier))


def message_values(message: Deljit) -> Values:
    """What stands before the first SEQ."""
    return Values(message.bgm, _of_message(message))


def car_values(group: SequenceGroup) -> Values:
    """What stands in a SEQ group before its parts."""
    return Values(group.seq, _of_car(group))


def part_values(group: LineGroup) -> Values:
    """What stands in a LIN group."""
    return Values(group.lin, _of_part(group))


def _of_message(message: Deljit) -> Iterator[Found]:
    for name in BGM_FIELDS:
        yield name, getattr(message.bgm, name), message.bgm
    yield from ((each.qualifier, each.text, each) for each in message.dates)
    yield from ((each.subject, each.text, each) for each in message.texts)
    yield from ((each.rff.qualifier, each.rff.number, each.rff) for each in message.references)
    yield from ((each.nad.qualifier, each.nad.party, each.nad) for each in message.parties)


def _of_car(group: SequenceGroup) -> Iterator[Found]:
    yield "", group.seq.number, group.seq
    yield from ((each.qualifier, each.text, each) for each in group.dates)
    yield from _identities(group.identities)
    yield from ((each.qualifier, each.place, each) for each in group.places)
    for package in group.packages:
        yield "", package.pac.kind, package.pac
        for mark in package.marks:
            yield "", mark.pci.mark, mark.pci
            for gin in mark.identities:
                yield from ((gin.qualifier, each.first, gin) for each in gin.ranges)


def _of_part(group: LineGroup) -> Iterator[Found]:
    yield group.lin.part_kind, group.lin.part, group.lin
    for pia in group.numbers:
        yield from ((each.kind, each.number, pia) for each in pia.numbers)
    yield from _identities(group.identities)
    yield from ((each.subject, each.text, each) for each in group.texts)
    yield from ((each.qualifier, each.text, each) for each in group.dates)
    yield from ((each.rff.qualifier, each.rff.number, each.rff) for each in group.references)
    yield from ((each.loc.qualifier, each.loc.place, each.loc) for each in group.places)
    for each in group.quantities:
        yield each.qty.qualifier, format(each.qty.quantity, "f"), each.qty


def _identities(girs: Iterable[Gir]) -> Iterator[Found]:
    for gir in girs:
        yield from ((each.qualifier, each.number, gir) for each in gir.identities)


class Draft:
    """One level of a message that is being written."""

    def __init__(self, what: str) -> None:
        self.what = what
        """For messages: `car K123`."""
        self._values: dict[tuple[str, str], str] = {}
        self._forms: dict[tuple[str, str], str] = {}

    def put(self, field: str, carrier: Carrier, value: str, form: str = "") -> None:
        """Write a value, with its form or unit. Raises `EdifactError` if another stands there."""
        key = carrier.tag, carrier.qualifier
        if self._values.setdefault(key, value) != value:
            raise EdifactError(
                Problem(
                    f"{self.what}: the partner has one {field} for all ({carrier}), "
                    f"here are {self._values[key]!r} and {value!r}"
                )
            )
        self._forms[key] = form

    def _of(self, tag: str) -> list[tuple[str, str, str]]:
        return [
            (qualifier, value, self._forms[at, qualifier])
            for (at, qualifier), value in self._values.items()
            if at == tag and value
        ]

    def _one(self, tag: str) -> str:
        return next((value for _, value, _ in self._of(tag)), "")

    def dates(self) -> tuple[Dtm, ...]:
        """Its DTM segments."""
        return tuple(Dtm(qualifier=q, text=v, form=form) for q, v, form in self._of("DTM"))

    def _references(self) -> tuple[ReferenceGroup, ...]:
        return tuple(ReferenceGroup(rff=Rff(qualifier=q, number=v)) for q, v, _ in self._of("RFF"))

    def _texts(self) -> tuple[Ftx, ...]:
        return tuple(Ftx(subject=q, text=v) for q, v, _ in self._of("FTX"))

    def _numbers(self, set_kind: str) -> tuple[Gir, ...]:
        numbers = [Identity(number=v, qualifier=q) for q, v, _ in self._of("GIR")]
        return tuple(Gir(set_kind=set_kind, identities=each) for each in _fives(numbers))

    def message(self, document: str, function: str, cars: Sequence[SequenceGroup]) -> Deljit:
        """The whole message."""
        given = {qualifier: value for qualifier, value, _ in self._of("BGM")}
        parties = (Nad(qualifier=q, party=v) for q, v, _ in self._of("NAD"))
        return Deljit(
            bgm=Bgm(document=document, function=function, **given),
            dates=self.dates(),
            texts=self._texts(),
            references=self._references(),
            parties=tuple(PartyGroup(nad=nad) for nad in parties),
            sequence=tuple(cars),
        )

    def car(self, status: str, profile: DeljitProfile, lines: Sequence[LineGroup]) -> SequenceGroup:
        """A SEQ group."""
        return SequenceGroup(
            seq=Seq(status=status, number=self._one("SEQ")),
            dates=self.dates(),
            identities=self._numbers(profile.vehicle_set),
            places=tuple(Loc(qualifier=q, place=v) for q, v, _ in self._of("LOC")),
            packages=tuple(self._packages(profile)),
            lines=tuple(lines),
        )

    def _packages(self, profile: DeljitProfile) -> Iterator[PackageGroup]:
        kind, mark, labels = self._one("PAC"), self._one("PCI"), self._of("GIN")
        if not (kind or mark or labels):
            return
        goods = tuple(Gin(qualifier=q, ranges=(IdentityRange(first=v),)) for q, v, _ in labels)
        marks = (MarkGroup(pci=Pci(marking=profile.marking, mark=mark), identities=goods),)
        yield PackageGroup(
            pac=Pac(count=Decimal(1), kind=kind), marks=marks if mark or labels else ()
        )

    def part(self, line: int, action: str, profile: DeljitProfile) -> LineGroup:
        """A LIN group."""
        kind, number = next(((q, v) for q, v, _ in self._of("LIN")), ("", ""))
        numbers = [ItemNumber(number=v, kind=q) for q, v, _ in self._of("PIA")]
        return LineGroup(
            lin=Lin(line=str(line), action=action, part=number, part_kind=kind),
            numbers=tuple(Pia(function="1", numbers=each) for each in _fives(numbers)),
            identities=self._numbers(profile.product_set),
            texts=self._texts(),
            dates=self.dates(),
            references=self._references(),
            places=tuple(PlaceGroup(loc=Loc(qualifier=q, place=v)) for q, v, _ in self._of("LOC")),
            quantities=tuple(
                QuantityGroup(qty=Qty(qualifier=q, quantity=Decimal(v), unit=unit))
                for q, v, unit in self._of("QTY")
            ),
        )


def _fives(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """In portions of five, which is what GIR and PIA hold."""
    for at in range(0, len(items), 5):
        yield tuple(items[at : at + 5])
