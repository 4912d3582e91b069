"""How the hub gets a picture from the gateway that keeps it: it asks for a piece of it by a command
of the node (NCMD), and the gateway answers by messages of the node (NDATA), a part in each.

Neither side remembers anything for the other: what is lost is asked for again from where it ended,
and a part that comes twice has its place. Gateways with cameras name these metrics in their births.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.inspection.picture import LARGEST_PICTURE
from protocols.inspection.result import NO_CONTROL

WANTED, PART, BYTES = "Pictures/Wanted", "Pictures/Part", "Pictures/Bytes"
"""A `Wanted`, a `Part`, and the bytes of that part."""
MOST_AT_ONCE = 1024 * 1024
"""Bytes that may be asked for at once."""
_LONGEST = 1024

_Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Wanted(BaseModel):
    """Bytes `at` … `to` - 1 of a picture."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: _Key
    at: int = Field(ge=0, le=LARGEST_PICTURE)
    to: int = Field(ge=1, le=LARGEST_PICTURE)

    @model_validator(mode="after")
    def _some(self) -> Wanted:
        if not 0 < self.to - self.at <= MOST_AT_ONCE:
            raise ValueError(f"1 to {MOST_AT_ONCE} bytes are asked for at once")
        return self


class Part(BaseModel):
    """Where the bytes of a message belong, or why none come any more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: _Key
    at: int = Field(ge=0, le=LARGEST_PICTURE)
    gone: Annotated[str, Field(max_length=300, pattern=NO_CONTROL)] = ""


def parse_wanted(text: str) -> Wanted:
    """Raises `ValueError`."""
    return Wanted.model_validate_json(text[:_LONGEST])


def parse_part(text: str) -> Part:
    """Raises `ValueError`."""
    return Part.model_validate_json(text[:_LONGEST])
