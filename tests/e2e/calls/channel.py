"""What lies between hub and gateway, in the hands of a test: it loses, doubles, reorders and delays
messages as it is told. Both ends are the real code; only their links to the broker end here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal

from hub.calls.lane import Received

Way = Literal["up", "down"]
"""From gateways to hub, and back."""
Fate = Literal["deliver", "lose", "double"]


@dataclass
class Channel:
    """Messages under way, each way in the order they were sent."""

    under_way: dict[Way, list[Received]] = field(default_factory=lambda: {"up": [], "down": []})
    now: float = 1000.0
    """Seconds of both ends' monotonic clock."""

    def send(self, way: Way, topic: str, payload: bytes) -> None:
        self.under_way[way].append(Received(topic, payload))

    def take(self, way: Way, which: int, fate: Fate) -> list[Received]:
        """Decide on one message under way; what comes out at the end."""
        waiting = self.under_way[way]
        if not waiting:
            return []
        at = which % len(waiting)
        if fate == "double":
            return [waiting[at]]  # and it is still under way
        message = waiting.pop(at)
        return [message] if fate == "deliver" else []

    def take_all(self, way: Way) -> list[Received]:
        """All that is under way, in order."""
        found, self.under_way[way] = self.under_way[way], []
        return found


class HubLink:
    """The hub's end: in place of `hub.calls.lane.Link`."""

    channel: Channel
    """Set by the test before the hub is made."""

    def __init__(self, *_settings: Any) -> None:
        self.up = True
        self.inbox: list[Received] = []

    def send(self, topic: str, payload: bytes) -> None:
        self.channel.send("down", topic, payload)

    def take(self) -> list[Received]:
        found, self.inbox = self.inbox, []
        return found


class Clock:
    """Stands for the module `time` in the code that waits and sends again."""

    @staticmethod
    def monotonic() -> float:
        return HubLink.channel.now


class PlantTime(datetime):
    """Stands for `datetime` in a gateway, whose clock goes with that of its plant."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> PlantTime:
        return cls(2026, 3, 2, 7, tzinfo=tz)
