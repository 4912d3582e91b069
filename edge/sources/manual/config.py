"""Settings of a station whose results are entered by hand."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edge.sources.results import CodeForms
from edge.sources.settings import BaseTag, DeviceName

Line = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Number = Annotated[float, Field(allow_inf_nan=False)]


class ManualCharacteristic(BaseModel):
    """One thing that is measured or looked at."""

    model_config = ConfigDict(extra="forbid")

    name: Line = Field(title="Name of the characteristic, unique at the station")
    unit: str = Field(default="", max_length=40, title="Unit, such as Nm")
    lower: Number | None = Field(default=None, title="Lower limit, in that unit")
    upper: Number | None = Field(default=None, title="Upper limit, in that unit")
    nominal: Number | None = Field(default=None, title="Nominal value, in that unit")
    check: bool = Field(default=False, title="Looked at and found ok or not ok, without a value")
    optional: bool = Field(default=False, title="May be left out")
    tool: Line | None = Field(default=None, title="Tool or gauge it is measured with")

    @model_validator(mode="after")
    def _sensible(self) -> ManualCharacteristic:
        if self.check and (self.unit or {self.lower, self.upper, self.nominal} != {None}):
            raise ValueError("a check has no value: leave out unit, limits and nominal")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower ({self.lower:g}) is above upper ({self.upper:g})")
        return self


class ManualSettings(BaseModel):
    """A station whose results people type into a page beside the board."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["manual"] = Field(title="Kind of source")
    device: DeviceName = Field(title="Name of the station, unique in this gateway")
    programme: Line | None = Field(default=None, title="Programme or plan, for all its results")
    characteristics: list[ManualCharacteristic] = Field(
        min_length=1, max_length=50, title="What is measured or looked at, in this order"
    )
    without_serial: bool = Field(
        default=False, title="A part may have no serial: a sample of a batch"
    )
    serial: CodeForms = Field(
        default=[],
        title="Forms of the codes of parts, one for each customer; what follows none is refused",
    )
    reasons: Annotated[list[Line], Field(max_length=20)] = Field(
        default=[], title="Reasons to choose from where something is not ok; any can be typed"
    )

    silence_s: ClassVar[float] = 60.0
    timeout_s: ClassVar[float] = 5.0

    @property
    def endpoint(self) -> str:
        """For people."""
        return "board"

    @property
    def tags(self) -> list[BaseTag]:
        """None: people say results."""
        return []

    @model_validator(mode="after")
    def _named_once(self) -> ManualSettings:
        names = [each.name for each in self.characteristics]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"two characteristics are {double!r}; names are unique")
        return self
