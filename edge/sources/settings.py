"""What the settings of every kind of source have in common."""

from __future__ import annotations

import zoneinfo
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from edge.filters import FilterSettings

DeviceName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^/+#\s][^/+#]*$")
]
CharacteristicName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Limit = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field(max_length=30)]
OK_WORDS = ("ok", "io", "i.o.", "pass", "passed", "good", "true", "1", "合格")
NOK_WORDS = ("nok", "nio", "n.i.o.", "ng", "fail", "failed", "bad", "false", "0", "不合格")
TagName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S.*$")]


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


TimeZone = Annotated[str, AfterValidator(_time_zone)]
TextEncoding = Annotated[str, AfterValidator(_encoding)]
Silence = Annotated[
    float,
    Field(
        ge=1,
        le=86_400,
        title="Silence after which this source alone is ended and begun anew, in seconds",
        description="At least three times timeout_s. The page says late after half of it.",
    ),
]


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
