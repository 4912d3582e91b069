"""What customers expect to need (DELFOR), against what they have called: part by part and period
by period, so that a supplier sees what is still to come, and what is called beyond a forecast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import psycopg

# A day is one of the partner's own clock, as its files have it.
_PERIODS = """
WITH part AS (
    SELECT DISTINCT part_no, partner FROM part_forecast
    WHERE plant = %(plant)s AND (%(part_no)s::text IS NULL OR part_no = %(part_no)s)
        AND (part_no, partner) > (%(after_part)s, %(after_partner)s)
    ORDER BY part_no, partner LIMIT %(limit)s
)
SELECT f.part_no, f.partner, max(f.document_no), max(f.issued_at), f.first_day, f.last_day,
    sum(f.quantity), max(f.cumulative), array_agg(DISTINCT f.firmness ORDER BY f.firmness),
    (SELECT coalesce(sum(c.quantity), 0) FROM jis_call c
        WHERE c.plant = %(plant)s AND c.part_no = f.part_no
            AND c.car NOT IN ('cancelled', 'replaced')
            AND (c.required_at AT TIME ZONE coalesce(p.profile ->> 'time_zone', 'UTC'))::date
                BETWEEN f.first_day AND f.last_day)
FROM part_forecast f JOIN part ON part.part_no = f.part_no AND part.partner = f.partner
LEFT JOIN edi_partner p ON p.owner = f.owner AND p.partner = f.partner
WHERE f.plant = %(plant)s
GROUP BY f.part_no, f.partner, f.first_day, f.last_day, p.profile
ORDER BY f.part_no, f.partner, f.first_day, f.last_day
"""


@dataclass(frozen=True, slots=True)
class Period:
    """Days of a forecast, the first to the last."""

    first_day: date
    last_day: date
    expected: Decimal
    cumulative: Decimal | None
    """Of all since the partner began to count, at the end of the period."""
    firmness: list[str]
    called: int
    """Of calls required on these days, cancelled and replaced ones left out."""

    @property
    def open(self) -> Decimal:
        """Expected and not called; below 0: called beyond the forecast."""
        return self.expected - self.called


@dataclass(frozen=True, slots=True)
class PartForecast:
    """What a customer expects to need of a part."""

    part_no: str
    partner: str
    document_no: str
    issued_at: datetime
    periods: list[Period]


def forecasts_of(
    connection: psycopg.Connection,
    plant: str,
    *,
    part_no: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[PartForecast]:
    """The newest forecast of each part and partner behind `after`, with what is called of it. The
    connection sees the plant."""
    values = {
        "plant": plant,
        "part_no": part_no,
        "after_part": after[0],
        "after_partner": after[1],
        "limit": limit,
    }
    rows = connection.execute(_PERIODS, values).fetchall()
    return list(_parts(rows))


def _parts(rows: list[tuple[Any, ...]]) -> Iterator[PartForecast]:
    for (part_no, partner), group in groupby(rows, lambda row: (row[0], row[1])):
        periods = list(group)
        yield PartForecast(
            part_no, partner, periods[0][2], periods[0][3], [Period(*row[4:]) for row in periods]
        )
