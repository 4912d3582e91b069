"""A rack closes by what is scanned into it, and by nothing else."""

from __future__ import annotations

import pytest

from hub.calls.racks import RackCall, emergency_place, is_complete, wrong_in
from tests.hub.calls.supply import Supply, key, seat, serial
from tests.hub.calls.world import PLANT


def test_a_rack_opens_with_its_first_call_and_closes_with_its_last_scan(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    seats = [seat(n, g) for n in (1, 2) for g in ("SEAT-FRONT", "SEAT-REAR")]
    supply.pack(*seats[:3])
    assert supply.rack("SEAT1-00001") == "open"
    supply.pack(seats[3])
    assert supply.rack("SEAT1-00001") == "closed"
    supply.say(seats[0], "unpacked")
    assert supply.rack("SEAT1-00001") == "open"
    supply.say(seats[0], "packed", serial=serial(seats[0]))
    assert supply.rack("SEAT1-00001") == "closed"
    assert supply.open() == {}


def test_a_slot_whose_car_is_out_stays_empty(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    seats = [seat(n, g) for n in (1, 2) for g in ("SEAT-FRONT", "SEAT-REAR")]
    supply.pack(*seats[:3])
    supply.say(seats[3], "cancel", "plant")
    assert supply.rack("SEAT1-00001") == "closed"


def test_a_part_whose_car_is_out_is_taken_out_before_the_rack_closes(supply: Supply) -> None:
    supply.pass_cars(1, 2)
    seats = [seat(n, g) for n in (1, 2) for g in ("SEAT-FRONT", "SEAT-REAR")]
    supply.pack(seats[0])
    supply.say(seats[0], "pull_out", "plant")
    supply.pack(*seats[1:])
    assert supply.rack("SEAT1-00001") == "open"
    supply.say(seats[0], "parked")
    assert supply.rack("SEAT1-00001") == "closed"
    supply.say(seats[0], "reinsert", "plant")
    assert supply.rack("SEAT1-00001") == "open"


def test_a_rack_that_is_not_fully_called_waits_for_the_next(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3, 4, 5)
    supply.pack(*[key(n) for n in range(1, 6)])
    assert supply.rack("TRIM1-00001") == "open"
    supply.pass_cars(6)
    supply.pack(key(6))
    assert supply.rack("TRIM1-00001") == "closed"


def call(number: int, slot: int, **more: object) -> RackCall:
    values = {
        "id": number, "key": f"c{number}", "production_no": str(number), "car": "released",
        "part": "packed", "serial": f"s{number}", "rack": "R", "slot": slot, "packed_rack": "R",
        "packed_slot": slot, "packed_serial": f"s{number}",
    }  # fmt: skip
    return RackCall(**(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"packed_slot": 1}, "two parts"),
        ({"packed_slot": 3}, "belongs into R, slot 2"),
        ({"rack": "Q"}, "belongs into Q, slot 2"),
        ({"packed_serial": "x"}, "serial x was scanned; s2 was built"),
        ({}, None),
        ({"serial": None}, None),
    ],
)
def test_what_is_wrong_in_a_slot_is_named(more: dict[str, object], says: str | None) -> None:
    found = wrong_in("R", [call(1, 1), call(2, 2, **more)])
    assert (says in " ".join(found.values())) if says else not found


def test_a_rack_without_a_part_to_come_is_not_complete() -> None:
    gone = call(1, 1, part="scrapped", packed_rack=None, packed_slot=None)
    assert not is_complete("R", 1, [gone], followed=True)
    assert is_complete("R", 2, [gone, call(2, 2)], followed=False)
    assert not is_complete("R", 3, [gone, call(2, 2)], followed=False)
    assert is_complete("R", 3, [gone, call(2, 2)], followed=True)


def test_a_rack_is_followed_by_those_of_higher_numbers_alone(supply: Supply) -> None:
    """Whatever the clock said when they were opened: it may have been set back in between."""
    supply.pass_cars(1, 2, 3)
    set_back(supply, "SEAT1-00002")
    supply.pack(seat(3), seat(3, "SEAT-REAR"))
    assert supply.rack("SEAT1-00002") == "open"  # with two slots for the next car


def set_back(supply: Supply, rack: str) -> None:
    """Have it opened an hour before, by the clock."""
    supply.connection.execute(
        "UPDATE rack SET opened_at = opened_at - interval '1 hour' WHERE rack = %s", (rack,)
    )


def test_what_follows_out_of_order_goes_into_emergency_racks(supply: Supply) -> None:
    supply.pass_cars(1, 2, 3, 4, 5, 6)
    places = []
    for number in range(1, 7):
        rack, slot = emergency_place(supply.connection, PLANT, "SEAT1")
        supply.connection.execute(
            "UPDATE jis_call SET rack = %s, slot = %s WHERE production_no = %s"
            " AND part_group = 'SEAT-FRONT'",
            (rack, slot, f"{number:07d}"),
        )
        places.append((rack, slot))
        set_back(supply, "SEAT1-E0002")
    assert places == [
        *[("SEAT1-E0001", slot) for slot in (1, 2, 3, 4)],
        ("SEAT1-E0002", 1),
        ("SEAT1-E0002", 2),
    ]
