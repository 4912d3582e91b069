"""The uplink: the journal's records as a Sparkplug B 3.0 edge node, live ahead of backlog."""

from edge.uplink.bdseq import BirthDeathSequence
from edge.uplink.node import EdgeNode, HostOfflineError

__all__ = ["BirthDeathSequence", "EdgeNode", "HostOfflineError"]
