"""The S7 source against the simulated PLC: what comes, what does not, and what was missed."""

from __future__ import annotations

import asyncio
import gc
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port
from edge.sources.s7 import S7Settings
from firmware_sim.device.faults import MisbehaveCommand
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.proxy.proxy import FaultProxy
from firmware_sim.s7.plc import RunningS7, run_s7
from tests.edge.sources.ledger import each_count_is_there_or_in_a_gap
from tests.edge.sources.reading import Reading, reading, run, until

STILL = DeviceSettings(cycle_s=1000)
"""A press that does not move while a test lasts."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def settings_for(port: int, *tags: str | dict[str, Any], **more: Any) -> S7Settings:
    listed = [{"name": t, "address": t} if isinstance(t, str) else t for t in tags]
    quick = {"poll_s": 0.05, "timeout_s": 5, "retry_tags_s": 0.1}
    device = {"kind": "s7", "device": "press", "host": "127.0.0.1", "port": port, "tags": listed}
    return S7Settings.model_validate({**device, **quick, **more})


def misbehave(plc: RunningS7, **what: Any) -> None:
    plc.manners.make(MisbehaveCommand(**what))


def causes(got: Reading) -> list[tuple[str, bool]]:
    """Each gap's cause, and whether its end is open."""
    return [(gap.cause, gap.to_us is None) for gap in got.gaps_but_late]


def test_each_type_arrives_as_the_plc_means_it(path: Path) -> None:
    wanted: dict[str, tuple[Any, Any]] = {
        "DB1.DBX0.3": (True, 1.0),
        "DB1.DBB1:BYTE": (200, 200.0),
        "DB1.DBB2:SINT": (-5, -5.0),
        "DB1.DBW4:INT": (-300, -300.0),
        "DB1.DBW6:WORD": (65_000, 65_000.0),
        "DB1.DBD8:DINT": (-70_000, -70_000.0),
        "DB1.DBD12:UDINT": (4_000_000_000, 4e9),
        "DB1.DBD16:REAL": (1.5, 1.5),
        "DB1.DBL20:LREAL": (0.1, 0.1),
        "DB1.DBL28:LINT": (-(2**60), -(2**60)),
        "DB1.DBL36:ULINT": (2**64 - 1, 2**64 - 1),
        "DB1.DBD44:TIME": (90_000, 90_000.0),
        "DB1.DBW48:S5TIME": (12_300, 12_300.0),
        "DB1.DBW50:DATE": ("2026-02-28", "2026-02-28"),
        "DB1.DBB52:DT": (datetime(2026, 7, 1, 12, 0, 0, 250_000), 1782907200250.0),
        "DB1.DBB60:DTL": (datetime(2026, 1, 1), 1767222000000.0),
        "DB1.DBB72:STRING[10]": ("P-007", "P-007"),
        "DB1.DBB84:WSTRING[5]": ("螺丝", "螺丝"),
        "DB1.DBB98:CHAR[4]": ("AB", "AB"),
        "DB1.DBB102:INT[3]": ([1, -2, 3], [1, -2, 3]),
        "MW20:INT": (7, 7.0),
        "I0.1": (True, 1.0),
        "QB4": (9, 9.0),
    }

    async def work() -> None:
        async with run_s7(STILL) as plc:
            plc.memory.blocks[1] = bytearray(200)
            for address, (value, _) in wanted.items():
                plc.memory.put(address, value)
            # In summer Berlin is two hours ahead of UTC, in winter one.
            settings = settings_for(plc.port, *wanted, "DB1.DBX110.0:BOOL[10]",
                                    time_zone="Europe/Berlin")  # fmt: skip
            plc.memory.blocks[1][110:112] = b"\x05\x02"
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                found = {address: got.values(address) for address in wanted}
                expected = {address: [value] for address, (_, value) in wanted.items()}
                expected["DB1.DBB52:DT"] = [1782907200250.0 - 7_200_000]
                assert found == expected
                bits = [True, False, True, False, False, False, False, False, False, True]
                assert got.values("DB1.DBX110.0:BOOL[10]") == [bits]
                tag = next(t for t in got.journal.tags() if t.name == "DB1.DBW4:INT")
                assert dict(tag.properties) == {"s7Type": "INT", "s7Address": "DB1.DBW4:INT"}

    run(work)


def test_changes_are_samples_and_repetitions_are_not(path: Path) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            plc.memory.blocks[1] = bytearray(40)
            force = {"name": "Force", "address": "DB1.DBD0:REAL", "deadband": 1.0, "scale": 2}
            settings = settings_for(plc.port, force, "DB1.DBW4:INT", "DB1.DBD8:REAL")
            plc.memory.put("DB1.DBD8:REAL", float("nan"))
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                for n, value in enumerate([0.25, 0.5, 0.75, 2.0], start=1):
                    plc.memory.put("DB1.DBD0:REAL", value)
                    plc.memory.put("DB1.DBW4:INT", n)
                    await until(lambda n=n: got.values("DB1.DBW4:INT")[-1:] == [float(n)])  # type: ignore[misc]
                assert got.values("Force") == [0.0, 1.5, 4.0]
                assert got.values("DB1.DBW4:INT") == [0.0, 1.0, 2.0, 3.0, 4.0]
                assert len(got.values("DB1.DBD8:REAL")) == 1  # NaN is not another NaN
                assert got.figures.refused_nodes == 0
                assert not got.gaps_but_late

    run(work)


def test_many_tags_take_few_requests_and_none_beyond_the_pdu(path: Path) -> None:
    async def work() -> None:
        async with run_s7(DeviceSettings(extra=500, cycle_s=1000, extra_hz=0.001), pdu=240) as plc:
            tags = [f"DB200.DBD{4 * n}:REAL" for n in range(500)]
            plc.memory.blocks[1] = bytearray(600)
            text = "DB1.DBB0:CHAR[600]"  # longer than a PDU
            plc.memory.put(text, "x" * 599 + "y")
            async with reading(path, settings_for(plc.port, *tags, text, poll_s=60)) as got:
                await until(lambda: got.devices.heard == ["press online"])
                assert [got.values(t)[-1] for t in tags] == [float(n) for n in range(500)]
                assert got.values(text) == ["x" * 599 + "y"]
                assert plc.server.jobs <= 500 * 4 // 220 + 600 // 220 + 3

    run(work)


def test_a_tag_that_is_not_there_stops_nobody_and_heals(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            tags = ["DB10.DBD0:REAL", "DB10.DBD30:DINT", "DB10.DBW60:INT", "DB77.DBW0:INT", "MW0"]
            async with reading(path, settings_for(plc.port, *tags)) as got:
                await until(lambda: got.devices.heard == ["press online"])
                assert got.figures.refused_nodes == 2
                end = "tag DB10.DBW60:INT: DB10.DBW60:INT: refused: address out of range: the block"
                none = "tag DB77.DBW0:INT: DB77.DBW0:INT: refused: there is no such block (0x0A)"
                assert sorted(causes(got)) == [
                    (f"{end} or area is shorter (0x05)", True),
                    (none, True),
                ]
                plc.memory.put("DB10.DBD30:DINT", 5)
                await until(lambda: got.values("DB10.DBD30:DINT") == [0.0, 5.0])
                plc.memory.blocks[10].extend(bytes(20))
                plc.memory.blocks[77] = bytearray(2)
                plc.memory.put("DB77.DBW0:INT", 3)
                await until(lambda: got.figures.refused_nodes == 0)
                await until(lambda: got.values("DB77.DBW0:INT") == [3.0])
                await until(lambda: len(got.gaps_but_late) == 4)
                # The block is gone again: its tags are null of bad quality, and come back.
                misbehave(plc, hide="DB77")
                await until(lambda: got.values("DB77.DBW0:INT") == [3.0, None])
                assert got.samples("DB77.DBW0:INT")[-1][2] == 0
                misbehave(plc, show="DB77")
                await until(lambda: got.values("DB77.DBW0:INT") == [3.0, None, 3.0])
                assert got.devices.heard == ["press online"]

    caplog.set_level(logging.INFO)
    run(work)
    said = [r.message for r in caplog.records if "DB10.DBW60" in r.message]
    assert len(said) == 2
    assert said[1].endswith("well again")


def test_a_missing_block_is_one_gap_and_not_one_for_each_tag(path: Path) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            tags = [f"DB77.DBW{2 * n}:INT" for n in range(50)]
            async with reading(path, settings_for(plc.port, *tags, "MW0")) as got:
                await until(lambda: len(got.gaps_but_late) == 1)
                assert got.figures.refused_nodes == 50
                ((cause, _),) = causes(got)
                assert cause.startswith("50 tags, the first is tag DB77.DBW0:INT: DB77.DBW0:INT: ")
                plc.memory.blocks[77] = bytearray(60)  # half of them
                await until(lambda: got.figures.refused_nodes == 20)
                assert len(causes(got)) == 1
                plc.memory.blocks[77].extend(bytes(40))
                await until(lambda: got.figures.refused_nodes == 0)
                await until(lambda: causes(got) == [(cause, True), (cause, False)])

    run(work)


def test_an_agent_that_starts_before_its_plc_says_since_when_nothing_was_read(path: Path) -> None:
    port = free_port()
    here = STILL.model_copy(update={"port": port})

    async def work() -> None:
        settings = settings_for(port, "MW0")
        async with run_s7(here), reading(path, settings) as got:
            await until(lambda: got.devices.heard == ["press online"])
        async with reading(path, settings) as got:
            await until(lambda: got.figures.state == "offline")
            await asyncio.sleep(0.3)  # some polls
            async with run_s7(here):
                await until(lambda: got.figures.state == "online")
                ((cause, _),) = causes(got)
                assert "missed: connection lost" in cause

    run(work)


def test_what_cannot_be_read_is_known_over_a_restart(path: Path) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            settings = settings_for(plc.port, "DB10.DBD0:REAL", "DB77.DBW0:INT", "DB78.DBW0:INT")
            async with reading(path, settings) as got:
                await until(lambda: got.figures.refused_nodes == 2)
            await asyncio.sleep(0.3)  # some polls
            plc.memory.blocks[77] = bytearray(2)
            fewer = settings_for(plc.port, "DB10.DBD0:REAL", "DB77.DBW0:INT")
            async with reading(path, fewer) as got:
                await until(lambda: got.devices.heard == ["press online"])
                refused = [gap for gap in got.gaps_but_late if "refused" in gap.cause]
                begun = {gap.cause: gap.from_us for gap in refused if gap.to_us is None}
                ended = {gap.cause: gap.from_us for gap in refused if gap.to_us is not None}
                assert begun == ended
                assert len(begun) == 2
                (stopped,) = [gap for gap in got.gaps_but_late if "refused" not in gap.cause]
                assert stopped.cause.endswith("missed: agent stopped")

    run(work)


def test_each_count_of_a_plc_that_comes_and_goes_is_there_once_or_in_a_gap(
    path: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    device = DeviceSettings(counters=3, counter_hz=4, cycle_s=1, ledger=ledger)

    async def work() -> None:
        async with run_s7(device) as plc, FaultProxy("127.0.0.1", plc.port) as proxy:
            tags = [{"name": f"Counter{n}", "address": f"DB100.DBD{4 * n}:DINT"} for n in range(3)]
            settings = settings_for(proxy.port, *tags, "DB10.DBD0:REAL", poll_s=0.04, timeout_s=0.5)
            async with reading(path, settings) as got:
                await each_count_is_there_or_in_a_gap(got, proxy, ledger)

    run(work)


@pytest.mark.parametrize("answer", ["garbage", "partial", "silent", "short", "close"])
def test_an_answer_that_is_none_costs_the_connection_and_nothing_else(
    path: Path, answer: str
) -> None:
    async def work() -> None:
        async with (
            run_s7(STILL) as plc,
            reading(path, settings_for(plc.port, "DB10.DBD30:DINT", timeout_s=0.5)) as got,
        ):
            await until(lambda: got.values("DB10.DBD30:DINT") == [0.0])
            misbehave(plc, answer=answer)
            await until(lambda: got.figures.state == "offline")
            misbehave(plc, answer="right")
            plc.memory.put("DB10.DBD30:DINT", 8)
            await until(lambda: got.values("DB10.DBD30:DINT") == [0.0, 8.0])
            lost = [gap for gap in got.gaps_but_late if "connection lost" in gap.cause]
            assert lost
            assert lost[-1].to_us is not None
            assert lost[-1].to_us <= got.samples("DB10.DBD30:DINT")[-1][0]

    run(work)


def test_a_plc_that_forbids_access_says_what_to_do(path: Path) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            misbehave(plc, hide="jobs")
            async with reading(path, settings_for(plc.port, "DB10.DBD30:DINT", "MW0")) as got:
                await until(lambda: got.figures.refused_nodes == 2)
                assert all("0x81" in gap.cause for gap in got.gaps)
                misbehave(plc, show="jobs")
                await until(lambda: got.values("DB10.DBD30:DINT") == [0.0])

    run(work)


def test_values_that_are_none_of_their_type_are_null_of_bad_quality(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            plc.memory.blocks[1] = bytearray(100)
            plc.memory.put("DB1.DBB8:STRING[5]", "ok")
            tags = ["DB1.DBB0:DT", "DB1.DBB8:STRING[5]", "DB1.DBW20:INT", "DB1.DBB30:DTL"]
            async with reading(path, settings_for(plc.port, *tags)) as got:
                await until(lambda: got.values("DB1.DBB8:STRING[5]") == ["ok"])
                plc.memory.blocks[1][9] = 77  # longer than it is
                plc.memory.put("DB1.DBW20:INT", 4)
                await until(lambda: got.values("DB1.DBW20:INT") == [0.0, 4.0])
                assert got.values("DB1.DBB8:STRING[5]") == ["ok", None]
                assert [q for *_, q in got.samples("DB1.DBB0:DT")] == [0]
                assert [q for *_, q in got.samples("DB1.DBB30:DTL")] == [0]
                plc.memory.put("DB1.DBB8:STRING[5]", "well")
                await until(lambda: got.values("DB1.DBB8:STRING[5]") == ["ok", None, "well"])

    run(work)
    said = [r.message for r in caplog.records if "STRING says 77 of 5" in r.message]
    assert len(said) == 1


def test_where_there_is_no_plc_it_says_so_and_stops_at_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()

    async def work() -> None:
        settings = settings_for(port, "MW0")
        async with reading(path, settings) as got:
            await until(lambda: got.figures.state == "offline")
        async with asyncio.timeout(30), run_s7(STILL.model_copy(update={"port": port})) as plc:
            misbehave(plc, answer="silent")
            async with reading(path, settings.model_copy(update={"timeout_s": 60.0})) as got:
                await asyncio.sleep(0.3)  # it waits for an answer when it is told to end
        gc.collect()

    run(work)
    assert "never retrieved" not in caplog.text
    said = [r.message for r in caplog.records if "source press" in r.message]
    assert said
    assert "is it a PLC, and is its port open?" in said[0]


def test_rare_polls_are_kept_alive_by_a_knock(path: Path) -> None:
    async def work() -> None:
        async with run_s7(STILL) as plc:
            settings = settings_for(plc.port, "MW0", poll_s=3600, silence_s=1)
            async with reading(path, settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                await until(lambda: plc.server.jobs > 4)
                assert len(got.values("MW0")) == 1

    run(work)
