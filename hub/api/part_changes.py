"""Engineering changes over HTTP: break points, and the calls that they affect."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from psycopg.rows import class_row
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from hub.api.commanding import COMMANDED, SAID, Carrying, Command, CommandView
from hub.api.context import Shared, Tenant
from hub.api.plants import After, Limit, PlantId, require_plant
from hub.api.problems import described
from hub.calls.effectivity import change_part
from hub.calls.parts import PartChange
from protocols.jis.messages import Identifier

router = APIRouter(prefix="/v1/plants/{plant}/part-changes", tags=["part changes"])

_BREAK: dict[str, Any] = {
    "part_group": "SEAT-FRONT",
    "old_part_no": "SF-BASE-A",
    "new_part_no": "SF-BASE-B",
    "from_production_no": "0004711",
}
_CHANGES = """
SELECT id, part_group, old_part_no, new_part_no, from_production_no, from_position, from_at, reason,
    set_by, set_at
FROM part_change WHERE plant = %s AND id > %s ORDER BY id LIMIT %s
"""


class BreakPoint(Command):
    """From a break point on a part takes the place of another: give one of the three."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SAID | _BREAK]})

    part_group: Identifier
    old_part_no: Identifier
    new_part_no: Identifier
    from_production_no: Identifier | None = Field(
        default=None, description="this car and those of greater numbers"
    )
    from_position: int | None = Field(
        default=None, ge=1, description="cars that stand there or behind in the sequence in force"
    )
    from_at: AwareDatetime | None = Field(
        default=None, description="cars that are called then or later"
    )

    @model_validator(mode="after")
    def _one_break(self) -> BreakPoint:
        given = [self.from_production_no, self.from_position, self.from_at]
        if sum(value is not None for value in given) != 1:
            raise ValueError("give one of from_production_no, from_position and from_at")
        if self.old_part_no == self.new_part_no:
            raise ValueError("old_part_no and new_part_no are the same")
        return self

    def change(self) -> PartChange:
        """As the hub works with it."""
        return PartChange(**{name: getattr(self, name) for name in PartChange.__slots__})


class AffectedView(CommandView):
    """The calls that were out with the old part."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "calls": ["P1/SEAT1/0004712/SEAT-FRONT/0"],
                    "asked": [],
                    "left": [],
                    "before": ["P1/SEAT1/0004710/SEAT-FRONT/0"],
                    "run_out": 1,
                    "repeated": False,
                }
            ]
        }
    )

    left: list[str] = Field(description="calls behind the break for which it is too late")
    before: list[str] = Field(description="open calls before the break, which keep the old part")
    run_out: int = Field(description="pieces of the old part that are still needed")


class BreakPointView(BaseModel):
    """A break point that is set."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _BREAK
                | {
                    "from_position": None,
                    "from_at": None,
                    "reason": "airbag",
                    "set_by": "token",
                    "set_at": "2026-03-01T12:00:00Z",
                }
            ]
        }
    )

    part_group: str
    old_part_no: str
    new_part_no: str
    from_production_no: str | None
    from_position: int | None
    from_at: datetime | None
    reason: str
    set_by: str
    set_at: datetime
    id: int = Field(exclude=True)


class BreakPoints(BaseModel):
    """Break points in the order they were set. `next` goes into `after` for the following page."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [], "next": None}]})

    items: list[BreakPointView]
    next: int | None


@router.post("", status_code=HTTPStatus.CREATED, summary="Set a break point", responses=COMMANDED)
def set_break_point(
    plant: PlantId,
    command: BreakPoint,
    carry: Carrying,
) -> AffectedView:
    """Calls behind the break are changed, or their supplier is asked; the old part is not called
    any more there, and one that is built all the same is an exception."""
    found = carry(
        command,
        lambda connection, tenant, by: change_part(connection, tenant, plant, command.change(), by),
    )
    return AffectedView(
        **CommandView.of(found).model_dump(),
        before=[str(key) for key in found.before],
        run_out=found.run_out,
    )


@router.get(
    "", summary="Break points", responses=described(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)
)
def break_points(
    plant: PlantId, tenant: Tenant, shared: Shared, after: After = 0, limit: Limit = 100
) -> BreakPoints:
    """In the order they were set."""
    with shared.reading(tenant) as connection:
        require_plant(connection, plant)
        with connection.cursor(row_factory=class_row(BreakPointView)) as cursor:
            items = cursor.execute(_CHANGES, (plant, after, limit)).fetchall()
    return BreakPoints(items=items, next=items[-1].id if len(items) == limit else None)
