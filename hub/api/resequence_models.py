"""What the API takes and gives when the plant is disturbed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.api.sequencing_models import Position, ScoreView
from hub.orders.day_model import MAX_CARS
from hub.sequencing.resequence import MAX_MOVES, TOLERANCE, Resequenced
from protocols.jis.messages import Identifier

Cars = Annotated[list[Identifier], Field(max_length=MAX_CARS)]
Earliest = Annotated[dict[Identifier, Position], Field(max_length=MAX_CARS)]
EarliestIfAny = Annotated[dict[Identifier, Position | None], Field(max_length=MAX_CARS)]

Worth = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)] | Literal["infinite"]


class Disturbance(BaseModel):
    """What has come between. Positions count from 1, the first car that has not passed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"frozen": 20, "blocked": ["0004711"]},
                {
                    "control_point": "TRIM-IN",
                    "frozen": 20,
                    "reinsert": {"0004698": None},
                    "late_parts": {"0004730": 45},
                    "worth": "infinite",
                    "apply": True,
                },
            ]
        },
    )

    control_point: Identifier | None = Field(
        default=None,
        description="cars that have passed it, or a later one, are past; null: the first",
    )
    frozen: int = Field(
        default=0, ge=0, le=MAX_CARS, description="so many first cars to come do not move"
    )
    released: int | None = Field(
        default=None,
        ge=0,
        le=MAX_CARS,
        description="so many first cars to come have released calls; null: up to the last that "
        "has any by the hub's own calls",
    )
    blocked: Cars = Field(default=[], description="may not be built now: they leave and are held")
    pulled_out: Cars = Field(default=[], description="leave for good")
    reinsert: EarliestIfAny = Field(
        default={},
        description="cars of the book that come back into the sequence, each with its earliest "
        "position, or null",
    )
    late_parts: Earliest = Field(
        default={}, description="earliest position of cars whose parts are late"
    )
    worth: Worth | None = Field(
        default=None,
        description="how much mark a changed call must save; infinite: only what must change does; "
        "null: the weight of the first objective",
    )
    tolerance: int = Field(
        default=TOLERANCE,
        ge=0,
        le=MAX_CARS,
        description="places a released call may move without counting as timed anew",
    )
    max_moves: int = Field(
        default=MAX_MOVES, ge=0, le=10_000_000, description="effort: moves that are priced"
    )
    max_ms: float = Field(
        default=1_000, gt=0, le=10_000, allow_inf_nan=False, description="ends it sooner"
    )
    apply: bool = Field(
        default=False, description="put the proposal in force as the plant's new sequence"
    )


class MovedCar(BaseModel):
    """A car whose position is another than planned."""

    production_no: str
    before: int | None = Field(description="null: it was not in the sequence")
    after: int | None = Field(description="null: it is no longer in it")
    shifted: bool = Field(description="it only closed up or made room")


class ChangedCall(BaseModel):
    """The released calls of one car, and what becomes of them."""

    production_no: str
    change: Literal["withdrawn", "reordered", "retimed", "new"]


class Proposal(BaseModel):
    """The next sequence and all that it changes."""

    made_from: int = Field(description="number of the sequence that was in force")
    sequence: int | None = Field(description="its own number; null: it was not put in force")
    book: str
    passed: int = Field(description="cars that are past")
    frozen: int
    released: int
    cars: list[str] = Field(description="the cars to come, in their new order")
    held: list[str] = Field(description="cars of the book that wait outside the sequence")
    moved: list[MovedCar]
    calls: list[ChangedCall]
    score_before: ScoreView = Field(description="of the cars to come, as they were planned")
    score_after: ScoreView
    moves: int = Field(description="priced")
    elapsed_ms: float = Field(description="of the search, without the database")

    @classmethod
    def of(
        cls,
        found: Resequenced,
        *,
        made_from: int,
        sequence: int | None,
        book: str,
        passed: int,
        frozen: int,
        released: int,
    ) -> Proposal:
        """As it is shown."""
        return cls(
            made_from=made_from,
            sequence=sequence,
            book=book,
            passed=passed,
            frozen=frozen,
            released=released,
            cars=[car.production_no for car in found.cars],
            held=[car.production_no for car in found.held],
            moved=[MovedCar(**car._asdict()) for car in found.moved],
            calls=[ChangedCall(**call._asdict()) for call in found.calls],
            score_before=ScoreView.of(found.score_before),
            score_after=ScoreView.of(found.score_after),
            moves=found.moves,
            elapsed_ms=found.elapsed_s * 1000,
        )
