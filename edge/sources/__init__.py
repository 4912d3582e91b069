"""Sources: what the gateway reads, one folder per kind."""

from edge.sources.base import DeviceListener, Source
from edge.sources.registry import SourceSettings, make_source

__all__ = ["DeviceListener", "Source", "SourceSettings", "make_source"]
