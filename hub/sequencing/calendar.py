"""The plant's clock: when it works, and when the cars of a sequence start.

A car starts every takt, but only working time counts: shifts and overtime, less breaks and stops.
All of it is worked out once into intervals of working time with the time worked before each, in
microseconds; an instant or an amount of working time is then found by bisection.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from hub.orders.problems import did_you_mean, nearest
from hub.sequencing import kernels
from hub.sequencing.model import InstanceError

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
DAYS_AT_MOST = 3_660
"""Ten years. All of a calendar is worked out at once, and one without an end is a mistake."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_DAY = timedelta(days=1)
_FOREVER_S = 1e12
"""Longer than the years that dates can have, and still a 64-bit number of microseconds."""
_YEARS = range(MINYEAR + 1, MAXYEAR)
"""Those from which a time zone or a night leads into no year without a date."""


class CalendarError(InstanceError):
    """The calendar contradicts itself, or is too short for what is asked of it."""


@dataclass(frozen=True, slots=True)
class Break:
    """A break in a shift. It lasts as long as the clock says on a day when no clock changes."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Shift:
    """A time of work that comes again on days of the week, on dates, or both."""

    name: str
    start: time
    end: time
    """Not after `start`: it ends on the next day."""
    weekdays: frozenset[Weekday] = frozenset()
    """Days on which it starts."""
    dates: frozenset[date] = frozenset()
    breaks: tuple[Break, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of time. What has no time zone is meant by the plant's clock."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class ShiftCalendar:
    """When the plant works, by the clock of its time zone, on the days `first` to `last`.

    A shift belongs to the day it starts on, and may end on the next. Where the zone's clock is put
    forward, a time that it skips is when it jumps; where it is put back, the first of two is meant.
    Every instant given may lack a time zone and is then one of the plant's clock; every instant
    returned is in UTC. Positions count from 1. Raises `CalendarError` if it contradicts itself.
    """

    zone: str
    """As the tz database names it: Europe/Berlin."""
    takt_s: float
    """Working time from one car to the next; counts in whole microseconds."""
    first: date
    last: date
    shifts: tuple[Shift, ...] = ()
    stops: tuple[Span, ...] = ()
    """Nothing is worked in these, whatever else is said."""
    overtime: tuple[Span, ...] = ()
    """Work outside the shifts."""
    _clock: _Clock = field(init=False, repr=False, compare=False)
    _takt: int = field(init=False, repr=False, compare=False)
    """In microseconds."""
    _bounds: tuple[int, int] = field(init=False, repr=False, compare=False)
    """The midnight before the first day; that after the last one, or the end of work if later."""
    _opens: array[int] = field(init=False, repr=False, compare=False)
    """Beginning of each interval of working time."""
    _worked: array[int] = field(init=False, repr=False, compare=False)
    """Working time before each interval; at the end, all of it."""

    def __post_init__(self) -> None:
        takt = _microseconds(self.takt_s) if math.isfinite(self.takt_s) else 0
        if takt < 1:
            raise CalendarError(f"takt of {self.takt_s:g} s: a number above 0")
        if self.first > self.last:
            raise CalendarError(f"the calendar runs from {self.first} to {self.last}: no day")
        if (self.last - self.first).days >= DAYS_AT_MOST:
            raise CalendarError(
                f"the calendar runs from {self.first} to {self.last}: at most {DAYS_AT_MOST:,} days"
            )
        _check_year(self.first)
        _check_year(self.last)
        for shift in self.shifts:
            _check_shift(shift, self.first, self.last)
        clock = _Clock(self.zone)
        for what, spans in (("stop", self.stops), ("overtime", self.overtime)):
            for span in spans:
                if clock.us(span.start) >= clock.us(span.end):
                    raise CalendarError(f"{what} {span}: ends before it begins")
        first = clock.us(datetime.combine(self.first, time()))
        last = clock.us(datetime.combine(self.last, time()) + _DAY)
        for span in self.overtime:
            if not first <= clock.us(span.start) < last:
                raise CalendarError(
                    f"overtime {span} is outside the calendar, {self.first} to {self.last}"
                )
        work = self._work(clock)
        intervals = list(_less(work, _merged(self._rest(clock))))
        worked = array("q", [0])
        for start, end in intervals:
            worked.append(worked[-1] + end - start)
        for name, value in (
            ("_clock", clock),
            ("_takt", takt),
            ("_bounds", (first, max([last, *(end for _, end in work[-1:])]))),
            ("_opens", array("q", [start for start, _ in intervals])),
            ("_worked", worked),
        ):
            object.__setattr__(self, name, value)

    def times(self, start: datetime, cars: int, lead_s: float = 0.0) -> array[int]:
        """When the cars start, in microseconds since 1970: int64[cars].

        Car i (from 0) starts when i takts of working time have passed since `start`; what falls on
        the end of work falls on the beginning of the next. With a lead: when so many seconds of
        working time have passed since its start. Raises `CalendarError` if the calendar ends
        before.
        """
        before = self._worked_at(self._within(start))
        holds = max(0, -(-(self._worked[-1] - before) // self._takt))
        if cars > holds:
            raise CalendarError(
                f"{cars:,} cars, but the calendar holds {holds:,} from {self._shown(start)} until "
                f"its end, {self._end}; fewer cars or more days"
            )
        lead = _amount(lead_s)
        if cars and before + lead + (cars - 1) * self._takt >= self._worked[-1]:
            at = self._instant(before + (cars - 1) * self._takt)
            raise CalendarError(
                f"a lead of {lead_s:,g} s of working time after car {cars:,}, which starts "
                f"{self._shown(at)}, runs over the end of the calendar, {self._end}; give it more "
                "days"
            )
        return kernels.working_instants(self._opens, self._worked, before + lead, self._takt, cars)

    def start_of(self, start: datetime, position: int) -> datetime:
        """When the car at this position starts, if the first starts at `start`; as in `times`."""
        if position < 1:
            raise CalendarError(f"position {position:,}: positions count from 1")
        return self.after(start, (position - 1) * self._takt / _SECOND_US)

    def position_at(self, start: datetime, instant: datetime) -> int:
        """The last position whose car has started by `instant`, if the first starts at `start`.

        0 if none has.
        """
        return self._cars_before(start, self._within(instant) + 1)

    def capacity(self, start: datetime, end: datetime) -> int:
        """Cars that start before `end`, if the first starts at `start`."""
        return self._cars_before(start, self._within(end))

    def after(self, start: datetime, working_s: float) -> datetime:
        """The instant when so many seconds of working time have passed since `start`."""
        worked = self._worked_at(self._within(start)) + _amount(working_s)
        if worked >= self._worked[-1]:
            raise CalendarError(
                f"{working_s:,g} s of working time after {self._shown(start)} run over the end of "
                f"the calendar, {self._end}"
            )
        return self._instant(worked)

    def working_s(self, start: datetime, end: datetime) -> float:
        """Working time between two instants; below 0 if `end` lies first."""
        worked = self._worked_at(self._within(end)) - self._worked_at(self._within(start))
        return worked / _SECOND_US

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """What the calendar speaks of: its first midnight, and the end of its last day, or of work
        if that is later."""
        first, last = self._bounds
        return instant_of(first), instant_of(last)

    def shifts_in_utc(self) -> Iterator[tuple[str, datetime, datetime]]:
        """Each shift by its beginning, with its name and when it starts and ends."""
        spans = [(shift.name, _span_of(shift, day)) for shift, day in self._occurrences()]
        found = [
            (name, instant_of(self._clock.us(span.start)), instant_of(self._clock.us(span.end)))
            for name, span in spans
        ]
        yield from sorted(found, key=itemgetter(1))

    def _work(self, clock: _Clock) -> list[tuple[int, int]]:
        """Shifts and overtime in order, which do not overlap."""
        found = [
            (clock.us(span.start), clock.us(span.end), f"overtime {span}") for span in self.overtime
        ]
        for shift, day in self._occurrences():
            span = _span_of(shift, day)
            found.append((clock.us(span.start), clock.us(span.end), f"shift {shift.name}, {span}"))
        found.sort()
        for (_, end, one), (start, _, other) in pairwise(found):
            if start < end:
                raise CalendarError(f"{one}, overlaps {other}")
        return [(start, end) for start, end, _ in found]

    def _rest(self, clock: _Clock) -> list[tuple[int, int]]:
        """Breaks and stops, by their beginning."""
        found = [(clock.us(span.start), clock.us(span.end)) for span in self.stops]
        for shift, day in self._occurrences():
            span = _span_of(shift, day)
            end_of_shift = clock.us(span.end)
            for pause in shift.breaks:
                after, length = _place(shift, pause)
                start = clock.us(span.start + after)
                found.append((start, min(start + length // _MICROSECOND, end_of_shift)))
        return sorted(found)

    def _occurrences(self) -> Iterator[tuple[Shift, date]]:
        for number in range((self.last - self.first).days + 1):
            day = self.first + number * _DAY
            for shift in self.shifts:
                if WEEKDAYS[day.weekday()] in shift.weekdays or day in shift.dates:
                    yield shift, day

    def _within(self, instant: datetime) -> int:
        """An instant in microseconds; `CalendarError` if the calendar says nothing of it."""
        at = self._clock.us(instant)
        first, last = self._bounds
        if not first <= at <= last:
            raise CalendarError(
                f"{self._shown(instant)} lies outside the calendar, {self.first} to {self.last}"
            )
        return at

    def _cars_before(self, start: datetime, end: int) -> int:
        worked = self._worked_at(end) - self._worked_at(self._within(start))
        return max(0, -(-worked // self._takt))

    def _worked_at(self, at: int) -> int:
        """Working time from the beginning of the calendar to an instant."""
        interval = bisect_right(self._opens, at) - 1
        if interval < 0:
            return 0
        return min(self._worked[interval] + at - self._opens[interval], self._worked[interval + 1])

    def _instant(self, worked: int) -> datetime:
        """When so much, less than all, has been worked since the calendar began."""
        interval = bisect_right(self._worked, worked) - 1
        return instant_of(self._opens[interval] + worked - self._worked[interval])

    def _shown(self, instant: datetime) -> str:
        return self._clock.shown(self._clock.us(instant))

    @property
    def _end(self) -> str:
        if not self._opens:
            return f"{self.last}, without any working time"
        return self._clock.shown(self._opens[-1] + self._worked[-1] - self._worked[-2])


def instant_of(us: int) -> datetime:
    """Microseconds since 1970 as an instant in UTC."""
    return _EPOCH + timedelta(microseconds=us)


class _Clock:
    """The wall clock of a time zone, against microseconds since 1970."""

    def __init__(self, zone: str) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            near = nearest(zone, available_timezones())
            hint = near or "; a name of the tz database, as Europe/Berlin"
            raise CalendarError(f"no time zone {zone!r}{hint}") from None

    def us(self, instant: datetime) -> int:
        """An instant; without a time zone, the first at which this clock shows it or more."""
        _check_year(instant)
        if instant.tzinfo is not None:
            return (instant - _EPOCH) // _MICROSECOND
        before = instant.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        if before.astimezone(self._zone).replace(tzinfo=None, fold=0) == instant:
            return (before - _EPOCH) // _MICROSECOND
        # The clock skips this time. It jumps between the two readings that the offsets before and
        # after give, at a whole second as all changes of clocks do.
        jump = instant.replace(tzinfo=self._zone, fold=1).astimezone(UTC).replace(microsecond=0)
        low, high = 0, math.ceil((before - jump).total_seconds())
        while low < high:
            middle = (low + high) // 2
            shown = (jump + timedelta(seconds=middle)).astimezone(self._zone)
            if shown.replace(tzinfo=None) >= instant:
                high = middle
            else:
                low = middle + 1
        return (jump - _EPOCH) // _MICROSECOND + low * _SECOND_US

    def shown(self, us: int) -> str:
        return f"{instant_of(us).astimezone(self._zone):%Y-%m-%d %H:%M %Z}"


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same time as spans that do not overlap; both by their beginning."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _less(
    work: Iterable[tuple[int, int]], rest: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """What is left of `work` without `rest`; both by their beginning and without overlaps."""
    following = 0
    for start, end in work:
        at = start
        while following < len(rest) and rest[following][0] < end:
            rest_start, rest_end = rest[following]
            if rest_start > at:
                yield at, rest_start
            at = max(at, rest_end)
            if rest_end > end:  # and so it may touch the next work
                break
            following += 1
        if at < end:
            yield at, end


def _microseconds(seconds: float) -> int:
    return round(min(seconds, _FOREVER_S) * _SECOND_US)


def _amount(seconds: float) -> int:
    """An amount of working time in microseconds."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise CalendarError(f"working time of {seconds:g} s: a number from 0 up")
    return _microseconds(seconds)


def _check_year(day: date) -> None:
    if day.year not in _YEARS:
        raise CalendarError(f"{day}: the calendar knows the years {_YEARS[0]} to {_YEARS[-1]}")


def _span_of(shift: Shift, day: date) -> Span:
    """The shift that starts on this day, by the plant's clock."""
    start = datetime.combine(day, shift.start)
    end = datetime.combine(day, shift.end)
    return Span(start, end if end > start else end + _DAY)


def _place(shift: Shift, pause: Break) -> tuple[timedelta, timedelta]:
    """(from the start of the shift to the break, length of the break), by the clock, below a day.

    A break that is not in its shift seems to begin or to end behind the end of it.
    """
    day = date(2000, 1, 1)
    begins = datetime.combine(day, pause.start)
    return (
        (begins - datetime.combine(day, shift.start)) % _DAY,
        (datetime.combine(day, pause.end) - begins) % _DAY,
    )


def _check_shift(shift: Shift, first: date, last: date) -> None:
    shown = f"shift {shift.name}, {shift.start:%H:%M} to {shift.end:%H:%M}"
    if not shift.weekdays and not shift.dates:
        raise CalendarError(f"{shown}: starts on no day; give weekdays or dates")
    for day in sorted(shift.weekdays):
        if day not in WEEKDAYS:
            raise CalendarError(f"{shown}: no weekday {day!r}{did_you_mean(day, WEEKDAYS)}")
    for on in sorted(shift.dates):
        if not first <= on <= last:
            raise CalendarError(f"{shown}: {on} is outside the calendar, {first} to {last}")
    own = shift.start, shift.end
    if any(at.tzinfo for at in (*own, *(at for b in shift.breaks for at in (b.start, b.end)))):
        raise CalendarError(f"{shown}: is by the plant's clock; leave out the time zones")
    span = _span_of(shift, first)
    pauses = sorted(((*_place(shift, pause), pause) for pause in shift.breaks), key=itemgetter(0))
    for after, length, pause in pauses:
        if not length or after + length > span.end - span.start:
            raise CalendarError(f"{shown}: the break {_shown(pause)} is not inside it")
    for (after, length, one), (next_after, _, other) in pairwise(pauses):
        if after + length > next_after:
            raise CalendarError(f"{shown}: breaks {_shown(one)} and {_shown(other)} overlap")


def _shown(pause: Break) -> str:
    return f"{pause.start:%H:%M} to {pause.end:%H:%M}"
