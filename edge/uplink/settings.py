"""What of the uplink can be set."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from protocols.streams import Drain


class UplinkSettings(BaseModel):
    """How the journal's records travel; where to is the brokers' matter."""

    model_config = ConfigDict(extra="forbid")

    drain_per_s: float = Field(
        default=1000.0, ge=1, title="Records of the backlog sent a second, beside what is live"
    )
    drain_burst: int = Field(
        default=100, ge=1, title="Records of the backlog sent at once after a pause"
    )
    backlog_order: Literal["oldest_first", "newest_first"] = Field(
        default="oldest_first", title="Which end of the backlog leaves first"
    )
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

    def drain(self) -> Drain:
        """The bounds for the stream's writer."""
        return Drain(self.drain_per_s, self.drain_burst, self.backlog_order == "newest_first")
