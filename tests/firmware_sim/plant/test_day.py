"""The parts of a plant's day: what goes wrong by seed, trucks on the road, order of messages."""

from __future__ import annotations

import asyncio
from pathlib import Path

from firmware_sim.line.ledger import Ledger, Result
from firmware_sim.plant.disturbances import PER_HUNDRED_CARS, draw_disturbances
from firmware_sim.plant.lanes import Lane
from firmware_sim.plant.record import PlantEntry, PlantRecord, read_record
from firmware_sim.plant.road import Road


def test_the_same_seed_draws_the_same_disturbances() -> None:
    assert draw_disturbances(700, 3) == draw_disturbances(700, 3)
    assert draw_disturbances(700, 3) != draw_disturbances(700, 4)


def test_a_short_day_has_one_of_each_kind() -> None:
    assert sorted(one.kind for one in draw_disturbances(20, 1)) == sorted(PER_HUNDRED_CARS)


def test_a_truck_comes_when_it_is_due_with_what_was_loaded(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "line.jsonl")
    road = Road({"SEAT1": tmp_path / "line.jsonl", "TRIM1": tmp_path / "none.jsonl"})

    def result(no: int, kind: str, key: str = "", at: int = 10, eta: int = 0) -> Result:
        return Result(no, kind, key, f"S{no}", "", "R1", no, at, "T1", eta)

    for entry in (
        result(1, "loaded", "a"),
        result(2, "shipped", "a"),
        result(3, "shipped", "b"),
        result(4, "departed", eta=100),
    ):
        ledger.add(entry)
    assert road.arrived(99) == []
    ledger.add(result(5, "delayed", eta=150))
    assert road.arrived(149) == []
    (truck,) = road.arrived(150)
    assert (truck.line, truck.shipment, truck.racks) == ("SEAT1", "T1", ["R1"])
    assert [part.key for part in truck.parts] == ["a", "b"]
    assert road.arrived(1000) == []
    ledger.close()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    record = PlantRecord(tmp_path / "plant.jsonl")
    entries = [PlantEntry(1, "planned", car="1", slot=1), PlantEntry(2, "rejected", key="k")]
    for entry in entries:
        record.add(entry)
    record.close()
    with (tmp_path / "plant.jsonl").open("a") as torn:
        torn.write('{"at": 3, "wh')
    assert list(read_record(tmp_path / "plant.jsonl")) == entries


def test_a_lane_waits_for_what_another_must_say_before() -> None:
    said: list[str] = []

    async def work() -> None:
        moves, parts = Lane(), Lane()
        gate = asyncio.Event()

        def say(what: str, after: asyncio.Event | None = None) -> object:
            async def speak() -> None:
                if after is not None:
                    await after.wait()
                said.append(what)

            return speak

        tasks = [asyncio.create_task(lane.serve()) for lane in (moves, parts)]
        mark = moves.add(say("passed", gate))  # type: ignore[arg-type]
        parts.add(say("fitted"), after=mark)  # type: ignore[arg-type]
        last = parts.add(say("arrived"))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        gate.set()
        await last.reached()
        assert moves.idle
        assert parts.idle
        for task in tasks:
            task.cancel()

    asyncio.run(work())
    assert said == ["passed", "fitted", "arrived"]
