"""Settings of the status page and the metrics."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.http import is_loopback


class StatusSettings(BaseModel):
    """Where the page, the metrics and the health check are served, over plain HTTP."""

    model_config = ConfigDict(extra="forbid")

    port: int = Field(
        default=9484,
        ge=0,
        le=65535,
        title="TCP port of the status page, /metrics, /status.json and /healthz; 0 for none",
        description="lineside-edge status works without it, over a socket in data_dir.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        title="Address to listen on",
        description="Only this machine reaches 127.0.0.1.",
    )
    beyond_loopback: bool = Field(
        default=False,
        title="Allow a host that other machines can reach",
        description="The page has no login and shows addresses and tag counts, but no secrets.",
    )

    @model_validator(mode="after")
    def _open_on_purpose(self) -> StatusSettings:
        if self.port and not self.beyond_loopback and not is_loopback(self.host):
            raise ValueError(
                f"{self.host!r} can be reached by other machines, and the page has no login; "
                "set beyond_loopback: true if that is wanted, or host: 127.0.0.1"
            )
        return self
