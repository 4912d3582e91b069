"""The plant's clock: a car moves a place each takt of work, and none while the line stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.calls.clock import PlantClock, load_clock
from hub.orders.calendar_entry import WorkEntry, shift_calendar
from hub.store import Database
from tests.hub.calls.world import PLANT, make_world

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SHIFTS = shift_calendar(
    WorkEntry.model_validate(
        {
            "zone": "UTC",
            "first": "2026-03-02",
            "last": "2026-03-06",
            "shifts": [
                {
                    "name": "early",
                    "start": "06:00",
                    "end": "14:00",
                    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
                    "breaks": [{"start": "09:00", "end": "09:30"}],
                }
            ],
        }
    ),
    60,
)


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def test_without_a_calendar_a_lead_is_a_lead() -> None:
    assert PlantClock(None, 60).after(at(0), 600) == at(1 / 6)


@pytest.mark.parametrize(
    ("start", "lead_h", "there"),
    [
        (7, 1, 8),
        (8.5, 1, 10),  # over the break
        (13, 2, 24 + 7),  # over the night
        (3, 1, 7),  # called in the night
        (-1, 2, 7),  # before the calendar begins every hour is work: one, then one of the shift
        (4 * 24 + 13.5, 2, 5 * 24 + 1.5),  # beyond it too
        (6 * 24, 1, 6 * 24 + 1),
    ],
)
def test_only_work_counts(start: float, lead_h: float, there: float) -> None:
    assert PlantClock(SHIFTS, 60).after(at(start), lead_h * 3600) == at(there)


def test_a_stop_moves_what_is_behind_it_alone() -> None:
    clock = PlantClock(SHIFTS, 60, stops=[(at(7), at(7.5)), (at(7.25), at(7.75))])
    assert clock.after(at(6), 1800) == at(6.5)
    assert clock.after(at(6), 7200) == at(8.75)
    assert clock.after(at(7.1), 900) == at(8)


def test_another_takt_moves_the_places_that_are_left() -> None:
    """10 places at 60 s; from the fifth on a place takes 120 s."""
    clock = PlantClock(None, 60, [(at(0) + timedelta(seconds=300), 120)])
    assert clock.after(at(0), 600) == at(0) + timedelta(seconds=300 + 600)
    assert clock.takt_at(at(0)) == 60
    assert clock.takt_at(at(1)) == 120


hours = st.floats(-24, 24 * 8, allow_nan=False)


@given(
    starts=st.tuples(hours, hours),
    lead_h=st.floats(0, 60),
    stops=st.lists(st.tuples(hours, st.floats(0.01, 5)), max_size=4),
    takts=st.lists(st.tuples(hours, st.floats(1, 300)), max_size=3, unique_by=lambda t: t[0]),
    calendar=st.sampled_from([None, SHIFTS]),
)
def test_the_order_of_cars_is_kept_whatever_happens(
    starts: tuple[float, float],
    lead_h: float,
    stops: list[tuple[float, float]],
    takts: list[tuple[float, float]],
    calendar: object,
) -> None:
    clock = PlantClock(
        SHIFTS if calendar else None,
        60,
        sorted((at(since), takt) for since, takt in takts),
        [(at(began), at(began + length)) for began, length in stops],
    )
    first, second = sorted(at(start) for start in starts)
    one, other = clock.after(first, lead_h * 3600), clock.after(second, lead_h * 3600)
    assert one <= other
    assert one >= first


def test_the_clock_of_a_plant_is_what_its_tables_say(database: Database) -> None:
    make_world(database, 0)
    with database.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO takt (plant, since, owner, takt_s, set_by, message_id) "
            "VALUES ('P1', %s, 'carmaker', 90, 'me', 'm1')",
            (at(2),),
        )
        connection.execute(
            "INSERT INTO line_stop (plant, owner, cause, began_at, ended_at, expected_end_at, "
            "message_id) VALUES ('P1', 'carmaker', 'x', %s, %s, null, 'a'), "
            "('P1', 'carmaker', 'x', %s, null, %s, 'b')",
            (at(1), at(1.5), at(3), at(4)),
        )
        clock = load_clock(connection, PLANT, at(3.25))
        later = load_clock(connection, PLANT, at(5))
        with pytest.raises(LookupError, match="no plant P9"):
            load_clock(connection, "P9", at(0))
    assert clock.after(at(0), 3600 * 1.5) == at(2)
    assert clock.after(at(2), 2400 + 2400) == at(5)  # an hour of work at 90 s, the stop, another
    assert later.after(at(2), 2400 + 2400) == at(6)  # it stands longer than expected
