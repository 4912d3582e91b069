"""When a rack leaves the line, by the line's own knowledge."""

from __future__ import annotations

from firmware_sim.line.dispatch import Dispatch
from firmware_sim.line.settings import LineSettings
from firmware_sim.line.state import HandedCall, LineState


def call(car: int, rack: str, slot: int, *, express: bool = False) -> HandedCall:
    return HandedCall(
        key=f"P1/SEAT1/{car}/SEAT/0",
        part_no="A",
        colour="red",
        rack=rack,
        sequence_no=car,
        slot=slot,
        quantity=1,
        express=express,
    )


class Line:
    def __init__(self) -> None:
        self.state = LineState()
        self.dispatch = Dispatch(self.state, LineSettings(rack_slots=2, truck_racks=2))

    def packs(self, *calls: HandedCall) -> None:
        for one in calls:
            self.state.take(one)
            self.state.put(one, f"S{one.sequence_no}")

    def shipped(self) -> list[str]:
        return [r.key.split("/")[2] for r in self.dispatch.work() if r.result == "shipped"]


def test_a_part_filled_rack_waits_for_its_parts() -> None:
    line = Line()
    line.packs(call(1, "R1", 1))
    assert not line.dispatch.work_to_do()
    line.state.take(call(2, "R1", 2))
    line.packs(call(3, "R2", 1), call(4, "R2", 2))
    assert line.shipped() == []
    line.state.put(line.state.open["P1/SEAT1/2/SEAT/0"], "S2")
    assert line.shipped() == ["1", "2", "3", "4"]


def test_a_slot_whose_call_never_came_holds_up_no_rack() -> None:
    line = Line()
    line.packs(call(1, "R1", 1), call(3, "R2", 1), call(4, "R2", 2))
    assert sorted(line.shipped()) == ["1", "3", "4"]


def test_an_express_part_leaves_at_once() -> None:
    line = Line()
    line.packs(call(1, "R1", 1), call(2, "E1", 1, express=True))
    assert line.shipped() == ["2"]
    assert line.shipped() == []


def test_half_a_swap_holds_up_its_rack() -> None:
    line = Line()
    line.packs(call(1, "R1", 1), call(2, "R1", 2))
    line.state.open["P1/SEAT1/1/SEAT/0"] = call(1, "R1", 2)
    assert not line.dispatch.work_to_do()
    assert line.dispatch.send_all() == []
    line.state.open["P1/SEAT1/2/SEAT/0"] = call(2, "R1", 1)
    line.dispatch.work()
    standing = {part.key: part.slot for part in line.state.racks["R1"].waiting}
    assert standing == {"P1/SEAT1/1/SEAT/0": 2, "P1/SEAT1/2/SEAT/0": 1}
