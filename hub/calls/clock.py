"""The plant's clock as its calls run by it: working time, the takt that holds, and stops.

A car moves one place a takt while the plant works and the line does not stand. The lead of a
supplier's line is told in seconds at the plant's takt, and so is a number of places; a call is
required when its car has moved so many. That keeps the order of the cars, whatever happens.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg

from hub.orders.calendar_entry import WorkEntry, shift_calendar
from hub.sequencing.calendar import ShiftCalendar

_EVER = datetime.min.replace(tzinfo=UTC)

# Stops that ended long ago concern no car that is still in the line.
_PLANT = """
SELECT p.takt_s, p.calendar, t.since, t.takt_s, s.began_at, s.ended_at
FROM plant p
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(since ORDER BY since), '{}') AS since,
        coalesce(array_agg(takt_s ORDER BY since), '{}') AS takt_s
    FROM takt WHERE plant = p.id
) t
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(began_at ORDER BY id), '{}') AS began_at,
        coalesce(array_agg(coalesce(ended_at, greatest(expected_end_at, %(now)s)) ORDER BY id),
            '{}') AS ended_at
    FROM line_stop WHERE plant = p.id
        AND coalesce(ended_at, %(now)s) > %(now)s::timestamptz - interval '60 days'
) s
WHERE p.id = %(plant)s
"""


class _Stretch(NamedTuple):
    """From `since` until the next, the line moves a place every so many seconds of work."""

    since: datetime
    takt_s: float | None
    """None: it stands."""


class PlantClock:
    """When a car that is here now will be there."""

    def __init__(
        self,
        calendar: ShiftCalendar | None,
        takt_s: float,
        takts: Sequence[tuple[datetime, float]] = (),
        stops: Iterable[tuple[datetime, datetime]] = (),
    ) -> None:
        """No calendar: the plant never rests. takt_s: the one that leads are told at, and that
        holds before the first of `takts`, which say from when on another does. Stops may overlap.
        """
        self.takt_s = takt_s
        self._calendar = calendar
        self._stretches = _stretches(takt_s, takts, list(stops))
        self._since = [stretch.since for stretch in self._stretches]

    def after(self, start: datetime, lead_s: float) -> datetime:
        """When a car has moved through a lead, told at `takt_s`. Raises `OverflowError` beyond the
        years that dates can have."""
        places = lead_s / self.takt_s
        at = bisect_right(self._since, start) - 1
        while True:
            takt_s = self._stretches[at].takt_s
            ends = self._since[at + 1] if at + 1 < len(self._since) else None
            if takt_s is not None:
                there = self._after_work(start, places * takt_s)
                if ends is None or there <= ends:
                    return there
                places = max(0.0, places - self._worked_s(start, ends) / takt_s)
            if ends is None:  # it cannot be: what stands last is a stop with an end
                return start
            start = ends
            at += 1

    def takt_at(self, instant: datetime) -> float:
        """The takt that holds then, or holds again after a stop."""
        at = bisect_right(self._since, instant) - 1
        moving = (s.takt_s for s in self._stretches[at:] if s.takt_s is not None)
        return next(moving, self.takt_s)

    def _after_work(self, start: datetime, seconds: float) -> datetime:
        """What the calendar does not speak of counts as work: a plant that has outlived its
        calendar still gets its calls."""
        if self._calendar is None:
            return start + timedelta(seconds=seconds)
        first, last = self._calendar.bounds
        if start < first:
            before = (first - start).total_seconds()
            if seconds <= before:
                return start + timedelta(seconds=seconds)
            start, seconds = first, seconds - before
        if start < last:
            inside = self._calendar.working_s(start, last)
            if seconds < inside:
                return self._calendar.after(start, seconds)
            start, seconds = last, seconds - inside
        return start + timedelta(seconds=seconds)

    def _worked_s(self, start: datetime, end: datetime) -> float:
        if self._calendar is None:
            return (end - start).total_seconds()
        first, last = self._calendar.bounds
        inside = self._calendar.working_s(min(max(start, first), last), max(min(end, last), first))
        before = (min(end, first) - start).total_seconds() if start < first else 0.0
        beyond = (end - max(start, last)).total_seconds() if end > last else 0.0
        return before + inside + beyond


def load_clock(connection: psycopg.Connection, plant: str, now: datetime) -> PlantClock:
    """The plant's clock by its tables. A stop that has not ended is taken to end when it is
    expected to, but not before `now`. Raises `LookupError` for a plant that is not there."""
    return ask_clock(connection, plant, now)()


def ask_clock(
    connection: psycopg.Connection, plant: str, now: datetime
) -> Callable[[], PlantClock]:
    """The same, to be called when the clock is needed; until then nobody waits for the answer."""
    cursor = connection.execute(_PLANT, {"plant": plant, "now": now})

    def clock() -> PlantClock:
        row = cursor.fetchone()
        if row is None:
            raise LookupError(f"no plant {plant}")
        takt_s, calendar, since, takts, began, ended = row
        return PlantClock(
            calendar_of(calendar, takt_s),
            takt_s,
            list(zip(since, takts, strict=True)),
            zip(began, ended, strict=True),
        )

    return clock


def calendar_of(stored: dict[str, Any] | None, takt_s: float) -> ShiftCalendar | None:
    """The calendar as `plant.calendar` holds it."""
    return None if stored is None else _calendar(json.dumps(stored, sort_keys=True), takt_s)


@lru_cache(maxsize=16)
def _calendar(text: str, takt_s: float) -> ShiftCalendar:
    """Worked out once: a pass cannot wait for years of shifts."""
    return shift_calendar(WorkEntry.model_validate_json(text), takt_s)


def _stretches(
    takt_s: float,
    takts: Sequence[tuple[datetime, float]],
    stops: list[tuple[datetime, datetime]],
) -> list[_Stretch]:
    stops = [(began, ended) for began, ended in stops if ended > began]
    instants = {_EVER, *(since for since, _ in takts), *(at for stop in stops for at in stop)}
    since = [at for at, _ in takts]
    found = []
    for instant in sorted(instants):
        holds = bisect_right(since, instant) - 1
        stands = any(began <= instant < ended for began, ended in stops)
        moves = takts[holds][1] if holds >= 0 else takt_s
        found.append(_Stretch(instant, None if stands else moves))
    return found
