"""A screwdriver that raises an event for each joint."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from asyncua import ua

from firmware_sim.device.events import Teller, add_teller, begin, event_server, repeated
from firmware_sim.joining.model import OWN, SINGLE_RESULT, Model, Plain, add_model, value
from firmware_sim.joining.settings import JoiningSettings
from firmware_sim.line.ledger import Ledger, Sample
from protocols.opcua.machine_vision import COMPLETED
from protocols.opcua.machinery_result import NOT_OK, OK, QUANTITIES, RESULT

NODE = f"nsu={OWN};s=Screwdriver"
"""Of the system; the server's own object tells its events too."""
TORQUE_NM = (4.0, 6.0)
_TARGET_NM, _ANGLE_DEG = 5.0, 270.0


class Joined(NamedTuple):
    """What it measured of a joint."""

    serial: str
    torque_nm: float
    angle_deg: float
    ok: bool


@dataclass
class JoiningSystem:
    """A joining system that is on."""

    settings: JoiningSettings
    model: Model
    ledger: Ledger | None
    teller: Teller
    endpoint: str = ""
    joints: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.settings.seed)  # noqa: S311  a simulation

    async def join(self, serial: str | None = None, **more: Plain) -> Joined:
        """Make one joint and tell of it; without a serial its part has one of its own. `more` stand
        in place of members of the metadata."""
        self.joints += 1
        now = datetime.now(UTC)
        serial = serial or f"J{self.settings.seed:03}{self.joints:07}"
        ok = self._chance.random() >= self.settings.nok_rate
        torque_nm = round(_TARGET_NM + self._chance.gauss(0, 0.1) if ok else TORQUE_NM[1] + 1, 2)
        angle_deg = round(self._chance.gauss(_ANGLE_DEG, 5), 1)
        evaluation = OK if ok else NOT_OK
        meta: dict[str, Plain] = {
            "ResultId": f"{int(now.timestamp() * 1000):x}-{self.joints}",
            "IsPartial": False,
            "IsSimulated": False,
            "ResultState": COMPLETED,
            "PartId": serial,
            "InternalRecipeId": "seat rail M5",
            "CreationTime": now,
            "ResultEvaluation": evaluation,
            "SequenceNumber": self.joints,
            "Classification": SINGLE_RESULT,
            **more,
        }
        torque = value(
            "Nm",
            MeasuredValue=torque_nm,
            ResultEvaluation=evaluation,
            LowLimit=TORQUE_NM[0],
            HighLimit=TORQUE_NM[1],
            TargetValue=_TARGET_NM,
            PhysicalQuantity=QUANTITIES.index("Torque"),
        )
        angle = value("deg", MeasuredValue=angle_deg, PhysicalQuantity=QUANTITIES.index("Angle"))
        if self.ledger is not None:
            self.ledger.add(Sample("Screwdriver", time.time_ns() // 1000, "String", serial))
        result = self.model.result(meta, [torque, angle])
        await self.teller.tell(
            self.model.event_type,
            self._chance.randbytes(16),
            now,
            "a joint was made",
            {RESULT: (result, ua.VariantType.ExtensionObject)},
        )
        return Joined(serial, torque_nm, angle_deg, ok)


@asynccontextmanager
async def run_joining(settings: JoiningSettings) -> AsyncIterator[JoiningSystem]:
    """Run a joining system for as long as the context lasts. Raises `OSError` if the port is taken
    or the ledger cannot be written."""
    ledger = None if settings.ledger is None else Ledger(settings.ledger)
    host, port = settings.host, settings.port
    with nullcontext() if ledger is None else closing(ledger):
        async with event_server(
            host, port, "urn:lineside:joining", "Lineside joining system"
        ) as server:
            model = await add_model(server)
            teller = await add_teller(server, OWN, "Screwdriver")
            system = JoiningSystem(settings, model, ledger, teller)
            system.endpoint = await begin(server, host, port)
            async with repeated(settings.cycle_s, system.join):
                yield system
