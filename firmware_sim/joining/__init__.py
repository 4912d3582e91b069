"""A joining system that tells its results by OPC UA events (OPC 40001-101, Machinery Result, with
content of OPC 40450-1).

`model.py` is what of the companion models it has, `system.py` what it joins and tells.
"""

from firmware_sim.joining.settings import JoiningSettings
from firmware_sim.joining.system import JoiningSystem, run_joining

__all__ = ["JoiningSettings", "JoiningSystem", "run_joining"]
