"""A vision system that tells its results by OPC UA events (OPC 40100-1, Machine Vision).

`model.py` is what of the companion model it has, `camera.py` what it looks at and tells.
"""

from firmware_sim.vision.camera import Camera, run_camera
from firmware_sim.vision.settings import CameraSettings

__all__ = ["Camera", "CameraSettings", "run_camera"]
