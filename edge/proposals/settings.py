"""What of this gateway's configuration the hub may change."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Changeable = Literal[
    "journal",
    "uplink",
    "sources",
    "addresses",
    "jis",
    "board",
    "status",
    "broker",
    "more_brokers",
]


class ProposalSettings(BaseModel):
    """`gateway`, `hub`, `identity`, `data_dir` and `version` are never changed by a proposal."""

    model_config = ConfigDict(extra="forbid")

    may_change: list[Changeable] = Field(
        default=["journal", "uplink", "sources"],
        title="Sections that the hub may change",
        description="sources: tags and timing of those that are there. addresses: further sources, "
        "where a source is, and who this gateway is to it. jis: what is written to the PLCs.",
    )
    every_s: float = Field(default=300.0, ge=1, le=86_400, title="How often the hub is asked")
    confirm_s: float = Field(
        default=120.0,
        ge=5,
        le=3600,
        title="Time for the hub to answer over a new configuration",
        description="If it does not, the gateway goes back to the one before.",
    )
