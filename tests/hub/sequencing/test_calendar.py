"""The plant's clock: against a walk through the minutes, when clocks change, and its refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sequencing.calendar import (
    WEEKDAYS,
    Break,
    CalendarError,
    Shift,
    ShiftCalendar,
    Span,
    Weekday,
    instant_of,
)

MONDAY = date(2026, 11, 23)
WORKDAYS: frozenset[Weekday] = frozenset(("mon", "tue", "wed", "thu", "fri"))
EARLY = Shift("early", time(6), time(14), WORKDAYS, breaks=(Break(time(9), time(9, 30)),))
LATE = Shift("late", time(14), time(22), WORKDAYS, breaks=(Break(time(18), time(18, 30)),))
NIGHT = Shift("night", time(22), time(6), WORKDAYS, breaks=(Break(time(2), time(2, 30)),))
WEEK = ShiftCalendar("UTC", 60, MONDAY, MONDAY + timedelta(days=6), (EARLY, LATE))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def starts(calendar: ShiftCalendar, start: datetime, cars: int) -> list[datetime]:
    return [instant_of(us) for us in calendar.times(start, cars)]


def test_cars_start_in_working_time_only(kernels: ModuleType) -> None:
    found = starts(WEEK, at(23, 8, 58), 4)
    assert found == [at(23, 8, 58), at(23, 8, 59), at(23, 9, 30), at(23, 9, 31)]


def test_from_one_day_to_the_next_and_over_the_weekend(kernels: ModuleType) -> None:
    assert starts(WEEK, at(23, 21, 59), 2) == [at(23, 21, 59), at(24, 6)]
    assert starts(WEEK, at(23, 3), 1) == [at(23, 6)]
    two_weeks = replace(WEEK, last=date(2026, 12, 6))
    assert starts(two_weeks, at(27, 21, 59), 2) == [at(27, 21, 59), at(30, 6)]


def test_a_lead_counts_working_time(kernels: ModuleType) -> None:
    assert WEEK.after(at(23, 8), 4 * 3600) == at(23, 12, 30)  # over the break
    assert WEEK.after(at(23, 20), 4 * 3600) == at(24, 8)  # over the night
    assert instant_of(WEEK.times(at(23, 8), 1, lead_s=4 * 3600)[0]) == at(23, 12, 30)
    assert WEEK.working_s(at(23, 8), at(23, 12, 30)) == 4 * 3600


def test_a_stop_moves_what_comes_after(kernels: ModuleType) -> None:
    stopped = replace(WEEK, stops=(Span(at(23, 7), at(23, 7, 20)), Span(at(23, 7, 10), at(23, 8))))
    assert starts(stopped, at(23, 6, 59), 2) == [at(23, 6, 59), at(23, 8)]
    assert stopped.capacity(at(23, 6), at(23, 14)) == 450 - 60


def test_overtime_works_outside_the_shifts(kernels: ModuleType) -> None:
    longer = replace(WEEK, overtime=(Span(datetime(2026, 11, 28, 6), datetime(2026, 11, 28, 8)),))
    assert longer.capacity(at(28, 0), at(29, 0)) == 120
    assert starts(longer, at(27, 21, 59), 2) == [at(27, 21, 59), at(28, 6)]


def test_positions_and_instants(kernels: ModuleType) -> None:
    start = at(23, 6)
    assert WEEK.start_of(start, 1) == start
    assert WEEK.start_of(start, 181) == at(23, 9, 30)
    assert WEEK.position_at(start, at(23, 6)) == 1
    assert WEEK.position_at(start, at(23, 6) - timedelta(microseconds=1)) == 0
    assert WEEK.position_at(start, at(23, 9, 15)) == 180  # 181 waits for the end of the break
    assert WEEK.position_at(start, at(23, 9, 30)) == 181
    assert WEEK.position_at(start, at(24, 0)) == WEEK.capacity(start, at(24, 0)) == 900


def test_a_takt_of_parts_of_a_second(kernels: ModuleType) -> None:
    found = replace(WEEK, takt_s=57.6).times(at(23, 6), 101)
    assert found[100] - found[0] == 5_760_000_000


@pytest.mark.parametrize(
    ("night", "hours"),
    [(date(2026, 3, 28), 7), (date(2026, 10, 24), 9), (date(2026, 7, 4), 8)],
    ids=["clock put forward", "clock put back", "clock kept"],
)
def test_a_night_shift_ends_by_the_clock(night: date, hours: int) -> None:
    shift = replace(NIGHT, weekdays=frozenset(), dates=frozenset({night}), breaks=())
    calendar = ShiftCalendar("Europe/Berlin", 60, night, night, (shift,))
    begin = datetime.combine(night, time(22), ZoneInfo("Europe/Berlin"))
    end = datetime.combine(night + timedelta(days=1), time(5, 59), ZoneInfo("Europe/Berlin"))
    assert calendar.capacity(begin, end) == 60 * hours - 1
    assert calendar.start_of(begin, 60 * hours) == end


@pytest.mark.parametrize("night", [date(2026, 3, 28), date(2026, 10, 24)], ids=["spring", "autumn"])
@pytest.mark.parametrize("begins", [time(1, 45), time(2), time(2, 15), time(2, 45), time(3)])
def test_a_break_keeps_its_length_when_the_clock_changes(night: date, begins: time) -> None:
    ends = (datetime.combine(night, begins) + timedelta(minutes=30)).time()
    shift = Shift("night", time(22), time(6), dates=frozenset({night}))
    without = ShiftCalendar("Europe/Berlin", 60, night, night, (shift,))
    with_break = replace(without, shifts=(replace(shift, breaks=(Break(begins, ends),)),))
    span = datetime.combine(night, time(22)), datetime.combine(night + timedelta(days=1), time(6))
    assert without.capacity(*span) - with_break.capacity(*span) == 30


def test_a_time_the_clock_skips_is_when_it_jumps(kernels: ModuleType) -> None:
    night = date(2026, 3, 29)
    shift = Shift("odd", time(2, 30), time(4), dates=frozenset({night}))
    calendar = ShiftCalendar("Europe/Berlin", 60, night, night, (shift,))
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert starts(calendar, datetime(2026, 3, 29), 1) == [jump]
    assert calendar.capacity(jump, jump + timedelta(hours=5)) == 60


minutes = st.integers(0, 24 * 60 - 1)
days: st.SearchStrategy[frozenset[Weekday]] = st.frozensets(
    st.sampled_from(WEEKDAYS[:3]), min_size=1
)


@st.composite
def calendars(draw: st.DrawFn) -> ShiftCalendar:
    """Three days of up to three shifts, with breaks and stops, and overtime on the fourth."""
    borders = sorted(draw(st.sets(minutes, min_size=2, max_size=4)))
    shifts = []
    for number, (a, b) in enumerate(pairwise(borders)):
        inner = sorted(draw(st.sets(st.integers(a, b), max_size=4)))
        pauses = [Break(clock(x), clock(y)) for x, y in zip(inner[::2], inner[1::2], strict=False)]
        shifts.append(Shift(f"s{number}", clock(a), clock(b), draw(days), breaks=tuple(pauses)))
    stops = draw(st.lists(st.tuples(st.integers(0, 3 * 24 * 60), st.integers(1, 300)), max_size=4))
    midnight = datetime.combine(MONDAY, time())
    over = midnight + timedelta(days=3)
    return ShiftCalendar(
        "UTC",
        60 * draw(st.integers(1, 9)),
        MONDAY,
        MONDAY + timedelta(days=3),
        tuple(shifts),
        tuple(
            Span(midnight + timedelta(minutes=a), midnight + timedelta(minutes=a + n))
            for a, n in stops
        ),
        () if draw(st.booleans()) else (Span(over, over + timedelta(hours=30)),),
    )


def clock(minute: int) -> time:
    return time(minute // 60, minute % 60)


def worked_minutes(calendar: ShiftCalendar) -> list[datetime]:
    """The minutes that are worked, found by asking each."""
    found = []
    for number in range(5 * 24 * 60):
        minute = datetime.combine(MONDAY, time()) + timedelta(minutes=number)
        shift = any(
            WEEKDAYS[minute.weekday()] in shift.weekdays
            and shift.start <= minute.time() < shift.end
            and not any(p.start <= minute.time() < p.end for p in shift.breaks)
            for shift in calendar.shifts
        )
        extra = any(span.start <= minute < span.end for span in calendar.overtime)
        stopped = any(span.start <= minute < span.end for span in calendar.stops)
        if (shift or extra) and not stopped:
            found.append(minute.replace(tzinfo=UTC))
    return found


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=30,
)
@given(calendar=calendars(), begin=st.integers(0, 3 * 24 * 60), share=st.floats(0, 1))
def test_all_figures_agree_with_a_walk_through_the_minutes(
    kernels: ModuleType, calendar: ShiftCalendar, begin: int, share: float
) -> None:
    start = datetime.combine(MONDAY, time(), UTC) + timedelta(minutes=begin)
    worked = [minute for minute in worked_minutes(calendar) if minute >= start]
    takt = int(calendar.takt_s) // 60
    expected = worked[::takt]
    assert starts(calendar, start, len(expected)) == expected
    with pytest.raises(CalendarError, match=f"but the calendar holds {len(expected):,} from"):
        calendar.times(start, len(expected) + 1)
    end = start + (datetime.combine(calendar.last, time(), UTC) - start) * share
    if end > start:
        assert calendar.capacity(start, end) == sum(minute < end for minute in expected)
        assert calendar.position_at(start, end) == sum(minute <= end for minute in expected)
        assert calendar.working_s(start, end) <= (end - start).total_seconds()
    for position in range(1, len(expected) + 1, 97):
        assert calendar.start_of(start, position) == expected[position - 1]
    lead = int(share * len(worked))
    moved = worked[lead::takt]
    if moved:
        found = calendar.times(start, len(moved), lead_s=60 * lead)
        assert [instant_of(us) for us in found] == moved


def test_a_stop_at_the_end_of_the_last_night_lies_in_the_calendar() -> None:
    night = replace(NIGHT, dates=frozenset({MONDAY}), weekdays=frozenset(), breaks=())
    stop = Span(at(24, 5), at(24, 7))
    calendar = ShiftCalendar("UTC", 60, MONDAY, MONDAY, (night,), (stop,))
    assert calendar.capacity(at(23, 22), at(24, 6)) == 7 * 60
    assert calendar.position_at(at(23, 22), at(24, 5, 30)) == 7 * 60
    stopped = replace(calendar, stops=(Span(at(23, 0), at(25, 0)),))
    assert stopped.capacity(at(23, 22), at(24, 6)) == 0


def test_breaks_may_touch_one_another_and_the_ends_of_the_shift(kernels: ModuleType) -> None:
    pauses = (
        Break(time(6), time(6, 10)),
        Break(time(6, 10), time(6, 20)),
        Break(time(13), time(14)),
    )
    calendar = replace(WEEK, shifts=(replace(EARLY, breaks=pauses), LATE))
    assert starts(calendar, at(23, 6), 1) == [at(23, 6, 20)]
    assert starts(calendar, at(23, 12, 59), 2) == [at(23, 12, 59), at(23, 14)]
    all_day = Break(time(6), time(14))
    assert starts(
        replace(WEEK, shifts=(replace(EARLY, breaks=(all_day,)), LATE)), at(23, 6), 1
    ) == [at(23, 14)]


def test_no_cars_need_no_calendar(kernels: ModuleType) -> None:
    idle = replace(WEEK, shifts=())
    assert not idle.times(at(23, 6), 0, lead_s=3600)
    assert not WEEK.times(at(29, 23), 0, lead_s=3600)


def test_one_car_needs_no_end_of_its_takt(kernels: ModuleType) -> None:
    for takt_s in (1e9, 1e300, 1e308):
        assert starts(replace(WEEK, takt_s=takt_s), at(23, 7), 1) == [at(23, 7)]


def test_a_stop_over_months_of_breaks_takes_no_square() -> None:
    hours = tuple(
        Shift(str(h), time(h), time((h + 1) % 24), frozenset(WEEKDAYS), breaks=(pause,))
        for h in range(24)
        for pause in [Break(time(h, 10), time(h, 20))]
    )
    end = MONDAY + timedelta(days=180)
    stop = Span(at(23, 0), datetime.combine(end, time(12), UTC))
    calendar = ShiftCalendar("UTC", 60, MONDAY, end, hours, (stop,))
    assert calendar.capacity(at(23, 0), stop.end + timedelta(hours=2)) == 2 * 50


def test_a_calendar_that_is_too_short_says_how_many_cars_it_holds() -> None:
    day = replace(WEEK, last=MONDAY)
    with pytest.raises(
        CalendarError,
        match=r"^1,200 cars, but the calendar holds 900 from 2026-11-23 06:00 UTC until its end, "
        r"2026-11-23 22:00 UTC; fewer cars or more days$",
    ):
        day.times(at(23, 6), 1200)
    with pytest.raises(CalendarError, match=r"a lead of 3,600 s .* after car 900, .* 21:59 UTC"):
        day.times(at(23, 6), 900, lead_s=3600)
    with pytest.raises(CalendarError, match="run over the end of the calendar"):
        day.after(at(23, 21, 30), 1800)
    with pytest.raises(CalendarError, match=r"holds 0 from .* without any working time"):
        replace(day, shifts=()).times(at(23, 6), 1)
    with pytest.raises(CalendarError, match="2026-11-25 06:00 UTC lies outside the calendar"):
        day.times(at(25, 6), 1)
    with pytest.raises(CalendarError, match=r"a lead of 1e\+308 s of working time after car 1,"):
        day.times(at(23, 6), 1, lead_s=1e308)
    with pytest.raises(CalendarError, match="position 0: positions count from 1"):
        day.start_of(at(23, 6), 0)
    with pytest.raises(
        CalendarError, match=r"0001-01-01 .*: the calendar knows the years 2 to 9998"
    ):
        day.times(datetime.min.replace(tzinfo=UTC), 1)
    with pytest.raises(CalendarError, match="working time of -1 s"):
        day.after(at(23, 6), -1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"takt_s": 0}, "takt of 0 s: a number above 0"),
        ({"takt_s": float("nan")}, "takt of nan s"),
        ({"zone": "Europe/Berln"}, "no time zone 'Europe/Berln'; did you mean Europe/Berlin?"),
        ({"zone": "../etc"}, "no time zone '../etc'; a name of the tz database"),
        ({"last": date(2026, 1, 1)}, "from 2026-11-23 to 2026-01-01: no day"),
        ({"last": date.max}, "to 9999-12-31: at most 3,660 days"),
        ({"first": date.max, "last": date.max}, "9999-12-31: the calendar knows the years 2 to"),
        ({"first": date.min, "last": date.min}, "0001-01-01: the calendar knows the years 2 to"),
        ({"stops": (Span(datetime.min, datetime.max),)}, "0001-01-01 00:00:00: the calendar knows"),
        (
            {"shifts": (replace(EARLY, end=time(14, tzinfo=UTC)),)},
            "shift early, 06:00 to 14:00: is by the plant's clock; leave out the time zones",
        ),
        (
            {"shifts": (EARLY, replace(LATE, start=time(13, 30)))},
            "shift early, 2026-11-23 06:00 to 2026-11-23 14:00, overlaps "
            "shift late, 2026-11-23 13:30 to 2026-11-23 22:00",
        ),
        (
            {"shifts": (EARLY, replace(NIGHT, end=time(6, 30)))},
            "shift night, 2026-11-23 22:00 to 2026-11-24 06:30, overlaps "
            "shift early, 2026-11-24 06:00",
        ),
        (
            {"overtime": (Span(at(23, 13), at(23, 15)),)},
            "overlaps overtime 2026-11-23 13:00 to 2026-11-23 15:00",
        ),
        (
            {"shifts": (replace(EARLY, breaks=(Break(time(13, 45), time(14, 15)),)),)},
            "shift early, 06:00 to 14:00: the break 13:45 to 14:15 is not inside it",
        ),
        (
            {"shifts": (replace(NIGHT, breaks=(Break(time(21), time(21, 30)),)),)},
            "shift night, 22:00 to 06:00: the break 21:00 to 21:30 is not inside it",
        ),
        (
            {
                "shifts": (
                    replace(
                        EARLY, breaks=(Break(time(9), time(10)), Break(time(9, 59), time(10, 5)))
                    ),
                )
            },
            "breaks 09:00 to 10:00 and 09:59 to 10:05 overlap",
        ),
        (
            {"shifts": (replace(EARLY, weekdays=frozenset({"mond"})),)},  # type: ignore[arg-type]
            "no weekday 'mond'; did you mean mon?",
        ),
        ({"shifts": (replace(EARLY, weekdays=frozenset()),)}, "starts on no day"),
        (
            {"shifts": (replace(EARLY, dates=frozenset({date(2027, 1, 1)})),)},
            "2027-01-01 is outside the calendar",
        ),
        (
            {"overtime": (Span(datetime(2026, 12, 1), datetime(2026, 12, 2)),)},
            "overtime 2026-12-01 00:00 to 2026-12-02 00:00 is outside the calendar",
        ),
        ({"stops": (Span(at(23, 8), at(23, 7)),)}, "stop .* ends before it begins"),
    ],
)
def test_a_bad_calendar_is_refused_by_name(change: dict[str, object], says: str) -> None:
    with pytest.raises(CalendarError, match=says.replace("?", r"\?")):
        replace(WEEK, **change)  # type: ignore[arg-type]
