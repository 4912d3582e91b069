"""Topics of the call and event streams: `lineside/v1/{group}/{node}/…`.

group is the supplier (also its Sparkplug group), node the gateway. A gateway speaks on `calls/ack`
and `events`, and hears `calls` and `events/ack`; nothing else. All at QoS 1, none retained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ROOT = "lineside/v1"

Channel = Literal["calls", "calls/ack", "events", "events/ack"]
CHANNELS: tuple[Channel, ...] = ("calls", "calls/ack", "events", "events/ack")


@dataclass(frozen=True, slots=True)
class JisTopic:
    """One parsed topic of the grammar."""

    group: str
    node: str
    channel: Channel

    def __str__(self) -> str:
        return f"{ROOT}/{self.group}/{self.node}/{self.channel}"


def jis_topic(group: str, node: str, channel: Channel) -> str:
    """The topic of one channel. Raises `ValueError` for a name MQTT would read as a pattern."""
    for name in (group, node):
        check_name(name)
    return str(JisTopic(group, node, channel))


def parse_jis_topic(topic: str) -> JisTopic | None:
    """The parts of a topic of this grammar, or None for any other topic."""
    parts = topic.split("/", 4)
    if len(parts) != 5 or f"{parts[0]}/{parts[1]}" != ROOT or not parts[2] or not parts[3]:
        return None
    for channel in CHANNELS:
        if parts[4] == channel:
            return JisTopic(parts[2], parts[3], channel)
    return None


def hub_subscriptions() -> list[str]:
    """What the hub subscribes to: the answers and events of every gateway."""
    return [f"{ROOT}/+/+/calls/ack", f"{ROOT}/+/+/events"]


def check_name(name: str) -> None:
    """Raise `ValueError` unless `name` can be one level of a topic."""
    if not name or any(c in name for c in "/+#\0") or len(name.encode()) > 64:
        raise ValueError(f"not a topic level (no '/', '+', '#', at most 64 bytes): {name!r}")
