"""What can be chosen about a simulated line PLC."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LineSettings(BaseModel):
    """A line PLC. With the same seed and the same calls in the same order it builds the same
    serials, verdicts and process values; only the clock differs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plant: str = Field(default="P1", min_length=1, description="plant whose calls it takes")
    line: str = Field(default="SEAT1", min_length=1, description="line it is")
    part_groups: frozenset[str] = Field(
        default=frozenset(), description="part groups it can build; empty: any"
    )
    seed: int = 1
    speed: float = Field(default=1.0, gt=0, description="plant seconds per second")
    cycle_s: float = Field(default=15.0, gt=0, description="plant time to build one part")
    steps: int = Field(default=12, ge=1, le=1000, description="samples of a curve per station")
    nok_rate: float = Field(default=0.03, ge=0, le=0.9, description="share of parts that fail")
    rack_slots: int = Field(default=6, ge=1, description="a rack ships when so many are packed")
    queue_slots: int = Field(default=16, ge=1, description="calls it holds before Free drops")
    result_backlog: int = Field(
        default=256, ge=1, description="results not acknowledged at which the line stands still"
    )
    details: bool = Field(
        default=True, description="offers the optional nodes: commands, and results that say more"
    )
    missing_rate: float = Field(
        default=0.0, ge=0, le=1, description="share of parts whose material is missing"
    )
    missing_s: float = Field(
        default=120.0, gt=0, description="plant time until missing material is there"
    )
    mispack_rate: float = Field(
        default=0.0, ge=0, le=1, description="share of parts put into a wrong slot at first"
    )
    truck_racks: int = Field(
        default=0, ge=0, description="racks a truck takes; 0: a full rack leaves by itself"
    )
    truck_wait_s: float | None = Field(
        default=None, gt=0, description="plant time after which a truck leaves with what it has"
    )
    transport_s: float = Field(default=1800.0, gt=0, description="plant time a truck is under way")
    delay_rate: float = Field(default=0.0, ge=0, le=1, description="share of trucks that are late")
    load_order: Literal["forward", "reversed"] = Field(
        default="forward", description="reversed: what is needed first is loaded last"
    )
    ship_idle_s: float | None = Field(
        default=None, gt=0, description="ship part-filled racks after so many seconds without work"
    )
    ledger: Path | None = Field(default=None, description="append what it does to this file")
    state: Path | None = Field(default=None, description="keep its state here over a restart")
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0: a free one")
    extra_tags: int = Field(default=0, ge=0, description="more Double tags, for load")
    extra_hz: float = Field(default=8.0, gt=0, description="changes of each extra tag per second")
    counters: int = Field(
        default=0, ge=0, le=100, description="Int64 tags that count on whoever listens"
    )
    counter_hz: float = Field(default=5.0, gt=0, description="steps of each counter per second")
