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
    swinging_door: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        title="How far the line through the samples may be off, in the tag's unit",
        description="A sample is kept where the line bends; it comes once the next value shows it.",
    )
    heartbeat_s: float | None = Field(
        default=None,
        gt=0,
        title="With one of these, let a value pass when the last sample is so old, in seconds",
    )
    at_most_every_s: float | None = Field(
        default=None,
        gt=0,
        title="Shortest time between two samples, in seconds; the newest value counts",
    )

    @model_validator(mode="after")
    def _sensible(self) -> FilterSettings:
        if self.scale == 0:
            raise ValueError("scale 0 would make every sample the same; leave scale out")
        if self.swinging_door is not None:
            for key in ("deadband", "at_most_every_s"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{key} would take points from swinging_door that it needs; give one of "
                        "the two"
                    )
        if self.heartbeat_s is not None and not self.reports_changes:
            raise ValueError("heartbeat_s has a meaning only with a deadband; add deadband: 0")
        return self

    @property
    def reports_changes(self) -> bool:
        """Whether a value may be no sample because it says nothing new."""
        return self.deadband is not None or self.swinging_door is not None
