"""What can be chosen about a simulated controller."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from protocols.open_protocol import LAST_ID


class ControllerSettings(BaseModel):
    """A controller with one tool. With the same seed it measures the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")
    seed: int = 1
    name: str = Field(default="Station 10", max_length=25)
    cycle_s: float = Field(default=2.0, ge=0, description="between two tightenings; 0: by command")
    nok_rate: float = Field(default=0.05, ge=0, le=1)
    first_id: int = Field(default=1, ge=1, le=LAST_ID, description="of its first tightening")
    keeps: int = Field(default=5000, ge=1, description="results that it holds")
    revision: int = Field(default=7, ge=1, le=7, description="the highest it has of each message")
    spindles: int = Field(
        default=1, ge=1, le=50, description="that tighten at once; it is the master of the others"
    )
    sequence_numbers: bool = Field(
        default=True, description="it can acknowledge on link level, from revision 6 on"
    )
    clients: int = Field(default=1, ge=1, description="that may be connected")
    keep_alive_s: float = Field(default=15.0, gt=0, description="silence at which it ends a link")
    answer_s: float = Field(default=3.0, gt=0, description="time for an acknowledgement")
    ledger: Path | None = Field(default=None, description="append every tightening to this file")
