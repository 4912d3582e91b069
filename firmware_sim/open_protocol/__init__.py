"""A tightening controller that speaks Open Protocol, and its tool.

`controller.py` is what it knows and does, `session.py` what it says to one client, `running.py`
puts them together.
"""

from firmware_sim.open_protocol.controller import Controller, Kept
from firmware_sim.open_protocol.running import RunningController, run_controller
from firmware_sim.open_protocol.settings import ControllerSettings

__all__ = ["Controller", "ControllerSettings", "Kept", "RunningController", "run_controller"]
