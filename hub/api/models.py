"""What the API takes and gives. Instants are UTC; identifiers are strings, always."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from protocols.jis.messages import Identifier


class PassReport(BaseModel):
    """A car has passed a control point."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"production_no": "0004711", "passed_at": "2026-03-02T06:15:00Z"}]
        },
    )

    production_no: Identifier
    passed_at: AwareDatetime = Field(description="when the car passed, by the plant's clock")


class ReleasedCall(BaseModel):
    """A call that a pass has released."""

    key: str = Field(description="plant/line/production_no/part_group/reorder_index")
    call_no: int = Field(description="1, 2, 3 … per supplier line, without gaps")
    line: str


class Pass(BaseModel):
    """A pass as recorded, and the calls it released."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pass_no": 17,
                    "calls": [
                        {"key": "P1/SEAT1/0004711/SEAT-FRONT/0", "call_no": 33, "line": "SEAT1"}
                    ],
                }
            ]
        }
    )

    pass_no: int = Field(description="1, 2, 3 … per plant and control point, without gaps")
    calls: list[ReleasedCall]


class PassedCar(BaseModel):
    """A car that passed a control point."""

    pass_no: int = Field(description="1, 2, 3 … per plant and control point, without gaps")
    production_no: str
    passed_at: datetime


class PassPage(BaseModel):
    """A page of them. `next` goes into `after` for the following page."""

    items: list[PassedCar]
    next: int | None = Field(examples=[None])


class ControlPoint(BaseModel):
    """A control point, and how far the cars have come there."""

    id: str
    passes: int
    last_production_no: str | None
    last_passed_at: datetime | None
    last_position: int | None = Field(description="its position in the sequence in force")


class Plant(BaseModel):
    """A plant as one sees it at a glance."""

    id: str
    takt_s: float
    sequence: int | None = Field(description="the production sequence in force")
    method: str | None = Field(description="how that was made")
    cars: int
    control_points: list[ControlPoint]


class Passed(BaseModel):
    """One control point that a car has passed."""

    control_point: str
    pass_no: int
    passed_at: datetime


class SequencePosition(BaseModel):
    """One car of the pearl chain."""

    position: int
    production_no: str
    model: str
    colour: str
    options: list[str]
    passed: list[Passed]


class SequencePage(BaseModel):
    """Cars in sequence. `next` goes into `after` for the following page; null: the end."""

    sequence: int | None
    items: list[SequencePosition]
    next: int | None


class Line(BaseModel):
    """A supplier's line as the plant sees it."""

    id: str
    supplier: str
    gateway: str = Field(examples=["seatworks/gw-seat"])
    unloading_point: str
    rack_slots: int
    calls: dict[str, int] = Field(description="calls by status")
    unacknowledged: int = Field(description="released, and not yet on the gateway's disk")
    first_open_call_no: int | None = Field(description="the oldest that is not shipped or refused")


class CallView(BaseModel):
    """A call and where it stands."""

    key: str
    call_no: int
    sequence_no: int
    production_no: str
    part_group: str
    part_no: str
    quantity: int
    colour: str
    unloading_point: str
    rack: str
    slot: int
    status: str
    serial: str | None = Field(description="of the last part built for it")
    called_at: datetime
    required_at: datetime
    released_at: datetime
    acknowledged_at: datetime | None


class CallPage(BaseModel):
    """Calls of one line by number. `next` goes into `after` for the following page."""

    items: list[CallView]
    next: int | None


class Tag(BaseModel):
    """A process value of a device."""

    id: int
    gateway: str
    device: str
    name: str
    unit: str | None
    datatype: int = Field(description="Sparkplug B datatype")


class Sample(BaseModel):
    """One sample. Text tags have `text`; integers beyond ±2^53 their exact digits there."""

    time: datetime
    value: float | None
    text: str | None = None
    quality: int = Field(default=192, description="OPC quality; 192 is good")
    server_time: datetime | None = Field(
        default=None,
        description="when the PLC's server had it, if that differs from `time`, the source's",
    )
    from_history: bool = Field(
        default=False, description="read from the server's history after an interruption"
    )


class Gap(BaseModel):
    """A time for which data are known to be missing."""

    device: str | None = Field(description="null: all devices of the gateway")
    from_time: datetime | None = Field(description="null: since ever")
    to_time: datetime | None = Field(description="null: not known yet")
    cause: str


class SamplePage(BaseModel):
    """Samples of one tag in [from, to)."""

    tag: Tag
    downsampled: bool = Field(description="lowest and highest of each of points/2 intervals")
    samples: list[Sample]
    complete: bool = Field(description="nothing is missing, and nothing is still under way")
    gaps: list[Gap] = Field(description="what is known to be missing")


class TrendInterval(BaseModel):
    """A tag in one interval. From `mean` on: of the samples with a number; null: there is none."""

    time: datetime = Field(description="its beginning")
    samples: int
    bad: int = Field(description="of quality other than good")
    numbers: int
    mean: float | None
    low: float | None
    low_at: datetime | None = Field(description="of several lowest, the earliest")
    high: float | None
    high_at: datetime | None
    first: float | None
    first_at: datetime | None
    last: float | None
    last_at: datetime | None


class TrendPage(BaseModel):
    """A tag over a span, in intervals."""

    tag: Tag
    resolution: Literal["raw", "minute", "hour", "day"] = Field(description="what was read")
    from_time: datetime
    to_time: datetime
    intervals: list[TrendInterval] = Field(description="by time, without those that hold no sample")
    complete: bool = Field(description="nothing is missing, and nothing is still under way")
    gaps: list[Gap] = Field(description="what is known to be missing")


class LastValue(BaseModel):
    """The newest sample of a tag."""

    tag: int
    sample: Sample | None


class Gateway(BaseModel):
    """A supplier's gateway and its health."""

    gateway: str
    supplier: str
    online: bool
    since: datetime | None = Field(description="of being online or offline")
    conflict: str | None = Field(description="set while two gateways share this identity")
    last_data_at: datetime | None = Field(description="when its telemetry was last committed")
    version: str | None = Field(description="of its software", examples=["0.1.0"])
    configuration: str | None = Field(
        description="fingerprint of what it runs with", examples=["5e1ab0d48c2f97a3"]
    )
    heard_at: datetime | None = Field(description="when anything of it was last heard")
    clock_offset_ms: int | None = Field(
        description="its clock less the hub's; the way of the message counts in"
    )
    journal_records: int | None = Field(description="on its disk, and not committed here")
    certificate_ends: datetime | None = Field(description="of its certificate")
    shut_out_at: datetime | None = Field(description="set while its certificates are revoked")
    metrics: dict[str, Any] = Field(description="what it says of itself, by name")
    calls_under_way: int = Field(description="sent or to be sent, and not acknowledged")
    gaps: list[Gap] = Field(description="the latest")
    gap_count: int
