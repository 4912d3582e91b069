"""Ids, topics, and the order of births: what holds for whoever speaks Sparkplug."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from tests.conformance.recording import BIRTHS, DATA, NAMESPACE, Message, Recording
from tests.conformance.rules import each
from tests.conformance.verdict import Check, Entry, Finding, NotApplicable, Test

NODE_KINDS = ("NBIRTH", "NDEATH", "NDATA", "NCMD")
DEVICE_KINDS = ("DBIRTH", "DDEATH", "DDATA", "DCMD")
SPOKEN_BY_NODES = (*BIRTHS, *DATA, "DDEATH", "NDEATH")


def _everything(recording: Recording) -> list[Message]:
    """All that edge node and host application publish, wills too."""
    wills = [c.will for c in (*recording.edge, *recording.host)]
    sent = [m for c in (*recording.edge, *recording.host) for m in c.sent]
    return [*(will for will in wills if will is not None), *sent]


def _of_nodes(recording: Recording) -> list[Message]:
    """All but STATE."""
    return [m for m in _everything(recording) if m.kind != "STATE"]


def _of_devices(recording: Recording) -> list[Message]:
    return [m for m in _of_nodes(recording) if len(m.parts) > 4]


def _level(index: int, *, only: Callable[[str], bool]) -> Callable[[Recording, Message], str]:
    """A problem if a topic's level does not hold to a rule."""

    def problem(_: Recording, message: Message) -> str:
        if len(message.parts) <= index:
            return f"topic {message.topic} has no level {index + 1}"
        return "" if only(message.parts[index]) else f"level {message.parts[index]!r}"

    return problem


def _text(level: str) -> bool:
    """A level that UTF-8 in MQTT can carry, and is not empty."""
    try:
        return bool(level.encode()) and "\0" not in level
    except UnicodeEncodeError:
        return False


def _no_wildcard(level: str) -> bool:
    return not set(level) & set("+#/")


def _structure(_: Recording, message: Message) -> str:
    levels = {4: NODE_KINDS, 5: DEVICE_KINDS}.get(len(message.parts), ())
    fits = len(message.parts) > 2 and message.parts[2] in levels and all(message.parts)
    return "" if fits else f"topic {message.topic}"


def _with_device(_: Recording, message: Message) -> str:
    return "" if message.device else f"{message.kind} without a device"


def _without_device(_: Recording, message: Message) -> str:
    return "" if len(message.parts) == 4 else f"{message.kind} under {message.topic}"


def _kinds(*kinds: str) -> Callable[[Recording], list[Message]]:
    return lambda recording: [m for m in _everything(recording) if m.kind in kinds]


def one_client_each(recording: Recording) -> Iterator[Finding]:
    """A node's messages come from one client only."""
    owner: dict[tuple[str, str], str] = {}
    for connection in recording.connections:
        for message in connection.published(*SPOKEN_BY_NODES):
            if len(message.parts) < 4:
                continue
            name = message.parts[1], message.parts[3]
            first = owner.setdefault(name, connection.connect.client_id)
            other = connection.connect.client_id
            said = "" if first == other else f"{first} and {other} both speak as {name}"
            yield Finding(message.record, said)


def _devices_born_once(recording: Recording) -> Iterator[Finding]:
    """No device is born twice without a death or a birth of its node in between."""
    for connection in recording.edge:
        alive: set[str] = set()
        for message in connection.published("NBIRTH", "DBIRTH", "DDEATH"):
            if message.kind == "NBIRTH":
                alive.clear()
            elif message.kind == "DDEATH":
                alive.discard(message.device)
            else:
                twice = message.device in alive
                yield Finding(message.record, f"{message.device} is born twice" if twice else "")
                alive.add(message.device)


def _births_first(recording: Recording) -> Iterator[Finding]:
    """The first message of each connection is a birth: NBIRTH, or STATE."""
    for connections, kind in ((recording.edge, "NBIRTH"), (recording.host, "STATE")):
        for connection in connections:
            if connection.sent:
                first = connection.sent[0]
                said = "" if first.kind == kind else f"{first.topic} comes before {kind}"
                yield Finding(first.record, said)


def _no_case_twins(names: Callable[[Recording], Iterator[tuple[Message, list[str]]]]) -> Test:
    """No two names of one place differ only in case."""

    def test(recording: Recording) -> Iterator[Finding]:
        for message, given in names(recording):
            spellings: dict[str, set[str]] = defaultdict(set)
            for name in given:
                spellings[name.lower()].add(name)
            twins = next((s for s in spellings.values() if len(s) > 1), None)
            yield Finding(message.record, f"names {sorted(twins)}" if twins else "")

    return test


def _ids(recording: Recording) -> Iterator[tuple[Message, list[str]]]:
    """Group, node and device ids, each kind over the whole recording."""
    messages = [m for m in recording.from_edge(*BIRTHS) if len(m.parts) > 3]
    for index in (1, 3, 4):
        given = [m.parts[index] for m in messages if len(m.parts) > index]
        if given:
            yield messages[0], given


def _metric_names(recording: Recording) -> Iterator[tuple[Message, list[str]]]:
    for message in recording.from_edge(*BIRTHS):
        yield message, [metric.name for metric in message.metrics]


_UNIQUE_NODE = Check("one client alone speaks as a group's edge node", one_client_each)

CHECKS: dict[str, Entry] = {
    "intro-group-id-string": Check("a group id is text", each(_of_nodes, _level(1, only=_text))),
    "intro-group-id-chars": Check(
        "a group id has no + / #", each(_of_nodes, _level(1, only=_no_wildcard), _structure)
    ),
    "intro-edge-node-id-string": Check(
        "an edge node id is text", each(_of_nodes, _level(3, only=_text))
    ),
    "intro-edge-node-id-chars": Check(
        "an edge node id has no + / #", each(_of_nodes, _level(3, only=_no_wildcard), _structure)
    ),
    "intro-device-id-string": Check(
        "a device id is text", each(_of_devices, _level(4, only=_text))
    ),
    "intro-device-id-chars": Check(
        "a device id has no + / #", each(_of_devices, _level(4, only=_no_wildcard), _structure)
    ),
    "intro-edge-node-id-uniqueness": _UNIQUE_NODE,
    "principles-birth-certificates-order": Check(
        "whoever connects publishes its birth first", _births_first
    ),
    "topic-structure": Check(
        "topics are namespace, group, type, node, and the device of device messages",
        each(_of_nodes, _structure),
    ),
    "topic-structure-namespace-a": Check(
        f"every topic begins with {NAMESPACE}",
        each(_everything, _level(0, only=lambda level: level == NAMESPACE)),
    ),
    "topic-structure-namespace-valid-group-id": Check(
        "a group id is text without + / #",
        each(_of_nodes, _level(1, only=lambda level: _text(level) and _no_wildcard(level))),
    ),
    "topic-structure-namespace-unique-edge-node-descriptor": _UNIQUE_NODE,
    "topic-structure-namespace-valid-edge-node-id": Check(
        "an edge node id is text without + / #",
        each(_of_nodes, _level(3, only=lambda level: _text(level) and _no_wildcard(level))),
    ),
    "topic-structure-namespace-valid-device-id": Check(
        "a device id is text without + / #",
        each(_of_devices, _level(4, only=lambda level: _text(level) and _no_wildcard(level))),
    ),
    "topic-structure-namespace-unique-device-id": Check(
        "a node has each device once", _devices_born_once
    ),
    "topic-structure-namespace-duplicate-device-id-across-edge-node": NotApplicable(
        "a permission: devices of different nodes may share an id, and nothing can violate that"
    ),
    "topic-structure-namespace-device-id-associated-message-types": Check(
        "device messages name their device", each(_kinds(*DEVICE_KINDS), _with_device)
    ),
    "topic-structure-namespace-device-id-non-associated-message-types": Check(
        "node messages name no device", each(_kinds(*NODE_KINDS), _without_device)
    ),
    "case-sensitivity-sparkplug-ids": Check(
        "no two ids differ in case alone (recommended)", _no_case_twins(_ids)
    ),
    "case-sensitivity-metric-names": Check(
        "no two metrics of a birth differ in case alone (recommended)",
        _no_case_twins(_metric_names),
    ),
}
