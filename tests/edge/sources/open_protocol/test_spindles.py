"""Results of several spindles at once."""

from __future__ import annotations

from pathlib import Path

from firmware_sim.open_protocol import ControllerSettings, run_controller
from tests.edge.sources.open_protocol.test_open_protocol import (
    lost,
    press,
    results,
    settings_for,
    station,
)
from tests.edge.sources.reading import Reading, reading, run, until

TWO = ControllerSettings(cycle_s=0, spindles=2)


def ids(got: Reading) -> list[str]:
    whole = [r for r in results(got) if r.characteristic == "Tightening"]
    return [r.key.partition("@")[0] for r in whole]


def test_a_tightening_is_one_result_and_the_values_of_each_spindle(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "journal.sqlite"
        async with station(path, TWO, multi_spindle=True, lock_on_nok=True) as (got, controller, _):
            controller.identify("DKX004711")
            press(controller, True, False)
            await until(lambda: ids(got) == ["sync 00001", "sync 00002"])
            first = {r.characteristic: r for r in results(got)[:7]}
            assert list(first) == [
                "Tightening", "Spindle 1", "Spindle 1 torque", "Spindle 1 angle",
                "Spindle 2", "Spindle 2 torque", "Spindle 2 angle",
            ]  # fmt: skip
            assert {r.serial for r in first.values()} == {"DKX004711"}
            assert {r.verdict for r in first.values()} == {"ok"}
            torque = first["Spindle 2 torque"]
            assert (torque.lower, torque.upper, torque.nominal) == (23.0, 27.0, 25.0)
            assert torque.unit == "Nm"
            assert first["Spindle 2"].value is None
            assert [r.verdict for r in results(got)[7:11]] == ["nok", "nok", "nok", "ok"]
            await until(lambda: not controller.enabled)
            assert not lost(got)

    run(work)


def test_what_was_missed_is_a_gap_that_names_it(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "journal.sqlite"
        async with run_controller(TWO) as running:
            controller, settings = (
                running.controller,
                settings_for(running.port, multi_spindle=True),
            )
            controller.next_sync = 65_534
            async with reading(path, settings) as got:
                await until(lambda: got.figures.state == "online")
                press(controller, True)
                await until(lambda: ids(got) == ["sync 65534"])
            press(controller, True, True, True)  # 65535, 1, 2
            async with reading(path, settings) as got:
                await until(lambda: got.figures.state == "online")
                controller.ahead_s += 2  # a tightening takes longer than this test
                press(controller, True)
                await until(lambda: ids(got)[1:] == ["sync 00003"])
                not_kept = "results of several spindles cannot be fetched afterwards"
                assert lost(got) == [
                    f"tightening 65535: the numbers have begun anew, and {not_kept}",
                    f"tightening 1 to 2: {not_kept}",
                ]

    run(work)


def test_numbers_that_begin_anew_with_the_next_result_are_no_gap(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "journal.sqlite"
        async with station(path, TWO, multi_spindle=True) as (got, controller, _):
            controller.next_sync = 65_535
            press(controller, True)
            await until(lambda: ids(got) == ["sync 65535"])
            controller.ahead_s += 2
            press(controller, True)
            await until(lambda: ids(got)[1:] == ["sync 00001"])
            assert not lost(got)

    run(work)


def test_a_controller_that_is_no_master_is_no_source_of_such_results(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "journal.sqlite"
        alone = TWO.model_copy(update={"spindles": 1, "clients": 5})
        async with (
            run_controller(alone) as running,
            reading(path, settings_for(running.port, multi_spindle=True)) as got,
        ):
            await until(lambda: "not the master of several spindles" in (got.figures.reason or ""))

    run(work)
