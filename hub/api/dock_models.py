"""Racks, trucks, goods receipt, exceptions and modes as the API gives and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from protocols.jis.messages import DeliveryKind, Identifier, LineMode


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


def _body(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


_RACK: dict[str, Any] = {
    "plant": "P1",
    "line": "SEAT1",
    "supplier": "seatworks",
    "rack": "SEAT1-00001",
    "kind": "regular",
    "status": "open",
    "load_order": "forward",
    "slots": 12,
    "called": 12,
    "wanted": 11,
    "filled": 7,
    "first_fit": "2026-03-02T08:15:00Z",
    "leave_by": "2026-03-02T07:05:00Z",
    "shipment": None,
    "opened_at": "2026-03-02T06:15:00Z",
    "closed_at": None,
    "shipped_at": None,
    "arrived_at": None,
    "unloaded_at": None,
    "returned_at": None,
}
_SLOT: dict[str, Any] = {
    "slot": 1,
    "key": "P1/SEAT1/0004711/SEAT-FRONT/0",
    "production_no": "0004711",
    "part_group": "SEAT-FRONT",
    "part_no": "SF-SPORT",
    "colour": "RED",
    "sequence_no": 33,
    "car": "released",
    "part": "packed",
    "serial": "S-0000123",
    "scanned_serial": "S-0000123",
    "kept_empty": False,
    "problem": None,
    "required_at": "2026-03-02T08:15:00Z",
}
_SHIPMENT: dict[str, Any] = {
    "plant": "P1",
    "line": "SEAT1",
    "supplier": "seatworks",
    "shipment": "T-20260302-3",
    "departed_at": "2026-03-02T07:02:00Z",
    "eta": "2026-03-02T07:32:00Z",
    "carrier": "Haulage Ltd",
    "vehicle": "AB 123",
    "racks": ["SEAT1-00001"],
    "first_fit": "2026-03-02T08:15:00Z",
    "slack_s": 1980,
    "cars_hit": [],
    "arrived_at": None,
    "unloaded_at": None,
}
_EXCEPTION: dict[str, Any] = {
    "id": 17,
    "kind": "truck_late",
    "title": "truck will be too late",
    "title_zh": "卡车晚到",
    "severity": "critical",
    "plant": "P1",
    "line": "SEAT1",
    "subject": "P1/SEAT1/T-20260302-3",
    "detail": {"shipment": "T-20260302-3", "cars": ["0004711"], "slack_s": -150},
    "told": ["carmaker", "seatworks"],
    "decisions": ["noted", "second_truck", "buffer", "fit_offline"],
    "help": "send a second truck, take from the emergency stock, or fit the cars named offline",
    "help_zh": "加派卡车、动用应急库存或线下补装",
    "source_at": "2026-03-02T07:40:00Z",
    "opened_at": "2026-03-02T07:40:00Z",
    "closed_at": None,
    "closed_by": None,
    "decision": None,
    "decided_at": None,
    "decided_by": None,
    "note": None,
}


class RackView(BaseModel):
    """A rack in its round."""

    model_config = _example(**_RACK)

    plant: str
    line: str
    supplier: str
    rack: str
    kind: Literal["regular", "emergency"]
    status: Literal["open", "closed", "shipped", "arrived", "unloaded", "returned"]
    load_order: Literal["forward", "reversed"]
    slots: int
    called: int = Field(description="calls that belong into it")
    wanted: int = Field(description="of those, for which a part is to come")
    filled: int = Field(description="of those, whose part is in it")
    first_fit: datetime | None = Field(description="when the first of its cars needs its part")
    leave_by: datetime | None = Field(description="the latest departure that is in time")
    shipment: str | None
    opened_at: datetime
    closed_at: datetime | None
    shipped_at: datetime | None
    arrived_at: datetime | None
    unloaded_at: datetime | None
    returned_at: datetime | None


class SlotView(BaseModel):
    """A slot of a rack: what belongs there, and what stands there."""

    model_config = _example(**_SLOT)

    slot: int
    key: str | None = Field(description="of the call; null: none belongs here")
    production_no: str | None = None
    part_group: str | None = None
    part_no: str | None = None
    colour: str | None = None
    sequence_no: int | None = None
    car: str | None = None
    part: str | None = None
    serial: str | None = Field(default=None, description="of the part built for the call")
    scanned_serial: str | None = Field(default=None, description="at the slot; null: nothing was")
    kept_empty: bool = Field(default=False, description="no part is to come: its car is out")
    problem: str | None = Field(default=None, description="what is wrong in it")
    required_at: datetime | None = None


class RackPicture(RackView):
    """A rack, slot by slot."""

    model_config = _example(**_RACK, content=[_SLOT])

    content: list[SlotView]


class RackPage(BaseModel):
    """Racks of a line, by name. `next` goes into `after` for the following page."""

    model_config = _example(items=[_RACK], next=None)

    items: list[RackView]
    next: str | None


class ShipmentView(BaseModel):
    """A truck: when it is here, and whether that is in time."""

    model_config = _example(**_SHIPMENT)

    plant: str
    line: str
    supplier: str
    shipment: str
    departed_at: datetime | None = Field(description="null: known at the dock alone")
    eta: datetime | None = Field(description="as told, or by the transport time agreed")
    carrier: str | None
    vehicle: str | None
    racks: list[str]
    first_fit: datetime | None
    slack_s: int | None = Field(description="until its first car is hit; below 0: it is")
    cars_hit: list[str]
    arrived_at: datetime | None
    unloaded_at: datetime | None


class ShippedSlotView(BaseModel):
    """A slot as the dispatch advice has it, and as it was received."""

    model_config = _example(
        rack="SEAT1-00001", slot=1, key="P1/SEAT1/0004711/SEAT-FRONT/0", part_no="SF-SPORT",
        quantity=1, sequence_no=33, serial="S-0000123", problem=None, received="matched",
        received_serial="S-0000123", reason=None,
    )  # fmt: skip

    rack: str
    slot: int
    key: str | None
    part_no: str | None
    quantity: int | None
    sequence_no: int | None
    serial: str | None
    problem: str | None = Field(description="foreign, doubled, wrong_slot or wrong_serial")
    received: Literal["matched", "unmatched"] | None = Field(description="null: not scanned yet")
    received_serial: str | None
    reason: str | None


class ShipmentContent(ShipmentView):
    """A truck with all it carries."""

    model_config = _example(**_SHIPMENT, slots=[])

    slots: list[ShippedSlotView]


class ShipmentPage(BaseModel):
    """Shipments of a plant, the newest first. `next` goes into `after` for the following page."""

    model_config = _example(items=[_SHIPMENT], next=None)

    items: list[ShipmentView]
    next: int | None


class Arrival(BaseModel):
    """The truck is at the dock."""

    model_config = _body(at="2026-03-02T07:31:00Z", racks=["SEAT1-00001"])

    at: AwareDatetime
    racks: list[Identifier] = Field(
        default=[], max_length=200, description="what stands on it, if no dispatch advice has come"
    )


class Arrived(BaseModel):
    """The calls whose parts have arrived."""

    model_config = _example(calls=["P1/SEAT1/0004711/SEAT-FRONT/0"])

    calls: list[str]


class At(BaseModel):
    """When it was."""

    model_config = _body(at="2026-03-02T07:45:00Z")

    at: AwareDatetime


class Unloaded(BaseModel):
    """The racks that stand beside the truck now."""

    model_config = _example(racks=["SEAT1-00001"])

    racks: list[str]


class ScanEntry(BaseModel):
    """A slot as it was found. Neither serial nor part number: it is empty."""

    model_config = _body(
        rack="SEAT1-00001", slot=1, at="2026-03-02T07:46:10Z", serial="S-0000123", part_no=None
    )

    rack: Identifier
    slot: int = Field(ge=1, le=10_000)
    at: AwareDatetime
    serial: str | None = Field(default=None, min_length=1, max_length=128)
    part_no: str | None = Field(default=None, min_length=1, max_length=64)


class Scans(BaseModel):
    """Scans of the goods receipt."""

    model_config = _body(
        by="worker 7",
        scans=[{"rack": "SEAT1-00001", "slot": 1, "at": "2026-03-02T07:46:10Z", "serial": "S-1"}],
    )

    scans: list[ScanEntry] = Field(min_length=1, max_length=500)
    by: str | None = Field(default=None, min_length=1, max_length=64, description="who scans")


class ReceiptView(BaseModel):
    """What came of a scan."""

    model_config = _example(
        rack="SEAT1-00001", slot=1, matched=True, key="P1/SEAT1/0004711/SEAT-FRONT/0", reason=None
    )

    rack: str
    slot: int
    matched: bool
    key: str | None
    reason: str | None


class DeliveryReport(BaseModel):
    """What became of a delivered part at the line."""

    model_config = _body(
        production_no="0004711", part_group="SEAT-FRONT", reorder_index=0, what="consumed",
        at="2026-03-02T08:15:20Z", serial="S-0000123", reason=None, by="ST-40",
    )  # fmt: skip

    production_no: Identifier
    part_group: Identifier
    reorder_index: int = Field(default=0, ge=0, le=99)
    what: DeliveryKind
    at: AwareDatetime
    serial: str | None = Field(default=None, min_length=1, max_length=128)
    reason: str | None = Field(default=None, max_length=500)
    by: str | None = Field(default=None, min_length=1, max_length=64, description="who or where")


class PartState(BaseModel):
    """Where a call stands after it."""

    model_config = _example(key="P1/SEAT1/0004711/SEAT-FRONT/0", car="released", part="consumed")

    key: str
    car: str
    part: str


class ExceptionView(BaseModel):
    """Something that wants attention, or did."""

    model_config = _example(**_EXCEPTION)

    id: int
    kind: str
    title: str
    title_zh: str
    severity: Literal["info", "warning", "critical"]
    plant: str
    line: str | None
    subject: str = Field(description="what it is about: a call's key, a rack, a shipment, a car …")
    detail: dict[str, Any]
    told: list[str] = Field(description="whom it concerns")
    decisions: list[str] = Field(description="what can be decided")
    help: str
    help_zh: str
    source_at: datetime
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None
    note: str | None


class ExceptionPage(BaseModel):
    """Exceptions, open ones first, then the newest. `next` goes into `after`."""

    model_config = _example(items=[_EXCEPTION], next=None)

    items: list[ExceptionView]
    next: str | None


class DecisionBody(BaseModel):
    """What is decided."""

    model_config = _body(decision="second_truck", note="van ordered, at the dock by 08:05", by=None)

    decision: Identifier
    note: str = Field(default="", max_length=500)
    by: str | None = Field(
        default=None, min_length=1, max_length=64, description="the person, if a system asks"
    )


class ModeView(BaseModel):
    """How a line works, or did."""

    model_config = _example(
        line="SEAT1", mode="buffer", title="emergency stock", title_zh="应急库存",
        since="2026-03-02T08:00:00Z", until=None, set_by="user lee", reason="truck stuck",
    )  # fmt: skip

    line: str
    mode: LineMode
    title: str
    title_zh: str
    since: datetime | None = Field(description="null: it never was in another")
    until: datetime | None
    set_by: str | None
    reason: str | None


class ModePage(BaseModel):
    """A page of them, the newest first."""

    items: list[ModeView]
    next: int | None = Field(
        description="give as `before` for the next page; null: it was the last"
    )


class ModeBody(BaseModel):
    """The mode a line is to work in from now on."""

    model_config = _body(
        mode="buffer", reason="truck stuck on the ring road", anyway=False, by=None
    )

    mode: LineMode
    reason: str = Field(min_length=1, max_length=300)
    anyway: bool = Field(default=False, description="pass over the rules; the record says so")
    by: str | None = Field(default=None, min_length=1, max_length=64)


class LoopView(BaseModel):
    """Racks and trucks that a line needs, and its next truck."""

    model_config = _example(
        line="SEAT1", takt_s=60, trucks=3, racks=13, racks_waiting=2, truck_racks=5,
        departs_at="2026-03-02T07:05:00Z", because="first_car", latest="2026-03-02T07:05:00Z",
    )  # fmt: skip

    line: str
    takt_s: float
    trucks: int = Field(description="ceil(loop / (sets on a truck x takt))")
    racks: int = Field(description="ceil(loop / (slots x takt))")
    racks_waiting: int = Field(description="closed, and not on a truck")
    truck_racks: int
    departs_at: datetime | None = Field(description="of the next truck; null: nothing is to go")
    because: Literal["full", "first_car", "waited"] | None
    latest: datetime | None
