"""Settings that every polled device has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edge.sources.settings import DeviceName, Silence, TextEncoding, TimeZone


class PolledSettings(BaseModel):
    """How a device is polled."""

    model_config = ConfigDict(extra="forbid")

    device: DeviceName = Field(title="Name of the device, unique in this gateway")
    poll_s: float = Field(
        default=1.0,
        ge=0.01,
        le=86_400,
        title="Interval of polling, in seconds",
        description="What changes and changes back between two polls is not seen. A value that is "
        "the same as before is no sample.",
    )
    timeout_s: float = Field(
        default=3.0, gt=0, le=60, title="How long the device may take to answer, in seconds"
    )
    retry_tags_s: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        title="How soon a tag that was refused is tried again, in seconds",
        description="Each time it is refused again it takes twice as long, up to 16 times that.",
    )
    silence_s: Silence = 60.0
    time_zone: TimeZone = Field(
        default="UTC",
        title="Time zone of the device's clock, such as Europe/Berlin: for values that are times",
    )
    text_encoding: TextEncoding = Field(
        default="latin-1", title="How text is encoded: latin-1, utf-8, gbk, …"
    )
