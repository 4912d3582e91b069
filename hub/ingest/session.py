"""What one worker knows of one registered node: its births, its sequence, where its stream stands.

A worker that starts alone, or was cut off from the broker, has perhaps missed a birth that gave old
aliases a new meaning; it asks for the births again rather than trust what it knew. Nodes with a
stream lose nothing by that: they send again what is not committed. One that takes a group over from
another has heard its births itself (`lives.py`), or knows that those in the database are the last
(`stored_births.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from hub.ingest.births import Aliases
from hub.ingest.cursors import Position
from hub.ingest.registry import Gateway
from hub.ingest.rows import AliasTable
from protocols.sparkplug.session import SeqChecker
from protocols.sparkplug.topics import node_topic


class Delivery(Enum):
    """How a node delivers; the values are those of `gateway_status.delivery`."""

    UNKNOWN = "unknown"
    STREAM = "stream"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class Device:
    """A born device. The single aliases are those of the metrics that say what a record is."""

    aliases: Aliases
    tags: Mapping[str, tuple[int, int]]
    """(tag id, datatype) by name."""
    table: AliasTable
    epoch_alias: int | None
    offset_alias: int | None
    server_times_alias: int | None = None
    origin_alias: int | None = None
    result_tag: int | None = None
    """Id of the tag whose values are results of inspections; see `results`."""
    picture_tag: int | None = None
    """Id of the tag whose values are references to pictures; see `pictures`."""


@dataclass(slots=True)
class Session:
    """A node between births. `None` in `devices` stands for the node itself."""

    gateway: Gateway
    seq: SeqChecker
    position: Position
    delivery: Delivery = Delivery.UNKNOWN
    born: bool = False
    backlog_in_order: bool = False
    """Whether it sends backlog oldest first: what comes before its turn has lost its forerunner."""
    bd_seq: int | None = None
    aliases: Aliases = field(default_factory=lambda: Aliases({}, {}))
    devices: dict[str | None, Device] = field(default_factory=dict)
    born_at: float = -math.inf
    """Monotonic; when NBIRTH came."""
    settled: bool = True
    """Whether devices that were not born again have been noted as offline."""
    rebirth_wanted: bool = False
    """Whether a request waits for the last one to be long enough ago."""
    rebirth_asked_at: float = -math.inf
    unread: set[str | None] = field(default_factory=set)
    """Devices, or the node itself, whose last birth could not be taken after one that could."""
    conflict_at: float | None = None
    """When two gateways of this identity were last noticed."""
    quiet_since: float | None = None
    """Since when a node without stream that another worker had has said nothing to this one. What
    it said last was perhaps said to nobody."""
    said: set[str] = field(default_factory=set)
    """What has been logged since the last birth, so that it is said once."""
    command_topic: str = field(init=False)
    """The topic that the node hears its commands by."""

    def __post_init__(self) -> None:
        self.command_topic = node_topic(self.gateway.group, "NCMD", self.gateway.node)

    def forget_births(self) -> None:
        """Nothing this session knows of aliases is valid any more."""
        self.born = False
        self.devices.clear()
        self.aliases = Aliases({}, {})

    def first_time(self, what: str) -> bool:
        """Whether this was not yet said since the last birth."""
        if what in self.said:
            return False
        self.said.add(what)
        return True
