"""The call lane: calls on disk before they are acknowledged, handed over in order, events kept
until the hub has them.

The line's side (`line.py`, `nodes.py`) is imported by itself: it needs OPC UA."""

from edge.calls.desk import Desk
from edge.calls.lane import CallLane
from edge.calls.store import CallStore, line_key

__all__ = ["CallLane", "CallStore", "Desk", "line_key"]
