"""What can be chosen about a simulated joining system."""

from __future__ import annotations

from firmware_sim.device.settings import TellerSettings


class JoiningSettings(TellerSettings):
    """A screwdriver."""
