"""The pictures of a gateway are opened for the first camera, beside all else that it does."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import edge.parts
from deploy.local.ports import free_port
from edge.config import EdgeConfig
from edge.parts import Parts
from edge.pictures import PictureSettings, PictureStore
from edge.status import Figures
from firmware_sim.camera import HttpCameraSettings, run_http_camera
from tests.edge.plant import GROUP, NODE
from tests.edge.sources.reading import run, until

CAMERAS = ("eye-1", "eye-2")


def test_cameras_that_begin_at_once_share_one_store_and_hold_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[PictureStore] = []
    go_on = threading.Event()

    class Slow(PictureStore):
        """Has many notes to read, until the loop says so."""

        def __init__(self, directory: Path, settings: PictureSettings) -> None:
            opened.append(self)
            assert go_on.wait(60), "the loop is held up"
            super().__init__(directory, settings)

    monkeypatch.setattr(edge.parts, "PictureStore", Slow)

    async def work() -> None:
        async with run_http_camera(HttpCameraSettings()) as camera:
            given = {
                "version": 1,
                "gateway": {"group": GROUP, "node": NODE},
                "data_dir": tmp_path,
                "broker": {"host": "127.0.0.1", "port": free_port(), "tls": False},
                "status": {"port": 0},
                "sources": [
                    {"kind": "camera", "device": name, "url": camera.endpoint, "of": [name]}
                    for name in CAMERAS
                ],
            }
            figures, stop = Figures(), asyncio.Event()
            async with Parts(EdgeConfig.model_validate(given), figures) as parts:
                working = asyncio.create_task(parts.work(stop))
                await until(lambda: bool(opened))
                go_on.set()
                await until(lambda: all(figures.sources[n].state == "online" for n in CAMERAS))
                assert opened == [parts._pictures]
                stop.set()
                await working

    run(work)
