"""The segments of directory D.97A that our messages mean something by, element for element.

Numbers, places and lengths are those of the UN segment directory (EDSD) and composite directory
(EDCD), release D.97A.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from protocols.edifact.elements import CompositeModel, Item, Items, PlainSegment, SegmentModel


class Bgm(SegmentModel):
    """Beginning of message: what document, which number, which function."""

    TAG: ClassVar[str] = "BGM"
    document: Annotated[str, Item("1001", "an..3", 1, 1)] = ""
    """Document/message name, coded: 241 delivery schedule, 242 delivery just-in-time, 351 ASN."""
    document_list: Annotated[str, Item("1131", "an..3", 1, 2)] = ""
    document_agency: Annotated[str, Item("3055", "an..3", 1, 3)] = ""
    document_name: Annotated[str, Item("1000", "an..35", 1, 4)] = ""
    number: Annotated[str, Item("1004", "an..35", 2, 1)] = ""
    version: Annotated[str, Item("1056", "an..9", 2, 2)] = ""
    revision: Annotated[str, Item("1060", "an..6", 2, 3)] = ""
    function: Annotated[str, Item("1225", "an..3", 3)] = ""
    """Message function: 1 cancellation, 4 change, 5 replace, 7 duplicate, 9 original."""
    response: Annotated[str, Item("4343", "an..3", 4)] = ""


class Dtm(SegmentModel):
    """Date, time or period; its meaning is the qualifier's, its form that of 2379."""

    TAG: ClassVar[str] = "DTM"
    qualifier: Annotated[str, Item("2005", "an..3", 1, 1)]
    """137 document date, 2 delivery requested, 11 despatch, 132 arrival estimated."""
    text: Annotated[str, Item("2380", "an..35", 1, 2)] = ""
    form: Annotated[str, Item("2379", "an..3", 1, 3)] = ""
    """102 CCYYMMDD, 203 CCYYMMDDHHMM, 204 with seconds, 711 CCYYMMDD-CCYYMMDD."""


class Ftx(SegmentModel):
    """Free text, with a subject."""

    TAG: ClassVar[str] = "FTX"
    subject: Annotated[str, Item("4451", "an..3", 1)]
    function: Annotated[str, Item("4453", "an..3", 2)] = ""
    code: Annotated[str, Item("4441", "an..17", 3, 1)] = ""
    code_list: Annotated[str, Item("1131", "an..3", 3, 2)] = ""
    code_agency: Annotated[str, Item("3055", "an..3", 3, 3)] = ""
    text: Annotated[str, Item("4440", "an..70", 4, 1)] = ""
    text_2: Annotated[str, Item("4440", "an..70", 4, 2)] = ""
    text_3: Annotated[str, Item("4440", "an..70", 4, 3)] = ""
    text_4: Annotated[str, Item("4440", "an..70", 4, 4)] = ""
    text_5: Annotated[str, Item("4440", "an..70", 4, 5)] = ""
    language: Annotated[str, Item("3453", "an..3", 5)] = ""


class Rff(SegmentModel):
    """A reference: to an order, a call, an earlier document."""

    TAG: ClassVar[str] = "RFF"
    qualifier: Annotated[str, Item("1153", "an..3", 1, 1)]
    number: Annotated[str, Item("1154", "an..35", 1, 2)] = ""
    line: Annotated[str, Item("1156", "an..6", 1, 3)] = ""
    version: Annotated[str, Item("4000", "an..35", 1, 4)] = ""


class Nad(SegmentModel):
    """A party: BY buyer, SE seller, CZ consignor, CN consignee."""

    TAG: ClassVar[str] = "NAD"
    qualifier: Annotated[str, Item("3035", "an..3", 1)]
    party: Annotated[str, Item("3039", "an..35", 2, 1)] = ""
    party_list: Annotated[str, Item("1131", "an..3", 2, 2)] = ""
    party_agency: Annotated[str, Item("3055", "an..3", 2, 3)] = ""
    address: Annotated[str, Item("3124", "an..35", 3, 1)] = ""
    address_2: Annotated[str, Item("3124", "an..35", 3, 2)] = ""
    address_3: Annotated[str, Item("3124", "an..35", 3, 3)] = ""
    address_4: Annotated[str, Item("3124", "an..35", 3, 4)] = ""
    address_5: Annotated[str, Item("3124", "an..35", 3, 5)] = ""
    name: Annotated[str, Item("3036", "an..35", 4, 1)] = ""
    name_2: Annotated[str, Item("3036", "an..35", 4, 2)] = ""
    name_3: Annotated[str, Item("3036", "an..35", 4, 3)] = ""
    name_4: Annotated[str, Item("3036", "an..35", 4, 4)] = ""
    name_5: Annotated[str, Item("3036", "an..35", 4, 5)] = ""
    name_form: Annotated[str, Item("3045", "an..3", 4, 6)] = ""
    street: Annotated[str, Item("3042", "an..35", 5, 1)] = ""
    street_2: Annotated[str, Item("3042", "an..35", 5, 2)] = ""
    street_3: Annotated[str, Item("3042", "an..35", 5, 3)] = ""
    street_4: Annotated[str, Item("3042", "an..35", 5, 4)] = ""
    city: Annotated[str, Item("3164", "an..35", 6)] = ""
    region: Annotated[str, Item("3229", "an..9", 7)] = ""
    postcode: Annotated[str, Item("3251", "an..9", 8)] = ""
    country: Annotated[str, Item("3207", "an..3", 9)] = ""


class Loc(SegmentModel):
    """A place: 11 place of discharge (unloading point), 18 warehouse, 159 internal destination."""

    TAG: ClassVar[str] = "LOC"
    qualifier: Annotated[str, Item("3227", "an..3", 1)]
    place: Annotated[str, Item("3225", "an..25", 2, 1)] = ""
    place_list: Annotated[str, Item("1131", "an..3", 2, 2)] = ""
    place_agency: Annotated[str, Item("3055", "an..3", 2, 3)] = ""
    place_name: Annotated[str, Item("3224", "an..70", 2, 4)] = ""
    first: Annotated[str, Item("3223", "an..25", 3, 1)] = ""
    """Related location one."""
    first_list: Annotated[str, Item("1131", "an..3", 3, 2)] = ""
    first_agency: Annotated[str, Item("3055", "an..3", 3, 3)] = ""
    first_name: Annotated[str, Item("3222", "an..70", 3, 4)] = ""
    second: Annotated[str, Item("3233", "an..25", 4, 1)] = ""
    """Related location two."""
    second_list: Annotated[str, Item("1131", "an..3", 4, 2)] = ""
    second_agency: Annotated[str, Item("3055", "an..3", 4, 3)] = ""
    second_name: Annotated[str, Item("3232", "an..70", 4, 4)] = ""
    relation: Annotated[str, Item("5479", "an..3", 5)] = ""


class Seq(SegmentModel):
    """Sequence details: one position in the sequence, which is one car."""

    TAG: ClassVar[str] = "SEQ"
    status: Annotated[str, Item("1245", "an..3", 1)] = ""
    """Status indicator: 1 amendment, 2 cancellation, 3 created new, 4 no change, 5 replacement.
    (Later directories have action request 1229 here.)"""
    number: Annotated[str, Item("1050", "an..10", 2, 1)] = ""
    source: Annotated[str, Item("1159", "an..3", 2, 2)] = ""
    number_list: Annotated[str, Item("1131", "an..3", 2, 3)] = ""
    number_agency: Annotated[str, Item("3055", "an..3", 2, 4)] = ""


class Identity(CompositeModel):
    """C206: a number that identifies, and what kind it is."""

    number: Annotated[str, Item("7402", "an..35", 1, 1)]
    qualifier: Annotated[str, Item("7405", "an..3", 1, 2)] = ""
    """VV vehicle identity number, AN manufacturing reference number, AO position in package."""
    status: Annotated[str, Item("4405", "an..3", 1, 3)] = ""


class Gir(SegmentModel):
    """Related identification numbers: a set of numbers of one thing."""

    TAG: ClassVar[str] = "GIR"
    set_kind: Annotated[str, Item("7297", "an..3", 1)]
    """Set identification qualifier: 1 product, 3 package, 4 vehicle reference set."""
    identities: Annotated[tuple[Identity, ...], Items("C206", 2, 5)]


class Pac(SegmentModel):
    """Packages: how many, of what type."""

    TAG: ClassVar[str] = "PAC"
    count: Annotated[Decimal | None, Item("7224", "n..8", 1)] = None
    level: Annotated[str, Item("7075", "an..3", 2, 1)] = ""
    related: Annotated[str, Item("7233", "an..3", 2, 2)] = ""
    terms: Annotated[str, Item("7073", "an..3", 2, 3)] = ""
    kind: Annotated[str, Item("7065", "an..17", 3, 1)] = ""
    """Type of packages: the rack or container type."""
    kind_list: Annotated[str, Item("1131", "an..3", 3, 2)] = ""
    kind_agency: Annotated[str, Item("3055", "an..3", 3, 3)] = ""
    kind_name: Annotated[str, Item("7064", "an..35", 3, 4)] = ""
    identified: Annotated[str, Item("7077", "an..3", 4, 1)] = ""
    type_1: Annotated[str, Item("7064", "an..35", 4, 2)] = ""
    type_1_kind: Annotated[str, Item("7143", "an..3", 4, 3)] = ""
    type_2: Annotated[str, Item("7064", "an..35", 4, 4)] = ""
    type_2_kind: Annotated[str, Item("7143", "an..3", 4, 5)] = ""
    return_payment: Annotated[str, Item("8395", "an..3", 5, 1)] = ""
    return_contents: Annotated[str, Item("8393", "an..3", 5, 2)] = ""


class Pci(SegmentModel):
    """Package identification: how packages are marked."""

    TAG: ClassVar[str] = "PCI"
    marking: Annotated[str, Item("4233", "an..3", 1)] = ""
    """Marking instructions: 17 supplier's, 16 buyer's."""
    mark: Annotated[str, Item("7102", "an..35", 2, 1)] = ""
    mark_2: Annotated[str, Item("7102", "an..35", 2, 2)] = ""
    mark_3: Annotated[str, Item("7102", "an..35", 2, 3)] = ""
    mark_4: Annotated[str, Item("7102", "an..35", 2, 4)] = ""
    mark_5: Annotated[str, Item("7102", "an..35", 2, 5)] = ""
    mark_6: Annotated[str, Item("7102", "an..35", 2, 6)] = ""
    mark_7: Annotated[str, Item("7102", "an..35", 2, 7)] = ""
    mark_8: Annotated[str, Item("7102", "an..35", 2, 8)] = ""
    mark_9: Annotated[str, Item("7102", "an..35", 2, 9)] = ""
    mark_10: Annotated[str, Item("7102", "an..35", 2, 10)] = ""
    fullness: Annotated[str, Item("8275", "an..3", 3)] = ""
    marking_type: Annotated[str, Item("7511", "an..3", 4, 1)] = ""
    marking_list: Annotated[str, Item("1131", "an..3", 4, 2)] = ""
    marking_agency: Annotated[str, Item("3055", "an..3", 4, 3)] = ""


class IdentityRange(CompositeModel):
    """C208: a number, or the first and last of a range."""

    first: Annotated[str, Item("7402", "an..35", 1, 1)]
    last: Annotated[str, Item("7402", "an..35", 1, 2)] = ""


class Gin(SegmentModel):
    """Goods identity numbers: what a package is called, serial numbers."""

    TAG: ClassVar[str] = "GIN"
    qualifier: Annotated[str, Item("7405", "an..3", 1)]
    """ML marking/label number, AW serial shipping container, BN serial number."""
    ranges: Annotated[tuple[IdentityRange, ...], Items("C208", 2, 5)]


class Lin(SegmentModel):
    """Line item: a part."""

    TAG: ClassVar[str] = "LIN"
    line: Annotated[str, Item("1082", "an..6", 1)] = ""
    action: Annotated[str, Item("1229", "an..3", 2)] = ""
    """Action request: 1 added, 2 deleted, 3 changed, 4 no action."""
    part: Annotated[str, Item("7140", "an..35", 3, 1)] = ""
    part_kind: Annotated[str, Item("7143", "an..3", 3, 2)] = ""
    """IN buyer's item number, SA supplier's."""
    part_list: Annotated[str, Item("1131", "an..3", 3, 3)] = ""
    part_agency: Annotated[str, Item("3055", "an..3", 3, 4)] = ""
    subline_kind: Annotated[str, Item("5495", "an..3", 4, 1)] = ""
    subline: Annotated[str, Item("1082", "an..6", 4, 2)] = ""
    level: Annotated[Decimal | None, Item("1222", "n..2", 5)] = None
    configuration: Annotated[str, Item("7083", "an..3", 6)] = ""


class ItemNumber(CompositeModel):
    """C212: a number of an article, and whose it is."""

    number: Annotated[str, Item("7140", "an..35", 1, 1)] = ""
    kind: Annotated[str, Item("7143", "an..3", 1, 2)] = ""
    """SA supplier's, IN buyer's, EC engineering change level, GP product group."""
    number_list: Annotated[str, Item("1131", "an..3", 1, 3)] = ""
    number_agency: Annotated[str, Item("3055", "an..3", 1, 4)] = ""


class Pia(SegmentModel):
    """Additional numbers of the article."""

    TAG: ClassVar[str] = "PIA"
    function: Annotated[str, Item("4347", "an..3", 1)]
    """1 additional identification, 5 product identification."""
    numbers: Annotated[tuple[ItemNumber, ...], Items("C212", 2, 5)]


class Qty(SegmentModel):
    """A quantity."""

    TAG: ClassVar[str] = "QTY"
    qualifier: Annotated[str, Item("6063", "an..3", 1, 1)]
    """1 discrete, 12 despatched, 70 cumulative received, 113 to be delivered, 48 last received."""
    quantity: Annotated[Decimal, Item("6060", "n..15", 1, 2)]
    unit: Annotated[str, Item("6411", "an..3", 1, 3)] = ""


class Scc(SegmentModel):
    """Scheduling conditions: how firm a quantity is, and how often."""

    TAG: ClassVar[str] = "SCC"
    status: Annotated[str, Item("4017", "an..3", 1)]
    """Delivery plan status: 1 firm, 2 commitment for manufacturing and material, 3 for material,
    4 planning/forecast."""
    requirement: Annotated[str, Item("4493", "an..3", 2)] = ""
    frequency: Annotated[str, Item("2013", "an..3", 3, 1)] = ""
    """D daily, W weekly, M monthly."""
    pattern: Annotated[str, Item("2015", "an..3", 3, 2)] = ""
    pattern_time: Annotated[str, Item("2017", "an..3", 3, 3)] = ""


class Cps(SegmentModel):
    """Consignment packing sequence: one level of the packing, and in which one it lies."""

    TAG: ClassVar[str] = "CPS"
    number: Annotated[str, Item("7164", "an..12", 1)]
    parent: Annotated[str, Item("7166", "an..12", 2)] = ""
    level: Annotated[str, Item("7075", "an..3", 3)] = ""


class Gis(SegmentModel):
    """General indicator: in DELFOR it opens a list of items, with or without the places first."""

    TAG: ClassVar[str] = "GIS"
    indicator: Annotated[str, Item("7365", "an..3", 1, 1)]
    indicator_list: Annotated[str, Item("1131", "an..3", 1, 2)] = ""
    indicator_agency: Annotated[str, Item("3055", "an..3", 1, 3)] = ""
    indicator_type: Annotated[str, Item("7187", "an..17", 1, 4)] = ""


class Tdt(SegmentModel):
    """Transport: which trip, by what, whose."""

    TAG: ClassVar[str] = "TDT"
    stage: Annotated[str, Item("8051", "an..3", 1)]
    trip: Annotated[str, Item("8028", "an..17", 2)] = ""
    mode: Annotated[str, Item("8067", "an..3", 3, 1)] = ""
    mode_name: Annotated[str, Item("8066", "an..17", 3, 2)] = ""
    means: Annotated[str, Item("8179", "an..8", 4, 1)] = ""
    means_name: Annotated[str, Item("8178", "an..17", 4, 2)] = ""
    carrier: Annotated[str, Item("3127", "an..17", 5, 1)] = ""
    carrier_list: Annotated[str, Item("1131", "an..3", 5, 2)] = ""
    carrier_agency: Annotated[str, Item("3055", "an..3", 5, 3)] = ""
    carrier_name: Annotated[str, Item("3128", "an..35", 5, 4)] = ""
    direction: Annotated[str, Item("8101", "an..3", 6)] = ""
    excess_reason: Annotated[str, Item("8457", "an..3", 7, 1)] = ""
    excess_payer: Annotated[str, Item("8459", "an..3", 7, 2)] = ""
    excess_number: Annotated[str, Item("7130", "an..17", 7, 3)] = ""
    vehicle: Annotated[str, Item("8213", "an..9", 8, 1)] = ""
    """Identification of the means of transport: the truck's plate."""
    vehicle_list: Annotated[str, Item("1131", "an..3", 8, 2)] = ""
    vehicle_agency: Annotated[str, Item("3055", "an..3", 8, 3)] = ""
    vehicle_name: Annotated[str, Item("8212", "an..35", 8, 4)] = ""
    vehicle_country: Annotated[str, Item("8453", "an..3", 8, 5)] = ""
    ownership: Annotated[str, Item("8281", "an..3", 9)] = ""


class Ali(PlainSegment):
    """Additional information."""

    TAG: ClassVar[str] = "ALI"


class Cnt(PlainSegment):
    """Control total."""

    TAG: ClassVar[str] = "CNT"


class Com(PlainSegment):
    """Communication contact."""

    TAG: ClassVar[str] = "COM"


class Cta(PlainSegment):
    """Contact."""

    TAG: ClassVar[str] = "CTA"


class Dgs(PlainSegment):
    """Dangerous goods."""

    TAG: ClassVar[str] = "DGS"


class Dlm(PlainSegment):
    """Delivery limitations."""

    TAG: ClassVar[str] = "DLM"


class Doc(PlainSegment):
    """Document."""

    TAG: ClassVar[str] = "DOC"


class Eqa(PlainSegment):
    """Attached equipment."""

    TAG: ClassVar[str] = "EQA"


class Eqd(PlainSegment):
    """Equipment."""

    TAG: ClassVar[str] = "EQD"


class Han(PlainSegment):
    """Handling instructions."""

    TAG: ClassVar[str] = "HAN"


class Imd(PlainSegment):
    """Item description."""

    TAG: ClassVar[str] = "IMD"


class Mea(PlainSegment):
    """Measurements."""

    TAG: ClassVar[str] = "MEA"


class Moa(PlainSegment):
    """Monetary amount."""

    TAG: ClassVar[str] = "MOA"


class Pcd(PlainSegment):
    """Percentage."""

    TAG: ClassVar[str] = "PCD"


class Qvr(PlainSegment):
    """Quantity variances."""

    TAG: ClassVar[str] = "QVR"


class Sel(PlainSegment):
    """Seal number."""

    TAG: ClassVar[str] = "SEL"


class Sgp(PlainSegment):
    """Split goods placement."""

    TAG: ClassVar[str] = "SGP"


class Tod(PlainSegment):
    """Terms of delivery."""

    TAG: ClassVar[str] = "TOD"
