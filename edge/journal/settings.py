"""Settings of the telemetry journal."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from edge.journal.records import SampleClass

ClassName = Literal["low", "normal", "high"]


def _same_for_all(given: Any) -> Any:
    """A number alone is one for each class."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return dict.fromkeys(("low", "normal", "high"), given)
    return given


class JournalSettings(BaseModel):
    """How much the gateway keeps, and how long a sample may wait for its place on the disk."""

    model_config = ConfigDict(extra="forbid")

    commit_ms: int = Field(
        default=50,
        ge=1,
        le=1000,
        title="Longest wait for a commit, in milliseconds",
        description="All samples that arrive within this time share one write to the disk.",
    )
    quota_mb: int = Field(
        default=1024,
        ge=1,
        title="Largest size of the journal, in megabytes",
        description="Above it the lowest class goes first, oldest first, and a gap names it.",
    )
    keep_free_mb: int = Field(
        default=512,
        ge=0,
        title="Disk space to leave free, in megabytes",
        description="With less than this free the journal grows no more.",
    )
    reserve_mb: int = Field(
        default=8,
        ge=0,
        title="Last of the disk that is left to calls and events, in megabytes",
        description="With less than this free samples wait, and a gap says so afterwards.",
    )
    max_age_h: Annotated[
        dict[ClassName, Annotated[float, Field(gt=0)]], BeforeValidator(_same_for_all)
    ] = Field(
        default={},
        title="How old samples may grow that the hub has not taken, in hours",
        description="One number, or one by class (low, normal, high); without one, as old as the "
        "quota allows. Older ones go, and a gap names them.",
    )
    retain_committed_h: float = Field(
        default=24.0,
        ge=0,
        title="How long to keep what the hub has committed, in hours",
        description="A hub that was restored from a backup can ask for it again.",
    )
    retain_decided_h: float = Field(
        default=720.0,
        ge=1,
        title="How long to remember calls that are decided, in hours",
        description="One that the hub sends again later than that would be built again.",
    )

    def max_age_us(self) -> dict[SampleClass, int]:
        """`max_age_h` in µs, of those classes that have one."""
        return {
            SampleClass[name.upper()]: round(hours * 3_600_000_000)
            for name, hours in self.max_age_h.items()
        }
