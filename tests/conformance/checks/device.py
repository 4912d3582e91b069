"""What an edge node has to do on behalf of its devices."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.checks.edge_node import changes_only, chronological
from tests.conformance.recording import NAMESPACE, Message, Plant, Recording
from tests.conformance.rules import (
    born_before,
    each,
    each_metric,
    edge,
    incomplete_metric,
    matches,
    no_metrics,
    no_protobuf,
    no_seq,
    off_topic,
    qos,
    retain,
    seq_not_next,
    unborn_metric,
    untimed,
)
from tests.conformance.verdict import Check, Entry, Finding


def _after_node(recording: Recording, message: Message) -> str:
    """A DBIRTH that comes before any NBIRTH of its session."""
    return "" if id(message.record) in recording.births else "before the NBIRTH of its session"


def _like_its_node(recording: Recording, message: Message) -> str:
    """A DBIRTH under another group or node than the NBIRTH before it."""
    birth = recording.births.get(id(message.record))
    if birth is None:
        return "no NBIRTH to compare with"
    pairs = [(m.parts[1], m.parts[3]) for m in (message, birth.node) if len(m.parts) > 3]
    return "" if len(pairs) == 2 and pairs[0] == pairs[1] else f"{pairs} are not of one node"


def _commands_subscribed(recording: Recording) -> Iterator[Finding]:
    """DCMD of every device is subscribed at QoS 1 before the node's birth."""
    for connection in recording.edge:
        births = connection.published("NBIRTH")
        if not births:
            continue
        given = [
            topic
            for record, topic, at in connection.subscriptions()
            if at == 1 and recording.before(record, births[0].record)
        ]
        subject = recording.subject
        for device in {message.device for message in connection.published("DBIRTH")}:
            wanted = f"{NAMESPACE}/{subject.group}/DCMD/{subject.node}/{device}"
            fits = any(matches(topic, wanted) for topic in given)
            yield Finding(births[0].record, "" if fits else f"{wanted} is not subscribed before it")


def _dies_with_device(recording: Recording) -> Iterator[Finding]:
    """A device that goes is followed by its DDEATH, and by no birth of it before it is back."""
    changes = [(r, r.packet) for r in recording.records if isinstance(r.packet, Plant)]
    for n, (record, plant) in enumerate(changes):
        if plant.there:
            continue
        back = next((r for r, p in changes[n + 1 :] if p.there and p.device == plant.device), None)
        deaths = [
            m
            for m in recording.from_edge("DDEATH")
            if m.device == plant.device
            and recording.before(record, m.record)
            and (back is None or recording.before(m.record, back))
        ]
        yield Finding(record, "" if deaths else f"no DDEATH of {plant.device}")


_TOPIC = {kind: Check(f"a {kind} goes to group, node and device", each(edge(kind), off_topic))
          for kind in ("DBIRTH", "DDATA", "DDEATH")}  # fmt: skip
_SEND = {
    kind: Check(f"a {kind} goes at QoS 0, not retained", each(edge(kind), qos(0), retain(False)))
    for kind in _TOPIC
}
_TIME = {
    kind: Check(f"a {kind} says when it was sent", each(edge(kind), untimed)) for kind in _TOPIC
}
_NEXT = {
    kind: Check(f"a {kind} bears the next seq", each(edge(kind), seq_not_next)) for kind in _TOPIC
}
_SEQ = {
    kind: Check(f"a {kind} bears a seq of 0 … 255", each(edge(kind), no_seq)) for kind in _TOPIC
}
_QOS = {kind: Check(f"a {kind} goes at QoS 0", each(edge(kind), qos(0))) for kind in _TOPIC}
_RETAIN = {
    kind: Check(f"a {kind} is not retained", each(edge(kind), retain(False))) for kind in _TOPIC
}
_NAMES_ALL = Check("a DBIRTH names all that DDATA says", each(edge("DDATA"), unborn_metric))
_COMPLETE = Check(
    "metrics of a DBIRTH have name, datatype and value",
    each_metric(edge("DBIRTH"), incomplete_metric),
)
_AFTER_NODE = Check("a DBIRTH comes after the NBIRTH", each(edge("DBIRTH"), _after_node))
_AFTER_BIRTH = Check("no DDATA before the births", each(edge("DDATA"), born_before))

CHECKS: dict[str, Entry] = {
    "topics-dbirth-topic": _TOPIC["DBIRTH"],
    "topics-dbirth-mqtt": _SEND["DBIRTH"],
    "topics-dbirth-seq": _NEXT["DBIRTH"],
    "topics-dbirth-timestamp": _TIME["DBIRTH"],
    "topics-dbirth-metric-reqs": _NAMES_ALL,
    "topics-dbirth-metrics": _COMPLETE,
    "topics-ddata-topic": _TOPIC["DDATA"],
    "topics-ddata-mqtt": _SEND["DDATA"],
    "topics-ddata-seq-num": _NEXT["DDATA"],
    "topics-ddata-timestamp": _TIME["DDATA"],
    "topics-ddata-payload": Check("a DDATA has a metric", each(edge("DDATA"), no_metrics)),
    "topics-ddeath-topic": _TOPIC["DDEATH"],
    "topics-ddeath-mqtt": _SEND["DDEATH"],
    "topics-ddeath-seq-num": _NEXT["DDEATH"],
    "message-flow-device-dcmd-subscribe": Check(
        "DCMD is subscribed at QoS 1 before the birth", _commands_subscribed
    ),
    "message-flow-device-birth-publish-nbirth-wait": _AFTER_NODE,
    "message-flow-device-birth-publish-dbirth-topic": _TOPIC["DBIRTH"],
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic": Check(
        "a DBIRTH is of the group and node of its NBIRTH", each(edge("DBIRTH"), _like_its_node)
    ),
    "message-flow-device-birth-publish-dbirth-payload": Check(
        "a DBIRTH is a Sparkplug payload", each(edge("DBIRTH"), no_protobuf)
    ),
    "message-flow-device-birth-publish-dbirth-qos": _QOS["DBIRTH"],
    "message-flow-device-birth-publish-dbirth-retained": _RETAIN["DBIRTH"],
    "message-flow-device-birth-publish-dbirth-payload-seq": _NEXT["DBIRTH"],
    "operational-behavior-device-ddeath": Check("a device that goes dies", _dies_with_device),
    "operational-behavior-data-publish-dbirth": _NAMES_ALL,
    "operational-behavior-data-publish-dbirth-values": _COMPLETE,
    "operational-behavior-data-publish-dbirth-change": Check(
        "a DDATA says what has changed (recommended)", changes_only("DDATA")
    ),
    "operational-behavior-data-publish-dbirth-order": Check(
        "live values of a device are in order of time", chronological("DBIRTH", "DDATA")
    ),
    "payloads-dbirth-timestamp": _TIME["DBIRTH"],
    "payloads-dbirth-seq": _SEQ["DBIRTH"],
    "payloads-dbirth-seq-inc": _NEXT["DBIRTH"],
    "payloads-dbirth-order": _AFTER_NODE,
    "payloads-dbirth-qos": _QOS["DBIRTH"],
    "payloads-dbirth-retain": _RETAIN["DBIRTH"],
    "payloads-ddata-timestamp": _TIME["DDATA"],
    "payloads-ddata-seq": _SEQ["DDATA"],
    "payloads-ddata-seq-inc": _NEXT["DDATA"],
    "payloads-ddata-order": _AFTER_BIRTH,
    "payloads-ddata-qos": _QOS["DDATA"],
    "payloads-ddata-retain": _RETAIN["DDATA"],
    "payloads-ddeath-timestamp": _TIME["DDEATH"],
    "payloads-ddeath-seq": _SEQ["DDEATH"],
    "payloads-ddeath-seq-inc": _NEXT["DDEATH"],
    "payloads-ddeath-seq-number": _NEXT["DDEATH"],
}
