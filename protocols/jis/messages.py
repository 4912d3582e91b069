"""What a call and an event say: the records of the two just-in-sequence streams, version 1.

A call is known by its `CallKey`; its numbers (`call_no`, `sequence_no`) order it and wrap, and are
never used as identity. Part numbers and serials are strings, always. Instants are aware datetimes.
"""

from __future__ import annotations

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


CallRecord = Call
"""What the call stream carries. A further kind joins here as a union discriminated by `kind`."""

EventKind = Literal[
    "accepted",  # the PLC took the call and echoed its key
    "refused",  # the gateway or the PLC cannot take it; `reason` says why
    "unclear",  # handed over, but no echo came: a person decides
    "produced",  # a part was built; `serial` is its own from here on
    "inspected",  # `verdict` ok or nok
    "packed",  # in `rack`, `slot`
    "shipped",  # the rack left the supplier
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


CALL_RECORD: TypeAdapter[CallRecord] = TypeAdapter(CallRecord)
EVENT_RECORD: TypeAdapter[Event] = TypeAdapter(Event)
