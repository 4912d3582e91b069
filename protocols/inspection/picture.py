"""What a gateway says of a picture or clip that it has taken of an event, version 1. The picture
itself stays with the gateway until it is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.inspection.result import NO_CONTROL, Serial, Text
from protocols.moment import Moment

PICTURE = "Inspection/Picture"
"""Name of the metric of a camera whose values say what it took."""
LARGEST_PICTURE = 32 * 1024 * 1024
"""Bytes."""
_MAX_TEXT = 4096

PictureEvent = Literal["nok", "wrong_part"]
PictureState = Literal["kept", "dropped", "missed"]
"""`dropped`: it was kept, and has gone for newer ones; `missed`: there is none, for a reason."""
MediaType = Literal["image/jpeg", "video/x-msvideo"]


class Picture(BaseModel):
    """One picture or clip. What a later version adds is ignored, not refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    key: str = Field(pattern=r"^[0-9a-f]{32}$", description="identity at its gateway, for good")
    event: PictureEvent
    found_by: Annotated[Text, Field(min_length=1)] = Field(
        description="device whose result it is, or plant/line"
    )
    found_key: str = Field(
        min_length=1,
        max_length=64,
        pattern=NO_CONTROL,
        description="of the result at that device; of a wrong part, rack and what is wrong, hashed",
    )
    what: Text = Field(default="", description="characteristic, or what is wrong")
    serial: Serial | None = Field(default=None, description="of the part")
    happened_at: Moment = Field(description="by the station's clock")
    state: PictureState
    reason: Annotated[str, Field(max_length=300, pattern=NO_CONTROL)] = Field(
        default="", description="why there is none, or none any more"
    )
    media_type: MediaType | None = None
    size: int | None = Field(default=None, ge=1, le=LARGEST_PICTURE, description="bytes")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    frames: int | None = Field(default=None, ge=1, le=LARGEST_PICTURE)
    taken_from: Moment | None = Field(default=None, description="first frame, gateway's clock")
    taken_to: Moment | None = Field(default=None, description="last frame, gateway's clock")

    @model_validator(mode="after")
    def _described(self) -> Picture:
        described = (self.media_type, self.size, self.sha256, self.taken_from, self.taken_to)
        if self.state != "missed" and None in described:
            raise ValueError("a picture that is or was kept has a type, size, hash and times")
        return self

    def text(self) -> str:
        """The value of the metric; `parse_picture` reads it."""
        return self.model_dump_json(exclude_none=True)


def parse_picture(text: str) -> Picture:
    """What `Picture.text` wrote. Raises `ValueError`, or its kind `ValidationError`."""
    if len(text) > _MAX_TEXT:
        raise ValueError(f"{len(text)} characters, more than {_MAX_TEXT}")
    return Picture.model_validate_json(text)
