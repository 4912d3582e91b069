"""The label of a rack: what is on it, before anybody draws it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from protocols.labels.envelope import make_envelope
from protocols.labels.identifiers import Datum

MOST_SLOTS = 48
_PLATE = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,34}")

Text = Annotated[str, Field(max_length=40)]
Code = Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,20}$")]


class LoadOrder(StrEnum):
    """Which slot comes out first at the line."""

    FORWARD = "forward"
    REVERSED = "reversed"


class _Label(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RackSlot(_Label):
    """A slot with the part that lies in it."""

    slot: int = Field(ge=1, le=999)
    sequence_no: Text
    """As it is read aloud, zeros before it and all."""
    part_no: Text
    is_empty: bool = False
    """Left empty on purpose: the car has gone, or its part comes otherwise."""


class RackLabel(_Label):
    """A rack ready for the truck."""

    plant: Code
    """Receiving plant (8V)."""
    supplier: Code
    """The plant's number for the supplier (V)."""
    supplier_name: Text = ""
    unloading_point: Text
    line: Text
    part_group: Text
    rack_no: Text
    licence_plate: str
    """Unique in the world: issuing agency, company, serial (1J): `UN123456789A4711`."""
    shipment: Text = ""
    load_order: LoadOrder = LoadOrder.FORWARD
    slots: tuple[RackSlot, ...] = Field(min_length=1, max_length=MOST_SLOTS)

    @field_validator("licence_plate")
    @classmethod
    def _is_plate(cls, plate: str) -> str:
        if not _PLATE.fullmatch(plate):
            raise ValueError(
                f"{plate!r} is no licence plate: at most 35 digits, capitals and . / - together"
            )
        return plate

    @model_validator(mode="after")
    def _numbered(self) -> RackLabel:
        numbers = [slot.slot for slot in self.slots]
        if len(set(numbers)) < len(numbers):
            raise ValueError("a slot stands twice")
        return self

    @property
    def code_text(self) -> str:
        """What the linear code says: the licence plate with its identifier."""
        return f"1J{self.licence_plate}"

    @property
    def matrix_text(self) -> str:
        """What the two-dimensional code says: an ISO 15434 envelope."""
        filled = sum(not slot.is_empty for slot in self.slots)
        given = (
            Datum("1J", self.licence_plate),
            Datum("V", self.supplier),
            Datum("8V", self.plant),
            Datum("2S", self.shipment) if self.shipment.isascii() else Datum("2S", ""),
            Datum("Q", str(filled)),
        )
        return make_envelope(each for each in given if each.value)
