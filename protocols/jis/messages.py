"""What a call and an event say: the records of the two just-in-sequence streams, version 1.

A call is known by its `CallKey`; its numbers (`call_no`, `sequence_no`) order it and wrap, and are
never used as identity. Part numbers and serials are strings, always. Instants are aware datetimes.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

Identifier = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^/\s][^/]*$")]


PlcInt = Annotated[int, Field(ge=1, lt=2**31)]
"""A number that is written to a PLC as Int32."""


class Contract(BaseModel):
    """Base of all messages: immutable; what a later version adds is ignored, not refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CallKey(Contract):
    """Identity of a call: one part group of one car, at one line, the n-th time it is ordered."""

    plant: Identifier
    line: Identifier
    production_no: Identifier
    part_group: Identifier
    reorder_index: int = Field(default=0, ge=0, le=99)

    def __str__(self) -> str:
        """The form a PLC echoes: `plant/line/production_no/part_group/reorder_index`."""
        return (
            f"{self.plant}/{self.line}/{self.production_no}/{self.part_group}/{self.reorder_index}"
        )

    @classmethod
    def parse(cls, text: str) -> CallKey:
        """The key that `str()` wrote. Raises `ValueError` if the text is not of that form."""
        parts = text.split("/")
        if len(parts) != 5 or not parts[4].isdigit():
            raise ValueError(f"not a call key (plant/line/production_no/part_group/n): {text!r}")
        return cls(
            plant=parts[0],
            line=parts[1],
            production_no=parts[2],
            part_group=parts[3],
            reorder_index=int(parts[4]),
        )


class Call(Contract):
    """One JIS call: build this part, for this car, into this slot, by then."""

    kind: Literal["call"] = "call"
    key: CallKey
    call_no: int = Field(ge=1, description="1, 2, 3 … per supplier line, without gaps")
    sequence_no: PlcInt = Field(description="short number on the label; wraps")
    part_no: Identifier
    quantity: PlcInt = 1
    colour: str = Field(max_length=64)
    unloading_point: Identifier
    rack: Identifier
    slot: PlcInt
    control_point: Identifier
    called_at: AwareDatetime
    required_at: AwareDatetime = Field(description="when the car reaches the fitting station")
    revision: PlcInt = Field(default=1, description="1 as first called; each change counts on")
    priority: Literal["normal", "express"] = Field(
        default="normal", description="express: a reorder, built before all others"
    )
    vin: str | None = Field(default=None, max_length=17)
    model: str | None = Field(default=None, max_length=64)
    pre_series: bool = Field(default=False, description="kept out of key figures and settlement")


class CallChange(Contract):
    """A call is other than it was told. The newest revision counts, whatever comes in between."""

    kind: Literal["change"] = "change"
    call: Call = Field(
        description="the whole call as it is from now on; its revision is the change's"
    )
    changed: list[str] = Field(
        min_length=1, max_length=20, description="names of the call's fields"
    )
    reason: str = Field(max_length=500)
    confirm: bool = Field(
        default=False, description="the supplier is asked: confirmed_change or refused_change"
    )


InstructionKind = Literal[
    "hold",  # the car has left the line: do not build; what is built is set aside
    "resume",  # it is back, and its place is as before; a new place comes as a change
    "cancel",  # not to be built; `confirm`: it may be begun, the supplier says what comes of it
]


class Instruction(Contract):
    """What is to be done with a call, without a change of its content."""

    kind: InstructionKind
    key: CallKey
    revision: PlcInt = Field(description="counts on with the call's changes: an older one is past")
    at: AwareDatetime
    reason: str = Field(max_length=500)
    slot_policy: Literal["keep_empty", "compress"] = Field(
        default="keep_empty",
        description="of a hold: what becomes of the part's slot in an open rack",
    )
    confirm: bool = False


class Demand(Contract):
    """What will be called, as far as it is known."""

    production_no: Identifier
    part_group: Identifier
    part_no: Identifier
    quantity: PlcInt = 1
    colour: str = Field(max_length=64)
    model: str | None = Field(default=None, max_length=64)
    place: int | None = Field(
        default=None, ge=1, description="in the line's planned sequence; null: only forecast"
    )
    required_at: AwareDatetime | None = Field(
        default=None, description="null: not known to the minute; see `day`"
    )
    day: date | None = Field(default=None, description="of a forecast without a place")
    blocked: bool = False


class Preview(Contract):
    """The demand ahead of a line: a whole version, or what differs from the one before.

    A version may come in several records, `part` of `parts`; it counts once all are there.
    """

    kind: Literal["preview"] = "preview"
    plant: Identifier
    line: Identifier
    version: int = Field(ge=1, lt=2**53, description="counts on; an older one is past")
    based_on: int | None = Field(
        default=None, description="the version this is a delta to; null: this replaces all"
    )
    part: int = Field(default=1, ge=1)
    parts: int = Field(default=1, ge=1, le=10_000)
    demands: list[Demand] = Field(default=[], max_length=500)
    withdrawn: list[tuple[Identifier, Identifier]] = Field(
        default=[], max_length=1000, description="(production_no, part_group) no longer demanded"
    )


LineMode = Literal["normal", "buffer", "late_redelivery", "manual"]


class LineState(Contract):
    """How a supplier's line is to work with the plant from now on."""

    kind: Literal["line_state"] = "line_state"
    plant: Identifier
    line: Identifier
    mode: LineMode
    since: AwareDatetime
    reason: str = Field(default="", max_length=500)
    takt_s: float = Field(gt=0, allow_inf_nan=False)
    stopped: bool = Field(default=False, description="the plant's line stands; times are re-issued")


DeliveryKind = Literal["arrived", "mismatched", "confirmed", "consumed", "rejected", "returned"]


class Delivery(Contract):
    """What the plant says of a delivered part."""

    kind: Literal["delivery"] = "delivery"
    key: CallKey
    what: DeliveryKind
    at: AwareDatetime
    serial: str | None = Field(default=None, max_length=128)
    reason: str | None = Field(default=None, max_length=500)


CallRecord = Annotated[
    Call | CallChange | Instruction | Preview | LineState | Delivery, Field(discriminator="kind")
]
"""What the call stream carries; a further kind joins here."""

EventKind = Literal[
    "accepted",  # the PLC took the call and echoed its key
    "refused",  # the gateway or the PLC cannot take it; `reason` says why
    "unclear",  # handed over, but no echo came: a person decides
    "started",  # the line begins to build it
    "missing",  # material is missing; `eta` when it is expected
    "supplied",  # it is there
    "produced",  # a part was built; `serial` is its own from here on
    "inspected",  # `verdict` ok or nok
    "parked",  # set aside while its car is out of the line
    "unparked",
    "packed",  # in `rack`, `slot`
    "unpacked",
    "loaded",  # on the truck of `shipment`
    "shipped",  # the rack left the supplier
    "dropped",  # will not be built
    "scrapped",
    "stocked",
    "confirmed_change",  # `revision` is taken
    "refused_change",  # it is not; `reason` says why
]
Verdict = Literal["ok", "nok"]


class Event(Contract):
    """What happened to a call at the supplier."""

    kind: EventKind
    key: CallKey
    at: AwareDatetime = Field(description="source time: the PLC's, or the gateway's own")
    serial: str | None = Field(default=None, max_length=128)
    verdict: Verdict | None = None
    rack: str | None = Field(default=None, max_length=64)
    slot: int | None = Field(default=None, ge=1)
    reason: str | None = Field(default=None, max_length=500)
    revision: int | None = Field(default=None, ge=1, description="of the call, as it was known")
    eta: AwareDatetime | None = Field(default=None, description="of missing material")
    shipment: str | None = Field(default=None, max_length=64)
    by: str | None = Field(default=None, max_length=64, description="the person who said so")


class ShippedSlot(Contract):
    """One slot of a shipped rack; `key` null: it was left empty."""

    slot: int = Field(ge=1)
    key: CallKey | None = None
    serial: str | None = Field(default=None, max_length=128)


class ShippedRack(Contract):
    """A rack as it left, every slot of it."""

    rack: Identifier
    slots: list[ShippedSlot] = Field(max_length=1000)


class Shipment(Contract):
    """A truck has left: the content of its dispatch advice (ASN)."""

    kind: Literal["shipment"] = "shipment"
    plant: Identifier
    line: Identifier
    shipment: Identifier
    departed_at: AwareDatetime
    eta: AwareDatetime | None = None
    carrier: str | None = Field(default=None, max_length=64)
    vehicle: str | None = Field(default=None, max_length=64, description="licence plate or trailer")
    racks: list[ShippedRack] = Field(min_length=1, max_length=200)


class Delay(Contract):
    """A truck under way will be late."""

    kind: Literal["delay"] = "delay"
    plant: Identifier
    line: Identifier
    shipment: Identifier
    at: AwareDatetime
    eta: AwareDatetime
    reason: str = Field(max_length=500)


EventRecord = Annotated[Event | Shipment | Delay, Field(discriminator="kind")]
"""What the event stream carries."""

CALL_RECORD: TypeAdapter[CallRecord] = TypeAdapter(CallRecord)
EVENT_RECORD: TypeAdapter[EventRecord] = TypeAdapter(EventRecord)
