"""DELFOR, delivery schedule message, directory D.97A: the forecast in weeks.

Each one replaces the last whole. Quantities are cumulative where the qualifier says so. The order
of fields is that of the UN/EDIFACT message directory (EDMD) D.97A.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocols.edifact.deljit import ContactGroup, MarkGroup, ReferenceGroup
from protocols.edifact.segments import (
    Ali,
    Bgm,
    Doc,
    Dtm,
    Ftx,
    Gin,
    Gir,
    Gis,
    Imd,
    Lin,
    Loc,
    Mea,
    Nad,
    Pac,
    Pia,
    Qty,
    Scc,
    Tdt,
)
from protocols.edifact.structure import GroupModel, MessageModel, UpTo


class PartyGroup(GroupModel):
    """A party of the message."""

    nad: Nad
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    contacts: Annotated[tuple[ContactGroup, ...], UpTo(5)] = ()


class TransportGroup(GroupModel):
    """A transport and its dates."""

    tdt: Tdt
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()


class DocumentGroup(GroupModel):
    """A document and its dates."""

    doc: Doc
    dates: Annotated[tuple[Dtm, ...], UpTo(10)] = ()


class DeliveryPartyGroup(GroupModel):
    """Where the items after it go."""

    nad: Nad
    places: Annotated[tuple[Loc, ...], UpTo(10)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    documents: Annotated[tuple[DocumentGroup, ...], UpTo(10)] = ()
    contacts: Annotated[tuple[ContactGroup, ...], UpTo(5)] = ()
    transports: Annotated[tuple[TransportGroup, ...], UpTo(10)] = ()


class QuantityGroup(GroupModel):
    """A quantity with its period and references."""

    qty: Qty
    dates: Annotated[tuple[Dtm, ...], UpTo(2)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()


class ScheduleGroup(GroupModel):
    """Quantities of one firmness and rhythm."""

    scc: Scc
    quantities: Annotated[tuple[QuantityGroup, ...], UpTo(999)] = ()


class PackageGroup(GroupModel):
    """How the item is packed."""

    pac: Pac
    measures: Annotated[tuple[Mea, ...], UpTo(10)] = ()
    quantities: Annotated[tuple[Qty, ...], UpTo(5)] = ()
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    marks: Annotated[tuple[MarkGroup, ...], UpTo(10)] = ()


class LineDocumentGroup(GroupModel):
    """A document of a delivery party of an item."""

    doc: Doc
    date: Dtm | None = None


class LineScheduleGroup(GroupModel):
    """Quantities for one delivery party of an item."""

    scc: Scc
    quantities: Annotated[tuple[QuantityGroup, ...], UpTo(999)]


class LinePartyGroup(GroupModel):
    """A delivery party of one item, with its own schedule."""

    nad: Nad
    places: Annotated[tuple[Loc, ...], UpTo(10)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    documents: Annotated[tuple[LineDocumentGroup, ...], UpTo(10)] = ()
    contacts: Annotated[tuple[ContactGroup, ...], UpTo(5)] = ()
    quantities: Annotated[tuple[QuantityGroup, ...], UpTo(10)] = ()
    schedules: Annotated[tuple[LineScheduleGroup, ...], UpTo(999)]
    transports: Annotated[tuple[TransportGroup, ...], UpTo(10)] = ()


class LineGroup(GroupModel):
    """An item with its schedules."""

    lin: Lin
    numbers: Annotated[tuple[Pia, ...], UpTo(10)] = ()
    descriptions: Annotated[tuple[Imd, ...], UpTo(10)] = ()
    measures: Annotated[tuple[Mea, ...], UpTo(5)] = ()
    additions: Annotated[tuple[Ali, ...], UpTo(5)] = ()
    goods: Annotated[tuple[Gin, ...], UpTo(999)] = ()
    identities: Annotated[tuple[Gir, ...], UpTo(999)] = ()
    places: Annotated[tuple[Loc, ...], UpTo(999)] = ()
    dates: Annotated[tuple[Dtm, ...], UpTo(5)] = ()
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    transports: Annotated[tuple[TransportGroup, ...], UpTo(10)] = ()
    quantities: Annotated[tuple[QuantityGroup, ...], UpTo(10)] = ()
    schedules: Annotated[tuple[ScheduleGroup, ...], UpTo(999)] = ()
    packages: Annotated[tuple[PackageGroup, ...], UpTo(99)] = ()
    parties: Annotated[tuple[LinePartyGroup, ...], UpTo(999)] = ()


class ItemsGroup(GroupModel):
    """A list of items, for one delivery party or none named."""

    gis: Gis
    party: DeliveryPartyGroup | None = None
    lines: Annotated[tuple[LineGroup, ...], UpTo(9999)] = ()


class Delfor(MessageModel):
    """Delivery schedule message."""

    KIND: ClassVar[str] = "DELFOR"

    bgm: Bgm
    dates: Annotated[tuple[Dtm, ...], UpTo(10)]
    texts: Annotated[tuple[Ftx, ...], UpTo(5)] = ()
    references: Annotated[tuple[ReferenceGroup, ...], UpTo(10)] = ()
    parties: Annotated[tuple[PartyGroup, ...], UpTo(99)] = ()
    transports: Annotated[tuple[TransportGroup, ...], UpTo(10)] = ()
    items: Annotated[tuple[ItemsGroup, ...], UpTo(9999)] = ()
