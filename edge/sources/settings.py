"""What the settings of every kind of source have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from edge.filters import FilterSettings

DeviceName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^/+#\s][^/+#]*$")
]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S.*$")]


class TagClass(StrEnum):
    """Which samples go first when the gateway's disk is short."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class BaseTag(FilterSettings):
    """One value of a device, whatever it speaks."""

    name: TagName = Field(title="Name of the tag, unique in its device; '/' makes folders")
    unit: str = Field(default="", max_length=40, title="Unit, such as Nm or degC")
    tag_class: TagClass = Field(
        default=TagClass.NORMAL,
        alias="class",
        title="low, normal or high: the lowest is evicted first when the journal is full",
    )
    poll_s: float | None = Field(
        default=None,
        ge=0.01,
        le=86_400,
        title="Interval of polling in seconds, if not that of the source",
    )
