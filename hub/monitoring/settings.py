"""Where a process of the hub says how it is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MonitoringSettings(BaseModel):
    """Without a port nothing is served beside the API's own `/healthz` and `/readyz`."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(
        default="127.0.0.1",
        title="Address to listen on; whoever reaches it may read, so let only monitoring do",
    )
    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        title="TCP port of /metrics, /healthz and /readyz; 0 takes any that is free; none: off",
    )
