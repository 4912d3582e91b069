"""Where the stations of one line find what they need, and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from firmware_sim.joining.system import TORQUE_NM
from firmware_sim.vision.camera import GAP_MM


class Limits(NamedTuple):
    """What a station measures, and between what it must lie."""

    characteristic: str
    unit: str
    lower: float
    upper: float


TIGHTENED, SEEN, MEASURED = "tightening", "vision", "measuring-room"
LEAK, TESTER, HAND, JOINED = "leak-tester", "end-of-line", "hand-station", "joining"
STATIONS = (TIGHTENED, JOINED, SEEN, MEASURED, LEAK, TESTER, HAND)
"""Those that find something of each part; named as their gateway's devices."""
ROOM = (Limits("Rail length", "mm", 419.8, 420.2), Limits("Rail width", "mm", 59.9, 60.1))
LEAKING = Limits("Leak rate", "ml/min", 0.0, 5.0)
CURRENT = Limits("Heater current", "A", 3.6, 4.4)
LOOKED_AT = Limits("Trim gap", "mm", *GAP_MM)
JOINING = Limits("Torque", "Nm", *TORQUE_NM)
GAP = Limits("Gap", "mm", 0.4, 0.9)
SURFACE = "Surface"
REASON = "scratch"


class StationsSettings(BaseModel):
    """The stations of one line. With the same seed they find the same of the same part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line_ledger: Path = Field(description="of the line's PLC, which builds the parts")
    directory: Path = Field(description="with a folder of each station that writes files")
    board: str = Field(description="address of the gateway's pages, where a person enters results")
    findings: Path = Field(description="append every finding to this file")
    tightening_port: int = Field(ge=0, le=65_535, description="of the tightening controller")
    joining_port: int = Field(ge=0, le=65_535, description="of the joining system")
    vision_port: int = Field(ge=0, le=65_535, description="of the vision system")
    seed: int = 1
    nok_rate: float = Field(default=0.05, ge=0, le=1, description="of each thing that is measured")
