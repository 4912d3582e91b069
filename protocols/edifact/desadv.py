"""DESADV, despatch advice message, directory D.97A: what is under way, in which packages.

CPS groups are the levels of packing, PAC, PCI and GIN in them the packages and their labels. The
order of fields is that of the UN/EDIFACT message directory (EDMD) D.97A.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocols.edifact.deljit import ContactGroup, ReferenceGroup
from protocols.edifact.segments import (
    Ali,
    Bgm,
    Cnt,
    Cps,
    Cta,
    Dgs,
    Dlm,
    Dtm,
    Eqa,
    Eqd,
    Ftx,
    Gin,
    Gir,
    Han,
    Imd,
    Lin,
    Loc,
    Mea,
    Moa,
    Nad,
    Pac,
    Pcd,
    Pci,
    Pia,
    Qty,
    Qvr,
    Rff,
    Sel,
    Sgp,
    Tdt,
    Tod,
)
from protocols.edifact.structure import GroupModel, MessageModel, UpTo


class PartyGroup(GroupModel):
    """A party with its places: unloading point, warehouse."""

    nad: Nad
    places: Annotated[tuple[Loc, ...], UpTo(10)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    contacts: Annotated[tuple[ContactGroup, ...], UpTo(10)] = ()


class TermsGroup(GroupModel):
    """Terms of delivery."""

    tod: Tod
    places: Annotated[tuple[Loc, ...], UpTo(5)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()


class StopGroup(GroupModel):
    """A place on the way and its times."""

    loc: Loc
    dates: Annotated[tuple[Dtm, ...], UpTo(10)] = ()


class TransportGroup(GroupModel):
    """The truck and its way."""

    tdt: Tdt
    percentages: Annotated[tuple[Pcd, ...], UpTo(6)] = ()
    stops: Annotated[tuple[StopGroup, ...], UpTo(10)] = ()


class HandlingGroup(GroupModel):
    """Handling instructions."""

    han: Han
    texts: Annotated[tuple[Ftx, ...], UpTo(10)] = ()


class EquipmentGroup(GroupModel):
    """Equipment of the transport."""

    eqd: Eqd
    measures: Annotated[tuple[Mea, ...], UpTo(5)] = ()
    seals: Annotated[tuple[Sel, ...], UpTo(25)] = ()
    attached: Annotated[tuple[Eqa, ...], UpTo(5)] = ()
    handling: Annotated[tuple[HandlingGroup, ...], UpTo(10)] = ()


class GoodsGroup(GroupModel):
    """Numbers of packages or goods."""

    gin: Gin
    limitations: Annotated[tuple[Dlm, ...], UpTo(10)] = ()


class MarkGroup(GroupModel):
    """Marks of packages, with the numbers on their labels."""

    pci: Pci
    reference: Rff | None = None
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    identities: Annotated[tuple[Gir, ...], UpTo(99)] = ()
    goods: Annotated[tuple[GoodsGroup, ...], UpTo(99)] = ()


class PackageGroup(GroupModel):
    """Packages of one type."""

    pac: Pac
    measures: Annotated[tuple[Mea, ...], UpTo(10)] = ()
    quantities: Annotated[tuple[Qty, ...], UpTo(10)] = ()
    handling: Annotated[tuple[HandlingGroup, ...], UpTo(10)] = ()
    marks: Annotated[tuple[MarkGroup, ...], UpTo(1000)] = ()


class LineReferenceGroup(GroupModel):
    """What order or call the item belongs to."""

    rff: Rff
    party: Nad | None = None
    contact: Cta | None = None
    date: Dtm | None = None


class DangerGroup(GroupModel):
    """Dangerous goods."""

    dgs: Dgs
    quantity: Qty | None = None
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()


class LinePlaceGroup(GroupModel):
    """Where the item goes."""

    loc: Loc
    party: Nad | None = None
    date: Dtm | None = None
    quantities: Annotated[tuple[Qty, ...], UpTo(10)] = ()


class PlacementGroup(GroupModel):
    """In which equipment it lies."""

    sgp: Sgp
    quantities: Annotated[tuple[Qty, ...], UpTo(10)] = ()


class LineGoodsGroup(GroupModel):
    """Numbers of an item's goods."""

    gin: Gin
    limitations: Annotated[tuple[Dlm, ...], UpTo(100)] = ()


class LineHandlingGroup(GroupModel):
    """Handling of an item's packages."""

    han: Han
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    goods: Annotated[tuple[Gin, ...], UpTo(1000)] = ()


class LineMarkGroup(GroupModel):
    """Marks of an item's packages."""

    pci: Pci
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    measures: Annotated[tuple[Mea, ...], UpTo(10)] = ()
    quantity: Qty | None = None
    goods: Annotated[tuple[LineGoodsGroup, ...], UpTo(10)] = ()
    handling: Annotated[tuple[LineHandlingGroup, ...], UpTo(10)] = ()


class VarianceGroup(GroupModel):
    """A difference of quantity."""

    qvr: Qvr
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()


class LineGroup(GroupModel):
    """An item in a package."""

    lin: Lin
    numbers: Annotated[tuple[Pia, ...], UpTo(10)] = ()
    descriptions: Annotated[tuple[Imd, ...], UpTo(25)] = ()
    measures: Annotated[tuple[Mea, ...], UpTo(10)] = ()
    quantities: Annotated[tuple[Qty, ...], UpTo(10)] = ()
    additions: Annotated[tuple[Ali, ...], UpTo(10)] = ()
    goods: Annotated[tuple[Gin, ...], UpTo(100)] = ()
    identities: Annotated[tuple[Gir, ...], UpTo(100)] = ()
    limitations: Annotated[tuple[Dlm, ...], UpTo(100)] = ()
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    parties: Annotated[tuple[Nad, ...], UpTo(5)] = ()
    transport: Tdt | None = None
    handling: Annotated[tuple[Han, ...], UpTo(20)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(99)] = ()
    amounts: Annotated[tuple[Moa, ...], UpTo(5)] = ()
    references: Annotated[tuple[LineReferenceGroup, ...], UpTo(99)] = ()
    dangers: Annotated[tuple[DangerGroup, ...], UpTo(10)] = ()
    places: Annotated[tuple[LinePlaceGroup, ...], UpTo(100)] = ()
    placements: Annotated[tuple[PlacementGroup, ...], UpTo(1000)] = ()
    marks: Annotated[tuple[LineMarkGroup, ...], UpTo(9999)] = ()
    variances: Annotated[tuple[VarianceGroup, ...], UpTo(10)] = ()


class PackingGroup(GroupModel):
    """One level of the packing."""

    cps: Cps
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    packages: Annotated[tuple[PackageGroup, ...], UpTo(9999)] = ()
    lines: Annotated[tuple[LineGroup, ...], UpTo(9999)] = ()


class Desadv(MessageModel):
    """Despatch advice message."""

    KIND: ClassVar[str] = "DESADV"

    bgm: Bgm
    dates: Annotated[tuple[Dtm, ...], UpTo(10)] = ()
    additions: Annotated[tuple[Ali, ...], UpTo(5)] = ()
    measures: Annotated[tuple[Mea, ...], UpTo(5)] = ()
    amounts: Annotated[tuple[Moa, ...], UpTo(5)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    parties: Annotated[tuple[PartyGroup, ...], UpTo(10)] = ()
    terms: Annotated[tuple[TermsGroup, ...], UpTo(10)] = ()
    transports: Annotated[tuple[TransportGroup, ...], UpTo(10)] = ()
    equipment: Annotated[tuple[EquipmentGroup, ...], UpTo(10)] = ()
    packing: Annotated[tuple[PackingGroup, ...], UpTo(9999)] = ()
    totals: Annotated[tuple[Cnt, ...], UpTo(5)] = ()
