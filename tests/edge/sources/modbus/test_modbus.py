"""The Modbus source against simulated units: what comes, what does not, and what was missed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.local.ports import free_port
from edge.journal import JournalSettings, TelemetryJournal
from edge.sources.modbus import ModbusSettings
from firmware_sim.device.faults import MisbehaveCommand
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.modbus.unit import RunningModbus, run_modbus
from firmware_sim.proxy.proxy import FaultProxy
from protocols.modbus.values import Order
from tests.edge.sources.ledger import each_count_is_there_or_in_a_gap
from tests.edge.sources.reading import Reading, reading, run, until

STILL = DeviceSettings(cycle_s=1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def settings_for(where: int | str, *tags: str | dict[str, Any], **more: Any) -> ModbusSettings:
    listed = [{"name": t, "address": t} if isinstance(t, str) else t for t in tags]
    quick = {"poll_s": 0.05, "timeout_s": 5, "retry_tags_s": 0.1}
    # A pseudo terminal knows no parity.
    place: dict[str, Any] = {"serial_port": where, "parity": "none"}
    if isinstance(where, int):
        place = {"host": "127.0.0.1", "port": where}
    device = {"kind": "modbus", "device": "oven", "tags": listed}
    return ModbusSettings.model_validate({**device, **place, **quick, **more})


def misbehave(device: RunningModbus, **what: Any) -> None:
    device.manners.make(MisbehaveCommand(**what))


def causes(got: Reading) -> list[tuple[str, bool]]:
    """Each gap's cause, and whether its end is open."""
    return [(gap.cause, gap.to_us is None) for gap in got.gaps_but_late]


WANTED: dict[str, tuple[Any, Any]] = {
    "holding:200:int16": (-5, -5.0),
    "holding:201:uint16": (65_000, 65_000.0),
    "holding:202:int32": (-70_000, -70_000.0),
    "holding:204:uint32": (4_000_000_000, 4e9),
    "holding:206:int64": (-(2**60), -(2**60)),
    "holding:210:uint64": (2**64 - 1, 2**64 - 1),
    "holding:214:float32": (1.5, 1.5),
    "holding:216:float64": (0.1, 0.1),
    "holding:220:string[7]": ("P-007", "P-007"),
    "holding:230.9": (True, 1.0),
    "holding:240:int16[3]": ([1, -2, 3], [1, -2, 3]),
    "input:7:int16": (7, 7.0),
    "coil:5": (True, 1.0),
    "coil:8:bool[3]": ([True, False, True], [True, False, True]),
    "discrete:2": (True, 1.0),
}


@pytest.mark.parametrize("serial", [False, True], ids=["tcp", "rtu"])
def test_each_type_arrives_as_the_unit_means_it(path: Path, serial: bool) -> None:
    async def work() -> None:
        async with run_modbus(STILL, serial=serial) as device:
            for address, (value, _) in WANTED.items():
                device.memory.put(address, value)
            device.memory.put("holding:300:float32", 2.5, Order.CDAB)
            swapped = {"name": "swapped", "address": "holding:300:float32", "order": "CDAB"}
            where = device.endpoint if serial else device.port
            settings = settings_for(where, *WANTED, swapped, max_gap_registers=0)
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["oven online"])
                found = {address: got.values(address) for address in WANTED}
                assert found == {address: [value] for address, (_, value) in WANTED.items()}
                assert got.values("swapped") == [2.5]
                device.memory.put("holding:200:int16", 6)
                await until(lambda: got.values("holding:200:int16") == [-5.0, 6.0])
                assert not got.gaps_but_late
                tag = next(t for t in got.journal.tags() if t.name == "coil:5")
                assert dict(tag.properties) == {
                    "modbusType": "bool", "modbusAddress": "coil:5", "modbusUnit": "1",
                }  # fmt: skip

    run(work)


def test_many_tags_take_few_requests(path: Path) -> None:
    async def work() -> None:
        async with run_modbus(DeviceSettings(extra=500, extra_hz=0.001, cycle_s=1000)) as device:
            tags = [f"input:{1000 + 2 * n}:float32" for n in range(500)]
            coils = [f"coil:{n}" for n in range(16)]
            async with reading(path, settings_for(device.port, *tags, *coils, poll_s=60)) as got:
                await until(lambda: got.devices.heard == ["oven online"])
                assert [got.values(t)[-1] for t in tags] == [float(n) for n in range(500)]
                assert device.server.requests == 10  # of at most 62 numbers each, and the coils

    run(work)


def test_an_address_that_is_not_there_stops_nobody_and_heals(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with run_modbus(STILL) as device:
            # 22 to 29 are not there: the block across them is refused, and so is the tag in it.
            device.memory.put("holding:30:int16", 4)
            tags = ["holding:14:int32", "holding:25", "holding:30:int16", "input:3"]
            async with reading(path, settings_for(device.port, *tags)) as got:
                await until(lambda: got.devices.heard == ["oven online"])
                assert got.values("holding:30:int16") == [4.0]
                assert got.figures.refused_nodes == 2
                why = "refused: the unit has no such address (exception 2)"
                assert sorted(causes(got)) == [
                    (f"tag holding:25: holding:25:uint16: {why}", True),
                    (f"tag input:3: input:3:uint16: {why}", True),
                ]
                device.memory.put("holding:25", 9)
                await until(lambda: got.values("holding:25") == [9.0])
                device.memory.put("input:3", 1)
                await until(lambda: got.figures.refused_nodes == 0)
                await until(lambda: len(got.gaps_but_late) == 4)
                device.memory.remove("holding:25")
                await until(lambda: got.values("holding:25") == [9.0, None])
                assert got.devices.heard == ["oven online"]

    caplog.set_level(logging.INFO)
    run(work)
    said = [r.message for r in caplog.records if "tag input:3" in r.message]
    assert len(said) == 2
    assert said[1].endswith("well again")


@pytest.mark.parametrize("serial", [False, True], ids=["tcp", "rtu"])
def test_a_unit_that_is_off_stops_no_other(path: Path, serial: bool) -> None:
    async def work() -> None:
        async with run_modbus(STILL, serial=serial, units=3) as device:
            tags = [{"name": f"unit{n}", "address": "holding:16", "unit_id": n} for n in (1, 2, 3)]
            where = device.endpoint if serial else device.port
            async with reading(path, settings_for(where, *tags, timeout_s=1)) as got:
                await until(lambda: got.devices.heard == ["oven online"])
                misbehave(device, hide="unit 2")
                await until(lambda: got.values("unit2")[-1] is None)
                assert ("unit 2: no answer for 1 s", True) in causes(got)
                for n in range(3):
                    device.memory.put("holding:16", 10 + n)
                    await until(lambda n=n: got.values("unit1")[-1] == 10.0 + n)  # type: ignore[misc]
                misbehave(device, show="unit 2")
                await until(lambda: got.values("unit2")[-1] == 0.0)
                assert ("unit 2: no answer for 1 s", False) in causes(got)
                assert any("missed: waited in vain for unit 2" in cause for cause, _ in causes(got))
                assert got.devices.heard == ["oven online"]

    run(work)


def test_a_gateway_that_cannot_reach_a_unit_says_so(path: Path) -> None:
    async def work() -> None:
        async with run_modbus(STILL, units=2) as device:
            misbehave(device, hide="gateway")
            misbehave(device, hide="unit 2")
            tags = [{"name": f"unit{n}", "address": "40017", "unit_id": n} for n in (1, 2)]
            async with reading(path, settings_for(device.port, *tags)) as got:
                await until(lambda: got.values("unit1") == [1.0])
                what = "unit 2: the unit does not answer the gateway (exception 11)"
                await until(lambda: (what, True) in causes(got))

    run(work)


@pytest.mark.parametrize("serial", [False, True], ids=["tcp", "rtu"])
@pytest.mark.parametrize("answer", ["garbage", "partial", "silent"])
def test_an_answer_that_is_none_costs_the_connection_and_nothing_else(
    path: Path, answer: str, serial: bool
) -> None:
    async def work() -> None:
        async with run_modbus(STILL, serial=serial) as device:
            where = device.endpoint if serial else device.port
            settings = settings_for(where, "holding:14:int32", timeout_s=0.5)
            async with reading(path, settings) as got:
                await until(lambda: got.values("holding:14:int32") == [0.0])
                misbehave(device, answer=answer)
                await until(lambda: got.figures.state == "offline")
                misbehave(device, answer="right")
                device.memory.put("holding:14:int32", 8)
                await until(lambda: got.values("holding:14:int32") == [0.0, 8.0])
                assert any("connection lost" in gap.cause for gap in got.gaps)

    run(work)


def test_an_answer_of_the_wrong_length_is_no_value(path: Path) -> None:
    async def work() -> None:
        async with run_modbus(STILL) as device:
            tags = ["holding:14:int32", "coil:0"]
            async with reading(path, settings_for(device.port, *tags)) as got:
                await until(lambda: got.devices.heard == ["oven online"])
                misbehave(device, answer="short")
                await until(lambda: got.values("holding:14:int32") == [0.0, None])
                misbehave(device, answer="right")
                await until(lambda: got.values("holding:14:int32") == [0.0, None, 0.0])

    run(work)


def test_each_count_of_a_unit_that_comes_and_goes_is_there_once_or_in_a_gap(
    path: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    device = DeviceSettings(counters=3, counter_hz=4, cycle_s=1, ledger=ledger)

    async def work() -> None:
        async with run_modbus(device) as unit, FaultProxy("127.0.0.1", unit.port) as proxy:
            tags: list[dict[str, Any]] = [
                {"name": f"Counter{n}", "address": f"holding:{100 + 2 * n}:int32"} for n in range(3)
            ]
            settings = settings_for(proxy.port, *tags, poll_s=0.04, timeout_s=0.5)
            async with reading(path, settings) as got:
                await each_count_is_there_or_in_a_gap(got, proxy, ledger)

    run(work)


def test_a_step_of_the_clock_is_a_gap(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that are polled have their times from it."""
    ahead_us = 0

    def shifted_ns() -> int:
        return time.time_ns() + 1000 * ahead_us

    clocks = SimpleNamespace(time_ns=shifted_ns, monotonic_ns=time.monotonic_ns)
    monkeypatch.setattr("edge.sources.clock.time", clocks)
    monkeypatch.setattr("edge.sources.polled.source._TICK_S", 0.02)

    async def work() -> None:
        nonlocal ahead_us
        async with (
            run_modbus(STILL) as device,
            reading(path, settings_for(device.port, "coil:1")) as got,
        ):
            await until(lambda: got.devices.heard == ["oven online"])
            ahead_us = 3_600_000_000
            await until(lambda: any("clock of this PC" in cause for cause, _ in causes(got)))
            (step,) = [gap for gap in got.gaps if "clock of this PC" in gap.cause]
            assert step.cause.startswith("clock of this PC stepped by +3")
            assert step.from_us is not None
            assert step.to_us is not None
            assert step.to_us - step.from_us >= ahead_us

    run(work)


def test_a_start_with_the_clock_behind_names_what_was_not_polled(path: Path) -> None:
    later_us = time.time_ns() // 1000 + 3_600_000_000

    async def work() -> None:
        journal = TelemetryJournal.open(path, JournalSettings(commit_ms=1, keep_free_mb=0))
        mark = json.dumps({"read": {"0.05": later_us}, "out": {}})
        await journal.submit(bookmarks={"oven/polled": mark})
        await journal.close()
        async with (
            run_modbus(STILL) as device,
            reading(path, settings_for(device.port, "coil:1")) as got,
        ):
            await until(lambda: bool(got.gaps))
            first = got.gaps[0]
            assert first.cause.endswith(" missed: agent stopped")
            assert first.from_us is not None
            assert first.from_us < later_us
            assert first.to_us == later_us

    run(work)


def test_where_there_is_no_device_it_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        for where in (free_port(), "/dev/not-there"):
            async with reading(path, settings_for(where, "coil:1")) as got:
                await until(lambda: got.figures.state == "offline")

    run(work)
    said = [r.message for r in caplog.records if "source oven" in r.message]
    assert "cannot connect" in said[0]
    assert "is it on, and is its port open?" in said[0]
    assert "/dev/not-there: cannot open the serial port" in said[1]


def test_it_ends_at_once_while_it_waits_for_an_answer(path: Path) -> None:
    async def work() -> None:
        async with asyncio.timeout(30), run_modbus(STILL) as device:
            misbehave(device, answer="silent")
            async with reading(path, settings_for(device.port, "coil:1", timeout_s=60)):
                await until(lambda: device.server.requests > 0)

    run(work)


@pytest.mark.parametrize(
    ("what", "why"),
    [({"serial_port": "/dev/ttyS0"}, "give host for Modbus TCP, or serial_port for Modbus RTU"),
     ({"host": None}, "give host for Modbus TCP, or serial_port for Modbus RTU"),
     ({"host": None, "serial_port": "/dev/ttyS0", "framing": "tcp"}, "a serial line has framing"),
     ({"text_encoding": "latin-13"}, "there is no encoding 'latin-13'"),
     ({"time_zone": "Mars"}, "there is no time zone 'Mars'")],
)  # fmt: skip
def test_settings_that_contradict_one_another(what: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings_for(502, "coil:1", **what)
