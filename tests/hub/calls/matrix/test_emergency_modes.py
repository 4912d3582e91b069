"""Emergency modes of a supplier line: who set it, when, why; by which rules in and out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.calls.decisions import decide
from hub.calls.modes import set_mode
from hub.calls.refused import RefusedError, UnknownError
from hub.calls.watch import look
from protocols.jis.messages import LineMode
from tests.hub.calls.supply import Supply, key, serial
from tests.hub.calls.world import OWNER, PLANT, passed_at

RACK = "TRIM1-00001"


def put(supply: Supply, mode: LineMode, minute: int, *, anyway: bool = False) -> str:
    connection, at = supply.connection, passed_at(minute)
    return set_mode(
        connection, OWNER, PLANT, "TRIM1", mode, at, "shift lead", "drill", anyway=anyway
    ).before


def blind(supply: Supply, online: bool = False) -> None:
    supply.connection.execute(
        "INSERT INTO gateway_status (gateway, owner, partner, online, since)"
        " VALUES (2, 'trimworks', 'carmaker', %s, now())"
        " ON CONFLICT (gateway) DO UPDATE SET online = excluded.online",
        (online,),
    )


def test_emergency_modes_are_recorded_and_told(supply: Supply) -> None:
    supply.set_profile(emergency_stock=20)
    assert put(supply, "buffer", 1) == "normal"
    assert put(supply, "buffer", 2) == "buffer"
    assert put(supply, "normal", 3) == "buffer"
    rows = supply.connection.execute(
        "SELECT mode, since, until, set_by, reason FROM line_mode ORDER BY id"
    ).fetchall()
    assert rows == [
        ("buffer", passed_at(1), passed_at(3), "shift lead", "drill"),
        ("normal", passed_at(3), None, "shift lead", "drill"),
    ]
    told = supply.records("line_state")
    assert [(r["mode"], r["takt_s"], r["stopped"]) for r in told] == [
        ("buffer", 60, False),
        ("normal", 60, False),
    ]


def test_a_mode_can_be_left_though_the_clock_was_set_back(supply: Supply) -> None:
    supply.set_profile(emergency_stock=20)
    put(supply, "buffer", 60)
    put(supply, "normal", 1)
    rows = supply.connection.execute("SELECT mode, since FROM line_mode ORDER BY id").fetchall()
    assert rows == [
        ("buffer", passed_at(60)),
        ("normal", passed_at(60) + timedelta(microseconds=1)),
    ]


def test_emergency_stock_must_be_there(supply: Supply) -> None:
    with pytest.raises(RefusedError, match="no emergency stock"):
        put(supply, "buffer", 1)
    put(supply, "buffer", 1, anyway=True)
    row = supply.connection.execute("SELECT reason FROM line_mode").fetchone()
    assert row == ("drill (anyway: line TRIM1 has no emergency stock (profile: emergency_stock))",)


def test_manual_begins_when_the_gateway_is_not_heard_and_ends_when_it_has_all(
    supply: Supply,
) -> None:
    blind(supply, online=True)
    with pytest.raises(RefusedError, match="is heard: its calls reach it"):
        put(supply, "manual", 1)
    blind(supply)
    put(supply, "manual", 1)
    supply.pass_cars(1)
    with pytest.raises(RefusedError, match="not heard yet; 1 calls are not on its disk yet"):
        put(supply, "normal", 2)
    blind(supply, online=True)
    supply.connection.execute("UPDATE jis_call SET acknowledged_at = now()")
    put(supply, "normal", 3)


def test_late_redelivery_ends_when_nothing_is_owed(supply: Supply) -> None:
    supply.pass_cars(1)
    put(supply, "late_redelivery", 2)
    with pytest.raises(RefusedError, match="1 parts that were required are still to come"):
        put(supply, "normal", 12)
    supply.pack(key(1))
    supply.ship("T1", [RACK])
    supply.arrive("T1")
    supply.scan("T1", RACK, 1, serial(key(1)))
    put(supply, "normal", 13)


def test_a_decision_puts_the_line_into_its_mode(supply: Supply) -> None:
    blind(supply)
    look(supply.connection, passed_at(1))
    row = supply.connection.execute(
        "SELECT id FROM exception WHERE kind = 'gateway_blind'"
    ).fetchone()
    assert row is not None
    decide(supply.connection, OWNER, row[0], "manual", passed_at(2), "shift lead", "by phone")
    mode = supply.connection.execute("SELECT mode, set_by, reason FROM line_mode").fetchone()
    assert mode == ("manual", "shift lead", f"exception {row[0]}, gateway_blind: by phone")


def test_a_mismatch_is_accepted_or_sent_back_by_decision(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.pack(key(1), key(2))
    supply.ship("T1", [RACK])
    supply.arrive("T1")
    for car in (1, 2):
        supply.scan("T1", RACK, car, "S-strange")
    rows = supply.connection.execute("SELECT id FROM exception ORDER BY id").fetchall()
    (first,), (second,) = rows
    decide(supply.connection, OWNER, first, "accept", passed_at(9), "quality", "looks right")
    decide(supply.connection, OWNER, second, "send_back", passed_at(9), "quality")
    assert (supply.part(key(1)), supply.part(key(2))) == ("confirmed", "returned")
    assert list(supply.open()) == ["nok_at_line"]
    assert [r["what"] for r in supply.records("delivery")[-2:]] == ["confirmed", "returned"]


def test_only_the_plant_sets_a_mode(supply: Supply) -> None:
    with pytest.raises(UnknownError, match="no line TRIM1"):
        set_mode(supply.connection, "trimworks", PLANT, "TRIM1", "normal", passed_at(1), "x", "y")
