"""A camera as it stands at a line: pictures and a Motion JPEG stream over HTTP."""

from firmware_sim.camera.running import RunningHttpCamera, run_http_camera
from firmware_sim.camera.settings import HttpCameraSettings

__all__ = ["HttpCameraSettings", "RunningHttpCamera", "run_http_camera"]
