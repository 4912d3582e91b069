"""What of ingest can be set, with defaults that fit a plant's suppliers on one machine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from protocols.streams import LEAST_AHEAD


class IngestSettings(BaseModel):
    """Times in the unit of their names; sizes in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shared: bool = Field(
        default=False,
        title="Share the load with other processes: each takes Sparkplug groups by leases in the"
        " database; needs a broker that speaks MQTT 5",
    )
    lease_s: float = Field(
        default=5.0,
        ge=0.5,
        le=300,
        title="Seconds without a sign of a worker after which others take its groups over",
    )
    commit_ms: int = Field(
        default=50, ge=1, le=5000, title="Longest time a record waits for its transaction to begin"
    )
    batch_bytes: int = Field(
        default=1024 * 1024, ge=1024, title="A transaction of this many payload bytes is full"
    )
    inbox_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, title="The broker is made to wait beyond this"
    )
    max_ahead: int = Field(
        default=200,
        ge=LEAST_AHEAD,
        le=1000,
        title="Separate ranges a cursor may have above its watermark",
    )
    reorder_s: float = Field(
        default=2.0, ge=0, title="How long a missing sequence number may take to come"
    )
    rebirth_every_s: float = Field(
        default=5.0, ge=0, title="Least time between two rebirth requests to one node"
    )
    birth_grace_s: float = Field(
        default=20.0,
        ge=0,
        title="A node not born this long after the hub came back counts as offline",
    )
    conflict_clear_s: float = Field(
        default=600.0, ge=0, title="A conflict of identity ends this long after its last sign"
    )
    retry_max_s: float = Field(
        default=10.0, gt=0, title="Longest wait between two attempts to reach the database"
    )
