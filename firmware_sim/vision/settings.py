"""What can be chosen about a simulated vision system."""

from __future__ import annotations

from firmware_sim.device.settings import TellerSettings


class CameraSettings(TellerSettings):
    """A camera."""
