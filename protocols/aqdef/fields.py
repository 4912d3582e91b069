"""Numbers and instants of the format, which come as many programs write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_NUMBER = re.compile(
    r"[+-]?(?:\d{1,30}(?:[.,]\d{0,30})?|[.,]\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII
)
_INSTANT = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})"
    r"(?:[/ .T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,6})\d*)?)?)?"
    r"(?:\s*(Z|[+-]\d{2}:?\d{2}))?",
    re.ASCII,
)
_CENTURY = 70
"""Years of two digits from here on are of the last century."""


def is_number(text: str) -> bool:
    """Whether it is a decimal number, with point or comma."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> float:
    """A decimal number, with point or comma. Raises `ValueError`."""
    if not is_number(text):
        raise ValueError(f"{text[:40]!r} is no number")
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is too large for a number")
    return value


def whole(text: str) -> int:
    """A whole number. Raises `ValueError`."""
    value = number(text)
    if value != int(value):
        raise ValueError(f"{text[:40]!r} is no whole number")
    return int(value)


def instant(text: str, zone: tzinfo) -> datetime:
    """`12.08.1999/15:23:45`, `8/12/1999 15:23` (month first) or `1999-08-12/15:23:45`, by a clock
    of `zone` unless the text has an offset; years of two digits are of 1970 to 2069. Of an hour
    that comes twice it is the first. Raises `ValueError`."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no date and time, such as 31.12.2026/23:59:59")
    first, mark, second, third, hour, minute, seconds, fraction, offset = found.groups()
    day, month, year = {
        ".": (first, second, third), "/": (second, first, third), "-": (third, second, first),
    }[mark]  # fmt: skip
    try:
        local = datetime(
            _year(year), int(month), int(day), int(hour or 0), int(minute or 0), int(seconds or 0),
            int((fraction or "").ljust(6, "0")), _offset(offset) or zone,
        )  # fmt: skip
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no date and time there is") from None


def write_instant(at: datetime, zone: tzinfo | None) -> str:
    """As most programs write it, by a clock of `zone` or this machine's; without fractions."""
    return f"{at.astimezone(zone):%d.%m.%Y/%H:%M:%S}"


def _year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    return year + (1900 if year >= _CENTURY else 2000)


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
