"""Settings of a tightening controller: how it is reached, and what is made of its results."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edge.sources.results import CodeForms
from edge.sources.settings import BaseTag, DeviceName, Silence, TextEncoding, TimeZone


class PartOf(BaseModel):
    """The line whose parts the controller tightens."""

    model_config = ConfigDict(extra="forbid")

    line: str = Field(max_length=129, title="The line, as plant/line of an entry of jis")
    say: Literal["production_no", "vin", "serial"] = Field(
        default="production_no",
        title="What names the part: production_no, vin or serial",
    )


class OpenProtocolSettings(BaseModel):
    """One controller."""

    model_config = ConfigDict(extra="forbid")

    device: DeviceName = Field(title="Name of the device, unique in this gateway")
    kind: Literal["open_protocol"] = Field(title="Kind of source")
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]+$")] = Field(
        title="Address of the controller"
    )
    port: int = Field(default=4545, ge=1, le=65_535, title="TCP port of its Open Protocol")
    serial: CodeForms = Field(
        default=[],
        title="Forms of the codes of parts, the first that fits; without any, codes are taken as "
        "they come",
        description="A code that follows none is kept as it is, named as such, and counted.",
    )
    identifier: int = Field(
        default=1, ge=1, le=4, title="Which of the controller's identifiers is the part's: 1 is VIN"
    )
    multi_spindle: bool = Field(
        default=False,
        title="Take the results of several spindles at once (0101), not those of single ones",
        description="Of the controller that is the master of the others. Such results cannot be "
        "fetched afterwards: what is missed is a gap.",
    )
    part_of: PartOf | None = Field(
        default=None,
        title="Tell the controller each part that a line has begun, so that results name it",
        description="As its VIN, when the line's PLC reports the start, and again after each "
        "connection.",
    )
    lock_on_nok: bool = Field(
        default=False,
        title="Disable the tool after a tightening that is not in order",
        description="It is enabled again when a programme is chosen or a part identified at the "
        "controller. While the gateway does not run, or the controller is away from it, the tool "
        "stays as it is.",
    )
    set_time: bool = Field(
        default=False, title="Set the controller's clock when it is off by more than 2 s"
    )
    time_zone: TimeZone = Field(
        default="UTC", title="Time zone of the controller's clock, such as Europe/Berlin"
    )
    torque_unit: str = Field(
        default="Nm",
        max_length=40,
        title="Unit of torque, where the controller does not say it (revisions 1 and 2)",
    )
    text_encoding: TextEncoding = Field(
        default="latin-1", title="How text is encoded: latin-1, utf-8, gbk, …"
    )
    revision: int | None = Field(
        default=None,
        ge=1,
        le=7,
        title="Highest revision of results to ask for; without it the highest it has",
    )
    link_acknowledgements: bool = Field(
        default=True,
        title="Acknowledge on link level, if the controller offers it",
        description="Without it each message is acknowledged by its own.",
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, title="How long the controller may take to answer, in seconds"
    )
    keep_alive_s: float = Field(
        default=10.0,
        ge=0.1,
        le=10.0,
        title="Silence after which a sign of life is sent, in seconds",
        description="Controllers end a link that is silent for 15 s; so does the gateway after one "
        "and a half times this.",
    )
    silence_s: Silence = 60.0

    @model_validator(mode="after")
    def _distinct(self) -> OpenProtocolSettings:
        names = [form.form for form in self.serial]
        if len(set(names)) < len(names):
            raise ValueError("serial: two forms have the same name")
        return self

    @model_validator(mode="after")
    def _told_is_read(self) -> OpenProtocolSettings:
        if self.part_of is not None and self.identifier != 1:
            raise ValueError("part_of names the part as VIN: leave identifier out, or set it to 1")
        if self.multi_spindle and self.identifier != 1:
            raise ValueError(
                "results of several spindles name the VIN alone: leave identifier out, or set it "
                "to 1"
            )
        return self

    @property
    def endpoint(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"

    @property
    def tags(self) -> list[BaseTag]:
        """None is chosen: what a controller tells is known."""
        return []
