"""Cameras: a picture or clip of each event, kept on the gateway."""

from edge.sources.camera.config import CameraSettings

__all__ = ["CameraSettings"]
