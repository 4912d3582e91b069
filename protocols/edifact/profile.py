"""How one partner uses the messages: which code carries what. Data, not code.

A carrier is written as people say it: where, which segment, which qualifier.

    production_no: car GIR AN       # GIR+4+K123:AN in the SEQ group
    unloading_point: car LOC 11     # LOC+11+D7 in the SEQ group
    part_no: part LIN IN            # LIN+1++5K0807217:IN
    customer: message NAD BY        # NAD+BY+PLANT before the first SEQ

The defaults are the generic profile. Their codes are those of directory D.97A, where it has one
that says the thing; ZZZ (mutually defined) where it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from protocols.edifact.content import Firmness, Function
from protocols.edifact.syntax import CHARSETS

LEVELS = ("message", "car", "part")

_TAGS: Mapping[str, tuple[str, ...]] = {
    "message": ("BGM", "DTM", "FTX", "RFF", "NAD"),
    "car": ("SEQ", "DTM", "GIR", "LOC", "PAC", "PCI", "GIN"),
    "part": ("LIN", "PIA", "GIR", "FTX", "DTM", "RFF", "LOC", "QTY"),
}
"""Segments that can carry a field at each level."""
_BARE = ("SEQ", "PAC", "PCI")
"""Segments that carry one thing and need no qualifier."""
BGM_FIELDS = ("number", "version", "document_name")


@dataclass(frozen=True)
class Carrier:
    """Where a field stands: level, segment, qualifier."""

    level: str
    tag: str
    qualifier: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.level, self.tag, self.qualifier)))


def parse_carrier(text: object) -> Carrier | None:
    """Read `car GIR AN`; an empty text is none. Raises `ValueError`."""
    if text is None or isinstance(text, Carrier):
        return text
    if not isinstance(text, str):
        raise ValueError("is a text such as `car GIR AN`: where, segment, qualifier")
    words = text.split()
    if not words:
        return None
    level, tag, qualifier = (*words, "", "")[:3]
    if level not in LEVELS or len(words) > 3:
        raise ValueError(f"{text!r} does not say where: {', '.join(LEVELS)}, segment, qualifier")
    if tag not in _TAGS[level]:
        raise ValueError(f"{tag!r} carries nothing in a {level}; {', '.join(_TAGS[level])} can")
    if tag in _BARE and qualifier:
        raise ValueError(f"{tag} has no qualifier here")
    if tag not in _BARE and not qualifier:
        raise ValueError(f"{tag} needs its qualifier after it: `{level} {tag} code`")
    if tag == "BGM" and qualifier not in BGM_FIELDS:
        raise ValueError(f"of BGM there are {', '.join(BGM_FIELDS)}, not {qualifier}")
    if tag != "BGM" and len(qualifier) > 3:
        raise ValueError(f"qualifier {qualifier!r} has more than 3 characters")
    return Carrier(level, tag, qualifier)


def _written(carrier: Carrier | None) -> str:
    return "" if carrier is None else str(carrier)


Where = Annotated[
    Carrier | None, BeforeValidator(parse_carrier), PlainSerializer(_written, when_used="json")
]
"""None if the partner does not send the field. In JSON as people write it."""
Codes = dict[str, Function]


class _Profile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeljitProfile(_Profile):
    """Which code carries what in a DELJIT."""

    functions: Codes = {
        "9": Function.ORIGINAL,
        "4": Function.CHANGE,
        "1": Function.CANCEL,
        "5": Function.REPLACE,
        "7": Function.DUPLICATE,
    }
    """BGM 1225, function of the message."""
    document: str = "242"
    """BGM 1001, what the message is called."""
    documents: Codes = {}
    """BGM 1001 that say the function by themselves, whatever 1225 says."""
    car_functions: Codes = {
        "3": Function.ORIGINAL,
        "1": Function.CHANGE,
        "2": Function.CANCEL,
        "5": Function.REPLACE,
        "4": Function.UNCHANGED,
    }
    """SEQ 1245, function of one car."""
    part_functions: Codes = {
        "1": Function.ORIGINAL,
        "2": Function.CANCEL,
        "3": Function.CHANGE,
        "4": Function.UNCHANGED,
    }
    """LIN 1229, function of one part."""
    vehicle_set: str = "4"
    """GIR 7297 of a car's numbers."""
    product_set: str = "1"
    """GIR 7297 of a part's numbers."""
    sequence_digits: int = Field(0, ge=0, le=10)
    """The sequence number is written with so many digits, zeros before it; 0: as it is."""
    marking: str = "17"
    """PCI 4233 before a rack's label: marked by the supplier's instructions."""
    no_sequence: str = ""
    """What stands as sequence number while there is none, such as 0000."""
    pre_series_code: str = "1"
    """What the carrier of pre_series holds for such a car."""

    called_at: Where = Carrier("message", "DTM", "137")
    control_point: Where = Carrier("message", "RFF", "ZZZ")
    customer: Where = Carrier("message", "NAD", "BY")
    supplier: Where = Carrier("message", "NAD", "SE")
    production_no: Where = Carrier("car", "GIR", "AN")
    vin: Where = Carrier("car", "GIR", "VV")
    sequence_no: Where = Carrier("car", "SEQ")
    line: Where = Carrier("car", "LOC", "159")
    deliver_by: Where = Carrier("car", "DTM", "2")
    unloading_point: Where = Carrier("car", "LOC", "11")
    pre_series: Where = Carrier("car", "GIR", "ZZZ")
    rack: Where = Carrier("car", "GIN", "ML")
    slot: Where = Carrier("car", "GIR", "AO")
    part_no: Where = Carrier("part", "LIN", "IN")
    quantity: Where = Carrier("part", "QTY", "113")
    part_group: Where = Carrier("part", "PIA", "GP")
    fitting_point: Where = Carrier("part", "LOC", "159")
    reorder_of: Where = Carrier("part", "RFF", "ACW")

    @model_validator(mode="after")
    def _check(self) -> DeljitProfile:
        for level, names in FIELDS.items():
            for name in names:
                carrier = getattr(self, name)
                if carrier is None and name in NEEDED:
                    raise ValueError(f"{name} cannot do without a carrier")
                if carrier and LEVELS.index(carrier.level) > LEVELS.index(level):
                    raise ValueError(
                        f"{name} belongs to a {level}, and {carrier} says it once for each "
                        f"{carrier.level}"
                    )
                if carrier and (carrier.tag == "DTM") != (name in TIMES):
                    raise ValueError(f"{name} cannot stand in {carrier.tag}")
                if carrier and (carrier.tag == "QTY") != (name == "quantity"):
                    raise ValueError(f"{name} cannot stand in {carrier.tag}")
        if self.part_no and self.part_no.tag not in ("LIN", "PIA"):
            raise ValueError("part_no stands in LIN or PIA")
        used = [str(getattr(self, name)) for names in FIELDS.values() for name in names
                if getattr(self, name)]  # fmt: skip
        if doubled := sorted({each for each in used if used.count(each) > 1}):
            raise ValueError(f"{doubled[0]} carries two fields")
        return self


FIELDS: Mapping[str, tuple[str, ...]] = {
    "message": ("called_at", "control_point", "customer", "supplier"),
    "car": (
        "production_no",
        "vin",
        "sequence_no",
        "line",
        "deliver_by",
        "unloading_point",
        "pre_series",
        "rack",
        "slot",
    ),
    "part": ("part_no", "quantity", "part_group", "fitting_point", "reorder_of"),
}
"""The fields with a carrier, by what they belong to."""
TIMES = ("called_at", "deliver_by")
NEEDED = ("called_at", "production_no", "part_no", "quantity")


class DelforProfile(_Profile):
    """Which code carries what in a DELFOR."""

    functions: Codes = {
        "5": Function.REPLACE,
        "9": Function.ORIGINAL,
        "7": Function.DUPLICATE,
    }
    document: str = "241"
    customer: str = "BY"
    """NAD 3035."""
    supplier: str = "SE"
    issued: str = "137"
    """DTM 2005."""
    horizon_start: str = "158"
    horizon_end: str = "159"
    previous: str = "AIF"
    """RFF 1153 of the schedule that this one replaces."""
    list_indicator: str = "37"
    """GIS 7365: complete information."""
    part: str = "IN"
    """LIN 7143."""
    supplier_part: str = "SA"
    """PIA 7143."""
    unloading_point: str = "11"
    """LOC 3227."""
    order: str = "ON"
    """RFF 1153."""
    last_despatch: str = "SI"
    cumulative_since: str = "51"
    """DTM 2005 with the cumulative quantity received."""
    cumulative_received: str = "70"
    """QTY 6063."""
    last_received: str = "48"
    required: str = "113"
    cumulative_required: str = "3"
    period: str = "2"
    """DTM 2005 of a required quantity."""
    firmness: dict[str, Firmness] = {
        "1": Firmness.FIRM,
        "2": Firmness.PRODUCTION,
        "3": Firmness.MATERIAL,
        "4": Firmness.FORECAST,
    }
    """SCC 4017."""


class DesadvProfile(_Profile):
    """Which code carries what in a DESADV."""

    functions: Codes = {
        "9": Function.ORIGINAL,
        "1": Function.CANCEL,
        "5": Function.REPLACE,
        "7": Function.DUPLICATE,
    }
    document: str = "351"
    customer: str = "BY"
    supplier: str = "SE"
    issued: str = "137"
    shipped: str = "11"
    expected: str = "132"
    unloading_point: str = "11"
    """LOC 3227, with the party below."""
    warehouse: str = "18"
    delivery_party: str = "CN"
    """NAD 3035 whose places are the unloading point and the warehouse."""
    transport_stage: str = "12"
    """TDT 8051."""
    part: str = "IN"
    quantity: str = "12"
    call: str = "AAN"
    """RFF 1153 of the call an item answers."""
    order: str = "ON"
    marking: str = "17"
    """PCI 4233."""
    label: str = "ML"
    """GIN 7405 of a package."""
    serial: str = "BN"
    """GIN 7405 of a part."""
    product_set: str = "1"
    production_no: str = "AN"
    """GIR 7405."""
    slot: str = "AO"


class EdiProfile(_Profile):
    """One partner's use of EDIFACT."""

    version: Literal[1] = 1
    name: str = "generic"
    charset: str = "UNOC"
    """Syntax identifier that is written; what is read says its own."""
    time_zone: str = "UTC"
    """Zone of all times of the partner, which EDIFACT does not name."""
    time_form: Literal["203", "204"] = "203"
    """DTM 2379 of times that are written: to the minute or to the second."""
    association: str = Field("", max_length=6)
    """UNH 0057, the name of the partner's guideline, written and not checked."""
    deljit: DeljitProfile = DeljitProfile()
    delfor: DelforProfile = DelforProfile()
    desadv: DesadvProfile = DesadvProfile()

    @field_validator("charset")
    @classmethod
    def _known_charset(cls, charset: str) -> str:
        if charset not in CHARSETS:
            raise ValueError(f"{charset!r} is not one of {', '.join(CHARSETS)}")
        return charset

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"{name!r} is no time zone; one is named like Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the partner's times."""
        return ZoneInfo(self.time_zone)


def code_for(function: Function, codes: Codes) -> str | None:
    """The code of a function; None if the partner has none."""
    return next((code for code, meant in codes.items() if meant is function), None)
