"""What the API takes and gives about the lanes of a mix bank."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.api.sequencing_models import Number
from hub.sequencing.lanes import LOOK_AHEAD
from protocols.jis.messages import Identifier

MOST_LANES, MOST_CARS = 24, 300
"""Of a mix bank. To find a car's lane takes a second or two then."""
MOST_LOOK_AHEAD = 40
MOST_ON_LINE = 2_000
"""Cars behind which a plan is made. Plants write huge batch limits and windows where they mean
none, and nobody looks back at all that ever passed for those."""

LaneNumber = Annotated[int, Field(ge=0, lt=MOST_LANES, description="from 0")]
Lane = Annotated[list[Identifier], Field(max_length=MOST_CARS)]


class MixBank(BaseModel):
    """The cars that wait, lane by lane, and the line that they are released to."""

    model_config = ConfigDict(extra="forbid")

    lanes: list[Lane] = Field(
        min_length=1,
        max_length=MOST_LANES,
        description="production numbers, the car that can leave next first",
    )
    blocked: list[LaneNumber] = Field(
        default=[], max_length=MOST_LANES, description="lanes, from 0, that cannot move now"
    )
    line: Annotated[list[Identifier], Field(max_length=MOST_ON_LINE)] | None = Field(
        default=None,
        description="the last cars on the line, the last one last; null: those that have passed "
        "`control_point`",
    )
    control_point: Identifier | None = Field(
        default=None, description="where the line begins", examples=["TRIM-IN"]
    )

    @model_validator(mode="after")
    def _one_line(self) -> Self:
        if (self.line is None) == (self.control_point is None):
            raise ValueError("give one of line and control_point")
        return self

    @model_validator(mode="after")
    def _lanes_are_there(self) -> Self:
        cars = sum(map(len, self.lanes))
        if cars > MOST_CARS:
            raise ValueError(f"{cars} cars wait in all; at most {MOST_CARS} are planned")
        for lane in self.blocked:
            if lane >= len(self.lanes):
                raise ValueError(f"lane {lane} is blocked, but there are {len(self.lanes)}, from 0")
        return self


class ReleaseRequest(MixBank):
    """A mix bank that is to release a car."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lanes": [["0004711", "0004713"], ["0004712"], []],
                    "control_point": "TRIM-IN",
                    "look_ahead": 10,
                }
            ]
        }
    )

    look_ahead: int = Field(
        default=LOOK_AHEAD, ge=1, le=MOST_LOOK_AHEAD, description="cars to plan; 1: the next alone"
    )


class PlannedRelease(BaseModel):
    """A car of the plan, and the lane it comes from."""

    lane: int
    production_no: str


class ReleaseView(BaseModel):
    """Which lane releases next."""

    lane: int = Field(description="from 0")
    production_no: str
    cost: Number = Field(description="what the cars of the plan add to the mark")
    plan: list[PlannedRelease] = Field(description="the next cars, this one first")


class EntryRequest(MixBank):
    """A mix bank, and a car that arrives."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lanes": [["0004711", "0004713"], ["0004712"], []],
                    "control_point": "TRIM-IN",
                    "production_no": "0004714",
                    "places": 12,
                }
            ]
        }
    )

    production_no: Identifier
    places: int = Field(ge=1, le=MOST_CARS, description="cars that a lane holds")


class EntryView(BaseModel):
    """The lane an arriving car should enter."""

    lane: int = Field(description="from 0")
