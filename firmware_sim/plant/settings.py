"""What can be chosen about a simulated plant."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class PlantSettings(BaseModel):
    """A plant whose cars pass one control point, in the order of its production sequence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://", description="the hub's address")
    token: SecretStr | None = Field(default=None, description="bearer token of the plant")
    plant: str = Field(default="P1", min_length=1)
    control_point: str = Field(default="TRIM-IN", min_length=1)
    cars: int | None = Field(default=None, ge=1, description="stop after so many; none: all")
    takt_s: float = Field(default=60.0, gt=0, description="plant time between two cars")
    speed: float = Field(default=1.0, gt=0, description="plant seconds per second")
    seed: int = 1
    scramble: float = Field(default=0.0, ge=0, le=1, description="share of cars that fall back")
    window: int = Field(default=4, ge=1, description="places a car falls back at most")


class DaySettings(PlantSettings):
    """A plant with its dock and fitting station, for a day on which things go wrong."""

    lines: dict[str, tuple[str, ...]] = Field(
        min_length=1, description="part groups by supplier line; every car has one part of each"
    )
    ledgers: dict[str, Path] = Field(
        description="by line what its PLC writes down: its trucks come by it"
    )
    record: Path | None = Field(default=None, description="append what happens to this file")
    lead_cars: int = Field(
        default=60, ge=10, description="cars between control point and fitting station"
    )
