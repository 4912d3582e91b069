"""What can be chosen about a simulated joining system."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class JoiningSettings(BaseModel):
    """A screwdriver. With the same seed it measures the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")
    seed: int = 1
    cycle_s: float = Field(default=2.0, ge=0, description="between two joints; 0: by command")
    nok_rate: float = Field(default=0.05, ge=0, le=1)
    ledger: Path | None = Field(default=None, description="append every result to this file")
