"""The faults a proxy can make, and the command that asks for one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocols.refusal import first_problem

FaultName = Literal["cut", "half_open", "delay", "throttle", "drop", "none"]


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong at the moment. The default is a healthy line."""

    cut: bool = False
    """All connections are reset and new ones refused."""
    half_open: bool = False
    """Bytes vanish silently; connections seem to stand. Those that lost bytes are reset when this
    ends, as a stream with a hole is no stream."""
    delay_s: float = 0.0
    """Each byte arrives so much later, each way."""
    throttle: float | None = None
    """At most so many bytes per second, each way and connection."""
    drop: float = 0.0
    """Chance that a connection is reset with each chunk of up to 64 KiB that it carries."""


class FaultCommand(BaseModel):
    """Asks for one fault; `none` heals all. `value` is the delay in seconds, the throttle in bytes
    per second or the chance of a drop; the fault ends after `seconds`, if given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: FaultName
    value: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _value_fits(self) -> FaultCommand:
        needs_value = self.fault in ("delay", "throttle", "drop")
        if needs_value != (self.value is not None):
            raise ValueError(f"{self.fault} takes {'a' if needs_value else 'no'} value")
        if self.fault == "throttle" and self.value == 0:
            raise ValueError("throttle takes bytes per second above 0; half_open stops all bytes")
        if self.fault == "drop" and self.value is not None and self.value > 1:
            raise ValueError("drop takes a chance from 0 to 1")
        return self

    def apply(self, faults: Faults) -> Faults:
        """The faults once this one has begun."""
        match self.fault:
            case "none":
                return Faults()
            case "cut":
                return dataclasses.replace(faults, cut=True)
            case "half_open":
                return dataclasses.replace(faults, half_open=True)
            case "delay":
                return dataclasses.replace(faults, delay_s=self.value or 0.0)
            case "throttle":
                return dataclasses.replace(faults, throttle=self.value)
            case "drop":
                return dataclasses.replace(faults, drop=self.value or 0.0)

    def lift(self, faults: Faults) -> Faults:
        """The faults once this one has ended."""
        field = "delay_s" if self.fault == "delay" else self.fault
        return dataclasses.replace(faults, **{field: getattr(Faults(), field)})


class FaultCommandError(ValueError):
    """The line is no command; the text says why."""


def parse_command(line: bytes) -> FaultCommand:
    """A command written as JSON. Raises `FaultCommandError`."""
    try:
        return FaultCommand.model_validate_json(line)
    except ValidationError as error:
        raise FaultCommandError(first_problem(error, "command")) from None
