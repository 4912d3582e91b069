"""One tightening, as MID 0061 (the last one) or 0065 (an old one) tells it in any revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from protocols.open_protocol.fields import DataError, Value
from protocols.open_protocol.frames import Message
from protocols.open_protocol.layouts import read

LAST_ID = 2**32 - 1
"""The highest tightening id; the one behind it is 1, since 0 asks for the newest."""
TORQUE_UNITS = {
    1: "Nm",
    2: "lbf ft",
    3: "lbf in",
    4: "kpm",
    5: "kgf cm",
    6: "ozf in",
    7: "%",
    8: "Ncm",
}
TIGHTENING = "Tightening"
RESULT_TYPES = {
    1: TIGHTENING,
    2: "Loosening",
    3: "Batch increment",
    4: "Batch decrement",
    5: "Bypass of programme",
    6: "Abort of job",
    7: TIGHTENING,  # several spindles at once
    8: "Reference set-up",
    9: "Batch reset",
    10: "Restart of job",
}

Verdict = Literal["ok", "nok", "unknown"]
VERDICTS: Mapping[int | None, Verdict] = {0: "nok", 1: "ok"}
STATUSES: Mapping[int | None, Verdict] = {0: "nok", 1: "ok", 2: "nok"}
"""Low, OK, high."""
# name, field, whether it is a torque, field of its verdict
_MEASURED = (
    ("Torque", "torque", "torque", "torque_status"),
    ("Angle", "angle", "angle", "angle_status"),
    ("Rundown angle", "rundown_angle", "angle", "rundown_angle_status"),
    ("Current", "current", "%", "current_status"),
    ("Selftap torque", "selftap", "torque", "selftap_status"),
    ("Prevail torque", "prevail_torque", "torque", "prevail_torque_status"),
)
_ALWAYS = ("torque", "angle")


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a tightening."""

    name: str
    value: float | None
    """None: only the verdict is known."""
    lower: float | None
    upper: float | None
    target: float | None
    unit: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Tightening:
    """One tightening, or what else a controller counts among them."""

    id: int
    what: str
    """A value of `RESULT_TYPES`."""
    verdict: Verdict
    at: datetime | None
    """By the controller's clock; None: it gave no time."""
    identifiers: tuple[str, ...]
    """What it was told of the part, the VIN number first; up to four, empty ones left out at the
    end."""
    cell: int | None
    channel: int | None
    tool: str | None
    """Serial number of the tool."""
    programme: int | None
    programme_name: str | None
    job: int | None
    measured: tuple[Measured, ...]
    together: bool = False
    """Several spindles at once, which have ids of their own."""


def read_tightening(
    message: Message, torque_unit: str = "Nm", encoding: str = "latin-1"
) -> Tightening:
    """What MID 0061 or 0065 says. `torque_unit` is that of a controller whose revision does not say
    it. Raises `DataError`."""
    said = read(message, encoding)
    tightening_id = number_of(said, "tightening_id")
    if tightening_id is None:
        raise DataError(f"MID {message.mid:04}: there is no tightening id")
    unit = TORQUE_UNITS.get(number_of(said, "torque_unit") or 0, torque_unit)
    kind = number_of(said, "result_type")
    at = said.get("at")
    return Tightening(
        tightening_id,
        TIGHTENING if kind is None else RESULT_TYPES.get(kind, f"Result of type {kind}"),
        VERDICTS.get(number_of(said, "tightening_status"), "unknown"),
        at if isinstance(at, datetime) else None,
        _identifiers(said),
        number_of(said, "cell"),
        number_of(said, "channel"),
        _text(said, "tool_serial"),
        number_of(said, "programme"),
        _text(said, "programme_name"),
        number_of(said, "job") or None,
        tuple(_measured(said, unit)),
    )


def ahead(last: int, new: int) -> int:
    """How many ids lie from one to another, counted on over the highest."""
    return (new - last) % LAST_ID


def step(tightening_id: int, by: int = 1) -> int:
    """The id so many behind this one, over the highest to the first."""
    return (tightening_id - 1 + by) % LAST_ID + 1


def is_after(last: int, new: int) -> bool:
    """Whether an id is after another one, by serial arithmetic (RFC 1982)."""
    return 0 < ahead(last, new) <= LAST_ID // 2


def _measured(said: Mapping[str, Value], torque_unit: str) -> Iterator[Measured]:
    units = {"torque": torque_unit, "angle": "deg"}
    for name, field, unit, status in _MEASURED:
        value = said.get(field)
        lower, upper, target = (said.get(f"{field}_{which}") for which in ("min", "max", "target"))
        if not isinstance(value, int | float):
            continue
        if field not in _ALWAYS and not (value or lower or upper):
            continue  # it was not measured
        yield Measured(
            name,
            float(value),
            *limits(lower, upper),
            float(target) if isinstance(target, int | float) and target else None,
            units.get(unit, unit),
            STATUSES.get(number_of(said, status), "unknown"),
        )


def limits(lower: Value, upper: Value) -> tuple[float | None, float | None]:
    """Of a value; None for what is no limit: both are 0, or the controller did not say."""
    if not isinstance(lower, int | float) or not isinstance(upper, int | float):
        return None, None
    return (None, None) if not lower and not upper else (float(lower), float(upper))


def _identifiers(said: Mapping[str, Value]) -> tuple[str, ...]:
    found = [str(said.get(name) or "") for name in ("vin", *(f"identifier_{n}" for n in (2, 3, 4)))]
    while found and not found[-1].strip():
        found.pop()
    return tuple(found)


def number_of(said: Mapping[str, Value], name: str) -> int | None:
    """A whole number that a message says."""
    value = said.get(name)
    return value if isinstance(value, int) else None


def _text(said: Mapping[str, Value], name: str) -> str | None:
    value = said.get(name)
    return value.strip() or None if isinstance(value, str) else None
