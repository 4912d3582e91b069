"""Rows of the exception matrix that time alone brings about: the watch opens and closes them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.calls.decisions import decide
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.watch import EVENTS_JUDGED, look
from tests.hub.calls.supply import LEFT_AT, TIMES, Supply, key
from tests.hub.calls.world import OWNER, passed_at

RACK = "TRIM1-00001"
ALL = [key(n) for n in range(1, 7)]
SOON = passed_at(1)
"""Before any car of the world is fitted: each is ten minutes after it passed."""


def watch(supply: Supply, at: datetime = SOON) -> dict[str, object]:
    """A round of the watch; the open exceptions after it but those of racks that stay."""
    # What other tests are about: nobody acknowledges here.
    supply.connection.execute("UPDATE jis_call SET acknowledged_at = now()")
    look(supply.connection, at)
    return supply.open(but="rack_overdue")


@pytest.fixture
def shipped(supply: Supply) -> Supply:
    """Six cars, fitted at 06:11 to 06:16; their rack left at 06:05 and is at the line at 06:08."""
    supply.set_profile(**TIMES)
    supply.pass_cars(*range(1, 7))
    supply.pack(*ALL)
    supply.ship("T1", [RACK])
    return supply


def test_a_truck_delayed_names_the_cars_it_hits(shipped: Supply) -> None:
    assert watch(shipped) == {}
    # Seen at the line at 06:13:30: the cars of 06:11, 06:12 and 06:13 have passed by then.
    shipped.connection.execute(
        "UPDATE shipment SET eta = %s", (passed_at(12) + timedelta(seconds=30),)
    )
    detail = watch(shipped)["truck_late"]
    assert isinstance(detail, dict)
    assert detail["cars"] == ["0000001", "0000002", "0000003"]
    assert detail["slack_s"] == -150
    assert shipped.told("truck_late") == ["carmaker", "trimworks"]
    shipped.connection.execute("UPDATE shipment SET eta = %s", (passed_at(9),))
    assert watch(shipped) == {}


def test_a_truck_of_which_nothing_is_heard_is_late_by_the_clock(shipped: Supply) -> None:
    assert watch(shipped, passed_at(10)) == {}
    detail = watch(shipped, passed_at(12))["truck_late"]
    assert isinstance(detail, dict)
    assert detail["cars"] == ["0000001", "0000002"]
    shipped.arrive("T1")
    assert watch(shipped, passed_at(12)) == {}


def test_a_rack_that_should_have_left_is_named(supply: Supply) -> None:
    supply.set_profile(**TIMES)
    supply.pass_cars(1)
    # Fitted at 06:11, four minutes of way with safety: to leave by 06:07.
    look(supply.connection, passed_at(7))
    assert "rack_overdue" not in supply.open()
    look(supply.connection, passed_at(7) + timedelta(seconds=1))
    detail = supply.open()["rack_overdue"]
    assert (detail["rack"], detail["first_car"]) == (RACK, "0000001")


def test_missing_part_is_told_with_its_eta_against_the_fit_time(supply: Supply) -> None:
    supply.set_profile(**TIMES, produce_s=60)
    supply.pass_cars(1)
    supply.say(key(1), "missing", eta=passed_at(6).isoformat())
    detail = watch(supply)["missing_part"]
    assert isinstance(detail, dict)
    # 06:06 and a minute to build, two on the road, one to unload and bring: at the line at 06:10.
    assert (detail["in_time"], detail["slack_s"]) == (True, 60)
    detail = watch(supply, passed_at(8))["missing_part"]
    assert isinstance(detail, dict)
    assert (detail["in_time"], detail["slack_s"]) == (False, -60)
    row = supply.connection.execute(
        "SELECT severity, id FROM exception WHERE kind = 'missing_part'"
    ).fetchone()
    assert row is not None
    assert row[0] == "critical"
    # A person decides that the car is fitted offline; the exception stays until the part is there.
    assert not decide(
        supply.connection, OWNER, row[1], "fit_offline", passed_at(8), "planner", "ok"
    )
    assert "missing_part" in supply.open()
    supply.say(key(1), "supplied")
    row = supply.connection.execute(
        "SELECT decision, decided_by, note, closed_by FROM exception WHERE kind = 'missing_part'"
    ).fetchone()
    assert row == ("fit_offline", "planner", "ok", "net")


def test_nok_at_the_supplier_presses_once_a_new_part_would_be_too_late(supply: Supply) -> None:
    """Fitted at 06:11; a minute to build, two on the road, one to unload and bring."""
    supply.set_profile(**TIMES, produce_s=60)
    supply.pass_cars(1)
    supply.inspect(key(1))
    place = supply.found(key(1)).rack, supply.found(key(1)).slot
    supply.say(key(1), "inspected_nok", verdict="nok")
    assert supply.found(key(1)).pair == ("released", "rework")
    assert supply.told("nok_at_supplier") == ["trimworks", "carmaker"]

    def pressing(at: datetime) -> tuple[str, int]:
        detail = watch(supply, at)["nok_at_supplier"]
        assert isinstance(detail, dict)
        assert detail["leave_by"] == passed_at(7).isoformat()
        row = supply.connection.execute(
            "SELECT severity FROM exception WHERE kind = 'nok_at_supplier'"
        ).fetchone()
        assert row is not None
        return row[0], detail["slack_s"]

    assert pressing(passed_at(6)) == ("warning", 60)
    assert pressing(passed_at(8)) == ("critical", -60)
    row = supply.connection.execute(
        "SELECT id FROM exception WHERE kind = 'nok_at_supplier'"
    ).fetchone()
    assert row is not None
    assert not decide(supply.connection, OWNER, row[0], "express", passed_at(8), "planner")
    # The same call is built again, for the same slot.
    supply.say(key(1), "produced", serial="S-2")
    supply.say(key(1), "inspected_ok", verdict="ok")
    again = supply.found(key(1))
    assert (again.part, again.serial, (again.rack, again.slot)) == ("inspected", "S-2", place)
    assert "nok_at_supplier" not in watch(supply, passed_at(8))


def test_sequence_gap_is_sent_again_then_its_slot_stays_empty(supply: Supply) -> None:
    supply.set_profile(gap_timeout_s=100)
    supply.pass_cars(*range(1, 8))
    supply.pack(*[of for of in ALL if of != key(3)])
    row = supply.connection.execute("SELECT max(part_since) FROM jis_call").fetchone()
    assert row is not None
    began: datetime = row[0]

    assert watch(supply, began + timedelta(seconds=90)) == {}
    before = len(supply.records("call"))
    opened = watch(supply, began + timedelta(seconds=110))
    detail = opened["sequence_gap"]
    assert isinstance(detail, dict)
    assert (detail["calls"], detail["slots"]) == ([str(key(3))], [3])
    again = supply.records("call")
    assert len(again) == before + 1
    assert again[-1]["key"]["production_no"] == "0000003"

    opened = watch(supply, began + timedelta(seconds=210))
    assert "slot_left_empty" in opened
    (change,) = supply.records("change")
    assert (change["call"]["rack"], change["call"]["slot"]) == ("TRIM1-E0001", 1)
    assert change["call"]["revision"] == 2
    assert supply.rack(RACK) == "closed"
    assert "sequence_gap" not in watch(supply, began + timedelta(seconds=220))
    # The late part goes into the emergency rack, where it belongs now.
    supply.pack(key(3))
    assert supply.found(key(3)).rack == "TRIM1-E0001"
    assert "wrong_part_in_slot" not in supply.open(but="rack_overdue")


def test_out_of_order_arrival_ends_as_in_order(supply: Supply) -> None:
    supply.pass_cars(*range(1, 7))
    supply.pack(*reversed(ALL))
    assert supply.rack(RACK) == "closed"
    supply.arrive("T1", racks=[RACK])
    supply.ship("T1", [RACK])
    assert {supply.part(of) for of in ALL} == {"arrived"}
    assert supply.open() == {}


def of_gateway(supply: Supply, count: int, offset: timedelta) -> None:
    """The gateway's last events, whose clock is off by so much."""
    supply.connection.execute(
        "INSERT INTO stream_cursor (gateway, stream, epoch, owner, partner)"
        " VALUES (2, 'events', 7, 'trimworks', 'carmaker') ON CONFLICT DO NOTHING"
    )
    row = supply.connection.execute("SELECT count(*) FROM call_event WHERE gateway = 2").fetchone()
    for number in range(row[0] if row else 0, (row[0] if row else 0) + count):
        supply.connection.execute(
            "INSERT INTO call_event (owner, partner, call, kind, body, source_at, gateway, epoch,"
            " record_offset) SELECT owner, partner, id, 'accepted', '{}', clock_timestamp() + %s,"
            " 2, 7, %s FROM jis_call WHERE line = 'TRIM1' LIMIT 1",
            (offset, number),
        )


@pytest.mark.parametrize("offset_s", [600, -600])
def test_clock_skew_of_a_gateway_is_told_by_how_its_events_arrive(
    supply: Supply, offset_s: int
) -> None:
    supply.pass_cars(1)
    of_gateway(supply, EVENTS_JUDGED, timedelta(seconds=offset_s))
    detail = watch(supply)["clock_skew"]
    assert isinstance(detail, dict)
    assert abs(detail["offset_s"] - offset_s) < 60
    # Its clock is set right.
    of_gateway(supply, EVENTS_JUDGED, timedelta(0))
    assert "clock_skew" not in watch(supply)


def test_a_clock_that_is_off_makes_no_truck_late(supply: Supply) -> None:
    supply.set_profile(**TIMES)
    supply.pass_cars(*range(1, 7))
    supply.pack(*ALL)
    of_gateway(supply, EVENTS_JUDGED, timedelta(seconds=600))
    assert list(watch(supply)) == ["clock_skew"]
    supply.ship("T1", [RACK], at=LEFT_AT + timedelta(seconds=600))
    assert list(watch(supply)) == ["clock_skew"]


def test_events_are_in_the_order_they_came_whatever_their_clock_says(supply: Supply) -> None:
    supply.pass_cars(1)
    supply.say(key(1), "accepted", at=passed_at(30))
    supply.say(key(1), "produced", at=passed_at(20), serial="S-1")
    assert supply.part(key(1)) == "produced"


def test_hub_or_wan_down_is_blind_since(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.connection.execute(
        "INSERT INTO gateway_status (gateway, owner, partner, online, since)"
        " VALUES (2, 'trimworks', 'carmaker', false, %s)",
        (passed_at(3),),
    )
    supply.connection.execute("UPDATE jis_call SET acknowledged_at = now()")
    supply.say(key(1), "acknowledged", "gateway")
    detail = watch(supply)["gateway_blind"]
    assert detail == {
        "gateway": "trimworks/gw-trim",
        "blind_since": passed_at(3).isoformat(),
        "lines": ["TRIM1"],
        "calls_at_the_line": 1,
        "works_until": passed_at(11).isoformat(),
    }
    supply.connection.execute("UPDATE gateway_status SET online = true")
    assert watch(supply) == {}


def test_calls_that_nobody_acknowledges_are_named(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    row = supply.connection.execute("SELECT max(released_at) FROM jis_call").fetchone()
    assert row is not None
    look(supply.connection, row[0] + timedelta(seconds=70))
    found = supply.connection.execute(
        "SELECT line, detail ->> 'calls' FROM exception WHERE kind = 'unacknowledged' ORDER BY 1"
    ).fetchall()
    assert found == [("SEAT1", "4"), ("TRIM1", "2")]


def test_a_round_that_finds_nothing_new_writes_nothing(shipped: Supply) -> None:
    shipped.connection.execute("UPDATE shipment SET eta = %s", (passed_at(12),))
    watch(shipped)
    before = shipped.connection.execute("SELECT xmin, id FROM exception ORDER BY id").fetchall()
    watch(shipped)
    after = shipped.connection.execute("SELECT xmin, id FROM exception ORDER BY id").fetchall()
    assert before == after


def test_a_decision_must_be_one_of_the_kind_s(shipped: Supply) -> None:
    connection = shipped.connection
    shipped.connection.execute("UPDATE shipment SET eta = %s", (passed_at(12),))
    watch(shipped)
    row = connection.execute("SELECT id FROM exception").fetchone()
    assert row is not None
    with pytest.raises(RefusedError, match="possible: noted, second_truck, buffer, fit_offline"):
        decide(connection, OWNER, row[0], "accept", LEFT_AT, "planner")
    with pytest.raises(RefusedError, match="for the plant to decide"):
        decide(connection, "trimworks", row[0], "buffer", LEFT_AT, "dispatcher")
    with pytest.raises(UnknownError):
        decide(connection, "seatworks", row[0], "noted", LEFT_AT, "dispatcher")
    decide(connection, "trimworks", row[0], "second_truck", LEFT_AT, "dispatcher")
    shipped.arrive("T1")
    watch(shipped)
    with pytest.raises(RefusedError, match="is closed"):
        decide(connection, OWNER, row[0], "noted", LEFT_AT, "planner")
