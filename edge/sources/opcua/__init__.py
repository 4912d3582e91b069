"""OPC UA: one PLC by subscription, acknowledged to the PLC only when the journal has it."""

from edge.sources.opcua.config import OpcUaSettings, SecuritySettings, TagClass, TagSettings
from edge.sources.opcua.connect import ConnectFailedError, connect, node_id
from edge.sources.opcua.source import OpcUaSource

__all__ = [
    "ConnectFailedError",
    "OpcUaSettings",
    "OpcUaSource",
    "SecuritySettings",
    "TagClass",
    "TagSettings",
    "connect",
    "node_id",
]
