"""Settings of one tag's filter; every source's tag settings build on these."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FilterSettings(BaseModel):
    """How a tag's raw values become samples."""

    model_config = ConfigDict(extra="forbid")

    scale: float = Field(
        default=1.0,
        allow_inf_nan=False,
        title="Factor from the raw number to the unit",
        description="sample = raw x scale + shift; the sample is then a floating-point number.",
    )
    shift: float = Field(default=0.0, allow_inf_nan=False, title="Added after scaling")
    deadband: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        title="Smallest change worth a sample, in the tag's unit",
        description="Absent: each value is a sample. 0: each value that differs from the last one.",
    )
    heartbeat_s: float | None = Field(
        default=None,
        gt=0,
        title="With a deadband, let a value pass when the last sample is so old, in seconds",
    )

    @model_validator(mode="after")
    def _sensible(self) -> FilterSettings:
        if self.scale == 0:
            raise ValueError("scale 0 would make every sample the same; leave scale out")
        if self.heartbeat_s is not None and self.deadband is None:
            raise ValueError("heartbeat_s has a meaning only with a deadband; add deadband: 0")
        return self
