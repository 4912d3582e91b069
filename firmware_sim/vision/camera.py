"""A camera that looks at gaps and clips, and raises an event for each part."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asyncua import ua

from firmware_sim.device.events import Teller, add_teller, begin, event_server, repeated
from firmware_sim.line.ledger import Ledger, Sample
from firmware_sim.vision.model import OWN, Model, add_model
from firmware_sim.vision.settings import CameraSettings
from protocols.opcua.machine_vision import COMPLETED, RESULT_FIELDS

NODE = f"nsu={OWN};s=Camera"
"""Of the camera; the server's own object tells its events too."""
GAP_MM = (2.5, 4.0)
_GOOD_MM = 3.2
_V = ua.VariantType


class Inspected(NamedTuple):
    """What it saw of a part."""

    serial: str
    gap_mm: float
    ok: bool


@dataclass
class Camera:
    """A camera that is on."""

    settings: CameraSettings
    model: Model
    ledger: Ledger | None
    teller: Teller
    endpoint: str = ""
    parts: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.settings.seed)  # noqa: S311  a simulation

    async def inspect(
        self, serial: str | None = None, **more: tuple[Any, ua.VariantType]
    ) -> Inspected:
        """Look at one part and tell of it; without a serial it has one of its own. `more` stand in
        place of fields."""
        self.parts += 1
        now = datetime.now(UTC)
        serial = serial or f"V{self.settings.seed:03}{self.parts:07}"
        result_id = f"{int(now.timestamp() * 1000):x}-{self.parts}"
        ok = self._chance.random() >= self.settings.nok_rate
        width = _GOOD_MM + self._chance.gauss(0, 0.1) if ok else GAP_MM[1] + 0.5
        gap_mm = round(width, 3)
        gap = self.model.gap(gap_mm, round(self._chance.uniform(0.9, 1), 3))
        content = [ua.Variant(ok), ua.Variant(gap), ua.Variant(True)]
        fields: dict[str, tuple[Any, ua.VariantType]] = {
            "ResultId": (self.model.id_of("ResultId", result_id), _V.ExtensionObject),
            "CreationTime": (now, _V.DateTime),
            "ResultState": (COMPLETED, _V.Int32),
            "IsPartial": (False, _V.Boolean),
            "IsSimulated": (False, _V.Boolean),
            "PartId": (self.model.id_of("PartId", serial), _V.ExtensionObject),
            "JobId": (self.model.id_of("JobId", "job-1"), _V.ExtensionObject),
            "InternalRecipeId": (
                self.model.id_of("InternalRecipeId", "door left"),
                _V.ExtensionObject,
            ),
            "InternalConfigurationId": (
                self.model.id_of("InternalConfigurationId", "as delivered"),
                _V.ExtensionObject,
            ),
            "ResultContent": (content, _V.Variant),
            **more,
        }
        if self.ledger is not None:
            self.ledger.add(Sample("Camera", time.time_ns() // 1000, "String", serial))
        said = {name: fields.get(name, (None, _V.Null)) for name in RESULT_FIELDS}
        event_id = self._chance.randbytes(16)
        await self.teller.tell(self.model.event_type, event_id, now, "a part was inspected", said)
        return Inspected(serial, gap_mm, ok)


@asynccontextmanager
async def run_camera(settings: CameraSettings) -> AsyncIterator[Camera]:
    """Run a vision system for as long as the context lasts. Raises `OSError` if the port is taken
    or the ledger cannot be written."""
    ledger = None if settings.ledger is None else Ledger(settings.ledger)
    host, port = settings.host, settings.port
    with nullcontext() if ledger is None else closing(ledger):
        async with event_server(
            host, port, "urn:lineside:vision", "Lineside vision system"
        ) as server:
            model = await add_model(server)
            teller = await add_teller(server, OWN, "Camera")
            camera = Camera(settings, model, ledger, teller)
            camera.endpoint = await begin(server, host, port)
            async with repeated(settings.cycle_s, camera.inspect):
                yield camera
