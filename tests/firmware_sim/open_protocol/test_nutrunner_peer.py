"""The simulated controller with another maker's client.

It gives commands without data only: it puts four spaces too many between header and data.
"""

from __future__ import annotations

import asyncio

from firmware_sim.open_protocol import ControllerSettings, run_controller
from tests.edge.sources.reading import run, until
from tests.fixtures.plc_peers import NUTRUNNER, needs_nutrunner, run_peer


@needs_nutrunner
def test_another_maker_s_client_gets_each_result_and_commands_the_tool() -> None:
    async def work() -> None:
        async with (
            run_controller(ControllerSettings(cycle_s=0)) as running,
            run_peer(NUTRUNNER) as client,
        ):
            controller = running.controller
            await client.do("connect", port=running.port)
            controller.identify("KPOL3456JKLO897")
            controller.select(2)
            made = [controller.tighten(ok=ok) for ok in (True, False, True)]
            said: dict[str, list[dict[str, object]]] = {}
            async with asyncio.timeout(30):
                while len(said.get("spindleResult", [])) < 3:
                    await asyncio.sleep(0.05)
                    said = await client.do("said")
            session = next(iter(controller.hearers)).__self__  # type: ignore[attr-defined]
            await until(lambda: session._awaited[0] == 0)  # it has acknowledged the last one, too
            for found, kept in zip(said["spindleResult"], made, strict=True):
                assert kept is not None
                values = kept.values
                assert found["vin"] == "KPOL3456JKLO897"
                assert found["controllerName"] == "Station 10"
                assert found["ok"] == kept.ok
                assert found["tighteningId"] == f"{kept.id:010}"
                assert found["timestamp"] == f"{values['at']:%Y-%m-%d:%H:%M:%S}"
                for theirs, ours in (
                    ("paramSetId", "programme"), ("batchSize", "batch_size"),
                    ("batchCounter", "batch_counter"), ("torque", "torque"), ("angle", "angle"),
                    ("torqueMin", "torque_min"), ("torqueMax", "torque_max"),
                    ("torqueTarget", "torque_target"), ("angleMin", "angle_min"),
                    ("angleMax", "angle_max"), ("angleTarget", "angle_target"),
                ):  # fmt: skip
                    assert found[theirs] == values[ours], theirs
            await client.do("send", mid=42)
            assert not controller.enabled
            await client.do("send", mid=43)
            assert controller.enabled
            await client.do("tell", mid=4711)
            async with asyncio.timeout(30):
                while not said["commandError"]:
                    await asyncio.sleep(0.05)
                    said = await client.do("said")
            assert said["commandError"] == [{"failedMid": 4711, "errorCode": 99, "message": ""}]
            assert not said["parseError"] + said["frameError"]

    run(work)
