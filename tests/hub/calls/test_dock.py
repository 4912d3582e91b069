"""From the truck at the gate to the empty rack on its way back."""

from __future__ import annotations

import psycopg
import pytest

from hub.calls import dock
from hub.calls.refused import RefusedError, UnknownError
from tests.hub.calls.supply import LEFT_AT, Supply, key, serial
from tests.hub.calls.world import OWNER, PLANT

RACK = "TRIM1-00001"
ALL = [key(n) for n in range(1, 7)]


@pytest.fixture
def shipped(supply: Supply) -> Supply:
    """A rack of six on its way."""
    supply.pass_cars(*range(1, 8))
    supply.pack(*ALL)
    supply.ship("T1", [RACK])
    return supply


def test_the_round_of_a_rack(shipped: Supply) -> None:
    seen = [shipped.rack(RACK)]
    assert shipped.arrive("T1") == [str(of) for of in ALL]
    seen.append(shipped.rack(RACK))
    assert dock.unload(shipped.connection, OWNER, PLANT, "TRIM1", "T1", LEFT_AT) == [RACK]
    seen.append(shipped.rack(RACK))
    for slot, of in enumerate(ALL, 1):
        assert shipped.scan("T1", RACK, slot, serial(of)).matched
        dock.report(shipped.connection, OWNER, of, "consumed", LEFT_AT, "ST-40", serial(of))
    dock.send_rack_back(shipped.connection, OWNER, PLANT, "TRIM1", RACK, LEFT_AT)
    seen.append(shipped.rack(RACK))
    assert seen == ["shipped", "arrived", "unloaded", "returned"]
    assert {shipped.part(of) for of in ALL} == {"consumed"}
    assert shipped.open() == {}


def test_each_step_is_told_to_the_supplier_once(shipped: Supply) -> None:
    for _ in range(2):
        shipped.arrive("T1")
        shipped.scan("T1", RACK, 1, serial(ALL[0]))
    told = shipped.records("delivery")
    assert [(r["what"], r["key"]["production_no"]) for r in told] == [
        *(("arrived", of.production_no) for of in ALL),
        ("confirmed", "0000001"),
    ]
    assert told[-1]["serial"] == serial(ALL[0])


def test_a_truck_quicker_than_its_advice_is_taken_by_its_racks(supply: Supply) -> None:
    supply.pass_cars(*range(1, 8))
    supply.pack(*ALL)
    with pytest.raises(UnknownError, match="name the racks that stand on the truck"):
        supply.arrive("T1")
    with pytest.raises(UnknownError, match="no rack TRIM1-9"):
        supply.arrive("T1", racks=["TRIM1-9"])
    assert supply.arrive("T1", racks=[RACK]) == [str(of) for of in ALL]
    assert supply.rack(RACK) == "arrived"
    # The advice comes when the supplier's line to the hub is back, and moves nothing backwards.
    supply.ship("T1", [RACK])
    assert supply.rack(RACK) == "arrived"
    assert {supply.part(of) for of in ALL} == {"arrived"}
    row = supply.connection.execute("SELECT departed_at, body <> '{}' FROM shipment").fetchone()
    assert row == (LEFT_AT, True)


def test_a_part_without_a_known_serial_is_told_by_its_part_number(supply: Supply) -> None:
    supply.pass_cars(1)
    supply.arrive("T1", racks=[RACK])
    assert "scan the part number too" in (supply.scan("T1", RACK, 1, "S-1").reason or "")
    scans = [
        dock.Scan(RACK, 1, LEFT_AT, "S-1", "DT-BLUE"),
        dock.Scan(RACK, 1, LEFT_AT, "S-2", "DT-RED"),
    ]
    found = []
    for scan in scans:
        found += dock.receive(supply.connection, OWNER, PLANT, "TRIM1", "T1", [scan], "worker 7")
    assert [receipt.reason for receipt in found] == [
        "part DT-BLUE was scanned; DT-RED is called",
        None,
    ]
    assert supply.part(key(1)) == "confirmed"


def test_the_same_part_scanned_again_counts_by_what_is_known_then(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    supply.arrive("T1", racks=[RACK])
    for slot, of in enumerate((key(1), key(2)), 1):
        assert not supply.scan("T1", RACK, slot, serial(of)).matched
        assert supply.part(of) == "mismatched"
    # Of one its part number is scanned too, of the other what was built is told late.
    scan = dock.Scan(RACK, 1, LEFT_AT, serial(key(1)), "DT-RED")
    dock.receive(supply.connection, OWNER, PLANT, "TRIM1", "T1", [scan], "worker 7")
    supply.say(key(2), "produced", serial=serial(key(2)))
    for _ in range(2):
        assert supply.scan("T1", RACK, 2, serial(key(2))).matched
    assert {supply.part(of) for of in (key(1), key(2))} == {"confirmed"}
    told = [r["what"] for r in supply.records("delivery") if r["key"]["production_no"] == "0000002"]
    assert told == ["mismatched", "confirmed"]


@pytest.mark.parametrize("gone", ["pull_out", "cancel"])
def test_a_part_that_comes_without_its_car_is_no_foreign_one(shipped: Supply, gone: str) -> None:
    shipped.say(ALL[1], gone, "plant")
    shipped.arrive("T1")
    found = shipped.scan("T1", RACK, 2, serial(ALL[1]))
    assert (found.matched, found.key) == (True, str(ALL[1]))
    assert shipped.part(ALL[1]) == "confirmed"
    assert "foreign_part" not in shipped.open()


def test_a_rack_goes_back_when_it_is_empty_and_not_before(shipped: Supply) -> None:
    with pytest.raises(RefusedError, match="is shipped: it can go back once it is unloaded"):
        dock.send_rack_back(shipped.connection, OWNER, PLANT, "TRIM1", RACK, LEFT_AT)


def test_only_the_plant_itself_speaks_at_its_dock(shipped: Supply) -> None:
    connection = shipped.connection
    for speak in (
        lambda: dock.arrive(connection, "trimworks", PLANT, "TRIM1", "T1", LEFT_AT, "x"),
        lambda: dock.unload(connection, "trimworks", PLANT, "TRIM1", "T1", LEFT_AT),
        lambda: dock.receive(connection, "trimworks", PLANT, "TRIM1", "T1", [], "x"),
        lambda: dock.report(connection, "trimworks", key(1), "consumed", LEFT_AT, "x"),
        lambda: dock.send_rack_back(connection, "trimworks", PLANT, "TRIM1", RACK, LEFT_AT),
    ):
        with pytest.raises(UnknownError, match="no line TRIM1"):
            speak()


def test_the_wrong_part_is_not_taken_at_the_line(shipped: Supply) -> None:
    with pytest.raises(RefusedError, match="take that one, or reject this"):
        dock.report(shipped.connection, OWNER, key(1), "consumed", LEFT_AT, "ST-40", "S-other")
    assert shipped.part(key(1)) == "shipped"


def test_a_part_built_again_may_be_quicker_than_its_reports(supply: Supply) -> None:
    of = key(1)
    supply.pass_cars(1)
    supply.say(of, "produced", serial="S-1")
    supply.say(of, "inspected", serial="S-1", verdict="nok")
    # Its gateway is cut off now; the one built again is packed and comes.
    supply.arrive("T1", racks=[RACK])
    scan = dock.Scan(RACK, 1, LEFT_AT, "S-2", "DT-RED")
    (receipt,) = dock.receive(supply.connection, OWNER, PLANT, "TRIM1", "T1", [scan], "worker 7")
    assert receipt.matched
    dock.report(supply.connection, OWNER, of, "consumed", LEFT_AT, "ST-40", "S-2")
    supply.say(of, "produced", serial="S-2")
    supply.say(of, "packed", serial="S-2", rack=RACK, slot=1)
    assert (supply.part(of), supply.found(of).serial, supply.open()) == ("consumed", "S-2", {})


def test_scans_are_kept(shipped: Supply) -> None:
    shipped.arrive("T1")
    shipped.scan("T1", RACK, 1, "S-other")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shipped.connection.execute("UPDATE receipt SET verdict = 'matched'")
