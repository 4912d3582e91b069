from __future__ import annotations

import pytest
from psycopg import errors

from deploy.local.broker import LocalBroker
from hub.calls.publisher import Committed, acknowledge
from hub.calls.release import release
from hub.store import Database
from tests.fixtures.postgres import DatabaseServer
from tests.hub.calls.conftest import CallLane
from tests.hub.calls.world import (
    BUILD,
    OWNER,
    PLANT,
    POINT,
    Supplier,
    eventually,
    make_world,
    passed_at,
    tell,
)


def all_acknowledged(lane: CallLane) -> bool:
    return bool(
        lane.one("SELECT bool_and(acknowledged_at IS NOT NULL) FROM jis_call WHERE line = 'SEAT1'")
    )


def test_a_call_reaches_the_gateway_and_is_acknowledged(lane: CallLane) -> None:
    with Supplier(lane.broker).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert [call.call_no for call in supplier.calls] == [1, 2]
    assert lane.rows("SELECT DISTINCT status FROM jis_call WHERE line = 'SEAT1'") == [("received",)]
    assert lane.one("SELECT watermark FROM call_stream WHERE gateway = 1") == 2
    assert lane.one("SELECT count(*) FROM jis_call WHERE line = 'TRIM1' AND status='released'") == 1


def test_calls_wait_for_a_gateway_that_is_away(lane: CallLane) -> None:
    for number in range(1, 11):
        lane.pass_car(number)
    with Supplier(lane.broker).running() as supplier:
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert [call.call_no for call in supplier.calls] == list(range(1, 21))


def test_lost_answers_do_not_stall(lane: CallLane) -> None:
    with Supplier(lane.broker).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        supplier.mute = True
        lane.pass_car(2)
        eventually(lambda: len(supplier.calls) == 4, "the calls")
        supplier.mute = False
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert [call.call_no for call in supplier.calls] == [1, 2, 3, 4]


def test_a_broker_that_forgets_all_loses_nothing(lane: CallLane, broker: LocalBroker) -> None:
    with Supplier(lane.broker).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        broker.kill()
        lane.pass_car(2)
        broker.forget()
        lane.pass_car(3)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert [call.call_no for call in supplier.calls] == list(range(1, 7))


def test_a_gateway_without_cursor_gets_all_open_calls_in_a_new_epoch(lane: CallLane) -> None:
    with Supplier(lane.broker).running() as supplier:
        for number in (1, 2, 3):
            lane.pass_car(number)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        with lane.database.connect("ingest") as connection:
            tell(connection, "call_no = 1", *BUILD)
            tell(connection, "call_no = 2", "refused")
        supplier.forget()
        eventually(lambda: len(supplier.calls) == 4, "the open calls")
        lane.pass_car(4)
        eventually(lambda: len(supplier.calls) == 6, "a new call")
    assert [call.call_no for call in supplier.calls] == [3, 4, 5, 6, 7, 8]
    epochs = lane.rows(
        "SELECT closed, next_offset FROM call_stream WHERE gateway = 1 ORDER BY 1, 2"
    )
    assert epochs == [(False, 7), (True, 6)]  # how the line works is told too


def test_a_gateway_without_cursor_before_the_first_commit_is_only_told_the_state(
    lane: CallLane,
) -> None:
    with Supplier(lane.broker, mute=True).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: supplier.states, "the state")
        supplier.forget()
        supplier.mute = False
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert lane.one("SELECT count(*) FROM call_stream WHERE gateway = 1") == 1


def test_a_hub_restored_from_a_backup_draws_a_new_epoch(
    lane: CallLane, database_server: DatabaseServer
) -> None:
    """The gateway follows an epoch that the restored database has never heard of."""
    with Supplier(lane.broker).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        assert supplier.cursor is not None
        ours = supplier.cursor.epoch
        with supplier._lock:  # as if it had gone on with a hub that then was lost
            supplier.closed.add(ours)
            supplier.cursor = type(supplier.cursor)(ours + 1, 9)
        supplier.answer()
        lane.pass_car(2)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert supplier.cursor is not None
    assert supplier.cursor.epoch not in (ours, ours + 1)
    assert {call.call_no for call in supplier.calls} == {1, 2, 3, 4}


def test_a_gateway_that_has_more_than_was_written_gets_a_new_epoch(lane: CallLane) -> None:
    with Supplier(lane.broker).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        assert supplier.cursor is not None
        with supplier._lock:
            supplier.cursor = type(supplier.cursor)(supplier.cursor.epoch, 50)
        supplier.answer()
        lane.pass_car(2)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert {call.call_no for call in supplier.calls} == {1, 2, 3, 4}


def test_the_database_may_go_away_and_come_back(
    lane: CallLane, database: Database, database_server: DatabaseServer
) -> None:
    with Supplier(lane.broker).running() as supplier:
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        database_server.embedded.stop()
        supplier.report({"kind": "nonsense"})
        database_server.embedded.start()
        lane.pass_car(2)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
        eventually(lambda: lane.one("SELECT count(*) FROM quarantine"), "the event")
    assert [call.call_no for call in supplier.calls] == [1, 2, 3, 4]


def test_nonsense_on_the_way_back_is_left_alone(lane: CallLane) -> None:
    with Supplier(lane.broker).running() as supplier:
        for payload in (b"", b"{", b"\xff\xfe", b'{"type":"answer","epoch":-1}', b"[" * 5000):
            supplier.publish("calls/ack", payload)
        lane.pass_car(1)
        eventually(lambda: all_acknowledged(lane), "acknowledgement")
    assert len(supplier.calls) == 2


def test_what_is_acknowledged_is_noted_with_it_or_not_at_all(database: Database) -> None:
    make_world(database)
    with database.connect("ingest", autocommit=True) as connection:
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
        streams = connection.execute(
            "SELECT gateway, epoch, 0, next_offset FROM call_stream"
        ).fetchall()
        answers = [Committed(*stream) for stream in streams]
        with database.connect("owner") as owner:
            owner.execute("REVOKE INSERT ON call_event FROM lineside_ingest")
        with pytest.raises(errors.InsufficientPrivilege):
            acknowledge(connection, answers)
        state = "SELECT sum(watermark), count(acknowledged_at) FROM call_stream, jis_call"
        assert connection.execute(state).fetchone() == (0, 0)
        with database.connect("owner") as owner:
            owner.execute("GRANT INSERT ON call_event TO lineside_ingest")
        for _ in range(2):
            acknowledge(connection, answers)
        noted = "SELECT call FROM call_event WHERE kind = 'acknowledged' ORDER BY 1"
        assert connection.execute(noted).fetchall() == [(1,), (2,), (3,)]
        assert connection.execute(
            "SELECT DISTINCT status, acknowledged_revision FROM jis_call"
        ).fetchall() == [("received", 1)]
