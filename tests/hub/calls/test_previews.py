"""The demand ahead of a line: forecast, planned, blocked; told whole or as what differs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from hub.calls.called import lock_plant
from hub.calls.previews import WHOLE_EVERY, records, refresh_demand
from hub.calls.release import release
from hub.orders.profile import Profile
from hub.store import Database
from protocols.jis.envelope import Records, dump_records, parse_writer_message
from protocols.jis.messages import CALL_RECORD, Demand, Preview
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at, put_in_sequence

NOW = passed_at(0)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    """Line TRIM1 is told; cars 1 to 4 are in sequence, 5 and 6 are ordered."""
    make_world(database, 6)
    with database.connect("ingest", autocommit=True) as connection:
        put_in_sequence(connection, *range(1, 5))
        agree(connection, forecast_days=30, preview_days=1)
        yield connection


def agree(connection: psycopg.Connection, **profile: Any) -> None:
    connection.execute(
        "UPDATE supplier_line SET profile = %s WHERE id = 'TRIM1'",
        (Profile(**profile).model_dump_json(),),
    )


def refresh(
    connection: psycopg.Connection, minutes: float = 0, *, whole: bool = False
) -> dict[str, int]:
    with connection.transaction():
        lock_plant(connection, OWNER, PLANT)
        return refresh_demand(connection, PLANT, NOW + timedelta(minutes=minutes), whole=whole)


def told(connection: psycopg.Connection) -> list[Preview]:
    rows = connection.execute(
        "SELECT record FROM call_outbox WHERE call IS NULL ORDER BY gateway, record_offset"
    ).fetchall()
    found = [CALL_RECORD.validate_python(row[0]) for row in rows]
    return [record for record in found if isinstance(record, Preview)]


def cars(demands: list[Demand]) -> list[tuple[int, int | None, float | None]]:
    """(car, place, minutes from now)"""
    return [
        (
            int(d.production_no),
            d.place,
            None if d.required_at is None else (d.required_at - NOW).total_seconds() / 60,
        )
        for d in demands
    ]


def test_what_is_in_sequence_is_planned_and_the_rest_forecast(
    connection: psycopg.Connection,
) -> None:
    assert refresh(connection) == {"TRIM1": 1}
    (preview,) = told(connection)
    assert preview.line == "TRIM1"
    assert cars(preview.demands) == [
        (1, 1, 10),
        (2, 2, 11),
        (3, 3, 12),
        (4, 4, 13),
        (5, None, None),
        (6, None, None),
    ]
    assert {d.part_no for d in preview.demands} == {"DT-RED"}


def test_what_comes_is_timed_from_the_last_pass(connection: psycopg.Connection) -> None:
    """One pass that a wrong clock put an hour ahead does not put off all days to come."""
    release(connection, OWNER, PLANT, POINT, "0000001", passed_at(60))
    release(connection, OWNER, PLANT, POINT, "0000002", passed_at(1))
    refresh(connection, minutes=1, whole=True)
    assert cars(told(connection)[-1].demands)[0] == (3, 3, 12)


def test_what_does_not_differ_is_not_told_again(connection: psycopg.Connection) -> None:
    refresh(connection)
    assert refresh(connection, minutes=0.5) == {}  # within the tolerance
    assert refresh(connection, minutes=5) == {"TRIM1": 2}
    assert refresh(connection, whole=True) == {"TRIM1": 3}


def test_a_delta_tells_what_differs_alone(connection: psycopg.Connection) -> None:
    agree(connection, forecast_days=30, preview_days=1, delivery="delta")
    refresh(connection)
    connection.execute(
        "UPDATE vehicle_order SET cancelled_at = now() WHERE production_no = '0000006'"
    )
    connection.execute("UPDATE vehicle_order SET colour = 'BLUE' WHERE production_no = '0000003'")
    refresh(connection)
    delta = told(connection)[-1]
    assert (delta.version, delta.based_on) == (2, 1)
    assert [(d.production_no, d.part_no) for d in delta.demands] == [("0000003", "DT-BLUE")]
    assert delta.withdrawn == [("0000006", "DOOR-TRIM")]
    assert refresh(connection, whole=True) == {"TRIM1": 3}
    assert told(connection)[-1].based_on is None


def test_now_and_then_a_version_is_whole(connection: psycopg.Connection) -> None:
    """For a gateway that could not use one before, and every one that differs from it."""
    agree(connection, forecast_days=30, preview_days=1, delivery="delta")
    for n in range(2 * WHOLE_EVERY + 1):
        refresh(connection, minutes=5 * n)
    whole = [p.version for p in told(connection) if p.based_on is None]
    assert whole == [1, WHOLE_EVERY + 1, 2 * WHOLE_EVERY + 1]


def test_a_blocked_car_stands_aside_and_all_behind_it_move_up(
    connection: psycopg.Connection,
) -> None:
    connection.execute(
        "UPDATE vehicle_order SET blocked_at = now() WHERE production_no = '0000002'"
    )
    refresh(connection)
    demands = told(connection)[-1].demands
    assert cars(demands)[:4] == [(1, 1, 10), (2, None, None), (3, 2, 11), (4, 3, 12)]
    assert [d.blocked for d in demands] == [False, True, False, False, False, False]


def test_a_call_takes_its_car_out_of_the_demand(connection: psycopg.Connection) -> None:
    refresh(connection)
    release(connection, OWNER, PLANT, POINT, "0000001", NOW)
    left = connection.execute("SELECT DISTINCT production_no FROM demand ORDER BY 1").fetchall()
    assert [number for (number,) in left] == [f"{n:07d}" for n in range(2, 7)]
    assert refresh(connection) == {}  # the call itself tells so
    refresh(connection, whole=True)
    assert cars(told(connection)[-1].demands)[0] == (2, 2, 11)


def test_what_is_too_far_away_is_not_told(connection: psycopg.Connection) -> None:
    agree(connection, preview_days=1)
    connection.execute("UPDATE plant SET takt_s = 36000")  # ten hours
    refresh(connection)
    (preview,) = told(connection)
    assert [place for _, place, _ in cars(preview.demands)] == [1, 2, 3]


def test_a_car_that_passes_a_point_of_the_profile_has_the_demand_told(
    connection: psycopg.Connection,
) -> None:
    agree(connection, preview_days=1, control_points={"BODY": "preview", "TRIM-IN": "build"})
    release(connection, OWNER, PLANT, "BODY", "0000001", NOW)
    assert len(told(connection)) == 1
    release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
    assert len(told(connection)) == 1


def test_a_line_that_asks_for_none_is_told_nothing(connection: psycopg.Connection) -> None:
    agree(connection)
    assert refresh(connection, whole=True) == {}
    assert connection.execute("SELECT count(*) FROM demand").fetchone() == (0,)


def test_a_long_version_goes_in_several_records() -> None:
    demand = Demand(production_no="1", part_group="G", part_no="P", colour="RED")
    parts = records("P1", "L", 7, 6, [demand] * 161, [("1", "G")] * 3)
    assert [(p.part, p.parts, len(p.demands), len(p.withdrawn)) for p in parts] == [
        (1, 3, 80, 3),
        (2, 3, 80, 0),
        (3, 3, 1, 0),
    ]
    assert [p.part for p in records("P1", "L", 1, None, [], [])] == [1]


def test_each_of_them_is_carried_whatever_the_names_are() -> None:
    """The longest there are, of letters that JSON writes with six bytes each."""
    name = "A" + "\x01" * 63
    demand = Demand(
        production_no=name, part_group=name, part_no=name, quantity=2**31 - 1, colour=name,
        model=name, place=10**9, required_at=datetime(2026, 3, 2, 6, 0, 0, 123456, UTC),
        day=date(2026, 3, 2), blocked=False,
    )  # fmt: skip
    told = records(name, name, 2**53 - 1, 2**53 - 2, [demand] * 200, [(name, name)] * 200)
    assert len(told) == 3
    for record in told:
        (message,) = dump_records(2**53 - 1, 2**52, [record.model_dump(mode="json")])
        assert isinstance(parse_writer_message(message), Records)
