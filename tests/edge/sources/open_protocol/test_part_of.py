"""A controller is told which part its line has begun, so that its results name it."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from edge.calls import CallStore
from edge.config import EdgeConfig
from edge.journal import SampleBatch, TelemetryJournal
from edge.parts import Parts
from edge.sources.begun import PartBegun, PartsBegun
from edge.sources.open_protocol import OpenProtocolSettings
from edge.status import Figures
from firmware_sim.line.plc import run_line
from firmware_sim.line.settings import LineSettings
from firmware_sim.open_protocol import ControllerSettings, run_controller
from firmware_sim.proxy.proxy import FaultProxy
from protocols.inspection import RESULT, parse_result
from protocols.streams import State
from tests.edge.plant import LINE, PART_GROUPS, PLANT, calls, edge_config
from tests.edge.sources.reading import reading, run, until

NAME = f"{PLANT}/{LINE}"
BY_COMMAND = ControllerSettings(cycle_s=0)


def settings_for(port: int, say: str = "production_no", **more: object) -> OpenProtocolSettings:
    return OpenProtocolSettings.model_validate(
        {
            "kind": "open_protocol", "device": "nut", "host": "127.0.0.1", "port": port,
            "timeout_s": 10.0, "keep_alive_s": 1.0, "part_of": {"line": NAME, "say": say}, **more,
        }
    )  # fmt: skip


def part(name: str, *, vin: str | None = None, serial: str | None = None) -> PartBegun:
    return PartBegun(f"{NAME}/{name}/SEAT-FRONT/0", name, vin, serial)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_what_the_line_s_plc_begins_is_in_the_results(tmp_path: Path) -> None:
    """The whole way: a call handed over, begun by the PLC, told to the controller, tightened."""
    data = tmp_path / "data"
    data.mkdir()
    store = CallStore.open(data / "calls.sqlite")
    store.read_state(State(7, 0, 2))
    [first, second] = calls(1, 2)
    told = [first, second.model_copy(update={"vin": "WVWZZZ1JZXW000002"})]
    records = [call.model_dump(mode="json") for call in told]
    store.receive(7, 0, records, {NAME: frozenset(PART_GROUPS)})
    store.close()
    line_settings = LineSettings(line=LINE, cycle_s=0.05)

    async def work() -> None:
        async with (
            run_controller(BY_COMMAND) as by_no,
            run_controller(BY_COMMAND) as by_vin,
            run_line(line_settings) as line,
        ):
            plc_port = int(line.endpoint.rstrip("/").rpartition(":")[2])
            plain = edge_config(data, free_port(), plc_port).model_dump(by_alias=True)
            nuts = [settings_for(by_no.port), settings_for(by_vin.port, "vin", device="nut-2")]
            plain["sources"] += [nut.model_dump(by_alias=True) for nut in nuts]
            config = EdgeConfig.model_validate(plain)
            stop = asyncio.Event()
            async with Parts(config, Figures()) as parts:
                working = asyncio.create_task(parts.work(stop))
                await until(lambda: by_no.controller.identifiers[0] == "0000002")
                await until(lambda: by_vin.controller.identifiers[0] == "WVWZZZ1JZXW000002")
                by_no.controller.tighten(ok=True)
                journal = parts._journal
                await until(lambda: "0000002" in tightened(journal))
                stop.set()
                await working

    run(work)


def tightened(journal: TelemetryJournal) -> set[str | None]:
    """Serials of the results that the journal has."""
    ids = {tag.id for tag in journal.tags() if tag.name == RESULT}
    records = [stored.record for stored in journal.read(0, 2**53, 10**9)]
    return {
        parse_result(str(record.others[i])).serial
        for record in records
        if isinstance(record, SampleBatch)
        for i, tag in enumerate(record.tags)
        if tag in ids
    }


def test_a_controller_that_was_away_is_told_the_newest_when_it_is_back(path: Path) -> None:
    async def work() -> None:
        begun = PartsBegun()
        async with (
            run_controller(BY_COMMAND) as running,
            FaultProxy("127.0.0.1", running.port) as proxy,
            reading(path, settings_for(proxy.port), begun=begun) as got,
        ):
            controller = running.controller
            await until(lambda: got.figures.state == "online")
            begun.note("P1/OTHER", part("0"))
            begun.note(NAME, part("1"))
            await until(lambda: controller.identifiers[0] == "1")
            await proxy.make("cut")
            await until(lambda: got.figures.state == "offline")
            begun.note(NAME, part("2"))
            begun.note(NAME, part("3"))
            controller.identify("SCANNED")
            await proxy.make("none")
            await until(lambda: controller.identifiers[0] == "3")
            assert "2" not in got.values("Part/Identifier")

    run(work)


def test_a_start_that_is_told_again_is_named_once_and_releases_no_tool(path: Path) -> None:
    async def work() -> None:
        begun = PartsBegun()
        async with (
            run_controller(BY_COMMAND) as running,
            reading(path, settings_for(running.port, lock_on_nok=True), begun=begun) as got,
        ):
            controller = running.controller
            named: list[str] = []
            controller.hearers.add(
                lambda mid, said, _: named.append(str(said["vin"])) if mid == 52 else None
            )
            await until(lambda: got.values("Part/Identifier") == [""])
            controller.tighten(ok=False)
            await until(lambda: not controller.enabled)
            begun.note(NAME, part("1"))
            await until(lambda: controller.identifiers[0] == "1")
            begun.note(NAME, part("1"))
            controller.alarm("E1")
            await until(lambda: got.values("Alarm/Code") == ["", "E1"])
            begun.note(NAME, part("2"))
            await until(lambda: got.values("Part/Identifier") == ["", "1", "2"])
            controller.alarm("E2")  # what is told is taken one by one: the part is dealt with
            await until(lambda: got.values("Alarm/Code") == ["", "E1", "E2"])
            assert [name for name in named if name in ("1", "2")] == ["1", "2"]
            assert not controller.enabled
            controller.identify("2")  # somebody has scanned it
            await until(lambda: controller.enabled)

    run(work)


def test_what_cannot_be_named_is_said_once_and_stops_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def lines() -> list[str]:
        return [m for m in caplog.messages if "part of the line" in m]

    def said(text: str) -> bool:
        return any(text in line for line in lines())

    async def work() -> None:
        begun = PartsBegun()
        async with (
            run_controller(BY_COMMAND) as running,
            reading(path, settings_for(running.port, "serial"), begun=begun) as got,
        ):
            controller = running.controller
            controller.takes_parts = False

            def has(name: str) -> bool:
                return controller.identifiers[0] == name

            await until(lambda: got.figures.state == "online")
            begun.note(NAME, part("1", serial="S1"))
            await until(lambda: said("do not let Open Protocol give the VIN"))
            for name, serial in (("2", None), ("3", "S" * 26), ("4", "座椅"), ("5", "S5")):
                begun.note(NAME, part(name, serial=serial))
                await asyncio.sleep(0)
            controller.tighten(ok=True)
            await until(lambda: len(got.values(RESULT)) > 0)
            controller.takes_parts = True
            begun.note(NAME, part("6", serial="S6"))
            await until(lambda: has("S6"))
            await until(lambda: said("well again"))
            assert len(lines()) == 2
            for name, serial, why in (
                ("7", None, "begun without serial"),
                ("8", "S" * 26, "26 characters, not 25"),
                ("9", "座椅", "can't encode"),
                ("10", "S\n1", "no text that a controller takes"),
            ):
                begun.note(NAME, part(name, serial=serial))
                await until(partial(said, why))
                begun.note(NAME, part(f"{name}+", serial=f"S{name}"))
                await until(partial(has, f"S{name}"))
            assert got.figures.reconnects == 0

    run(work)
