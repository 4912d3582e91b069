"""Siemens S7: one PLC, read by address over ISO-on-TCP.

Its settings alone are imported with the package: who reads a configuration needs no snap7.
"""

from edge.sources.s7.config import S7Settings, S7TagSettings

__all__ = ["S7Settings", "S7TagSettings"]
