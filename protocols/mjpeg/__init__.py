"""Motion JPEG as cameras give it over HTTP: parts of a multipart answer, each a JPEG; and clips of
such frames as AVI files, which any player shows."""

from protocols.mjpeg.avi import Frame, avi, longest_clip
from protocols.mjpeg.jpeg import FrameError, Size, size_of
from protocols.mjpeg.multipart import Parts, PartsError, boundary_of

__all__ = [
    "Frame",
    "FrameError",
    "Parts",
    "PartsError",
    "Size",
    "avi",
    "boundary_of",
    "longest_clip",
    "size_of",
]
