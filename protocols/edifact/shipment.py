"""DESADV and the shipment in it, both ways, by the profile of the partner.

Each package is a CPS group; one in another names it as its parent, which stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from protocols.edifact.content import Package, PackedPart, ShipNotice
from protocols.edifact.desadv import (
    Desadv,
    GoodsGroup,
    LineGroup,
    LineReferenceGroup,
    MarkGroup,
    PackageGroup,
    PackingGroup,
    PartyGroup,
    TransportGroup,
)
from protocols.edifact.interchange import Message
from protocols.edifact.problems import EdifactError, Problem
from protocols.edifact.profile import EdiProfile, code_for
from protocols.edifact.reading import ContentReader, date_of, party_of
from protocols.edifact.segments import (
    Bgm,
    Cps,
    Dtm,
    Gin,
    Gir,
    Identity,
    IdentityRange,
    Lin,
    Loc,
    Nad,
    Pac,
    Pci,
    Qty,
    Rff,
    Tdt,
)
from protocols.edifact.times import write_time

DEEPEST = 8
"""Packages in packages."""


def read_shipment(message: Message, profile: EdiProfile) -> ShipNotice:
    """The shipment of a DESADV. Raises `EdifactError` with all that is wrong with it."""
    return _ShipmentReader(Desadv.read(message), profile, message.reference).read()


def write_shipment(notice: ShipNotice, profile: EdiProfile) -> Desadv:
    """The DESADV of a shipment. Raises `EdifactError` for what the partner has no code for."""
    return _ShipmentWriter(notice, profile).write()


@dataclass
class _Node:
    """A package that is being read, with those in it."""

    label: str
    kind: str
    parts: tuple[PackedPart, ...]
    depth: int
    inner: list[_Node] = field(default_factory=list)

    def package(self) -> Package:
        return Package(
            label=self.label,
            kind=self.kind,
            parts=self.parts,
            packages=tuple(node.package() for node in self.inner),
        )


class _ShipmentReader(ContentReader):
    def __init__(self, message: Desadv, profile: EdiProfile, reference: str) -> None:
        super().__init__(profile, reference)
        self.message = message
        self.codes = profile.desadv

    def read(self) -> ShipNotice:
        message, codes = self.message, self.codes
        function = self.heading(message.bgm, codes.functions)
        issued_at = self.issued(message.bgm, message.dates, codes.issued)
        packages = self._packages()
        times = {
            "shipped_at": self.time(date_of(message.dates, codes.shipped)),
            "expected_at": self.time(date_of(message.dates, codes.expected)),
        }
        if self.problems or function is None or issued_at is None:
            self.refuse()
        return ShipNotice(
            document_no=message.bgm.number,
            function=function,
            issued_at=issued_at,
            **times,
            customer=party_of(message.parties, codes.customer),
            supplier=party_of(message.parties, codes.supplier),
            unloading_point=self._place(codes.unloading_point),
            warehouse=self._place(codes.warehouse),
            vehicle=next(
                (t.tdt.vehicle for t in message.transports if t.tdt.stage == codes.transport_stage),
                "",
            ),
            packages=packages,
        )

    def _packages(self) -> tuple[Package, ...]:
        nodes: dict[str, _Node] = {}
        outer: list[_Node] = []
        for group in self.message.packing:
            cps = group.cps
            parent = nodes.get(cps.parent)
            if cps.parent and parent is None:
                self.wrong(cps, f"lies in {cps.parent!r} (7166), which does not stand before it")
                continue
            if cps.number in nodes:
                self.wrong(cps, f"number {cps.number!r} (7164) stands twice")
                continue
            node = self._node(group, parent.depth + 1 if parent else 1)
            if node.depth > DEEPEST:
                self.wrong(cps, f"lies deeper than {DEEPEST} packages")
                continue
            nodes[cps.number] = node
            (parent.inner if parent else outer).append(node)
        return tuple(node.package() for node in outer)

    def _node(self, group: PackingGroup, depth: int) -> _Node:
        kinds = [package.pac.kind for package in group.packages]
        labels = [
            each.first
            for package in group.packages
            for mark in package.marks
            for goods in mark.goods
            if goods.gin.qualifier == self.codes.label
            for each in goods.gin.ranges
        ]
        for package in group.packages[1:]:
            self.wrong(package.pac, "is a second package in one CPS group; each has its own here")
        if len(labels) > 1:
            self.wrong(group.cps, f"has {len(labels)} labels; each package has its own CPS here")
        parts = tuple(self._part(line) for line in group.lines)
        return _Node("".join(labels[:1]), "".join(kinds[:1]), parts, depth)

    def _part(self, group: LineGroup) -> PackedPart:
        codes = self.codes
        if group.lin.part_kind != codes.part or not group.lin.part:
            self.missing(group.lin, f"the part number (C212 of {codes.part})")
        qty = next((q for q in group.quantities if q.qualifier == codes.quantity), None)
        if qty is None:
            self.missing(group.lin, f"its quantity (QTY {codes.quantity})")
        numbers = {
            each.qualifier: each.number for gir in group.identities for each in gir.identities
        }
        references = {each.rff.qualifier: each.rff.number for each in group.references}
        serials = [
            each.first
            for gin in group.goods
            if gin.qualifier == codes.serial
            for each in gin.ranges
        ]
        return PackedPart(
            part_no=group.lin.part,
            quantity=qty.quantity if qty else Decimal(0),
            unit=qty.unit if qty else "",
            call_no=references.get(codes.call, ""),
            order_no=references.get(codes.order, ""),
            production_no=numbers.get(codes.production_no, ""),
            slot=self._slot(numbers.get(codes.slot, ""), group),
            serial_no="".join(serials[:1]),
        )

    def _slot(self, text: str, group: LineGroup) -> int | None:
        if text and not (text.isascii() and text.isdigit()):
            self.wrong(group.identities[0], f"slot: {text!r} is no whole number")
            return None
        return int(text) if text else None

    def _place(self, qualifier: str) -> str:
        places = [place for party in self.message.parties for place in party.places]
        return next((each.place for each in places if each.qualifier == qualifier), "")


class _ShipmentWriter:
    def __init__(self, notice: ShipNotice, profile: EdiProfile) -> None:
        self.notice = notice
        self.profile = profile
        self.codes = profile.desadv

    def write(self) -> Desadv:
        notice, codes = self.notice, self.codes
        function = code_for(notice.function, codes.functions)
        if function is None:
            raise EdifactError(
                Problem(f"{self.profile.name} has no code for a notice to {notice.function}")
            )
        dates = (
            (codes.issued, notice.issued_at),
            (codes.shipped, notice.shipped_at),
            (codes.expected, notice.expected_at),
        )
        tdt = Tdt(stage=codes.transport_stage, vehicle=notice.vehicle)
        return Desadv(
            bgm=Bgm(document=codes.document, number=notice.document_no, function=function),
            dates=tuple(self._date(q, moment) for q, moment in dates if moment),
            parties=tuple(self._parties()),
            transports=(TransportGroup(tdt=tdt),) if notice.vehicle else (),
            packing=tuple(self._packing()),
        )

    def _date(self, qualifier: str, moment: datetime) -> Dtm:
        form = self.profile.time_form
        return Dtm(qualifier=qualifier, text=write_time(moment, form, self.profile.zone), form=form)

    def _parties(self) -> Iterator[PartyGroup]:
        notice, codes = self.notice, self.codes
        places = tuple(
            Loc(qualifier=q, place=place)
            for q, place in (
                (codes.unloading_point, notice.unloading_point),
                (codes.warehouse, notice.warehouse),
            )
            if place
        )
        given = [(codes.customer, notice.customer), (codes.supplier, notice.supplier)]
        given = [(q, party) for q, party in given if party]
        if places and codes.delivery_party not in [q for q, _ in given]:
            given.append((codes.delivery_party, ""))
        for qualifier, party in given:
            yield PartyGroup(
                nad=Nad(qualifier=qualifier, party=party),
                places=places if qualifier == codes.delivery_party else (),
            )

    def _packing(self) -> Iterator[PackingGroup]:
        numbers = iter(range(1, 10_000))

        def level(packages: Iterable[Package], parent: str, depth: int) -> Iterator[PackingGroup]:
            if depth > DEEPEST:
                raise EdifactError(Problem(f"packages lie in more than {DEEPEST} others"))
            for package in packages:
                number = str(next(numbers, ""))
                if not number:
                    raise EdifactError(Problem("has more than 9,999 packages"))
                yield self._package(package, number, parent)
                yield from level(package.packages, number, depth + 1)

        yield from level(self.notice.packages, "", 1)

    def _package(self, package: Package, number: str, parent: str) -> PackingGroup:
        codes = self.codes
        gin = Gin(qualifier=codes.label, ranges=(IdentityRange(first=package.label),))
        mark = MarkGroup(pci=Pci(marking=codes.marking), goods=(GoodsGroup(gin=gin),))
        pac = PackageGroup(
            pac=Pac(count=Decimal(1), kind=package.kind), marks=(mark,) if package.label else ()
        )
        return PackingGroup(
            cps=Cps(number=number, parent=parent),
            packages=(pac,) if package.kind or package.label else (),
            lines=tuple(self._line(at, part) for at, part in enumerate(package.parts, start=1)),
        )

    def _line(self, at: int, part: PackedPart) -> LineGroup:
        codes = self.codes
        slot = "" if part.slot is None else str(part.slot)
        numbers = tuple(
            Identity(number=number, qualifier=q)
            for q, number in ((codes.production_no, part.production_no), (codes.slot, slot))
            if number
        )
        references = ((codes.call, part.call_no), (codes.order, part.order_no))
        gin = Gin(qualifier=codes.serial, ranges=(IdentityRange(first=part.serial_no),))
        return LineGroup(
            lin=Lin(line=str(at), part=part.part_no, part_kind=codes.part),
            quantities=(Qty(qualifier=codes.quantity, quantity=part.quantity, unit=part.unit),),
            goods=(gin,) if part.serial_no else (),
            identities=(Gir(set_kind=codes.product_set, identities=numbers),) if numbers else (),
            references=tuple(
                LineReferenceGroup(rff=Rff(qualifier=q, number=number))
                for q, number in references
                if number
            ),
        )
