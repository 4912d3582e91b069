"""The simulated joining system, as a client and as a gateway hear it."""

from __future__ import annotations

from pathlib import Path

from edge.sources.opcua import OpcUaSettings
from firmware_sim.joining import JoiningSettings, run_joining
from firmware_sim.joining.system import NODE, TORQUE_NM
from protocols.opcua.machinery_result import NAMESPACE, RESULT_READY
from tests.edge.sources.reading import reading, run, settings_for, until
from tests.firmware_sim.hearing import each_once_over_a_cut, heard, parts, results

WHOLE = "Result"
BY_COMMAND = JoiningSettings(cycle_s=0, nok_rate=0.3)


def settings_of(endpoint: str) -> OpcUaSettings:
    return settings_for(endpoint, machinery_result={"node": NODE})


def test_a_plain_client_hears_the_event_of_the_model() -> None:
    async def work() -> None:
        async with run_joining(BY_COMMAND) as system:
            event, _ = await heard(system.endpoint, NAMESPACE, RESULT_READY, system.join)
            assert event.SourceName == "Screwdriver"

    run(work)


def test_a_gateway_has_each_joint_once_over_faults(tmp_path: Path) -> None:
    async def work() -> None:
        ledger = tmp_path / "ledger.jsonl"
        async with run_joining(BY_COMMAND.model_copy(update={"ledger": ledger})) as system:
            has = await each_once_over_a_cut(
                settings_of, system.endpoint, system.join, WHOLE, ledger
            )
        found = {(r.characteristic, r.serial): r for r in has}
        told = parts(has, WHOLE)
        assert {found["Torque", serial].verdict for serial in told} == {"ok", "nok"}
        for serial in told:
            torque, angle = found["Torque", serial], found["Angle", serial]
            assert torque.verdict == found[WHOLE, serial].verdict
            assert (torque.lower, torque.upper) == TORQUE_NM
            assert (torque.unit, torque.programme) == ("Nm", "seat rail M5")
            assert (angle.unit, angle.verdict) == ("deg", "unknown")

    run(work)


def test_parts_of_results_and_simulated_ones_do_not_count(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            run_joining(BY_COMMAND) as system,
            reading(tmp_path / "journal.sqlite", settings_of(system.endpoint)) as got,
        ):
            await until(lambda: got.figures.state == "online")
            await system.join("A", IsPartial=True)
            await system.join("B", IsSimulated=True)
            await system.join("C")
            await until(lambda: parts(results(got), WHOLE)["C"] == 1)
            assert set(parts(results(got), WHOLE)) == {"C"}
            assert got.gaps == []

    run(work)
