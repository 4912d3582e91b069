"""What can be chosen about a simulated device."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class DeviceSettings(BaseModel):
    """A press with its values. With the same seed they move in the same way."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")
    seed: int = 1
    cycle_s: float = Field(default=2.0, gt=0, description="time of one stroke")
    counters: int = Field(default=0, ge=0, le=100, description="values that count 1, 2, 3 …")
    counter_hz: float = Field(default=5.0, gt=0, description="steps of each counter per second")
    extra: int = Field(default=0, ge=0, le=10_000, description="more numbers, for load")
    extra_hz: float = Field(default=1.0, gt=0, description="changes of each of them per second")
    ledger: Path | None = Field(default=None, description="append every change to this file")


class TellerSettings(BaseModel):
    """A station that tells of each part by an event. With the same seed it finds the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")
    seed: int = 1
    cycle_s: float = Field(default=2.0, ge=0, description="between two parts; 0: by command")
    nok_rate: float = Field(default=0.05, ge=0, le=1)
    ledger: Path | None = Field(default=None, description="append every result to this file")
