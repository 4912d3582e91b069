"""Settings of the telemetry journal."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
    retain_committed_h: float = Field(
        default=24.0,
        ge=0,
        title="How long to keep what the hub has committed, in hours",
        description="A hub that was restored from a backup can ask for it again.",
    )
