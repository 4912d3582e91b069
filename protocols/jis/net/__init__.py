"""The status net of a call, read from `net.md` beside this file: data, not code.

A call's state is a pair (car, part). `Net.after` says where an event leads, `Net.situation` what a
pair means and what may be done then. The hub's database enforces the same table
(`hub/store`), so that a transition outside it cannot be stored.
"""

from protocols.jis.net.check import problems_of
from protocols.jis.net.model import (
    START,
    Axis,
    Net,
    NetError,
    Pair,
    Situation,
    Source,
    Status,
    Transition,
)
from protocols.jis.net.read import net_text, read_net, status_net

__all__ = [
    "START",
    "Axis",
    "Net",
    "NetError",
    "Pair",
    "Situation",
    "Source",
    "Status",
    "Transition",
    "net_text",
    "problems_of",
    "read_net",
    "status_net",
]
