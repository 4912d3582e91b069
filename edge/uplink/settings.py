"""What of the uplink can be set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class UplinkSettings(BaseModel):
    """How the journal's records travel; where to is the brokers' matter."""

    model_config = ConfigDict(extra="forbid")

    host_wait_s: float = Field(
        default=10.0,
        ge=1,
        title="With several brokers: time for the hub to show on one before the next is tried",
    )
    max_message_kb: int = Field(
        default=512,
        ge=16,
        title="Largest message that the broker takes; a larger record is given up, with a gap",
    )
