"""What a host application has to do: its STATE, its commands, and what it makes of deaths."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.conformance.checks.edge_node import speaks_mqtt_5
from tests.conformance.packets import Subscribe
from tests.conformance.recording import (
    NAMESPACE,
    NUMBERED,
    Connection,
    Message,
    Record,
    Recording,
    Seen,
)
from tests.conformance.rules import (
    LATE_MS,
    REBIRTH,
    connection_of,
    each,
    each_connection,
    each_will,
    has_seq,
    has_value,
    host,
    host_connections,
    label,
    matches,
    no_metrics,
    qos,
    retain,
    state_off_topic,
    state_says,
    state_unsound,
    states,
    untimed,
    value_of,
)
from tests.conformance.verdict import Check, Entry, Finding, NotApplicable, Test

MQTT_311 = 4
REBIRTH_WITHIN = 2
"""A rebirth is asked for within so many reorder time-outs."""


# --- the session -------------------------------------------------------------------------------


def _unclean(_: Recording, connection: Connection) -> str:
    return "" if connection.connect.clean else "clean session is off"


def _births(recording: Recording) -> list[Message]:
    """The first STATE of each connection."""
    return [own[0] for c in recording.host if (own := c.published("STATE"))]


def _first_is_birth(_: Recording, connection: Connection) -> str:
    """The first message of a connection is not STATE online on its own topic."""
    first = connection.sent[0] if connection.sent else None
    online = first is not None and first.state is not None and first.state.get("online") is True
    return "" if online else "its first message is not STATE online"


def _subscribes_first(*topics: Callable[[Recording], str]) -> Test:
    """Each connection subscribes to these before it publishes STATE."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in recording.host:
            given = []
            for record in connection.records:
                if isinstance(record.packet, Subscribe):
                    given += [topic for topic, _ in record.packet.filters]
                if connection.sent and record is connection.sent[0].record:
                    break
            for topic in topics:
                wanted = topic(recording)
                fits = any(matches(filter_, wanted) for filter_ in given)
                problem = "" if fits else f"{wanted} is not subscribed before STATE"
                yield Finding(connection.records[0], problem)

    return test


def _own_topic(recording: Recording) -> str:
    return f"{NAMESPACE}/STATE/{recording.subject.host}"


def _all_nodes(_: Recording) -> str:
    return f"{NAMESPACE}/any/DDATA/any/any"


def _no_will(_: Recording, connection: Connection) -> str:
    return "" if connection.will is not None else "no will"


def _timestamp(message: Message) -> int:
    said = message.state.get("timestamp") if message.state else None
    return said if isinstance(said, int) else -1


def _as_in_will(recording: Recording, message: Message) -> str:
    """A STATE online whose time is not that of the will of its connection."""
    will = connection_of(recording, message.record).will
    fits = will is not None and _timestamp(will) == _timestamp(message) >= 0
    return "" if fits else "its timestamp is not that of the will"


def _untimely(_: Recording, message: Message) -> str:
    """A STATE whose time is not that of its sending."""
    late_ms = message.record.at_ms - _timestamp(message)
    return "" if 0 <= late_ms <= LATE_MS else f"its timestamp is {late_ms} ms behind its sending"


def _not_older(recording: Recording) -> Iterator[Finding]:
    """A spoken offline state is timed like its sending, and not before the birth it ends."""
    for connection in recording.host:
        said = connection.published("STATE")
        for message in said:
            if message.state and message.state.get("online") is False:
                problem = _untimely(recording, message)
                if _timestamp(message) < _timestamp(said[0]):
                    problem = "it is older than the birth of its connection"
                yield Finding(message.record, problem)


def _says_offline(recording: Recording) -> Iterator[Finding]:
    """Whoever says goodbye has said STATE offline before."""
    for connection in recording.host:
        bye = connection.goodbye
        if bye is None:
            continue
        said = [m for m in connection.published("STATE") if recording.before(m.record, bye)]
        last = said[-1].state if said else None
        fits = last is not None and last.get("online") is False
        yield Finding(bye, "" if fits else "DISCONNECT without STATE offline")


def _offline_spoken(recording: Recording) -> list[Message]:
    return list(states(False)(recording))


def _leaves_without_goodbye(recording: Recording) -> Iterator[Finding]:
    """Disproves that it always says DISCONNECT when it leaves: STATE offline, and then only TCP."""
    for connection in recording.host:
        said = connection.published("STATE")
        offline = bool(said) and said[-1].state is not None and said[-1].state["online"] is False
        if offline and connection.end is not None and connection.goodbye is None:
            yield Finding(said[-1].record, "it left without DISCONNECT after all")


def _contradicts(recording: Recording) -> Iterator[Finding]:
    """Hearing that it is offline, it says at once that it is not, timed as in its will."""
    for connection in recording.host:
        online = False
        for record in connection.records:
            said = next((m for m in connection.sent if m.record is record), None)
            if said is not None and said.kind == "STATE":
                online = bool(said.state and said.state["online"])
            heard = next((m for m in connection.heard if m.record is record), None)
            own = heard is not None and heard.topic == _own_topic(recording)
            if not own or heard is None or not heard.state or heard.state["online"] or not online:
                continue
            later = [m for m in connection.published("STATE") if recording.before(record, m.record)]
            fits = later and later[0].state and later[0].state["online"] is True
            problem = "" if fits else "it does not say that it is online"
            yield Finding(record, problem or _as_in_will(recording, later[0]))


def _one_speaker(recording: Recording) -> Iterator[Finding]:
    """Nobody else says under its host id that he is online, or has that in his will."""
    for connection in recording.connections:
        said = [m for m in connection.published("STATE") if m.topic == _own_topic(recording)]
        for message in said:
            online = bool(message.state) and bool(message.state and message.state.get("online"))
            other = connection.connect.client_id != recording.subject.host_client
            problem = f"{connection.connect.client_id} is online as this host too"
            yield Finding(message.record, problem if online and other else "")


def _on_every_server(recording: Recording) -> Iterator[Finding]:
    """On each server that the edge node uses, the host says that it is online."""
    servers = {connection.server for connection in recording.edge}
    if len(servers) < 2:
        return
    for server in sorted(servers):
        said = [
            m
            for c in recording.host
            if c.server == server
            for m in c.published("STATE")
            if m.state and m.state.get("online") is True
        ]
        first = next(c for c in recording.edge if c.server == server).records[0]
        yield Finding(said[0].record if said else first, "" if said else f"no STATE on {server}")


def _own_time_each(recording: Recording) -> Iterator[Finding]:
    """On each server, births bear the time of their own connect, which grows."""
    last: dict[str, int] = {}
    for connection in recording.host:
        for message in connection.published("STATE")[:1]:
            problem = _as_in_will(recording, message)
            if _timestamp(message) <= last.get(connection.server, -1):
                problem = "its timestamp does not grow from connect to connect"
            yield Finding(message.record, problem)
            last[connection.server] = _timestamp(message)


def _state_each(recording: Recording, connection: Connection) -> str:
    """A connection that never says it is online."""
    online = [m for m in connection.published("STATE") if m.state and m.state.get("online") is True]
    return "" if online else f"no STATE online on {connection.server}"


# --- commands ----------------------------------------------------------------------------------


def _command_topic(recording: Recording, message: Message) -> str:
    """A command whose topic is not that of a node which has spoken."""
    levels = 5 if message.kind.startswith("D") else 4
    fits = len(message.parts) == levels and all(message.parts)
    return "" if fits else f"topic {message.topic}"


def _valueless(_: Recording, message: Message) -> str:
    """A command with a metric that has no name or no value."""
    bad = next((m for m in message.metrics if not m.name or not has_value(m)), None)
    return "" if bad is None else f"metric {label(bad)} lacks a name or a value"


def _birth_of(recording: Recording, command: Message) -> Message | None:
    """The last NBIRTH of the commanded node that the host had heard on this connection."""
    connection = connection_of(recording, command.record)
    births = [
        m
        for m in connection.heard
        if m.kind == "NBIRTH"
        and m.parts[1:4:2] == command.parts[1:4:2]
        and recording.before(m.record, command.record)
    ]
    return births[-1] if births else None


def _names_born(recording: Recording) -> Iterator[Finding]:
    """A command to a node whose birth is known names metrics of that birth."""
    for command in recording.from_host("NCMD"):
        birth = _birth_of(recording, command)
        if birth is not None:
            names = {metric.name for metric in birth.metrics}
            bad = next((m for m in command.metrics if m.name not in names), None)
            yield Finding(command.record, "" if bad is None else f"{label(bad)} is in no birth")


def _types_fit(recording: Recording) -> Iterator[Finding]:
    """The value of a command is of the type that the birth gives its metric."""
    members = {11: "boolean_value", 12: "string_value", 4: "long_value", 3: "int_value"}
    for command in recording.from_host("NCMD"):
        birth = _birth_of(recording, command)
        if birth is None:
            continue
        for metric in command.metrics:
            born = birth.metric(metric.name)
            wanted = members.get(born.datatype) if born is not None else None
            fits = wanted is not None and metric.WhichOneof("value") == wanted
            yield Finding(command.record, "" if fits else f"{label(metric)} has another type")


def _is_ncmd(_: Recording, message: Message) -> str:
    fits = message.kind == "NCMD" and len(message.parts) == 4
    return "" if fits else f"a rebirth is asked for under {message.topic}"


def _rebirth_requests(recording: Recording) -> list[Message]:
    """Commands that hold a Boolean true, or the name of the rebirth metric: rebirth requests,
    spoilt ones too."""
    return [
        m
        for c in recording.host
        for m in c.sent
        if m.kind in ("NCMD", "DCMD")
        and any(x.name == REBIRTH or x.HasField("boolean_value") for x in m.metrics)
    ]


def _rebirth_named(_: Recording, message: Message) -> str:
    return "" if message.metric(REBIRTH) is not None else f"it does not name {REBIRTH}"


def _rebirth_true(_: Recording, message: Message) -> str:
    metric = message.metric(REBIRTH)
    fits = metric is not None and value_of(metric) is True
    return "" if fits else f"{REBIRTH} is not true"


def _device_commands(recording: Recording) -> Iterator[Finding]:
    """Disproves that the host sends no DCMD."""
    for message in recording.from_host("DCMD"):
        yield Finding(message.record, "a DCMD is sent after all")


# --- order -------------------------------------------------------------------------------------


def gaps(
    recording: Recording,
) -> Iterator[tuple[Connection, tuple[str, ...], Record, Record | None, Record | None]]:
    """Each gap in a node's numbers as the host heard them: the connection, the node, the message
    that showed it, the one that filled it, and the NBIRTH that ended the matter."""
    for connection in recording.host:
        wanted: dict[tuple[str, ...], int] = {}
        open_: dict[tuple[tuple[str, ...], int], Record] = {}
        for message in connection.heard:
            if message.kind not in NUMBERED or message.body is None:
                continue
            node, seq = tuple(message.parts[1:4:2]), message.body.seq
            if message.kind == "NBIRTH":
                for key in [k for k in open_ if k[0] == node]:
                    yield connection, node, open_.pop(key), None, message.record
                wanted[node] = (seq + 1) % 256
            elif (node, seq) in open_:
                yield connection, node, open_.pop((node, seq)), message.record, None
            elif node in wanted and (seq - wanted[node]) % 256 < 128:
                for missed in range((seq - wanted[node]) % 256):
                    open_[node, (wanted[node] + missed) % 256] = message.record
                wanted[node] = (seq + 1) % 256
        for (node, _), record in open_.items():
            yield connection, node, record, None, None


def _requests_to(
    recording: Recording, connection: Connection, node: tuple[str, ...], after: Record
) -> list[int]:
    """How many milliseconds after a record rebirths of this node were asked for."""
    return [
        m.record.at_ms - after.at_ms
        for m in connection.published("NCMD")
        if m.metric(REBIRTH) is not None
        and tuple(m.parts[1:4:2]) == node
        and recording.before(after, m.record)
    ]


def _waits_for_order(recording: Recording) -> Iterator[Finding]:
    """From a gap on, no rebirth is asked for before the reorder time-out is over."""
    for connection, node, record, _, _ in gaps(recording):
        asked = _requests_to(recording, connection, node, record)
        early = [ms for ms in asked if ms < recording.subject.reorder_ms]
        yield Finding(record, f"a rebirth is asked for after {early[0]} ms" if early else "")


def _asks_when_missing(recording: Recording) -> Iterator[Finding]:
    """A gap that is not filled within the reorder time-out leads to a rebirth request."""
    most_ms = REBIRTH_WITHIN * recording.subject.reorder_ms
    for connection, node, record, filled, born in gaps(recording):
        until = filled or born
        if until is not None and until.at_ms - record.at_ms <= recording.subject.reorder_ms:
            continue
        asked = _requests_to(recording, connection, node, record)
        fits = any(ms <= most_ms for ms in asked)
        if not fits and connection.records[-1].at_ms - record.at_ms < most_ms:
            continue  # the connection ended before the host was late
        yield Finding(record, "" if fits else f"no rebirth is asked for within {most_ms} ms")


def _content_when_filled(recording: Recording) -> Iterator[Finding]:
    """A gap that is filled in time leads to no rebirth request."""
    reorder_ms = recording.subject.reorder_ms
    for connection, node, record, filled, _ in gaps(recording):
        if filled is None or filled.at_ms - record.at_ms > reorder_ms / 2:
            continue
        asked = _requests_to(recording, connection, node, record)
        soon = [ms for ms in asked if ms <= 2 * reorder_ms]
        yield Finding(record, f"a rebirth is asked for after {soon[0]} ms" if soon else "")


# --- what users are shown ----------------------------------------------------------------------


def _shown(after: str, problem: Callable[[Recording, Record, Seen], str]) -> Test:
    """No look at the host after a message of this kind has this problem."""

    def test(recording: Recording) -> Iterator[Finding]:
        for record, seen in recording.looks(after):
            yield Finding(record, problem(recording, record, seen))

    return test


def _node_online(_: Recording, __: Record, seen: Seen) -> str:
    return "the node is shown as online" if seen.online else ""


def _devices_online(_: Recording, __: Record, seen: Seen) -> str:
    online = [name for name, (online, _) in seen.devices.items() if online]
    if not seen.devices:
        return "no device is shown"
    return f"{online} are shown as online" if online else ""


def _last_word(
    recording: Recording, before: Record, *kinds: str, device: str | None = None
) -> Message | None:
    """What the host heard last of these kinds about the edge node before a record."""
    heard = [
        m
        for c in recording.host
        for m in c.heard
        if m.kind in kinds
        and m.parts[3] == recording.subject.node
        and device in (None, m.device)
        and recording.before(m.record, before)
    ]
    return max(heard, key=lambda m: recording.position[id(m.record)], default=None)


def _stale_at_death(recording: Recording, record: Record, seen: Seen) -> str:
    """Devices that were alive are not stale from the NDEATH on, by the host's clock."""
    death = _last_word(recording, record, "NDEATH")
    if death is None:
        return "no NDEATH was heard"
    for name, (online, since_ms) in seen.devices.items():
        if online:
            return f"{name} is not stale"
        own = _last_word(recording, record, "DBIRTH", "DDEATH", device=name)
        if own is not None and own.kind == "DDEATH":  # it was dead before, and is stale since then
            if problem := _not_since_its_death(name, since_ms, own):
                return problem
        elif not death.record.at_ms <= since_ms <= record.at_ms:
            return f"{name} is stale since {since_ms}, the NDEATH came at {death.record.at_ms}"
    return ""


def _not_since_its_death(name: str, since_ms: int, death: Message) -> str:
    """A device is not stale from the time stamp of its DDEATH on."""
    said_ms = None if death.body is None else death.body.timestamp
    return "" if since_ms == said_ms else f"{name} is stale since {since_ms}, not {said_ms}"


def _device_gone(recording: Recording, record: Record, seen: Seen) -> str:
    death = _last_word(recording, record, "DDEATH")
    if death is None:
        return "no DDEATH was heard"
    online, _ = seen.devices.get(death.device, (True, 0))
    return f"{death.device} is shown as online" if online else ""


def _device_stale(recording: Recording, record: Record, seen: Seen) -> str:
    death = _last_word(recording, record, "DDEATH")
    if death is None:
        return "no DDEATH was heard"
    online, since_ms = seen.devices.get(death.device, (True, 0))
    return (
        f"{death.device} is not stale"
        if online
        else _not_since_its_death(death.device, since_ms, death)
    )


_BIRTH_FIRST = Check(
    "its first message is STATE online", each_connection(host_connections, _first_is_birth)
)
_STATE_EACH = Check(
    "each connection says that the host is online", each_connection(host_connections, _state_each)
)
_OWN_SUBSCRIBED = Check(
    "its own STATE is subscribed before it is said", _subscribes_first(_own_topic)
)
_BIRTH_TOPIC = Check("STATE goes to the host's topic", each(_births, state_off_topic))
_BIRTH_QOS = Check("STATE online goes at QoS 1", each(states(True), qos(1)))
_BIRTH_RETAIN = Check("STATE online is retained", each(states(True), retain(True)))
_BIRTH_PAYLOAD = Check("a birth is JSON, online true and a time", each(_births, state_says(True)))
_BIRTH_TIME = Check("a birth is timed as the will of its connection", each(_births, _as_in_will))
_WILL = Check("each CONNECT has a will", each_connection(host_connections, _no_will))
_WILL_TOPIC = Check(
    "the will goes to the host's STATE topic", each_will(host_connections, state_off_topic)
)
_WILL_QOS = Check("the will goes at QoS 1", each_will(host_connections, qos(1)))
_WILL_RETAIN = Check("the will is retained", each_will(host_connections, retain(True)))
_WILL_PAYLOAD = Check(
    "the will is JSON, online false and a time", each_will(host_connections, state_says(False))
)
_SAYS_OFFLINE = Check("whoever says goodbye said STATE offline before", _says_offline)
_NO_DCMD = NotApplicable("the host sends no commands to devices", _device_commands)
_CMD_TOPIC = Check("an NCMD goes to group and node", each(host("NCMD"), _command_topic))
_CMD_TIME = Check("an NCMD says when it was sent", each(host("NCMD"), untimed))
_CMD_PAYLOAD = Check(
    "an NCMD has metrics with names and values", each(host("NCMD"), no_metrics, _valueless)
)

CHECKS: dict[str, Entry] = {
    "intro-sparkplug-host-state": _STATE_EACH,
    "components-ph-state": _STATE_EACH,
    "topics-ncmd-topic": _CMD_TOPIC,
    "topics-ncmd-mqtt": Check(
        "an NCMD goes at QoS 0, not retained", each(host("NCMD"), qos(0), retain(False))
    ),
    "topics-ncmd-timestamp": _CMD_TIME,
    "topics-ncmd-payload": _CMD_PAYLOAD,
    "topics-dcmd-topic": _NO_DCMD,
    "topics-dcmd-mqtt": _NO_DCMD,
    "topics-dcmd-timestamp": _NO_DCMD,
    "topics-dcmd-payload": _NO_DCMD,
    "host-topic-phid-birth-message": _BIRTH_FIRST,
    "host-topic-phid-birth-qos": _BIRTH_QOS,
    "host-topic-phid-birth-retain": _BIRTH_RETAIN,
    "host-topic-phid-birth-topic": _BIRTH_TOPIC,
    "host-topic-phid-birth-sub-required": _OWN_SUBSCRIBED,
    "host-topic-phid-birth-required": _BIRTH_FIRST,
    "host-topic-phid-birth-payload": _BIRTH_PAYLOAD,
    "host-topic-phid-birth-payload-timestamp": _BIRTH_TIME,
    "host-topic-phid-death-qos": _WILL_QOS,
    "host-topic-phid-death-retain": _WILL_RETAIN,
    "host-topic-phid-death-topic": _WILL_TOPIC,
    "host-topic-phid-death-required": _WILL,
    "host-topic-phid-death-payload": _WILL_PAYLOAD,
    "host-topic-phid-death-payload-timestamp-connect": Check(
        "the will is timed like its CONNECT", each_will(host_connections, _untimely)
    ),
    "host-topic-phid-death-payload-timestamp-disconnect-clean": Check(
        "a spoken STATE offline is timed like its sending", _not_older
    ),
    "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet": NotApplicable(
        "the host leaves with DISCONNECT, or not on purpose", _leaves_without_goodbye
    ),
    "message-flow-phid-sparkplug-clean-session-311": Check(
        "MQTT 3.1.1 sessions are clean", each_connection(host_connections, _unclean)
    ),
    "message-flow-phid-sparkplug-clean-session-50": NotApplicable(
        "the host speaks MQTT 3.1.1", speaks_mqtt_5(host_connections)
    ),
    "message-flow-phid-sparkplug-subscription": Check(
        "all of Sparkplug and its own STATE are subscribed before STATE is said",
        _subscribes_first(_all_nodes, _own_topic),
    ),
    "message-flow-phid-sparkplug-state-publish": _BIRTH_FIRST,
    "message-flow-phid-sparkplug-state-publish-payload": _BIRTH_PAYLOAD,
    "message-flow-phid-sparkplug-state-publish-payload-timestamp": _BIRTH_TIME,
    "message-flow-hid-sparkplug-state-message-delivered": Check(
        "hearing that it is offline, it says that it is online", _contradicts
    ),
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline": Check(
        "after an NDEATH the node is shown as offline", _shown("NDEATH", _node_online)
    ),
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale": Check(
        "after an NDEATH what its node said is stale", _shown("NDEATH", _node_online)
    ),
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline": Check(
        "after an NDEATH its devices are shown as offline", _shown("NDEATH", _devices_online)
    ),
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale": Check(
        "after an NDEATH its devices' tags are stale from then on",
        _shown("NDEATH", _stale_at_death),
    ),
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline": Check(
        "after a DDEATH the device is shown as offline", _shown("DDEATH", _device_gone)
    ),
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale": Check(
        "after a DDEATH its tags are stale since the time in it", _shown("DDEATH", _device_stale)
    ),
    "operational-behavior-host-reordering-param": NotApplicable(
        "a setting, not a message: `reorder_s` of the hub's ingest"
    ),
    "operational-behavior-host-reordering-start": Check(
        "a gap in the numbers is given the reorder time-out", _waits_for_order
    ),
    "operational-behavior-host-reordering-rebirth": Check(
        "a gap that stays leads to a rebirth request", _asks_when_missing
    ),
    "operational-behavior-host-reordering-success": Check(
        "a gap that is filled in time leads to none", _content_when_filled
    ),
    "operational-behavior-primary-application-state-with-multiple-servers-state": Check(
        "STATE is said on each server", _on_every_server
    ),
    "operational-behavior-host-application-host-id": Check(
        "no other client is online under the host's id", _one_speaker
    ),
    "operational-behavior-host-application-connect-will": _WILL,
    "operational-behavior-host-application-connect-will-topic": _WILL_TOPIC,
    "operational-behavior-host-application-connect-will-payload": _WILL_PAYLOAD,
    "operational-behavior-host-application-connect-will-qos": _WILL_QOS,
    "operational-behavior-host-application-connect-will-retained": _WILL_RETAIN,
    "operational-behavior-host-application-connect-birth": _BIRTH_FIRST,
    "operational-behavior-host-application-connect-birth-topic": _BIRTH_TOPIC,
    "operational-behavior-host-application-connect-birth-payload": _BIRTH_PAYLOAD,
    "operational-behavior-host-application-connect-birth-qos": _BIRTH_QOS,
    "operational-behavior-host-application-connect-birth-retained": _BIRTH_RETAIN,
    "operational-behavior-host-application-multi-server-timestamp": Check(
        "STATE on each server is timed by the connect to that server", _own_time_each
    ),
    "operational-behavior-host-application-termination": _SAYS_OFFLINE,
    "operational-behavior-host-application-death-topic": Check(
        "a spoken STATE offline goes to the host's topic", each(states(False), state_off_topic)
    ),
    "operational-behavior-host-application-death-payload": Check(
        "a spoken STATE offline is JSON, online false and a time",
        each(states(False), state_unsound),
    ),
    "operational-behavior-host-application-death-qos": Check(
        "a spoken STATE offline goes at QoS 1", each(states(False), qos(1))
    ),
    "operational-behavior-host-application-death-retained": Check(
        "a spoken STATE offline is retained", each(states(False), retain(True))
    ),
    "operational-behavior-host-application-disconnect-intentional": _SAYS_OFFLINE,
    "operational-behavior-data-commands-ncmd-rebirth-verb": Check(
        "a rebirth is asked for by NCMD", each(_rebirth_requests, _is_ncmd)
    ),
    "operational-behavior-data-commands-ncmd-rebirth-name": Check(
        "a rebirth request names Node Control/Rebirth", each(_rebirth_requests, _rebirth_named)
    ),
    "operational-behavior-data-commands-ncmd-rebirth-value": Check(
        "a rebirth request says true", each(_rebirth_requests, _rebirth_true)
    ),
    "operational-behavior-data-commands-ncmd-verb": _CMD_TOPIC,
    "operational-behavior-data-commands-ncmd-metric-name": Check(
        "an NCMD names metrics of the node's birth", _names_born
    ),
    "operational-behavior-data-commands-ncmd-metric-value": Check(
        "the values of an NCMD are of the types in the node's birth", _types_fit
    ),
    "operational-behavior-data-commands-dcmd-verb": _NO_DCMD,
    "operational-behavior-data-commands-dcmd-metric-name": _NO_DCMD,
    "operational-behavior-data-commands-dcmd-metric-value": _NO_DCMD,
    "payloads-ncmd-timestamp": _CMD_TIME,
    "payloads-ncmd-seq": Check("an NCMD bears no seq", each(host("NCMD"), has_seq)),
    "payloads-ncmd-qos": Check("an NCMD goes at QoS 0", each(host("NCMD"), qos(0))),
    "payloads-ncmd-retain": Check("an NCMD is not retained", each(host("NCMD"), retain(False))),
    "payloads-dcmd-timestamp": _NO_DCMD,
    "payloads-dcmd-seq": _NO_DCMD,
    "payloads-dcmd-qos": _NO_DCMD,
    "payloads-dcmd-retain": _NO_DCMD,
    "payloads-state-will-message": _WILL,
    "payloads-state-will-message-qos": _WILL_QOS,
    "payloads-state-will-message-retain": _WILL_RETAIN,
    "payloads-state-will-message-payload": _WILL_PAYLOAD,
    "payloads-state-subscribe": _OWN_SUBSCRIBED,
    "payloads-state-birth": _BIRTH_FIRST,
    "payloads-state-birth-payload": _BIRTH_PAYLOAD,
    "conformance-primary-host": _STATE_EACH,
}
