"""The emergency stock of a line: each set that is taken and each that fills it up is booked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.calls import dock, reorders
from hub.calls.decisions import decide
from hub.calls.emergency_stock import levels
from hub.calls.modes import set_mode
from hub.calls.refused import RefusedError
from hub.calls.watch import look
from protocols.jis.messages import CallKey
from tests.hub.calls.plant import by
from tests.hub.calls.supply import TIMES, Supply, key, seat, serial
from tests.hub.calls.world import OWNER, PLANT, passed_at

RACK = "TRIM1-00001"


def bookings(supply: Supply) -> list[tuple[str, int]]:
    """(car, sets), in order."""
    return supply.connection.execute(
        "SELECT c.production_no, b.sets FROM stock_booking b JOIN jis_call c ON c.id = b.call"
        " ORDER BY b.id"
    ).fetchall()


def left(supply: Supply, line: str = "TRIM1") -> dict[str, int]:
    return levels(supply.connection, PLANT, line)


def exception(supply: Supply, kind: str) -> int:
    row = supply.connection.execute(
        "SELECT id FROM exception WHERE kind = %s AND closed_at IS NULL", (kind,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def found_nok(supply: Supply, of: CallKey) -> None:
    """Delivered as called, and found not in order at the line."""
    for kind in ("shipped", "arrived", "confirmed", "rejected"):
        supply.say(of, kind, "supplier" if kind == "shipped" else "dock")


def confirm(supply: Supply, of: CallKey, rack: str, slot: int, shipment: str) -> None:
    """Built, sent, and scanned at the dock."""
    supply.pack(of)
    supply.ship(shipment, {rack: {slot: (of, serial(of))}})
    supply.arrive(shipment)
    assert supply.scan(shipment, rack, slot, serial(of)).matched


def test_nok_at_the_line_takes_one_from_the_emergency_stock_and_the_reorder_fills_it_up(
    supply: Supply,
) -> None:
    supply.set_profile(emergency_stock=1)
    supply.pass_cars(1, 2)
    supply.pack(key(1))
    found_nok(supply, key(1))
    number = exception(supply, "nok_at_line")
    assert not decide(supply.connection, OWNER, number, "take_one", passed_at(6), "shift lead")
    assert (bookings(supply), left(supply)) == ([("0000001", -1)], {"DOOR-TRIM": 0})
    dock.report(supply.connection, OWNER, key(1), "confirmed", passed_at(6), "worker 7")
    assert left(supply) == {"DOOR-TRIM": 0}, "a part that is rejected fills nothing up"
    new, _ = reorders.reorder(supply.connection, OWNER, key(1), by(), from_stock=True)
    assert bookings(supply) == [("0000001", -1)], "its car has one already"
    other, _ = reorders.reorder(supply.connection, OWNER, _nok(supply, 2), by())
    assert left(supply) == {"DOOR-TRIM": 0}, "nobody said that car 2 gets one"
    record = supply.found(new)
    confirm(supply, new, record.rack, record.slot, "E1")
    assert bookings(supply) == [("0000001", -1), ("0000001", 1)]
    assert left(supply) == {"DOOR-TRIM": 1}
    record = supply.found(other)
    confirm(supply, other, record.rack, record.slot, "E2")
    assert left(supply) == {"DOOR-TRIM": 1}, "that one is fitted"


def _nok(supply: Supply, car: int) -> CallKey:
    supply.pack(key(car))
    found_nok(supply, key(car))
    return key(car)


def test_no_more_is_taken_than_there_is(supply: Supply) -> None:
    supply.set_profile(emergency_stock=1)
    supply.pass_cars(1, 2)
    reorders.reorder(supply.connection, OWNER, _nok(supply, 1), by(), from_stock=True)
    second = _nok(supply, 2)
    with pytest.raises(RefusedError, match="no set of DOOR-TRIM is left"):
        reorders.reorder(supply.connection, OWNER, second, by(), from_stock=True)
    assert supply.found(second).car == "released"
    number = exception(supply, "nok_at_line")
    with pytest.raises(RefusedError, match="no set of DOOR-TRIM is left"):
        decide(supply.connection, OWNER, number, "take_one", passed_at(6), "shift lead")
    with pytest.raises(RefusedError, match="the emergency stock of line TRIM1 is used up"):
        set_mode(supply.connection, OWNER, PLANT, "TRIM1", "buffer", passed_at(6), "lead", "drill")


def test_while_the_line_works_from_its_stock_a_reorder_takes_one_by_itself(supply: Supply) -> None:
    supply.set_profile("SEAT1", emergency_stock=2)
    supply.pass_cars(1)
    supply.inspect(seat(1))
    set_mode(supply.connection, OWNER, PLANT, "SEAT1", "buffer", passed_at(4), "lead", "drill")
    supply.say(seat(1), "scrapped")
    reorders.reorder(supply.connection, OWNER, seat(1), by(passed_at(5)))
    assert left(supply, "SEAT1") == {"SEAT-FRONT": 1, "SEAT-REAR": 2}


def test_a_truck_delayed_takes_from_the_stock_for_the_cars_it_hits(supply: Supply) -> None:
    """Cars 1 to 3 are hit and two sets are there: the third is named with the decision. Once the
    truck is there after all its parts fill the stock up."""
    supply.set_profile(**TIMES, emergency_stock=2)
    supply.pass_cars(*range(1, 7))
    supply.pack(*[key(n) for n in range(1, 7)])
    supply.ship("T1", [RACK], eta=passed_at(12) + timedelta(seconds=30))
    look(supply.connection, passed_at(6))
    number = exception(supply, "truck_late")
    decide(supply.connection, OWNER, number, "buffer", passed_at(6), "shift lead", "ring road")
    assert bookings(supply) == [("0000001", -1), ("0000002", -1)]
    row = supply.connection.execute(
        "SELECT note FROM exception WHERE id = %s", (number,)
    ).fetchone()
    assert row == ("ring road; none is left for 0000003 DOOR-TRIM",)
    mode = supply.connection.execute("SELECT mode FROM line_mode WHERE until IS NULL").fetchone()
    assert mode == ("buffer",)
    supply.arrive("T1")
    for slot, (_, number_) in supply.slots(RACK).items():
        supply.scan("T1", RACK, slot, number_)
    assert left(supply) == {"DOOR-TRIM": 2}
    assert bookings(supply)[2:] == [("0000001", 1), ("0000002", 1)]
