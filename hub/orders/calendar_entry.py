"""Shifts, breaks, overtime as people write them; `shift_calendar` makes a clock of them."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hub.sequencing.calendar import DAYS_AT_MOST, Break, Shift, ShiftCalendar, Span, Weekday

_NUMBER = re.compile(r"\s*[+-]?[0-9.]+\s*")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")


def _no_number(given: object) -> object:
    """A number, quoted or not, would pass for seconds since 1970."""
    if isinstance(given, (int, float)) or (isinstance(given, str) and _NUMBER.fullmatch(given)):
        raise ValueError(f"should be a date and time, as in 2026-03-02T06:00, not {given!r}")
    return given


def _clock_text(given: object) -> object:
    if not (isinstance(given, str) and _CLOCK.fullmatch(given)):
        raise ValueError(f"should be a time as in 06:00, not {given!r}")
    return given


Instant = Annotated[datetime, BeforeValidator(_no_number)]
"""Without a time zone it is meant by the plant's clock."""
ClockTime = Annotated[
    time, BeforeValidator(_clock_text, json_schema_input_type=str), Field(examples=["06:00"])
]


class Entry(BaseModel):
    """A section of a day; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BreakEntry(Entry):
    """A break in a shift."""

    start: ClockTime = Field(title="By the plant's clock")
    end: ClockTime = Field(title="By the plant's clock")


class ShiftEntry(Entry):
    """A time of work; one that ends before it starts ends on the next day."""

    name: str = Field(min_length=1, max_length=64, title="What it is called", examples=["early"])
    start: ClockTime = Field(title="By the plant's clock")
    end: ClockTime = Field(title="By the plant's clock")
    weekdays: list[Weekday] = Field(default=[], max_length=7, title="Days on which it starts")
    dates: list[date] = Field(default=[], max_length=DAYS_AT_MOST, title="Dates on which it starts")
    breaks: list[BreakEntry] = Field(default=[], max_length=50, title="No work in these")


class SpanEntry(Entry):
    """A stretch of time; without a time zone, by the plant's clock."""

    start: Instant = Field(title="First instant of it")
    end: Instant = Field(title="First instant after it")


class WorkEntry(Entry):
    """When a plant works."""

    zone: str = Field(
        min_length=1, max_length=64, title="Time zone of the plant's clock", examples=["UTC"]
    )
    first: date = Field(title="First day of the calendar")
    last: date = Field(title="Last day of the calendar")
    shifts: list[ShiftEntry] = Field(default=[], max_length=50, title="Regular times of work")
    stops: list[SpanEntry] = Field(default=[], max_length=1_000, title="No work in these")
    overtime: list[SpanEntry] = Field(default=[], max_length=1_000, title="Work outside the shifts")


def shift_calendar(entry: WorkEntry, takt_s: float) -> ShiftCalendar:
    """The plant's clock. Raises `CalendarError` where the entry contradicts itself."""

    def spans(given: list[SpanEntry]) -> tuple[Span, ...]:
        return tuple(Span(span.start, span.end) for span in given)

    return ShiftCalendar(
        zone=entry.zone,
        takt_s=takt_s,
        first=entry.first,
        last=entry.last,
        shifts=tuple(
            Shift(
                shift.name,
                shift.start,
                shift.end,
                frozenset(shift.weekdays),
                frozenset(shift.dates),
                tuple(Break(pause.start, pause.end) for pause in shift.breaks),
            )
            for shift in entry.shifts
        ),
        stops=spans(entry.stops),
        overtime=spans(entry.overtime),
    )
