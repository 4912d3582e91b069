"""The call lane: calls on disk before they are acknowledged, handed over in order, events kept
until the hub has them."""

from edge.calls.desk import Desk
from edge.calls.lane import CallLane
from edge.calls.line import LineSession
from edge.calls.nodes import PlcError
from edge.calls.store import CallStore, line_key

__all__ = ["CallLane", "CallStore", "Desk", "LineSession", "PlcError", "line_key"]
