"""What a line's PLC finds not in order, with the agent as it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from edge.config import EdgeConfig
from edge.pictures import PictureSettings, PictureStore
from firmware_sim.camera import HttpCameraSettings, run_http_camera
from tests.edge.hub import Hub
from tests.edge.plant import GROUP, LINE, NODE, PLANT, agent, calls, edge_config, line_plc
from tests.edge.waiting import until
from tests.fixtures.broker import BROKERS

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]


async def test_a_part_that_fails_its_test_is_seen(tmp_path: Path, broker: LocalBroker) -> None:
    port = free_port()
    line = f"{PLANT}/{LINE}"
    pictures = tmp_path / "data" / "pictures"
    async with run_http_camera(HttpCameraSettings()) as camera:
        plain: dict[str, Any] = edge_config(tmp_path / "data", broker.port, port).model_dump()
        plain["pictures"] = {"keep_free_mb": 0}
        plain["sources"].append(
            {"kind": "camera", "device": "eye", "url": camera.endpoint, "lines": [line]}
        )
        gateway = agent(EdgeConfig.model_validate(plain), tmp_path)
        with Hub(broker.port, GROUP, NODE) as hub, line_plc(tmp_path, port, nok_rate=0.9) as plc:
            await asyncio.to_thread(plc.start)
            with gateway:
                await asyncio.to_thread(gateway.start)
                hub.call(*calls(1, 4))
                await until(lambda: list(pictures.glob("*.kept")), "a picture")
    store = PictureStore(pictures, PictureSettings())
    found = next(iter(store._kept.values())).picture
    store.close()
    assert (found.event, found.found_by, found.what) == ("nok", line, "inspected")
    assert found.serial
