from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from hub.calls.called import lock_plant
from hub.calls.release import Release, UnfitError, UnknownError, release
from hub.store import Database
from protocols.jis.messages import CALL_RECORD, Call
from tests.hub.calls.world import (
    OWNER,
    PLANT,
    POINT,
    add_order,
    eventually,
    make_world,
    passed_at,
)


@pytest.fixture
def world(database: Database) -> Database:
    make_world(database)
    return database


def pass_car(database: Database, number: int, point: str = POINT) -> Release:
    with database.connect("ingest") as connection:
        return release(connection, OWNER, PLANT, point, f"{number:07d}", passed_at(number))


def numbers(database: Database, query: str) -> list[object]:
    with database.connect("ingest") as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def test_a_pass_releases_the_calls_of_its_part_groups(world: Database) -> None:
    done = pass_car(world, 1)
    assert not done.repeated
    assert done.pass_no == 1
    assert [(str(call.key), call.call_no) for call in done.calls] == [
        ("P1/SEAT1/0000001/SEAT-FRONT/0", 1),
        ("P1/SEAT1/0000001/SEAT-REAR/0", 2),
        ("P1/TRIM1/0000001/DOOR-TRIM/0", 1),
    ]


def test_what_is_sent_is_the_call(world: Database) -> None:
    pass_car(world, 1)
    with world.connect("ingest") as connection:
        record = connection.execute(
            "SELECT record FROM call_outbox ORDER BY call LIMIT 1"
        ).fetchone()
    assert record is not None
    call = CALL_RECORD.validate_python(record[0])
    assert isinstance(call, Call)
    assert call.part_no == "SF-BASE"
    assert (call.rack, call.slot, call.sequence_no) == ("SEAT1-00001", 1, 1)
    assert call.called_at == passed_at(1)
    assert call.required_at - call.called_at == timedelta(seconds=600)


def test_options_and_colour_choose_the_part(world: Database) -> None:
    with world.connect("ingest") as connection:
        add_order(connection, "0000101", "BLUE", ("SPORT", "TWO-SEATER"))
        add_order(connection, "0000102", "GREEN")
    pass_car(world, 101)
    pass_car(world, 102)
    parts = numbers(world, "SELECT production_no || ' ' || part_no FROM jis_call ORDER BY id")
    assert sorted(map(str, parts)) == [
        "0000101 DT-BLUE",
        "0000101 SF-SPORT",
        "0000102 SF-BASE",
        "0000102 SR-BASE",
    ]


def test_numbers_racks_and_slots_go_on_without_a_gap(world: Database) -> None:
    for number in range(1, 8):
        pass_car(world, number)
    query = "SELECT {} FROM jis_call WHERE line = 'SEAT1' ORDER BY call_no"
    assert numbers(world, query.format("call_no")) == list(range(1, 15))
    assert numbers(world, query.format("sequence_no")) == [*range(1, 10), *range(1, 6)]
    assert numbers(world, query.format("slot")) == [1, 2, 3, 4] * 3 + [1, 2]
    assert numbers(world, query.format("rack"))[3:5] == ["SEAT1-00001", "SEAT1-00002"]


def test_a_repeated_pass_gives_the_same_answer_and_changes_nothing(world: Database) -> None:
    first = pass_car(world, 1)
    again = pass_car(world, 1)
    assert again.repeated
    assert (again.pass_no, again.calls) == (first.pass_no, first.calls)
    assert numbers(world, "SELECT count(*) FROM call_outbox") == [3]


def test_a_point_that_fixes_nothing_releases_nothing(world: Database) -> None:
    assert pass_car(world, 1, "LINE-OFF").calls == ()


def test_many_at_once_leave_no_gap(world: Database) -> None:
    """Passes of one car and of different cars, at two points, all at the same time."""
    with world.connect("ingest") as connection:
        connection.execute("UPDATE part_group SET control_point = 'BODY' WHERE id = 'SEAT-REAR'")
    threads = [
        threading.Thread(target=pass_car, args=(world, number, point))
        for number in range(1, 13)
        for point in (POINT, "BODY", POINT)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for line, count in (("SEAT1", 24), ("TRIM1", 12)):
        found = numbers(world, f"SELECT call_no FROM jis_call WHERE line = '{line}' ORDER BY 1")
        assert found == list(range(1, count + 1))
    for gateway, count in ((1, 24), (2, 12)):
        query = f"SELECT record_offset FROM call_outbox WHERE gateway = {gateway} ORDER BY 1"
        assert numbers(world, query) == list(range(count))
    assert numbers(world, "SELECT next_offset FROM call_stream ORDER BY gateway") == [24, 12]
    query = "SELECT pass_no FROM control_point_pass WHERE control_point = 'BODY' ORDER BY 1"
    assert numbers(world, query) == list(range(1, 13))


@pytest.mark.parametrize(
    ("tenant", "plant", "car"),
    [(OWNER, PLANT, "0000999"), (OWNER, "P2", "0000001"), ("seatworks", PLANT, "0000001")],
    ids=["order", "plant", "another tenant's plant"],
)
def test_what_is_not_known_is_refused_and_leaves_nothing(
    world: Database, tenant: str, plant: str, car: str
) -> None:
    with world.connect("ingest") as connection, pytest.raises(UnknownError):
        release(connection, tenant, plant, POINT, car, passed_at(1))
    assert numbers(world, "SELECT count(*) FROM control_point_pass") == [0]


def test_a_misspelt_control_point_is_refused_and_leaves_nothing(world: Database) -> None:
    with pytest.raises(UnknownError, match=r"TRIM-N in plant P1; did you mean TRIM-IN\?"):
        pass_car(world, 1, "TRIM-N")
    assert numbers(world, "SELECT count(*) FROM control_point_pass") == [0]


def test_a_time_beyond_the_calendar_leaves_nothing(world: Database) -> None:
    with (
        world.connect("ingest") as connection,
        pytest.raises(UnfitError, match="required_at lies beyond any calendar"),
    ):
        release(connection, OWNER, PLANT, POINT, "0000001", datetime.max.replace(tzinfo=UTC))
    assert numbers(world, "SELECT count(*) FROM control_point_pass") == [0]


def test_a_part_that_cannot_be_called_is_named_and_leaves_nothing(world: Database) -> None:
    with world.connect("ingest") as connection:
        connection.execute("UPDATE bom_rule SET part_no = 'A/B' WHERE part_group = 'SEAT-REAR'")
    with pytest.raises(UnfitError, match=r"SEAT-REAR of car 0000001 .* part_no 'A/B'"):
        pass_car(world, 1)
    assert numbers(world, "SELECT next_call_no FROM supplier_line ORDER BY id") == [1, 1]
    assert numbers(world, "SELECT count(*) FROM control_point_pass") == [0]


def test_a_pass_waits_for_a_command_and_calls_by_what_it_changed(world: Database) -> None:
    """The order is read once its lines are locked: no call is made by an order that has changed."""
    with world.connect("ingest") as changing, world.connect("ingest", autocommit=True) as watching:
        lock_plant(changing, OWNER, PLANT)
        passing = threading.Thread(target=pass_car, args=(world, 1))
        passing.start()
        waits = (
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'part_group'"
        )
        eventually(lambda: watching.execute(waits).fetchone() is not None, "the pass waits")
        changing.execute("UPDATE vehicle_order SET colour = 'BLUE' WHERE production_no = '0000001'")
        changing.commit()
        passing.join()
    assert numbers(world, "SELECT part_no FROM jis_call WHERE line = 'TRIM1'") == ["DT-BLUE"]
