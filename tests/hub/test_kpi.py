"""Key figures against values worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub.calls.decisions import decide
from hub.calls.watch import look
from hub.kpi import FIGURES, Scope, adherence, cars_behind, compute, rows_behind
from hub.store import Database, tenant
from tests.hub.calls.conftest import supply
from tests.hub.calls.supply import TIMES, Supply, key, serial
from tests.hub.calls.world import OWNER, PASSED_AT, PLANT, passed_at

__all__ = ["supply"]

DAY = (PASSED_AT - timedelta(hours=1), PASSED_AT + timedelta(hours=1))
RACK = "TRIM1-00001"


def scope(**more: Any) -> Scope:
    return Scope(PLANT, *DAY, **({"by": frozenset(("line",))} | more))


def groups(supply: Supply, name: str, **more: Any) -> dict[Any, Any]:
    """By line, or by what else is asked."""
    found = compute(supply.connection, name, scope(**more))
    return {group.cause or group.shift or group.line or group.supplier: group for group in found}


def test_call_to_acknowledge(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3, 4, 5)
    supply.connection.execute(
        "UPDATE jis_call SET acknowledged_at = released_at + call_no * interval '1 s'"
        " WHERE line = 'TRIM1'"
    )
    trim = groups(supply, "call_to_acknowledge")["TRIM1"]
    # 1 2 3 4 5 s: the median is 3; the 99th per cent lies at 4 + 0.96
    assert (trim.counted, trim.p50, trim.p99, trim.max) == (5, 3, pytest.approx(4.96), 5)
    rows = rows_behind(supply.connection, "call_to_acknowledge", scope(line="TRIM1"), 0, 2)
    assert [(row.thing, row.value) for row in rows] == [(str(key(1)), 1), (str(key(2)), 2)]
    rest = rows_behind(
        supply.connection, "call_to_acknowledge", scope(line="TRIM1"), rows[-1].id, 9
    )
    assert [row.value for row in rest] == [3, 4, 5]


def test_pre_series_and_emergency_modes_do_not_count(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3, 4)
    supply.connection.execute(
        "UPDATE jis_call SET acknowledged_at = released_at + interval '1 s',"
        " pre_series = production_no = '0000001'"
    )
    for begin, end in ((3, 4), (12, 13)):  # while car 3 is called; while car 2 is fitted
        supply.connection.execute(
            "INSERT INTO line_mode (plant, line, owner, partner, mode, since, until, set_by,"
            " reason) VALUES ('P1', 'TRIM1', 'carmaker', 'trimworks', 'buffer', %s, %s, 'x', 'y')",
            (passed_at(begin), passed_at(end)),
        )
    trim = groups(supply, "call_to_acknowledge")["TRIM1"]
    assert (trim.counted, trim.excluded) == (1, 3)
    rows = rows_behind(supply.connection, "call_to_acknowledge", scope(line="TRIM1"), 0, 9)
    assert [row.excluded for row in rows] == [True, True, True, False]


def test_call_to_ship_is_by_the_hub_s_clock(supply: Supply) -> None:
    """When the event came, not when the supplier's clock says that it was."""
    supply.pass_cars(1, 2)
    supply.pack(key(1), key(2))
    supply.ship("T1", [RACK])
    supply.connection.execute(
        "UPDATE jis_call c SET released_at = e.received_at - c.call_no * interval '90 s'"
        " FROM call_event e WHERE e.call = c.id AND e.kind = 'shipped'"
    )
    rows = rows_behind(supply.connection, "call_to_ship", scope(), 0, 9)
    assert [(row.thing, row.value) for row in rows] == [(str(key(1)), 90), (str(key(2)), 180)]
    trim = groups(supply, "call_to_ship")["TRIM1"]
    assert (trim.counted, trim.p50, trim.max) == (2, 135, 180)
    assert trim.p99 == pytest.approx(179.1)


def test_emergency_freight_is_what_was_decided_to_go_by_itself(supply: Supply) -> None:
    supply.set_profile(**TIMES)
    supply.pass_cars(*range(1, 7))
    supply.pack(*[key(n) for n in range(2, 7)])
    supply.say(key(1), "missing")
    supply.ship("T1", {RACK: {1: (key(2), serial(key(2)))}}, eta=passed_at(20))
    look(supply.connection, passed_at(6))
    for kind, decision in (("missing_part", "express"), ("truck_late", "second_truck")):
        row = supply.connection.execute(
            "SELECT id FROM exception WHERE kind = %s AND closed_at IS NULL", (kind,)
        ).fetchone()
        assert row is not None
        decide(supply.connection, OWNER, row[0], decision, passed_at(7), "planner")
    assert groups(supply, "emergency_freight")["TRIM1"].counted == 2
    rows = rows_behind(supply.connection, "emergency_freight", scope(), 0, 9)
    assert {row.thing for row in rows} == {str(key(1)), "P1/TRIM1/T1"}


def test_first_time_share_is_one_less_the_reorder_rate(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3)
    supply.connection.execute(
        "UPDATE jis_call SET reorder_index = 1, production_no = '0000002'"
        " WHERE line = 'TRIM1' AND production_no = '0000003'"
    )
    found = groups(supply, "first_time")
    assert found["TRIM1"].share == pytest.approx(2 / 3)
    assert found["SEAT1"].share == 1


@pytest.fixture
def delivered(supply: Supply) -> Supply:
    """Two racks: of the first the slot is 06:08:30, of the second 06:14:30; both came at 06:07."""
    supply.set_profile(**TIMES)
    supply.pass_cars(*range(1, 13))
    for rack, cars in (("TRIM1-00001", range(1, 7)), ("TRIM1-00002", range(7, 13))):
        supply.pack(*[key(n) for n in cars])
        supply.ship(rack, [rack])
        supply.arrive(rack)
        for slot, car in enumerate(cars, 1):
            supply.scan(rack, rack, slot, serial(key(car)))
    return supply


def test_delivery_precision_is_of_racks_in_their_window(delivered: Supply) -> None:
    # First fit 06:11, less 30 s to unload, 30 s to the line, 60 s safety: 06:09; and 06:15.
    rows = rows_behind(delivered.connection, "delivery_precision", scope(window_s=180), 0, 9)
    assert [(row.thing, row.value, row.good) for row in rows] == [
        ("TRIM1-00001", -120, True),
        ("TRIM1-00002", -480, False),
    ]
    trim = groups(delivered, "delivery_precision", window_s=180)["TRIM1"]
    assert (trim.counted, trim.good, trim.share) == (2, 1, 0.5)
    assert groups(delivered, "delivery_precision", window_s=900)["TRIM1"].share == 1


def test_a_perfect_rack_had_nothing_wrong(delivered: Supply) -> None:
    assert groups(delivered, "perfect_racks")["TRIM1"].share == 1
    delivered.say(key(8), "mismatched", "dock")
    delivered.say(key(8), "confirmed", "dock")
    rows = rows_behind(delivered.connection, "perfect_racks", scope(), 0, 9)
    assert [(row.thing, row.good) for row in rows] == [
        ("TRIM1-00001", True),
        ("TRIM1-00002", False),
    ]


def test_a_rack_shipped_other_than_called_is_not_perfect(supply: Supply) -> None:
    supply.set_profile(**TIMES)
    supply.pass_cars(*range(1, 7))
    supply.pack(*[key(n) for n in range(1, 7)])
    content = supply.slots(RACK)
    supply.ship("T1", {RACK: {slot: content[7 - slot] for slot in content}})
    supply.arrive("T1")
    for slot, (_, number) in content.items():
        supply.scan("T1", RACK, slot, number)
    assert groups(supply, "perfect_racks")["TRIM1"].share == 0
    assert groups(supply, "delivery_precision")["TRIM1"].share == 1


def test_line_stop_minutes_by_cause_and_supplier(supply: Supply) -> None:
    for cause, partner, begin, end in (
        ("missing part", "trimworks", 1, 4),
        ("missing part", "trimworks", 10, 11),
        ("robot", None, 20, 30),
        ("robot", None, -100, -55),  # the last five minutes of it are in the scope
    ):
        supply.connection.execute(
            "INSERT INTO line_stop (plant, owner, partner, cause, began_at, ended_at, message_id)"
            " VALUES ('P1', 'carmaker', %s, %s, %s, %s, gen_random_uuid()::text)",
            (partner, cause, passed_at(begin), passed_at(end)),
        )
    found = compute(supply.connection, "line_stops", scope(by=frozenset(("supplier",))))
    assert [(g.supplier, g.cause, g.total) for g in found] == [
        ("trimworks", "missing part", 4),
        (None, "robot", 15),
    ]


CALENDAR = """
{"zone": "UTC", "first": "2026-03-02", "last": "2026-03-03", "shifts": [
    {"name": "early", "start": "05:00", "end": "06:03", "weekdays": ["mon", "tue"]},
    {"name": "late", "start": "06:03", "end": "14:00", "weekdays": ["mon", "tue"]}]}
"""


def test_by_shift(supply: Supply) -> None:
    supply.connection.execute("UPDATE plant SET calendar = %s::jsonb", (CALENDAR,))
    supply.pass_cars(1, 2, 3, 4)
    found = compute(supply.connection, "first_time", scope(by=frozenset(("shift",)), line="TRIM1"))
    assert [(g.shift, g.counted) for g in found] == [("early", 2), ("late", 2)]
    assert found[0].shift_start == PASSED_AT - timedelta(hours=1)


def test_adherence_of_cars_to_the_sequence(supply: Supply) -> None:
    # The golden vector of one car pulled out that comes back four places later.
    actual = [1, 2, 4, 5, 6, 7, 3, 8, 9, 10]
    supply.connection.execute(
        "WITH s AS (INSERT INTO production_sequence (plant, owner, method)"
        " VALUES ('P1', 'carmaker', 'given') RETURNING id)"
        " INSERT INTO sequence_position SELECT s.id, given_rank, 'P1', 'carmaker', production_no"
        " FROM vehicle_order, s"
    )
    supply.pass_cars(*actual)
    sequence, found = adherence(supply.connection, scope(line="TRIM1"))
    assert sequence is not None
    (trim,) = found
    result = trim.adherence
    assert (trim.line, result.cars, result.exact, result.within) == ("TRIM1", 10, 0.5, 0.9)
    assert (result.in_order, result.not_overtaken, result.inversions) == (0.9, 0.9, 4)
    assert result.successors == pytest.approx(0.667, abs=0.001)
    behind = cars_behind(supply.connection, scope(line="TRIM1"))
    assert [(int(c.production_no), c.planned, c.actual, c.places_off) for c in behind[2:7]] == [
        (4, 4, 3, -1), (5, 5, 4, -1), (6, 6, 5, -1), (7, 7, 6, -1), (3, 3, 7, 4),
    ]  # fmt: skip
    assert [int(car.production_no) for car in behind if car.overtaken] == [3]
    assert behind[6].calls == [str(key(3))]
    assert len(cars_behind(supply.connection, scope())[0].calls) == 3, "of every line"
    supply.connection.execute(
        "UPDATE jis_call SET pre_series = true WHERE production_no = '0000003'"
    )
    behind = cars_behind(supply.connection, scope(line="TRIM1"))
    assert [(c.excluded, c.planned, c.places_off) for c in behind[6:8]] == [
        (True, None, None), (False, 7, 0),
    ]  # fmt: skip
    _, (trim,) = adherence(supply.connection, scope(line="TRIM1"))
    assert (trim.excluded, trim.adherence.exact) == (1, 1)
    _, (whole,) = adherence(supply.connection, scope(by=frozenset()))
    assert (whole.line, whole.adherence.cars) == (None, 9)


def test_a_supplier_has_figures_of_its_own_alone(supply: Supply, database: Database) -> None:
    supply.pass_cars(1)
    with database.connect("api") as connection, tenant(connection, "trimworks"):
        for name in FIGURES:
            compute(connection, name, scope())
        assert [g.line for g in compute(connection, "first_time", scope())] == ["TRIM1"]
