"""How long the hub keeps what it stores: LINESIDE_HUB_KEEP__SAMPLES_DAYS and its like."""

from __future__ import annotations

from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator

_A_CENTURY = 36_500


class KeepSettings(BaseModel):
    """How long each class of data is kept, and when it is packed.

    The history of calls and the audit log are kept for ever: they settle claims and recalls.
    """

    model_config = ConfigDict(extra="forbid")

    samples_days: int | None = Field(
        default=400,
        ge=1,
        le=_A_CENTURY,
        title="Days that samples are kept; none: for ever. 400 hold a month against last year's",
    )
    minute_trends_days: int | None = Field(
        default=1200, ge=1, le=_A_CENTURY, title="Days that trends by the minute are kept"
    )
    hour_trends_days: int | None = Field(
        default=5500,
        ge=2,
        le=_A_CENTURY,
        title="Days that trends by the hour are kept; 5500 are 15 years",
    )
    day_trends_days: int | None = Field(
        default=None, ge=2, le=_A_CENTURY, title="Days that trends by the day are kept"
    )
    quarantine_days: int | None = Field(
        default=400,
        ge=1,
        le=_A_CENTURY,
        title="Days that records which could not be stored are kept",
    )
    pictures_days: int | None = Field(
        default=30,
        ge=1,
        le=_A_CENTURY,
        title="Days that pictures fetched from gateways are kept; they can be fetched again",
    )
    compress_after_days: int = Field(
        default=1,
        ge=1,
        le=_A_CENTURY,
        title="Days until samples are compressed, on TimescaleDB; late ones may still come",
    )
    chunk_hours: int = Field(
        default=24,
        ge=1,
        le=24 * 7,
        title="Hours of samples in a chunk that is begun from now on, on TimescaleDB",
    )

    @model_validator(mode="after")
    def _coarser_longer(self) -> KeepSettings:
        names = ("samples_days", "minute_trends_days", "hour_trends_days", "day_trends_days")
        for finer, coarser in pairwise(names):
            longer, shorter = getattr(self, coarser), getattr(self, finer)
            if longer is not None and (shorter is None or shorter > longer):
                raise ValueError(
                    f"{coarser} must not be less than {finer}: what is coarser is kept the longer"
                )
        return self
