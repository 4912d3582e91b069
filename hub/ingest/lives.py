"""Births and deaths of all nodes, as they came, so that a worker can take a group over.

Each worker that shares the load hears them of every group. As long as its connection to the broker
stands it has missed none, so what it kept is what the node's aliases mean, whoever had the group
meanwhile. Once it was cut off that is no longer known: it forgets, and nodes are asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from hub.ingest.inbox import Message
from protocols.sparkplug import PayloadError, decode
from protocols.sparkplug.session import bd_seq_of
from protocols.sparkplug.topics import DeviceTopic, NodeTopic

logger = logging.getLogger(__name__)

Life = tuple[NodeTopic | DeviceTopic, Message]
LIFE = frozenset({"NBIRTH", "NDEATH", "DBIRTH", "DDEATH"})


class Lives:
    """The last word of each node and of each of its devices, bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        """More than `max_bytes` are not kept: all is forgotten then, and kept anew."""
        self._max_bytes = max_bytes
        self._nodes: dict[tuple[str, str], dict[str, Life]] = {}
        self._bytes = 0
        self._said = False

    def heard(self, topic: NodeTopic | DeviceTopic, message: Message) -> bool:
        """A birth or a death came. False: they became too many, and all are forgotten."""
        known = self._nodes.setdefault((topic.group, topic.node), {})
        if topic.type == "NBIRTH":
            self._bytes -= sum(len(kept.payload) for _, kept in known.values())
            known.clear()
        # What came last of a device takes the place of what came before it, and comes last.
        of = topic.device if isinstance(topic, DeviceTopic) else f"/{topic.type}"
        if (old := known.pop(of, None)) is not None:
            self._bytes -= len(old[1].payload)
        known[of] = topic, message
        self._bytes += len(message.payload)
        if self._bytes <= self._max_bytes:
            return True
        self.forget()
        if not self._said:
            logger.warning(
                "births of more than %d bytes are not kept: nodes whose group changes hands"
                " are asked for theirs",
                self._max_bytes,
            )
            self._said = True
        return False

    def of(self, group: str) -> Iterator[tuple[str, list[Life]]]:
        """The nodes of a group, with what was heard of each since its birth, in order."""
        for (known, node), messages in list(self._nodes.items()):
            if known == group:
                yield node, list(messages.values())

    def forget(self) -> None:
        """What was kept may no longer hold."""
        self._nodes.clear()
        self._bytes = 0


def died(lived: Sequence[Life]) -> bool:
    """Whether a node is dead by what was heard of it last. The will of an earlier connect, come
    late, does not count."""
    try:
        said = {
            topic.type: bd_seq_of(decode(message.payload))
            for topic, message in lived
            if topic.type in ("NBIRTH", "NDEATH")
        }
    except PayloadError:
        return False
    return "NDEATH" in said and said["NDEATH"] in (None, said.get("NBIRTH"))
