"""One result: one characteristic of one part, as one station found it, version 1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from protocols.moment import Moment

RESULT = "Inspection/Result"
"""Name of the metric whose values are results."""
MAX_TEXT = 8192
"""Longest text of a result, in characters; the longest that `Result` writes is shorter."""

Verdict = Literal["ok", "nok", "unknown"]
"""`unknown`: the station says neither."""

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, Field(max_length=100, pattern=NO_CONTROL)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Serial = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_CONTROL)]
MOST_PARTS = 8
"""Named parts of a code."""


class Code(BaseModel):
    """What was read from a part, where the gateway knows what forms its codes have."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: Serial = Field(description="all of it; a separator stands as its picture, such as \u241d")
    form: Annotated[str, Field(min_length=1, max_length=40, pattern=NO_CONTROL)] | None = Field(
        default=None, description="that it follows; null: none of those that are configured"
    )
    parts: Annotated[
        dict[Annotated[str, Field(max_length=32, pattern=r"^\w+$")], Serial],
        Field(max_length=MOST_PARTS),
    ] = Field(default={}, description="of the code by name, such as supplier, part_number, serial")


class Result(BaseModel):
    """One characteristic of one part. What a later version adds is ignored, not refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    key: str = Field(
        min_length=1,
        max_length=64,
        pattern=NO_CONTROL,
        description="identity at the device, for good; characteristics of one operation share it",
    )
    serial: Serial | None = Field(
        default=None,
        description="of the part, or the engine's code; null: the station was not told",
    )
    code: Code | None = Field(
        default=None, description="that the serial is from; null: it is not held against any form"
    )
    characteristic: Annotated[Text, Field(min_length=1)]
    value: Number | None = Field(default=None, description="null: attributive, or not measured")
    lower: Number | None = Field(default=None, description="limit, in the value's unit")
    upper: Number | None = Field(default=None, description="limit, in the value's unit")
    nominal: Number | None = None
    unit: str = Field(default="", max_length=40, pattern=NO_CONTROL)
    verdict: Verdict
    tool: Text | None = Field(default=None, description="tool, gauge or channel that measured")
    programme: Text | None = Field(default=None, description="parameter set, programme or plan")
    operator: Text | None = None
    reason: Annotated[str, Field(max_length=200, pattern=NO_CONTROL)] | None = Field(
        default=None, description="that a person gave, such as why it is out of limits"
    )
    measured_at: Moment
    raw_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="of the device's own message, as it came"
    )

    def text(self) -> str:
        """The value of the metric; `parse_result` reads it."""
        return self.model_dump_json(exclude_none=True)


def parse_result(text: str) -> Result:
    """A result that `Result.text` wrote. Raises `ValueError`, or its kind `ValidationError`."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"{len(text)} characters, more than {MAX_TEXT}")
    return Result.model_validate_json(text)


def judged(value: float, lower: float | None, upper: float | None) -> Verdict:
    """What limits tell of a value; it may lie on them."""
    if lower is None and upper is None:
        return "unknown"
    below = lower is not None and value < lower
    return "nok" if below or (upper is not None and value > upper) else "ok"
