"""What the sequencing part of the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hub.orders.day_model import MAX_CARS
from hub.sequencing.model import Limits, Pair, Place
from hub.sequencing.scoring import Score
from hub.sequencing.searches import Search, State, Status
from protocols.jis.messages import Identifier

MAX_TIME_S = 600
MAX_MOVES = 10**12
MAX_SEED = 2**53 - 1
"""The greatest number that JSON readers agree on."""


def _whole(value: object) -> object:
    """A float that is a whole number, as one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Number = Annotated[int | float, BeforeValidator(_whole)]
"""A figure that is whole wherever its parts are."""
Position = Annotated[int, Field(ge=1, le=MAX_CARS)]
BookName = Annotated[str, Field(min_length=1, max_length=255, examples=["2026-03-02"])]


class Effort(BaseModel):
    """How hard to search."""

    time_limit_s: float = Field(default=60, ge=0.1, le=MAX_TIME_S, allow_inf_nan=False)
    max_moves: int | None = Field(
        default=None,
        ge=1,
        le=MAX_MOVES,
        description="moves to try on each core; the result then depends on the seed and the "
        "cores alone, unless the time limit comes first",
    )
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="of the random moves")
    cores: int = Field(
        default=1,
        ge=1,
        le=64,
        description="searches side by side, with seeds from `seed` up; the best one counts",
    )


class CarPlace(BaseModel):
    """Where a car may stand; positions count from 1."""

    model_config = ConfigDict(extra="forbid")

    earliest: Position | None = None
    latest: Position | None = None


class CarPair(BaseModel):
    """Two cars that keep a distance."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["apart", "in_order"] = Field(
        description="apart: either may come first; in_order: `first` does"
    )
    first: Identifier
    second: Identifier
    places: Position = Field(default=1, description="least difference of positions")


class SearchRequest(Effort):
    """What of a plant to search, under which hard limits, and how hard."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"time_limit_s": 60, "seed": 1, "start": "given"},
                {
                    "time_limit_s": 600,
                    "max_moves": 50_000_000,
                    "start": "in_force",
                    "frozen": 100,
                    "back": 200,
                    "places": {"0004711": {"earliest": 300}},
                    "pairs": [{"kind": "apart", "first": "0004712", "second": "0004713"}],
                },
            ]
        },
    )

    book: BookName | None = Field(
        default=None, description="order book; null: the newest, or that of the sequence in force"
    )
    start: Literal["given", "in_force"] = Field(
        default="given",
        description="the order that the search begins with: that of the book, or the sequence in "
        "force without the cars that it holds back",
    )
    frozen: int | None = Field(
        default=None,
        ge=0,
        description="so many first cars of that order stay where they are; null: none of a given "
        "order; of the sequence in force those up to the last that has passed a control point",
    )
    forward: int | None = Field(
        default=None, ge=0, description="places that any car may at most move to the front"
    )
    back: int | None = Field(default=None, ge=0, description="and to the back")
    places: Annotated[dict[Identifier, CarPlace], Field(max_length=MAX_CARS)] = Field(
        default={}, description="by production number"
    )
    pairs: list[CarPair] = Field(default=[], max_length=MAX_CARS)

    def limits(self, frozen: int) -> Limits:
        """The hard limits; `frozen` where the request names none."""
        return Limits(
            {number: Place(place.earliest, place.latest) for number, place in self.places.items()},
            tuple(Pair(p.kind, p.first, p.second, p.places) for p in self.pairs),
            frozen if self.frozen is None else self.frozen,
            self.forward,
            self.back,
        )


class LongBatch(BaseModel):
    """A run of one colour that the paint shop does not allow."""

    position: int = Field(description="of its first car; 1 is the first of the day")
    length: int
    colour: str


class BrokenLimit(BaseModel):
    """A hard limit that the sequence does not keep."""

    kind: str
    cars: list[str]
    text: str


class ScoreView(BaseModel):
    """What a sequence costs; less is better."""

    mark: Number = Field(description="sum of weight times value over the objectives")
    feasible: bool = Field(description="all hard limits are kept")
    weights: dict[str, float] = Field(description="of each objective, the most important first")
    values: dict[str, Number] = Field(description="of every objective, weighted or not")
    by_option: dict[str, int] = Field(description="excess over each ratio, over all its windows")
    by_line: dict[str, int] = Field(description="excess over what each supplier line can make")
    long_batches: list[LongBatch]
    broken: list[BrokenLimit]

    @classmethod
    def of(cls, score: Score) -> ScoreView:
        """As it is shown."""
        return cls(
            mark=score.mark,
            feasible=score.feasible,
            weights={str(name): weight for name, weight in score.weights.items()},
            values={str(name): value for name, value in score.values.items()},
            by_option=score.by_option,
            by_line=score.by_line,
            long_batches=[
                LongBatch(position=b.position, length=b.length, colour=b.colour)
                for b in score.long_batches
            ],
            broken=[BrokenLimit(kind=b.kind, cars=list(b.cars), text=b.text) for b in score.broken],
        )


class SearchSummary(BaseModel):
    """A search, and where it stands."""

    id: str
    state: State = Field(
        description="stopped: by request, or by the time limit before `max_moves`; the best so far "
        "is kept"
    )
    reason: str | None = Field(description="why it failed, or what stopped it")
    book: str | None = Field(description="null: a day that stands for itself")
    cars: int
    seed: int
    cores: int
    time_limit_s: float
    max_moves: int | None
    started_at: datetime
    progress: float = Field(description="part of the effort spent, 0 to 1")
    elapsed_s: float
    moves: int = Field(description="tried: priced as far as it could matter")
    moves_per_s: float | None
    mark: Number | None = Field(description="of the best sequence so far")
    to_best_s: float = Field(description="when that was found, from the start")
    sequence: int | None = Field(description="the number under which it was put in force last")

    @classmethod
    def of(cls, search: Search) -> SearchSummary:
        """As it stands."""
        return cls(**_summary(search, search.status()))


class SearchView(SearchSummary):
    """A search with its course and, once it has ended, what its best sequence costs."""

    mark_at_start: Number | None
    score: ScoreView | None = Field(description="of the best sequence; null while it runs")
    order: list[str] | None = Field(description="that sequence; null while it runs")
    course: list[tuple[float, Number]] = Field(
        description="best mark over time, as (seconds, mark); a long one is thinned out",
        examples=[[[0.0, 31_004_120], [0.4, 12_000_450], [7.2, 9_000_101]]],
    )

    @classmethod
    def of(cls, search: Search) -> SearchView:
        """As it stands."""
        status = search.status()
        return cls(
            **_summary(search, status),
            mark_at_start=status.course[0][1] if status.course else None,
            score=None if status.score is None else ScoreView.of(status.score),
            order=None if status.cars is None else [car.production_no for car in status.cars],
            course=list(status.course),
        )


def _summary(search: Search, status: Status) -> dict[str, Any]:
    task = search.task
    return {
        "id": search.id,
        "state": status.state,
        "reason": status.reason,
        "book": task.basis.book if task.basis else None,
        "cars": len(task.instance.cars),
        "seed": task.seed,
        "cores": task.cores,
        "time_limit_s": task.time_limit_s,
        "max_moves": task.max_moves,
        "started_at": search.started_at,
        "progress": status.progress,
        "elapsed_s": status.elapsed_s,
        "moves": status.moves,
        "moves_per_s": status.moves / status.elapsed_s if status.elapsed_s else None,
        "mark": status.mark,
        "to_best_s": status.to_best_s,
        "sequence": search.sequence,
    }


class SequenceView(BaseModel):
    """A stored sequence and what it costs, by the rules of its order book."""

    sequence: int
    method: str = Field(examples=["given", "search", "resequence"])
    book: str
    cars: int
    score: ScoreView
