"""What of webhooks can be set: LINESIDE_HUB_WEBHOOKS__… ."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic.networks import IPvAnyNetwork


class WebhookSettings(BaseModel):
    """Where messages may go, and how long it is tried."""

    model_config = ConfigDict(extra="forbid")

    allow: list[IPvAnyNetwork] = Field(
        default=[],
        title="Networks that may be called though they are not of the public internet: 10.1.0.0/16",
    )
    ca_file: Path | None = Field(
        default=None, title="Certificates that endpoints are checked by; none: the system's"
    )
    timeout_s: float = Field(default=15.0, gt=0, le=60, title="Longest that an endpoint may take")
    first_retry_s: float = Field(
        default=5.0, gt=0, le=3600, title="Pause after the first failure; doubles up to an hour"
    )
    give_up_days: float = Field(
        default=5.0, gt=0, le=60, title="An endpoint that fails for so long is disabled"
    )
