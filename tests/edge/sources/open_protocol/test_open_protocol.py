"""The source against a simulated controller: each result once, through whatever happens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port
from edge.journal import JournalSettings, TelemetryJournal
from edge.sources.open_protocol import OpenProtocolSettings
from edge.sources.open_protocol.source import OpenProtocolSource
from edge.sources.polled.link import LinkError
from firmware_sim.device.faults import MisbehaveCommand
from firmware_sim.open_protocol import (
    Controller,
    ControllerSettings,
    Kept,
    RunningController,
    run_controller,
)
from firmware_sim.proxy.proxy import FaultProxy
from protocols.inspection import RESULT, Result, parse_result
from protocols.open_protocol import LAST_ID
from tests.edge.sources.reading import Reading, reading, run, until

BY_COMMAND = ControllerSettings(cycle_s=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def settings_for(port: int, **more: Any) -> OpenProtocolSettings:
    quick = {"timeout_s": 5.0, "keep_alive_s": 0.6}
    return OpenProtocolSettings.model_validate(
        {"kind": "open_protocol", "device": "nut", "host": "127.0.0.1", "port": port}
        | quick | more
    )  # fmt: skip


@asynccontextmanager
async def station(
    path: Path, settings: ControllerSettings = BY_COMMAND, **more: Any
) -> AsyncIterator[tuple[Reading, Controller, RunningController]]:
    """A controller that is on, and a source that is online with it."""
    async with (
        run_controller(settings) as running,
        reading(path, settings_for(running.port, **more)) as got,
    ):
        await until(lambda: got.figures.state == "online")
        yield got, running.controller, running


@asynccontextmanager
async def over_proxy(
    path: Path, settings: ControllerSettings = BY_COMMAND, **more: Any
) -> AsyncIterator[tuple[Reading, Controller, FaultProxy]]:
    """A controller that is on, and a source that is online with it over a link that can break."""
    async with (
        run_controller(settings) as running,
        FaultProxy("127.0.0.1", running.port) as proxy,
        reading(path, settings_for(proxy.port, **more)) as got,
    ):
        await until(lambda: got.figures.state == "online")
        yield got, running.controller, proxy


def results(got: Reading) -> list[Result]:
    return [parse_result(text) for text in got.values(RESULT)]


def ids(got: Reading) -> list[int]:
    """The tightening id of each operation that the journal has, sorted."""
    whole = [r for r in results(got) if r.characteristic == "Tightening"]
    return sorted(int(r.key.partition("@")[0]) for r in whole)


def lost(got: Reading) -> list[str]:
    """The gaps that name results."""
    return [gap.cause for gap in got.gaps if gap.cause.startswith("tightening")]


def press(controller: Controller, *ok: bool) -> list[Kept]:
    made = [controller.tighten(ok=good) for good in ok]
    assert None not in made
    return [kept for kept in made if kept is not None]


async def until_has(got: Reading, *wanted: int) -> None:
    await until(lambda: len(ids(got)) >= len(wanted))
    assert ids(got) == sorted(wanted)


@pytest.mark.parametrize(
    ("sim", "mine", "revision"),
    [
        ({}, {}, 7),
        ({"revision": 1}, {}, 1),
        ({"revision": 4}, {"revision": 7}, 4),
        ({"sequence_numbers": False}, {"revision": 2}, 2),
        ({}, {"link_acknowledgements": False}, 7),
    ],
)
def test_a_result_in_the_revision_that_both_have(
    path: Path, sim: dict[str, Any], mine: dict[str, Any], revision: int
) -> None:
    async def work() -> None:
        settings = BY_COMMAND.model_copy(update=sim)
        async with station(path, settings, torque_unit="Nm", **mine) as (got, controller, _):
            controller.identify("DKX004711")
            press(controller, True, False)
            await until_has(got, 1, 2)
            whole, torque, angle = results(got)[:3]
            assert [r.characteristic for r in (whole, torque, angle)] == [
                "Tightening", "Torque", "Angle",
            ]  # fmt: skip
            assert {r.serial for r in results(got)} == {"DKX004711"}
            assert {r.tool for r in results(got)} == {"C0761275"}
            assert (whole.verdict, torque.verdict, angle.verdict) == ("ok", "ok", "ok")
            assert (torque.lower, torque.upper, torque.nominal) == (23.0, 27.0, 25.0)
            assert (torque.unit, angle.unit) == ("Nm", "deg")
            assert torque.programme == ("1" if revision < 3 else "1 Seat rail M8")
            assert (
                torque.key
                == whole.key
                == f"{1:010}@{controller.results[1].values['at']:%Y-%m-%dT%H:%M:%S}"
            )
            assert [r.verdict for r in results(got)[3:]] == ["nok", "nok", "ok"]
            assert len({r.raw_sha256 for r in results(got)}) == 2
            assert not lost(got)

    run(work)


def test_an_hour_without_network_leaves_no_hole(path: Path) -> None:
    async def work() -> None:
        async with over_proxy(path) as (got, controller, proxy):
            press(controller, True, True)
            await until_has(got, 1, 2)
            for fault in ("cut", "half_open"):
                await proxy.make(fault, seconds=0.8)
                press(controller, *[True] * 20)
                await until(lambda: got.figures.state == "offline")
                await until(lambda: got.figures.state == "online")
                press(controller, False)
            await until_has(got, *range(1, 45))
            assert not lost(got)
            assert got.figures.backfilled >= 3 * 40
            away = [gap.cause for gap in got.gaps]
            assert len(away) >= 2
            assert all(c.startswith("programme, job, identifier, alarms: ") for c in away)
            old = next(r for r in results(got) if r.key.startswith("0000000004@"))
            assert old.verdict == "ok"

    run(work)


@pytest.mark.parametrize("link_level", [True, False])
def test_each_result_is_there_once_however_often_the_link_drops(
    path: Path, link_level: bool
) -> None:
    async def work() -> None:
        settings = BY_COMMAND.model_copy(update={"clients": 10})
        mine = {"link_acknowledgements": link_level, "keep_alive_s": 5.0, "timeout_s": 5.0}
        async with over_proxy(path, settings, **mine) as (got, controller, proxy):
            press(controller, True)
            await until_has(got, 1)
            await proxy.make("drop", 0.05)
            while got.figures.reconnects < 3:
                press(controller, True)
                await asyncio.sleep(0.02)
            await proxy.make("none")
            wanted = list(controller.results)
            async with asyncio.timeout(60):
                while len(ids(got)) < len(wanted):  # noqa: ASYNC110 - reads a file
                    await asyncio.sleep(0.2)
            assert ids(got) == wanted
            assert not lost(got)

    run(work)


def test_a_gateway_that_was_off_goes_on_where_it_was(path: Path) -> None:
    async def work() -> None:
        async with run_controller(BY_COMMAND) as running:
            controller = running.controller
            press(controller, True, True)  # before there was a gateway: not its concern
            async with reading(path, settings_for(running.port)) as got:
                await until(lambda: got.figures.state == "online")
                press(controller, True)
                await until_has(got, 3)
            press(controller, True, True)
            async with reading(path, settings_for(running.port)) as got:
                await until_has(got, 3, 4, 5)
                await until(lambda: got.figures.state == "online")
                assert not lost(got)

    run(work)


def test_a_session_that_ends_before_it_is_told_all_leaves_the_gap_to_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = OpenProtocolSource._subscribe
    dropping = ["dropped while it subscribes"]

    async def drop(source: OpenProtocolSource, session: Any) -> None:
        if dropping:
            raise LinkError(dropping.pop())
        await subscribe(source, session)

    async def work() -> None:
        async with over_proxy(path) as (got, controller, proxy):
            press(controller, True)
            await until_has(got, 1)
            monkeypatch.setattr(OpenProtocolSource, "_subscribe", drop)
            await proxy.make("cut")
            await until(lambda: got.figures.state == "offline")
            away_us = time.time_ns() // 1000
            await proxy.make("none")
            await until(lambda: not dropping)
            await until(lambda: got.figures.state == "online")
            gap = next(gap for gap in got.gaps if gap.cause.startswith("programme, job, "))
            assert gap.from_us is not None
            assert gap.from_us <= away_us

    run(work)


def test_what_the_controller_no_longer_holds_is_a_gap_that_names_it(path: Path) -> None:
    async def work() -> None:
        settings = BY_COMMAND.model_copy(update={"keeps": 3})
        async with over_proxy(path, settings) as (got, controller, proxy):
            press(controller, True)
            await until_has(got, 1)
            await proxy.make("cut", seconds=0.5)
            press(controller, *[True] * 8)
            await until_has(got, 1, 7, 8, 9)
            await until(lambda: len(lost(got)) == 1)
            assert lost(got) == ["tightening 2 to 6: the controller does not give them (any more)"]
            gap = next(gap for gap in got.gaps if gap.cause in lost(got))
            assert gap.from_us is not None
            assert gap.to_us is not None
            assert gap.from_us <= gap.to_us

    run(work)


def test_a_controller_that_was_empty_at_first_has_all_of_its_results_fetched(path: Path) -> None:
    async def work() -> None:
        async with (
            run_controller(BY_COMMAND) as running,
            FaultProxy("127.0.0.1", running.port) as proxy,
        ):
            async with reading(path, settings_for(proxy.port)) as got:
                await until(lambda: got.figures.state == "online")
                await proxy.make("cut", seconds=0.3)
                press(running.controller, True, True)
                await until_has(got, 1, 2)
            press(running.controller, True)
            async with reading(path, settings_for(proxy.port)) as got:
                await until_has(got, 1, 2, 3)  # and not the first ones again

    run(work)


def test_ids_wrap_and_begin_anew(path: Path) -> None:
    async def work() -> None:
        settings = BY_COMMAND.model_copy(update={"first_id": LAST_ID - 1})
        async with over_proxy(path, settings) as (got, controller, proxy):
            press(controller, True)
            await until_has(got, LAST_ID - 1)
            await proxy.make("cut", seconds=0.3)
            press(controller, True, True, True)
            await until_has(got, LAST_ID - 1, LAST_ID, 1, 2)
            await until(lambda: got.figures.state == "online")
            controller.ahead_s = 60.0  # its clock goes on, so that this is later
            controller.forget(restart_at=1)
            await proxy.make("cut", seconds=0.3)
            press(controller, True, True, True)  # past the newest that was seen
            await until_has(got, LAST_ID - 1, LAST_ID, 1, 1, 2, 2, 3)
            controller.ahead_s = 120.0
            controller.forget(restart_at=1)
            press(controller, True)
            await until_has(got, LAST_ID - 1, LAST_ID, 1, 1, 1, 2, 2, 3)
            assert not lost(got)

    run(work)


def test_a_controller_that_lost_results_and_clock_is_asked_for_what_it_has_made_since(
    path: Path,
) -> None:
    async def work() -> None:
        async with over_proxy(path) as (got, controller, proxy):
            press(controller, True, True, True)
            await until_has(got, 1, 2, 3)
            await proxy.make("cut", seconds=0.3)
            controller.ahead_s = -86_400.0
            controller.forget(restart_at=1)
            press(controller, True, True)
            await until_has(got, 1, 1, 2, 2, 3)
            await until(lambda: got.figures.state == "online")
            press(controller, True, True)
            await until_has(got, 1, 1, 2, 2, 3, 3, 4)
            assert not lost(got)

    run(work)


def test_a_clock_that_jumps_costs_no_result(path: Path) -> None:
    async def work() -> None:
        async with over_proxy(path) as (got, controller, proxy):
            for jump_s in (0.0, -7200.0, 86_400.0):
                controller.ahead_s = jump_s
                press(controller, True)
                await until(lambda: ids(got)[-1:] == [controller.next_id - 1])
                await proxy.make("cut", seconds=0.2)
                press(controller, True, True)
                await until(lambda: ids(got)[-1:] == [controller.next_id - 1])
                await until(lambda: got.figures.state == "online")
            await until_has(got, *range(1, 10))
            assert not lost(got)
            assert all(gap.from_us <= gap.to_us for gap in got.gaps if gap.from_us and gap.to_us)

    run(work)


def test_a_start_with_the_clock_behind_names_what_was_not_told(path: Path) -> None:
    later_us = time.time_ns() // 1000 + 3_600_000_000

    async def work() -> None:
        journal = TelemetryJournal.open(path, JournalSettings(commit_ms=1, keep_free_mb=0))
        await journal.submit(bookmarks={"nut/tightenings": json.dumps({"heard": later_us})})
        await journal.close()
        async with station(path) as (got, _, _):
            (gap,) = got.gaps
            assert gap.cause.endswith("connection lost: agent stopped")
            assert gap.from_us is not None
            assert gap.from_us < later_us
            assert gap.to_us == later_us

    run(work)


@pytest.mark.parametrize("answer", ["garbage", "partial", "silent", "close"])
def test_whatever_the_controller_sends_it_heals_and_nothing_is_missing(
    path: Path, answer: str
) -> None:
    async def work() -> None:
        async with station(path, timeout_s=1.0) as (got, controller, running):
            press(controller, True)
            await until_has(got, 1)
            running.manners.make(MisbehaveCommand(answer=answer))
            press(controller, True, True)
            await until(lambda: got.figures.state == "offline")
            press(controller, True)
            running.manners.make(MisbehaveCommand(answer="right"))
            await until_has(got, 1, 2, 3, 4)
            assert not lost(got)

    run(work)


def test_a_controller_that_was_off_is_met_again(path: Path) -> None:
    async def work() -> None:
        port = free_port()
        there = BY_COMMAND.model_copy(update={"port": port})
        async with run_controller(there) as running:
            controller = running.controller
            async with reading(path, settings_for(port)) as got:
                await until(lambda: got.figures.state == "online")
                press(controller, True)
                await until_has(got, 1)
        async with reading(path, settings_for(port)) as got:
            await until(lambda: "cannot connect" in got.figures.reason)
            press(controller, True)
            async with run_controller(there, controller):
                await until_has(got, 1, 2)

    run(work)


def test_a_result_is_acknowledged_only_when_it_is_durable(path: Path) -> None:
    async def work() -> None:
        settings = BY_COMMAND.model_copy(update={"sequence_numbers": False})
        async with station(path, settings) as (got, controller, _):
            await until(lambda: got.values("Alarm/Active") == [0.0])  # the last of how it is
            session = next(iter(controller.hearers)).__self__  # type: ignore[attr-defined]
            await until(lambda: session._awaited[0] == 0)
            allowed = asyncio.Event()
            submit = got.journal.submit

            def held(*records: Any, **more: Any) -> asyncio.Future[int]:
                durable = submit(*records, **more)

                async def later() -> int:
                    await allowed.wait()
                    return await durable

                return asyncio.ensure_future(later())

            got.journal.submit = held  # type: ignore[method-assign]  # a disk that takes its time
            press(controller, True)
            await until(lambda: ids(got) == [1])
            assert session._awaited[0] == 61
            allowed.set()
            await until(lambda: session._awaited[0] == 0)
            assert ids(got) == [1]

    run(work)


def test_alarms_job_programme_and_part_are_values(path: Path) -> None:
    async def work() -> None:
        async with station(path) as (got, controller, _):
            await until(lambda: got.values("Programme/Id") == [1.0])
            await until(lambda: got.values("Alarm/Active") == [0.0])
            controller.alarm("E851")
            controller.select(2)
            controller.identify("DKX004711", "RACK-7")
            await until(lambda: got.values("Part/Identifier 2")[-1:] == ["RACK-7"])
            controller.clear_alarm()
            await until(lambda: got.values("Alarm/Active") == [0.0, 1.0, 0.0])
            assert got.values("Alarm/Code") == ["", "E851", ""]
            assert got.values("Programme/Id") == [1.0, 2.0]
            assert got.values("Part/Identifier") == ["", "DKX004711"]
            assert got.values("Job/Id") == [1.0]
            assert got.values("Controller/Ready") == [1.0, 0.0]

    run(work)


def test_the_tool_is_locked_on_nok_until_work_goes_on(path: Path) -> None:
    async def work() -> None:
        async with run_controller(BY_COMMAND) as running:
            controller = running.controller
            settings = settings_for(running.port, lock_on_nok=True)
            async with reading(path, settings) as got:
                await until(lambda: got.figures.state == "online")
                await until(lambda: got.values("Part/Identifier") == [""])
                press(controller, True, False)
                await until(lambda: not controller.enabled)
                assert controller.tighten() is None
                controller.identify("NEXT")
                await until(lambda: controller.enabled)
                await until(lambda: got.values("Tool/Locked") == [0.0, 1.0, 0.0])
                press(controller, False)
                await until(lambda: not controller.enabled)
            controller.enabled = True  # somebody has switched the controller off and on
            async with reading(path, settings) as got:
                await until(lambda: got.figures.state == "online")
                assert not controller.enabled  # what is told at first does not release it
                controller.select(2)
                await until(lambda: controller.enabled)
                press(controller, False)
                await until(lambda: not controller.enabled)
            async with reading(path, settings_for(running.port)) as got:
                await until(lambda: controller.enabled)  # it is not to be locked any more

    run(work)


def test_the_clock_is_measured_and_set_if_wanted(path: Path) -> None:
    async def work() -> None:
        async with run_controller(BY_COMMAND) as running:
            running.controller.ahead_s = 3600.0
            async with reading(path, settings_for(running.port)) as got:
                await until(lambda: got.figures.state == "online")
                assert 3590 < (got.figures.clock_offset_ms or 0) / 1000 < 3610
            async with reading(path, settings_for(running.port, set_time=True)) as got:
                await until(lambda: got.figures.state == "online")
                assert abs(running.controller.ahead_s) < 60

    run(work)


def test_codes_of_parts_go_by_their_forms(path: Path) -> None:
    async def work() -> None:
        form = {"form": "engine", "pattern": r"(?P<type>[A-Z]{3})(?P<serial>\d{6})"}
        async with station(path, serial=[form], identifier=2) as (got, controller, _):
            controller.identify("VIN", "DKX004711")
            press(controller, True)
            controller.identify("VIN", "scratched")
            press(controller, True)
            await until_has(got, 1, 2)
            assert [r.serial for r in results(got)][::3] == ["004711", "scratched"]
            assert got.figures.unread_codes == 1

    run(work)


def test_another_client_is_said_to_be_connected(path: Path) -> None:
    async def work() -> None:
        async with run_controller(BY_COMMAND) as running:
            _, writer = await asyncio.open_connection("127.0.0.1", running.port)
            async with reading(path, settings_for(running.port)) as got:
                await until(lambda: "another client is connected" in got.figures.reason)
                writer.close()
                await until(lambda: got.figures.state == "online")

    run(work)


def test_a_result_that_cannot_be_read_is_a_gap_and_stops_nothing(path: Path) -> None:
    async def work() -> None:
        async with station(path) as (got, controller, _):
            spoilt = controller.tighten(ok=True)
            assert spoilt is not None
            await until_has(got, 1)
            _tell_nonsense(controller)
            await until(lambda: any("cannot be read" in gap.cause for gap in got.gaps))
            press(controller, True)
            await until_has(got, 1, 2)

    run(work)


def _tell_nonsense(controller: Controller) -> None:
    for hear in tuple(controller.hearers):
        hear(61, {**controller.results[1].values, "tightening_id": None}, ())
