"""What moves the plant's times, over HTTP: stops of its line, takt, calendar. Stops are read where
the key figures are (`kpis.py`)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.api.commanding import COMMANDED, SAID, Carrying, Command
from hub.api.plants import PlantId
from hub.calls import retime
from hub.orders.calendar_entry import WorkEntry
from protocols.jis.messages import Identifier

router = APIRouter(prefix="/v1/plants/{plant}", tags=["stops"])

StopId = Annotated[
    str, Path(max_length=100, description="the message that began it", examples=["MES-88123"])
]
WORK: dict[str, Any] = {
    "zone": "Europe/Berlin",
    "first": "2026-01-01",
    "last": "2026-12-31",
    "shifts": [{"name": "early", "start": "06:00", "end": "14:00", "weekdays": ["mon", "tue"]}],
    "overtime": [{"start": "2026-05-09T06:00", "end": "2026-05-09T12:00"}],
}


class RetimedView(BaseModel):
    """What came of times that moved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"told": ["P1/SEAT1/0004711/SEAT-FRONT/0"], "kept": 12, "repeated": False}]
        }
    )

    told: list[str] = Field(description="calls that were told their new time")
    kept: int = Field(description="calls that move less than their line's profile tolerates")
    repeated: bool

    @classmethod
    def of(cls, done: retime.Retimed) -> RetimedView:
        """As it is shown."""
        return cls(told=[str(key) for key in done.told], kept=done.kept, repeated=done.repeated)


class Stop(Command):
    """The plant's line stands."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [SAID | {"cause": "parts", "line": "SEAT1"}]},
    )

    cause: str = Field(min_length=1, max_length=100)
    line: Identifier | None = Field(
        default=None, description="supplier's line that caused it, if one did"
    )
    expected_end_at: AwareDatetime | None = Field(
        default=None, description="then what is behind is timed anew at once"
    )


class Takt(Command):
    """The plant moves by another takt."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"takt_s": 54}]}
    )

    takt_s: float = Field(gt=0, le=86_400, allow_inf_nan=False)
    since: AwareDatetime | None = Field(default=None, description="null: since `at`")


class Calendar(Command):
    """When the plant works from now on, the whole of it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [SAID | {"calendar": WORK}]}
    )

    calendar: WorkEntry | None = Field(description="null: it never rests")


@router.post(
    "/stops",
    status_code=HTTPStatus.CREATED,
    summary="The line stands",
    responses=COMMANDED,
)
def begin_stop(
    plant: PlantId,
    command: Stop,
    carry: Carrying,
) -> RetimedView:
    """Since `at`; it is known by its `message_id`. Suppliers are told that it stands."""
    return RetimedView.of(
        carry(
            command,
            lambda connection, tenant, by: retime.begin_stop(
                connection,
                tenant,
                plant,
                by,
                command.cause,
                line=command.line,
                expected_end_at=command.expected_end_at,
            ),
        )
    )


@router.post("/stops/{stop}/end", summary="The line moves again", responses=COMMANDED)
def end_stop(
    plant: PlantId,
    stop: StopId,
    command: Command,
    carry: Carrying,
) -> RetimedView:
    """Since `at`: all behind the stop is timed anew in its order, and what moves by more than its
    line's profile tolerates is told."""
    return RetimedView.of(
        carry(
            command,
            lambda connection, tenant, by: retime.end_stop(connection, tenant, plant, by, stop),
        )
    )


@router.put("/takt", summary="Another takt", responses=COMMANDED)
def set_takt(
    plant: PlantId,
    command: Takt,
    carry: Carrying,
) -> RetimedView:
    """From an instant on; the cars between control point and fitting move by it."""
    return RetimedView.of(
        carry(
            command,
            lambda connection, tenant, by: retime.set_takt(
                connection, tenant, plant, by, command.takt_s, command.since or by.at
            ),
        )
    )


@router.put("/calendar", summary="Another calendar", responses=COMMANDED)
def set_calendar(
    plant: PlantId,
    command: Calendar,
    carry: Carrying,
) -> RetimedView:
    """Overtime, another shift, a holiday: the whole calendar as it is from now on."""
    return RetimedView.of(
        carry(
            command,
            lambda connection, tenant, by: retime.set_calendar(
                connection, tenant, plant, by, command.calendar
            ),
        )
    )
