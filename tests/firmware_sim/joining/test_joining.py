"""The simulated joining system, as a client and as a gateway hear it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edge.sources.opcua import OpcUaSettings
from firmware_sim.joining import JoiningSettings, JoiningSystem, run_joining
from firmware_sim.joining.system import NODE, TORQUE_NM
from firmware_sim.line.ledger import Sample, read_ledger
from firmware_sim.proxy.proxy import FaultProxy
from protocols.inspection import RESULT, Result, parse_result
from protocols.opcua.machinery_result import NAMESPACE, RESULT_READY
from tests.edge.sources.reading import Reading, reading, run, settings_for, until
from tests.firmware_sim.hearing import heard

BY_COMMAND = JoiningSettings(cycle_s=0, nok_rate=0.3)


def settings_of(endpoint: str) -> OpcUaSettings:
    return settings_for(endpoint, machinery_result={"node": NODE})


def results(got: Reading) -> list[Result]:
    return [parse_result(text) for text in got.values(RESULT)]


def parts(got: Reading) -> Counter[str | None]:
    return Counter(r.serial for r in results(got) if r.characteristic == "Result")


def test_a_plain_client_hears_the_event_of_the_model() -> None:
    async def work() -> None:
        async with run_joining(BY_COMMAND) as system:
            event, _ = await heard(system.endpoint, NAMESPACE, RESULT_READY, system.join)
            assert event.SourceName == "Screwdriver"

    run(work)


def test_a_gateway_has_each_joint_once_over_faults(tmp_path: Path) -> None:
    async def join(system: JoiningSystem, count: int) -> None:
        for _ in range(count):
            await system.join()

    async def work() -> None:
        path, ledger = tmp_path / "journal.sqlite", tmp_path / "ledger.jsonl"
        settings = BY_COMMAND.model_copy(update={"ledger": ledger})
        async with run_joining(settings) as system:
            port = int(system.endpoint.rstrip("/").rpartition(":")[2])
            async with (
                FaultProxy("127.0.0.1", port) as proxy,
                reading(path, settings_of(f"opc.tcp://127.0.0.1:{proxy.port}/")) as got,
            ):
                await until(lambda: got.figures.state == "online")
                await join(system, 10)
                await until(lambda: len(parts(got)) == 10)
                await proxy.make("cut", seconds=0.5)
                await until(lambda: got.figures.state == "offline")
                await join(system, 10)
                await until(lambda: len(parts(got)) == 20)
                told = [str(e.value) for e in read_ledger(ledger) if isinstance(e, Sample)]
                assert parts(got) == Counter(told)
                assert got.gaps == []
                found = {(r.characteristic, r.serial): r for r in results(got)}
                assert {found["Torque", serial].verdict for serial in told} == {"ok", "nok"}
                for serial in told:
                    torque, angle = found["Torque", serial], found["Angle", serial]
                    assert torque.verdict == found["Result", serial].verdict
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
            await until(lambda: parts(got)["C"] == 1)
            assert set(parts(got)) == {"C"}
            assert got.gaps == []

    run(work)
