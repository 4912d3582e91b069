"""Topics of Sparkplug B: `spBv1.0/{group}/{type}/{node}[/{device}]` and `spBv1.0/STATE/{host}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

NAMESPACE: Final = "spBv1.0"

NodeMessage = Literal["NBIRTH", "NDEATH", "NDATA", "NCMD"]
DeviceMessage = Literal["DBIRTH", "DDEATH", "DDATA", "DCMD"]
MessageType = NodeMessage | DeviceMessage

NODE_MESSAGES: Final[tuple[NodeMessage, ...]] = get_args(NodeMessage)
DEVICE_MESSAGES: Final[tuple[DeviceMessage, ...]] = get_args(DeviceMessage)

_FORBIDDEN: Final = frozenset("/+#\0")


@dataclass(frozen=True, slots=True)
class NodeTopic:
    """A topic of an edge node."""

    group: str
    type: NodeMessage
    node: str

    def __str__(self) -> str:
        return f"{NAMESPACE}/{self.group}/{self.type}/{self.node}"


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """A topic of a device, spoken by its edge node."""

    group: str
    type: DeviceMessage
    node: str
    device: str

    def __str__(self) -> str:
        return f"{NAMESPACE}/{self.group}/{self.type}/{self.node}/{self.device}"


@dataclass(frozen=True, slots=True)
class StateTopic:
    """Where a host application says whether it is online."""

    host: str

    def __str__(self) -> str:
        return f"{NAMESPACE}/STATE/{self.host}"


SparkplugTopic = NodeTopic | DeviceTopic | StateTopic


def node_topic(group: str, message: NodeMessage, node: str) -> str:
    """The topic of a node message. Raises `ValueError` for an id MQTT would not carry."""
    return str(NodeTopic(_check_group(group), message, check_id(node)))


def device_topic(group: str, message: DeviceMessage, node: str, device: str) -> str:
    """The topic of a device message. Raises `ValueError` for an id MQTT would not carry."""
    return str(DeviceTopic(_check_group(group), message, check_id(node), check_id(device)))


def state_topic(host: str) -> str:
    """The topic of a host's state. Raises `ValueError` for an id MQTT would not carry."""
    return str(StateTopic(check_id(host)))


def parse_topic(topic: str) -> SparkplugTopic | None:
    """The parts of a topic of Sparkplug B, or None for any other topic."""
    parts = topic.split("/")
    if parts[0] != NAMESPACE or not all(parts):
        return None
    if len(parts) == 3 and parts[1] == "STATE":
        return StateTopic(parts[2])
    if len(parts) == 4 and parts[1] != "STATE":
        for node_message in NODE_MESSAGES:
            if parts[2] == node_message:
                return NodeTopic(parts[1], node_message, parts[3])
    if len(parts) == 5 and parts[1] != "STATE":
        for device_message in DEVICE_MESSAGES:
            if parts[2] == device_message:
                return DeviceTopic(parts[1], device_message, parts[3], parts[4])
    return None


def command_subscriptions(group: str, node: str) -> list[str]:
    """What an edge node subscribes to, at QoS 1, besides its host's state."""
    return [node_topic(group, "NCMD", node), f"{NAMESPACE}/{group}/DCMD/{node}/#"]


def host_subscriptions(host: str) -> list[str]:
    """What a host application subscribes to before it says that it is online."""
    return [f"{NAMESPACE}/#", state_topic(host)]


def check_id(name: str) -> str:
    """The id itself, if it can be one level of a topic. Raises `ValueError`."""
    if not name or not _FORBIDDEN.isdisjoint(name):
        raise ValueError(f"not a Sparkplug id (no '/', '+', '#', not empty): {name!r}")
    return name


def _check_group(name: str) -> str:
    if name == "STATE":
        raise ValueError("a group cannot be called STATE: its topics would be those of hosts")
    return check_id(name)
