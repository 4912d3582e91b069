"""OPC UA: one PLC by subscription, acknowledged to the PLC only when the journal has it.

Its settings alone are imported with the package: asyncua takes 27 MiB and a third of a second, and
who reads a configuration needs none of it.
"""

from edge.sources.opcua.config import OpcUaSettings, SecuritySettings
from edge.sources.opcua.tags import TagSettings
from edge.sources.settings import TagClass

__all__ = ["OpcUaSettings", "SecuritySettings", "TagClass", "TagSettings"]
