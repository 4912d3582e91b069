"""Settings that every polled device has."""

from __future__ import annotations

import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.sources.settings import DeviceName


def _time_zone(name: str) -> str:
    try:
        if name != "UTC":
            zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(
            f"there is no time zone {name!r} here; write UTC, Europe/Berlin, Asia/Shanghai, …"
        ) from None
    return name


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(
            f"there is no encoding {name!r}; write latin-1, utf-8, gbk, big5, shift_jis, …"
        ) from None
    return name


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
    silence_s: float = Field(
        default=60.0,
        ge=1,
        le=86_400,
        title="Silence after which this source alone is ended and begun anew, in seconds",
        description="At least three times timeout_s. The page says late after half of it.",
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="UTC",
        title="Time zone of the device's clock, such as Europe/Berlin: for values that are times",
    )
    text_encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        default="latin-1", title="How text is encoded: latin-1, utf-8, gbk, …"
    )
