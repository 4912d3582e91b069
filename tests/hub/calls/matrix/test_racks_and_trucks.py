"""Rows of the exception matrix that are about racks, trucks and the dock."""

from __future__ import annotations

import pytest

from tests.hub.calls.supply import Supply, key, seat, serial

RACK = "TRIM1-00001"
ALL = [key(n) for n in range(1, 7)]


def test_wrong_part_in_slot_found_by_scan_keeps_the_rack_open(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    seats = [seat(n, g) for n in (1, 2) for g in ("SEAT-FRONT", "SEAT-REAR")]
    supply.pack(*seats[:3])
    supply.inspect(seats[3])
    supply.say(seats[3], "packed", rack="SEAT1-00001", slot=4, serial="S-of-another")
    detail = supply.open()["wrong_part_in_slot"]
    assert (detail["rack"], detail["slot"]) == ("SEAT1-00001", 4)
    assert "serial S-of-another was scanned" in detail["what"]
    assert supply.told("wrong_part_in_slot") == ["seatworks", "carmaker"]
    assert supply.rack("SEAT1-00001") == "open"
    supply.say(seats[3], "unpacked")
    assert supply.open() == {}
    supply.say(seats[3], "packed", rack="SEAT1-00001", slot=4, serial=serial(seats[3]))
    assert supply.rack("SEAT1-00001") == "closed"


def test_a_rack_loaded_in_the_wrong_direction_is_one_exception(supply: Supply) -> None:
    supply.pass_cars(*range(1, 7))
    supply.pack(*ALL)
    as_called = supply.slots(RACK)
    supply.ship("T1", {RACK: {slot: as_called[7 - slot] for slot in as_called}})
    opened = supply.open()
    assert list(opened) == ["rack_turned"]
    assert opened["rack_turned"] == {"shipment": "T1", "rack": RACK, "needs": "forward"}


@pytest.fixture
def at_dock(supply: Supply) -> Supply:
    supply.pass_cars(*range(1, 7))
    supply.pack(*ALL)
    supply.ship("T1", [RACK])
    supply.arrive("T1")
    return supply


def test_delivery_confirmation_mismatch_by_serial(at_dock: Supply) -> None:
    receipt = at_dock.scan("T1", RACK, 1, serial(ALL[1]))
    assert not receipt.matched
    assert receipt.reason is not None
    assert f"the part is that of {ALL[1]}" in receipt.reason
    assert at_dock.part(ALL[0]) == "mismatched"
    assert list(at_dock.open()) == ["delivery_mismatch"]
    told = at_dock.records("delivery")[-1]
    assert (told["what"], told["reason"]) == ("mismatched", receipt.reason)
    # The right part is found and scanned: the variance is gone.
    assert at_dock.scan("T1", RACK, 1, serial(ALL[0])).matched
    assert at_dock.part(ALL[0]) == "confirmed"
    assert at_dock.open() == {}


def test_delivery_confirmation_mismatch_by_an_empty_slot(at_dock: Supply) -> None:
    receipt = at_dock.scan("T1", RACK, 3, None)
    assert receipt.reason == f"the slot is empty; {ALL[2]} belongs here"
    assert at_dock.part(ALL[2]) == "mismatched"


def test_delivery_confirmation_mismatch_by_a_part_nobody_called(at_dock: Supply) -> None:
    receipt = at_dock.scan("T1", RACK, 7, "S-9")
    assert (receipt.key, receipt.reason) == (None, "nothing is called for this slot")
    assert at_dock.open()["foreign_part"]["serial"] == "S-9"
