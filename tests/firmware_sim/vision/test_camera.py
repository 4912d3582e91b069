"""The simulated vision system, as a client and as a gateway hear it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from deploy.local.ports import free_port
from edge.sources.opcua import OpcUaSettings
from firmware_sim.vision import CameraSettings, run_camera
from firmware_sim.vision.camera import GAP_MM, NODE
from protocols.opcua.machine_vision import NAMESPACE, RESULT_READY
from tests.edge.sources.reading import reading, run, settings_for, until
from tests.firmware_sim.hearing import each_once_over_a_cut, heard, parts, results

WHOLE = "Vision"
BY_COMMAND = CameraSettings(cycle_s=0, nok_rate=0.3)
VISION: dict[str, Any] = {
    "node": NODE,
    "verdict": "ResultContent.0",
    "measured": [
        {"name": "Gap", "value": "ResultContent.1.Width", "lower": GAP_MM[0], "upper": GAP_MM[1]},
        {"name": "Score", "value": "ResultContent.1.Score"},
        {"name": "Clip", "value": "ResultContent.2"},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def settings_of(endpoint: str) -> OpcUaSettings:
    return settings_for(endpoint, machine_vision=VISION)


def test_a_plain_client_hears_the_event_of_the_model() -> None:
    async def work() -> None:
        async with run_camera(BY_COMMAND) as camera:
            event, wanted = await heard(camera.endpoint, NAMESPACE, RESULT_READY, camera.inspect)
            assert event.EventType == wanted
            assert event.ResultState == 1

    run(work)


def test_a_gateway_has_each_part_once_over_faults(path: Path) -> None:
    async def work() -> None:
        ledger = path.with_name("ledger.jsonl")
        async with run_camera(BY_COMMAND.model_copy(update={"ledger": ledger})) as camera:
            has = await each_once_over_a_cut(
                settings_of, camera.endpoint, camera.inspect, WHOLE, ledger
            )
        verdicts = {(r.characteristic, r.serial): r.verdict for r in has}
        told = parts(has, WHOLE)
        assert {verdicts["Gap", serial] for serial in told} == {"ok", "nok"}
        for serial in told:
            assert verdicts["Gap", serial] == verdicts[WHOLE, serial]

    run(work)


def test_content_that_makes_no_sense_stops_nothing(path: Path) -> None:
    kinds = ua.VariantType
    unknown = ua.ExtensionObject(ua.NodeId.from_string("ns=9;i=1"), ua.ByteString(b"xx"))
    senseless: list[dict[str, Any]] = [
        {"ResultId": ("text", kinds.String)},
        {"ResultId": (unknown, kinds.ExtensionObject)},
        {"ResultContent": ([1.5, 2.5], kinds.Double)},
        {"ResultContent": ("no list", kinds.String)},
        {"PartId": (5, kinds.Int32), "ResultState": ("five", kinds.String)},
        {"CreationTime": (12, kinds.Int64)},
    ]

    async def work() -> None:
        async with (
            run_camera(BY_COMMAND) as camera,
            reading(path, settings_of(camera.endpoint)) as got,
        ):
            await until(lambda: got.figures.state == "online")
            for fields in senseless:
                await camera.inspect(**fields)
            last = (await camera.inspect()).serial
            await until(lambda: parts(results(got), WHOLE)[last] == 1)
            assert got.gaps == []
            assert len({r.key for r in results(got)}) == len(senseless) + 1

    run(work)


def test_a_camera_that_is_switched_off_and_on_leaves_a_gap(path: Path) -> None:
    async def work() -> None:
        port = free_port()
        again = BY_COMMAND.model_copy(update={"port": port, "seed": 2})
        async with reading(path, settings_of(f"opc.tcp://127.0.0.1:{port}/")) as got:
            async with run_camera(again) as camera:
                await until(lambda: got.figures.state == "online")
                first = (await camera.inspect()).serial
                await until(lambda: parts(results(got), WHOLE)[first] == 1)
            await until(lambda: got.figures.state == "offline")
            async with run_camera(again.model_copy(update={"seed": 3})) as camera:
                await until(lambda: got.figures.state == "online")
                second = (await camera.inspect()).serial
                await until(lambda: parts(results(got), WHOLE)[second] == 1)
            (gap,) = got.gaps
            assert gap.cause.startswith("machine vision results: connection lost")

    run(work)
