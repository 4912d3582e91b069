"""What the MQTT broker has to do, as far as both ends of it are recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.conformance.packets import Suback, Subscribe
from tests.conformance.recording import Connection, Ended, Message, Record, Recording
from tests.conformance.rules import UNDER_WAY_MS, matches
from tests.conformance.verdict import Check, Entry, Finding, NotApplicable, Test

_AWARE = NotApplicable(
    "asks for a broker that keeps births under $sparkplug/certificates: the broker is not ours, "
    "and nothing of ours relies on that"
)


def _reaches_host(qos: int) -> Test:
    """What the edge node sends at a QoS reaches the host that listens all the while."""

    def test(recording: Recording) -> Iterator[Finding]:
        for listener in recording.host:
            arrived = Counter((m.topic, m.payload) for m in listener.heard)
            last_ms = listener.records[-1].at_ms
            for messages in _sent_to(recording, listener, qos):
                is_overtaken = False  # one that the same connection sent later has arrived
                for message in reversed(messages):
                    there = arrived[message.topic, message.payload] > 0
                    is_overtaken |= there
                    if is_overtaken or message.record.at_ms < last_ms - UNDER_WAY_MS:
                        yield Finding(message.record, "" if there else "it did not reach the host")

    return test


def _sent_to(recording: Recording, listener: Connection, qos: int) -> Iterator[list[Message]]:
    """Of each connection of the edge node to the listener's server, what it sent at this QoS once
    the listener's subscription was granted, and before that came to its end."""
    for connection in recording.edge:
        if connection.server == listener.server:
            yield [
                message
                for message in connection.sent
                if message.qos == qos
                and (granted := _granted(listener, message.topic)) is not None
                and recording.before(granted, message.record)
                and recording.before(message.record, listener.records[-1])
            ]


def _granted(listener: Connection, topic: str) -> Record | None:
    """The SUBACK by which a topic first came to a listener. A broker grants in order."""
    asked = (r.packet for r in listener.records if isinstance(r.packet, Subscribe))
    grants = (r for r in listener.records if isinstance(r.packet, Suback))
    for subscribe, grant in zip(asked, grants, strict=False):
        if any(matches(given, topic) for given, _ in subscribe.filters):
            return grant
    return None


def _wills_are_said(recording: Recording) -> Iterator[Finding]:
    """The will of an edge node that vanished reaches the host that listens."""
    for connection in recording.edge:
        end, will = connection.end, connection.will
        if end is None or connection.goodbye is not None or will is None:
            continue
        if not (isinstance(end.packet, Ended) and end.packet.by_client):
            continue  # the broker went, and took the will along
        for listener in recording.host:
            granted = _granted(listener, will.topic)
            if (
                listener.server == connection.server
                and granted is not None
                and recording.before(granted, end)
                and recording.before(end, listener.records[-1])
            ):
                said = [
                    m for m in listener.heard if (m.topic, m.payload) == (will.topic, will.payload)
                ]
                yield Finding(end, "" if said else "its will was not said")


def _retained_is_brought(recording: Recording) -> Iterator[Finding]:
    """Whoever subscribes to STATE while one is retained is brought it at once, as retained."""
    for connection in recording.edge:
        if connection.published("NBIRTH"):
            states = [m for m in connection.heard if m.kind == "STATE"]
            if states:
                topic = states[0].topic
                waits = any(matches(given, topic) for _, given, _ in connection.subscriptions())
                earlier = any(
                    m.topic == topic and recording.before(m.record, connection.records[0])
                    for host in recording.host
                    if host.server == connection.server
                    and (host.end is None or recording.before(connection.records[0], host.end))
                    for m in host.sent
                )
                if waits and earlier:
                    fits = states[0].retain
                    yield Finding(states[0].record, "" if fits else "STATE came not as retained")


CHECKS: dict[str, Entry] = {
    "conformance-mqtt-qos0": Check("QoS 0 messages are passed on", _reaches_host(0)),
    "conformance-mqtt-qos1": Check("QoS 1 messages are passed on", _reaches_host(1)),
    "conformance-mqtt-will-messages": Check("wills are said", _wills_are_said),
    "conformance-mqtt-retained": Check("retained messages are brought", _retained_is_brought),
    "conformance-mqtt-aware-basic": _AWARE,
    "conformance-mqtt-aware-store": _AWARE,
    "conformance-mqtt-aware-nbirth-mqtt-topic": _AWARE,
    "conformance-mqtt-aware-nbirth-mqtt-retain": _AWARE,
    "conformance-mqtt-aware-dbirth-mqtt-topic": _AWARE,
    "conformance-mqtt-aware-dbirth-mqtt-retain": _AWARE,
    "conformance-mqtt-aware-ndeath-timestamp": _AWARE,
}
