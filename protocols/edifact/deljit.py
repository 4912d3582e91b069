"""DELJIT, delivery just in time message, directory D.97A: the sequenced call.

One SEQ group is one car, the LIN groups in it are its parts. The order of fields is that of the
UN/EDIFACT message directory (EDMD) D.97A.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocols.edifact.segments import (
    Ali,
    Bgm,
    Com,
    Cta,
    Dtm,
    Ftx,
    Gin,
    Gir,
    Imd,
    Lin,
    Loc,
    Nad,
    Pac,
    Pci,
    Pia,
    Qty,
    Rff,
    Scc,
    Seq,
    Tdt,
)
from protocols.edifact.structure import GroupModel, MessageModel, UpTo


class ReferenceGroup(GroupModel):
    """A reference and its date."""

    rff: Rff
    date: Dtm | None = None


class ContactGroup(GroupModel):
    """A contact and how to reach it."""

    cta: Cta
    communications: Annotated[tuple[Com, ...], UpTo(5)] = ()


class PartyGroup(GroupModel):
    """A party with its places."""

    nad: Nad
    places: Annotated[tuple[Loc, ...], UpTo(10)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    contacts: Annotated[tuple[ContactGroup, ...], UpTo(5)] = ()


class MarkGroup(GroupModel):
    """Marks of packages."""

    pci: Pci
    identities: Annotated[tuple[Gin, ...], UpTo(10)] = ()


class PackageGroup(GroupModel):
    """Packages of a car's parts: the rack."""

    pac: Pac
    marks: Annotated[tuple[MarkGroup, ...], UpTo(999)] = ()


class PlaceGroup(GroupModel):
    """A place of a part, with whom to ask there."""

    loc: Loc
    contacts: Annotated[tuple[ContactGroup, ...], UpTo(5)] = ()


class QuantityGroup(GroupModel):
    """A quantity, how firm it is and for when."""

    qty: Qty
    schedule: Scc | None = None
    dates: Annotated[tuple[Dtm, ...], UpTo(2)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(5)] = ()


class LineGroup(GroupModel):
    """A part for the car."""

    lin: Lin
    numbers: Annotated[tuple[Pia, ...], UpTo(10)] = ()
    descriptions: Annotated[tuple[Imd, ...], UpTo(10)] = ()
    additions: Annotated[tuple[Ali, ...], UpTo(5)] = ()
    identities: Annotated[tuple[Gir, ...], UpTo(5)] = ()
    transports: Annotated[tuple[Tdt, ...], UpTo(5)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    packages: Annotated[tuple[Pac, ...], UpTo(5)] = ()
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(5)] = ()
    places: Annotated[tuple[PlaceGroup, ...], UpTo(5)] = ()
    quantities: Annotated[tuple[QuantityGroup, ...], UpTo(100)] = ()


class SequenceGroup(GroupModel):
    """One position in the sequence: a car with its parts."""

    seq: Seq
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    identities: Annotated[tuple[Gir, ...], UpTo(99)] = ()
    places: Annotated[tuple[Loc, ...], UpTo(5)] = ()
    packages: Annotated[tuple[PackageGroup, ...], UpTo(5)] = ()
    lines: Annotated[tuple[LineGroup, ...], UpTo(9999)] = ()


class Deljit(MessageModel):
    """Delivery just in time message."""

    KIND: ClassVar[str] = "DELJIT"

    bgm: Bgm
    dates: Annotated[tuple[Dtm, ...], UpTo(10)]
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    parties: Annotated[tuple[PartyGroup, ...], UpTo(20)] = ()
    sequence: Annotated[tuple[SequenceGroup, ...], UpTo(9999)]
