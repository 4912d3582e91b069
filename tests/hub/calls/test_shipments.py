"""What a truck carries against what was called."""

from __future__ import annotations

import pytest

from hub.calls.shipments import AdvisedSlot, advice, find_line
from tests.hub.calls.supply import LEFT_AT, TIMES, Supply, key, seat, serial
from tests.hub.calls.world import PLANT, passed_at

RACK = "TRIM1-00001"
ALL = [key(n) for n in range(1, 7)]


@pytest.fixture
def packed(supply: Supply) -> Supply:
    """A rack of six, closed."""
    supply.pass_cars(*range(1, 8))
    supply.pack(*ALL)
    assert supply.rack(RACK) == "closed"
    return supply


def test_a_truck_as_called_raises_nothing(packed: Supply) -> None:
    packed.ship("T1", [RACK])
    assert packed.open() == {}
    assert packed.rack(RACK) == "shipped"
    assert [packed.part(of) for of in ALL] == ["shipped"] * 6


@pytest.mark.parametrize(
    ("change", "problem", "says"),
    [
        ({1: (key(99), "x")}, "foreign", "P1/TRIM1/0000099/DOOR-TRIM/0: no call of this line"),
        ({1: (seat(1), "x")}, "foreign", "P1/SEAT1/0000001/SEAT-FRONT/0: no call"),
        ({2: (key(1), serial(key(1)))}, "doubled", "more than once in the shipment"),
        ({1: (key(7), "x")}, "wrong_slot", "belongs into another rack"),
        ({1: (key(2), serial(key(2))), 2: (key(1), serial(key(1)))}, "wrong_slot",
         "slot 1: P1/TRIM1/0000002/DOOR-TRIM/0: belongs into TRIM1-00001, slot 2"),
        ({1: (key(1), "S-other")}, "wrong_serial", "S-0000001-DOOR-TRIM was built for it"),
        ({1: None}, "missing", "P1/TRIM1/0000001/DOOR-TRIM/0: not in the rack"),
    ],
)  # fmt: skip
def test_what_is_not_as_called_is_named(
    packed: Supply, change: dict[int, object], problem: str, says: str
) -> None:
    content = packed.slots(RACK) | change
    packed.ship("T1", {RACK: {s: c for s, c in content.items() if c is not None}})  # type: ignore[misc]
    detail = packed.open()["shipment_mismatch"]
    assert (detail["rack"], detail["shipment"]) == (RACK, "T1")
    assert any(says in text for text in detail["problems"][problem])


def test_a_part_of_a_cancelled_car_on_the_truck_is_foreign(packed: Supply) -> None:
    packed.say(key(2), "cancel", "plant")
    packed.ship("T1", [RACK])
    assert "its car is cancelled" in str(packed.open()["shipment_mismatch"]["problems"]["foreign"])


def test_the_rest_of_a_rack_that_left_part_filled_is_not_missing_what_left_before(
    packed: Supply,
) -> None:
    content = packed.slots(RACK)
    packed.ship("T1", {RACK: {s: c for s, c in content.items() if s > 2}})
    assert set(packed.open()["shipment_mismatch"]["problems"]) == {"missing"}
    packed.ship("T2", {RACK: {s: c for s, c in content.items() if s <= 2}})
    told = packed.connection.execute(
        "SELECT detail ->> 'shipment' FROM exception WHERE kind = 'shipment_mismatch'"
    ).fetchall()
    assert told == [("T1",)]


def test_the_advice_has_each_slot(packed: Supply) -> None:
    packed.ship("T1", [RACK])
    line = find_line(packed.connection, PLANT, "TRIM1")
    assert line is not None
    slots = advice(packed.connection, line, "T1")
    assert len(slots) == 6
    assert slots[1] == AdvisedSlot(
        RACK, 2, str(key(2)), "DT-RED", 1, 2, serial(key(2)), problem=None
    )


def test_a_shipment_told_twice_is_one(packed: Supply) -> None:
    packed.ship("T1", [RACK])
    packed.ship("T1", {RACK: {1: (key(99), "x")}})
    assert packed.open() == {}


def test_the_eta_is_told_or_computed(packed: Supply) -> None:
    packed.set_profile(**TIMES)
    packed.ship("T1", [RACK])
    packed.ship("T2", ["TRIM1-00002"], eta=passed_at(30))
    rows = packed.connection.execute("SELECT eta - departed_at FROM shipment ORDER BY id")
    assert [row[0].total_seconds() for row in rows] == [120, (passed_at(30) - LEFT_AT).seconds]
