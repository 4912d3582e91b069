"""Dates and times of DTM: forms of data element 2379, and the zone that EDIFACT does not name."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

DAY = "102"
MINUTE = "203"
SECOND = "204"
WEEK = "616"
DAYS = "711"
WEEKS = "716"

_FORMS = {MINUTE: "%Y%m%d%H%M", SECOND: "%Y%m%d%H%M%S", DAY: "%Y%m%d"}
_DIGITS = re.compile(r"[0-9]+(-[0-9]+)?")
_LENGTHS = {DAY: 8, MINUTE: 12, SECOND: 14, WEEK: 6, DAYS: 17, WEEKS: 13}


def read_time(text: str, form: str, zone: ZoneInfo) -> datetime:
    """A moment, in UTC. Where a clock put back shows the hour twice, it is the first of the two:
    to be early harms nobody. Raises `ValueError`."""
    _check(text, form, _FORMS)
    try:
        return datetime.strptime(text, _FORMS[form]).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text} is no date and time") from None


def write_time(moment: datetime, form: str, zone: ZoneInfo) -> str:
    """The digits of a moment in the partner's zone, cut to what the form has."""
    return moment.astimezone(zone).strftime(_FORMS[form]).zfill(_LENGTHS[form])


def read_days(text: str, form: str) -> tuple[date, date]:
    """First and last day of a day, week or range. Raises `ValueError`."""
    _check(text, form, _LENGTHS)
    first, _, last = text.partition("-")
    if form in (WEEK, WEEKS):
        start, end = _monday(first), _monday(last or first) + timedelta(days=6)
    else:
        start, end = _day(first[:8]), _day((last or first)[:8])
    if end < start:
        raise ValueError(f"{text} ends before it begins")
    return start, end


def write_days(start: date, end: date) -> tuple[str, str]:
    """Digits and form: a day, or a range of days."""
    if start == end:
        return _digits(start), DAY
    return f"{_digits(start)}-{_digits(end)}", DAYS


def _digits(day: date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"


def _check(text: str, form: str, known: dict[str, str] | dict[str, int]) -> None:
    if form not in known:
        raise ValueError(f"form {form[:3]!r} (2379) is not read here; known: {', '.join(known)}")
    if len(text) != _LENGTHS[form] or not _DIGITS.fullmatch(text) or not text.isascii():
        raise ValueError(f"{text[:40]!r} is not in form {form}, which has {_LENGTHS[form]} places")


def _day(digits: str) -> date:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError as error:
        raise ValueError(f"{digits} is no day: {error}") from None


def _monday(digits: str) -> date:
    try:
        return date.fromisocalendar(int(digits[:4]), int(digits[4:6]), 1)
    except ValueError as error:
        raise ValueError(f"{digits} is no week: {error}") from None
