"""How plant and supplier work together at one line: who is told of what and when, and how long
things take. In the plant file under `lines[].profile`; stored in `supplier_line.profile`.

Times are seconds by the clock, not of the plant's work: trucks drive in its breaks too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.sequencing.numbering import LoadOrder

Step = Literal["forecast", "preview", "build"]
"""What a partner is told of a car, in the order in which it becomes certain."""
DockType = Literal["rear", "side", "drive_through"]
Seconds = Annotated[float, Field(ge=0, le=2_592_000, allow_inf_nan=False)]
PointName = Annotated[str, Field(pattern=r"^[^/\s][^/]{0,63}$")]


class Profile(BaseModel):
    """All of it; what is left out stands as here, and then a line is told of its calls alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    control_points: dict[PointName, Step] = Field(
        default={},
        max_length=50,
        title="What the partner is told when cars pass these: forecast and preview have the demand "
        "ahead told anew; build is where calls are released, as `part_groups` have it",
    )
    order_to_build: Literal["preview", "build"] = Field(
        default="build",
        title="The step from which on the supplier builds; preview: what leaves a preview within "
        "the frozen horizon was built in vain, and is noted as such",
    )
    delivery: Literal["replace", "delta"] = Field(
        default="replace",
        title="Whether a preview or a change is the whole, or only what differs from before",
    )
    forecast_days: int = Field(
        default=0, ge=0, le=366, title="Days ahead that orders without a place are told; 0: none"
    )
    preview_days: int = Field(
        default=0, ge=0, le=60, title="Days ahead that the planned sequence is told; 0: never"
    )
    frozen_s: Seconds = Field(
        default=0, title="The supplier is asked before what is required sooner than this changes"
    )
    answer_s: Seconds = Field(
        default=900, title="Time the supplier has to answer what it is asked; then a person must"
    )
    late_yellow_s: Seconds = Field(
        default=1800, title="Slack until the fitting below which a call is shown yellow"
    )
    late_red_s: Seconds = Field(default=0, title="The same for red")
    retime_tolerance_s: float = Field(
        default=60,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        title="A required time that moves no further is not told again",
    )
    slot_policy: Literal["keep_empty", "compress"] = Field(
        default="keep_empty",
        title="What becomes of the slot of a car that leaves the line; compress: those behind it "
        "move up",
    )
    gap_timeout_s: Seconds = Field(
        default=300, title="How long a missing number is waited for before its slot stays empty"
    )
    truck_racks: int = Field(default=4, ge=1, le=1_000, title="Racks that a truck holds")
    truck_wait_s: Seconds = Field(
        default=3600, title="A truck leaves so long after its first rack, full or not"
    )
    loop_s: Seconds = Field(
        default=14400, title="Round of a rack: filled, driven, emptied, brought back"
    )
    edi_s: Seconds = Field(default=0, title="From the call until the supplier works with it")
    produce_s: Seconds = 0
    load_s: Seconds = 0
    transport_s: Seconds = 0
    unload_s: Seconds = 0
    lineside_s: Seconds = Field(default=0, title="From the dock to the fitting station")
    safety_s: Seconds = 0
    emergency_stock: int = Field(
        default=0, ge=0, le=100_000, title="Sets of parts kept at the plant for mode `buffer`"
    )
    docks: dict[PointName, DockType] = Field(
        default={},
        max_length=50,
        title="How trucks are emptied at an unloading point; rear: what was loaded last comes "
        "first. Not named: drive_through",
    )

    supplier_no: str = Field(
        default="",
        pattern=r"^[\x21-\x7e]{0,20}$",
        title="The plant's number for the supplier, as rack labels say it; none: the tenant's id",
    )
    licence_plate: str = Field(
        default="",
        pattern=r"^([A-Z0-9][A-Z0-9./-]{0,19})?$",
        title="What makes the supplier's rack labels unique in the world: issuing agency and "
        "company, such as UN123456789",
    )

    @property
    def needed_s(self) -> float:
        """What a call takes from being released to the part at its station, safety included."""
        return (
            self.edi_s
            + self.produce_s
            + self.load_s
            + self.transport_s
            + self.unload_s
            + self.lineside_s
            + self.safety_s
        )

    def dock(self, unloading_point: str) -> DockType:
        """How trucks are emptied there."""
        return self.docks.get(unloading_point, "drive_through")


def load_order_at(dock: DockType) -> LoadOrder:
    """The order to load in, so that what is fitted first is at hand first: through one opening at
    the rear what went in last comes out first."""
    return "reversed" if dock == "rear" else "forward"


def stored_profile(column: dict[str, Any]) -> Profile:
    """What `supplier_line.profile` holds; what an older hub stored and is no longer known is left
    out, so that a new version starts."""
    return Profile.model_validate({k: v for k, v in column.items() if k in Profile.model_fields})
