"""Faults, each planted in a good recording, and the assertions that must then fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.conformance.checks import host as host_checks
from tests.conformance.packets import Disconnect, Publish
from tests.conformance.recording import Ended, Message, Plant, Record, Recording, Seen
from tests.conformance.registry import PARTS
from tests.conformance.spoil import (
    Pick,
    Spoil,
    alter,
    answered,
    asked,
    body,
    connects,
    doubled,
    drop,
    edited,
    first_in_session,
    first_states,
    heard_by_edge,
    metric,
    payload,
    qos,
    rebirth,
    retained,
    said,
    shown,
    state,
    subscribes,
    topic,
    wills,
    without,
)

REBIRTH = "Node Control/Rebirth"
GARBAGE = b"\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, how it is planted, and which assertions fail by it."""

    what: str
    spoil: Spoil
    fails: tuple[str, ...]


def _fault(what: str, spoil: Spoil, *fails: str) -> Fault:
    return Fault(what, spoil, fails)


# --- small edits -------------------------------------------------------------------------------


def _clear(field: str) -> Any:
    return lambda parsed: parsed.ClearField(field)


def _set(**values: Any) -> Any:
    def edit(parsed: Any) -> None:
        for name, value in values.items():
            setattr(parsed, name, value)

    return edit


def _add_seq(by: int) -> Any:
    def edit(parsed: Any) -> None:
        parsed.seq = (parsed.seq + by) % 256

    return edit


def _again(index: int, **changes: Any) -> Any:
    """A copy of one metric behind it, changed."""

    def edit(parsed: Any) -> None:
        original = parsed.metrics[index]
        copy = parsed.metrics.add()
        copy.CopyFrom(original)
        _set(**changes)(copy)

    return edit


def _goes_back(parsed: Any) -> None:
    """The last metric again, an instant earlier."""
    _again(-1, timestamp=parsed.metrics[-1].timestamp - 1)(parsed)


def _null_metric(parsed: Any) -> None:
    """A metric that no birth names."""
    added = parsed.metrics.add()
    added.name, added.is_null, added.timestamp = "Unheard Of", True, parsed.timestamp


def _will_body(edit: Any) -> Any:
    return lambda will: replace(will, payload=edited(will.payload, edit))


def _bd_seq(value: int) -> Any:
    def edit(parsed: Any) -> None:
        next(m for m in parsed.metrics if m.name == "bdSeq").long_value = value

    return edit


# --- which records, in special cases -----------------------------------------------------------


def _live(recording: Recording) -> list[Record]:
    """A DDATA with a live value behind Stream/Epoch and Stream/Offset."""
    found = [
        m.record
        for m in recording.from_edge("DDATA")
        if len(m.metrics) > 2 and not any(x.is_historical for x in m.metrics)
    ]
    return found[-1:]


def _health(recording: Recording) -> list[Record]:
    """An NDATA of the gateway's own figures."""
    found = [
        m.record
        for m in recording.from_edge("NDATA")
        if all(x.name.startswith(("Gateway/", "Device/")) for x in m.metrics)
    ]
    return found[-1:]


def _with_quality(recording: Recording) -> list[Record]:
    found = [
        m.record
        for m in recording.from_edge("DDATA")
        if any("Quality" in x.properties.keys for x in m.metrics)
    ]
    return found[-1:]


def _offline_heard(recording: Recording, *, old: bool) -> tuple[int, Message]:
    """A connection of the edge node, and the host going offline as heard on it."""
    own = f"spBv1.0/STATE/{recording.subject.host}"
    for connection in recording.edge:
        for message in connection.heard if connection.published("NBIRTH") else ():
            said = message.state if message.topic == own else None
            if said and not said["online"] and (said["timestamp"] < 10_000) == old:
                return connection.number, message
    raise AssertionError("no such word was heard")


def _dead_after_offline(recording: Recording) -> list[Record]:
    """What the edge node says of its death once its host has gone offline."""
    number, message = _offline_heard(recording, old=False)
    return [
        m.record
        for m in recording.from_edge("NDEATH")
        if m.record.connection == number and recording.before(message.record, m.record)
    ]


def _goodbye_after_offline(recording: Recording) -> list[Record]:
    number, _ = _offline_heard(recording, old=False)
    bye = next(c for c in recording.edge if c.number == number).goodbye
    return [bye] if bye is not None else []


def _later_connections(recording: Recording) -> list[Record]:
    """All of the edge node's connections after the host had gone offline."""
    number, _ = _offline_heard(recording, old=False)
    later = {c.number for c in recording.edge if c.number > number}
    return [r for r in recording.records if r.connection in later]


def _all_after_old_word(recording: Recording) -> list[Record]:
    number, message = _offline_heard(recording, old=True)
    return [
        r
        for r in recording.records
        if r.connection == number and r.sent and recording.before(message.record, r)
    ]


def _ends_of_edge(recording: Recording) -> list[Record]:
    """All that shows the end of the edge node's first connection."""
    number = recording.edge[0].number
    return [
        r
        for r in recording.records
        if r.connection == number and isinstance(r.packet, Disconnect | Ended)
    ]


def _goodbyes_of_host(recording: Recording) -> list[Record]:
    return [c.goodbye for c in recording.host if c.goodbye is not None]


def _last_ndeath(recording: Recording) -> list[Record]:
    """The NDEATH that goes before the last goodbye."""
    return [recording.edge[-1].published("NDEATH")[-1].record]


def _dbirths_of_rebirth(recording: Recording) -> list[Record]:
    (birth,) = rebirth(recording)
    return [
        m.record
        for m in recording.from_edge("DBIRTH")
        if m.record.connection == birth.connection and recording.before(birth, m.record)
    ][:1]


def _ddeaths_of_plant(recording: Recording) -> list[Record]:
    gone = next(r for r in recording.records if isinstance(r.packet, Plant) and not r.packet.there)
    return [m.record for m in recording.from_edge("DDEATH") if recording.before(gone, m.record)]


def _states_of_last_connection(recording: Recording) -> list[Record]:
    return [m.record for m in recording.host[-1].published("STATE")]


def _own_word_after_old(recording: Recording) -> list[Record]:
    """What the host said after it had heard that it is offline."""
    for connection in recording.host:
        for heard in connection.heard:
            if heard.kind == "STATE" and heard.state and heard.state["timestamp"] < 10_000:
                return [
                    m.record
                    for m in connection.published("STATE")
                    if recording.before(heard.record, m.record)
                ]
    raise AssertionError("the host heard no old word")


def _somebodys_state(recording: Recording) -> list[Record]:
    return [
        m.record
        for c in recording.connections
        for m in c.published("STATE")
        if m.topic.endswith("/somebody")
    ]


def _states_heard(recording: Recording) -> list[Record]:
    """Every STATE that was brought to the edge node."""
    return [m.record for c in recording.edge for m in c.heard if m.kind == "STATE"]


def _brought_to_host(kind: str) -> Pick:
    return lambda recording: [m.record for c in recording.host for m in c.heard if m.kind == kind]


# --- faults that are more than one change ------------------------------------------------------


def _all_births(change: Any) -> Spoil:
    return alter(said("NBIRTH", at=None), change)


def _data_in_rebirth(recording: Recording) -> list[Record]:
    """Data long after the request of a rebirth, and before the birth."""
    (birth,) = rebirth(recording)
    (data,) = [
        m.record for m in recording.from_edge("DDATA") if m.record.connection == birth.connection
    ][:1]
    late = replace(data, at_ms=birth.at_ms + 60_000)
    at = recording.position[id(birth)]
    return [*recording.records[:at], late, *recording.records[at:]]


def _data_after_death(recording: Recording) -> list[Record]:
    """Data between the NDEATH and the goodbye."""
    (death,) = _last_ndeath(recording)
    (data,) = said("DDATA")(recording)
    at = recording.position[id(death)] + 1
    moved = replace(data, connection=death.connection)
    return [*recording.records[:at], moved, *recording.records[at:]]


def _same_server(recording: Recording) -> list[Record]:
    """Having lost its host, the edge node comes back to the same server."""
    number, message = _offline_heard(recording, old=False)
    back = next(c.number for c in recording.edge if c.number > number)
    server = message.record.server
    return [replace(r, server=server) if r.connection == back else r for r in recording.records]


def _host_on_one_server(recording: Recording) -> list[Record]:
    own = {c.number for c in recording.host}
    servers = sorted({c.server for c in recording.host})
    gone = {c.number for c in recording.host if c.server == servers[-1]}
    assert own != gone
    return [r for r in recording.records if r.connection not in gone]


def _intruder(recording: Recording) -> list[Record]:
    """Another client gives birth as the node."""
    born = [c for c in recording.edge if c.published("NBIRTH")][-1]
    connect = replace(born.connect, client_id="intruder")
    return [replace(r, packet=connect) if r is born.records[0] else r for r in recording.records]


def _foreign_gap(recording: Recording, *, filled: bool) -> tuple[int, Record, Record]:
    """The connection on which the host heard a gap, the message that showed it, and a request of
    a rebirth for that node."""
    for connection, node, record, filler, _ in host_checks.gaps(recording):
        if (filler is not None) == filled and node[0] != recording.subject.group:
            request = next(
                m.record
                for m in recording.from_host("NCMD")
                if m.metric(REBIRTH) is not None and tuple(m.parts[1:4:2]) == node
            )
            return connection.number, record, request
    raise AssertionError("the host heard no such gap")


def _hasty(filled: bool) -> Spoil:
    """A rebirth is asked for right after a gap."""

    def spoil(recording: Recording) -> list[Record]:
        number, gap, request = _foreign_gap(recording, filled=filled)
        hasty = replace(request, at_ms=gap.at_ms + 5, connection=number)
        at = recording.position[id(gap)] + 1
        return [*recording.records[:at], hasty, *recording.records[at:]]

    return spoil


def _never_asked(recording: Recording) -> list[Record]:
    """No rebirth of the foreign node is asked for."""
    _, _, request = _foreign_gap(recording, filled=False)
    assert isinstance(request.packet, Publish)
    wanted = request.packet.topic
    return [
        r
        for r in recording.records
        if not (isinstance(r.packet, Publish) and r.packet.topic == wanted and r.sent)
    ]


def _online(seen: Seen) -> Seen:
    return replace(seen, online=True)


def _devices(online: bool, since_ms: int) -> Any:
    return lambda seen: replace(seen, devices=dict.fromkeys(seen.devices, (online, since_ms)))


def _property(edit: Any) -> Any:
    """The first property set of a DBIRTH, edited."""

    def change(parsed: Any) -> None:
        edit(next(m.properties for m in parsed.metrics if m.HasField("properties")))

    return alter(said("DBIRTH"), body(change))


def _quality(edit: Any) -> Any:
    def change(parsed: Any) -> None:
        for each in parsed.metrics:
            for key, value in zip(each.properties.keys, each.properties.values, strict=True):
                if key == "Quality":
                    edit(value)

    return alter(_with_quality, body(change))


def _template(parsed: Any) -> None:
    parsed.metrics[0].template_value.is_definition = True


def _data_set(parsed: Any) -> None:
    parsed.metrics[0].dataset_value.num_of_columns = 1


def _with_prefix(role: str, *beginnings: str) -> tuple[str, ...]:
    """All ids of a part that begin so."""
    return tuple(id_ for id_ in PARTS[role] if id_.startswith(beginnings))


def _messages_of(kind: str, prefix: str) -> list[Fault]:
    """The faults that any numbered message can have, with the ids of its kind."""
    short = kind.lower()
    one = said(kind)
    flow = f"message-flow-{'edge-node' if kind == 'NBIRTH' else 'device'}-birth-publish-{short}"
    born = kind in ("NBIRTH", "DBIRTH")
    quality = (f"topics-{short}-mqtt",)
    return [
        _fault(
            f"{kind} at QoS 1",
            alter(one, qos(1)),
            *quality,
            *((f"{flow}-qos",) if born else ()),
            *((f"payloads-{short}-qos",) if kind != "DDEATH" else ()),
        ),
        _fault(
            f"{kind} retained",
            alter(one, retained(True)),
            *quality,
            *((f"{flow}-retained",) if born else ()),
            *((f"payloads-{short}-retain",) if kind != "DDEATH" else ()),
        ),
        _fault(
            f"{kind} under another node",
            alter(one, topic("gw-seat", "gw-other")),
            f"topics-{short}-topic",
            *((f"{flow}-topic",) if born else ()),
        ),
        _fault(
            f"{kind} without a seq",
            alter(one, body(_clear("seq"))),
            f"payloads-{short}-seq",
            "payloads-sequence-num-always-included",
        ),
        _fault(
            f"{kind} without a time",
            alter(one, body(_clear("timestamp"))),
            f"payloads-{short}-timestamp",
            *((f"topics-{short}-timestamp",) if kind != "DDEATH" else ()),
            "payloads-timestamp-in-UTC",
        ),
        _fault(
            f"{kind} timed in seconds",
            alter(one, body(lambda parsed: _set(timestamp=parsed.timestamp // 1000)(parsed))),
            f"payloads-{short}-timestamp",
            "payloads-timestamp-in-UTC",
        ),
        *(
            [
                _fault(
                    f"{kind} with a seq left out",
                    alter(one, body(_add_seq(1))),
                    prefix,
                    f"payloads-{short}-seq-inc",
                    "payloads-sequence-num-incrementing",
                )
            ]
            if kind != "NBIRTH"
            else []
        ),
    ]


_EDGE = [
    *_messages_of("NBIRTH", ""),
    _fault(
        "NBIRTH with seq 7",
        alter(said("NBIRTH"), body(_set(seq=7))),
        "topics-nbirth-seq-num",
        "payloads-sequence-num-req-nbirth",
    ),
    _fault(
        "NBIRTH with seq 256",
        alter(said("NBIRTH"), body(_set(seq=256))),
        "message-flow-edge-node-birth-publish-nbirth-payload-seq",
        "payloads-nbirth-seq",
    ),
    _fault(
        "NBIRTH without bdSeq",
        alter(said("NBIRTH"), without("bdSeq")),
        "topics-nbirth-bdseq-included",
        "payloads-nbirth-bdseq",
    ),
    _fault(
        "rebirth with another bdSeq",
        alter(rebirth, body(_bd_seq(200))),
        "topics-nbirth-bdseq-matching",
        "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
        "payloads-nbirth-bdseq-repeat",
        "operational-behavior-data-commands-rebirth-action-3",
    ),
    _fault(
        "NBIRTH without the rebirth metric",
        alter(said("NBIRTH"), without(REBIRTH)),
        "topics-nbirth-rebirth-metric",
        "payloads-nbirth-rebirth-req",
        "operational-behavior-data-commands-rebirth-name",
    ),
    _fault(
        "rebirth metric says true",
        alter(said("NBIRTH"), metric(REBIRTH, _set(boolean_value=True))),
        "operational-behavior-data-commands-rebirth-value",
        "topics-nbirth-rebirth-metric",
    ),
    _fault(
        "rebirth metric is a number",
        alter(said("NBIRTH"), metric(REBIRTH, _set(datatype=3))),
        "operational-behavior-data-commands-rebirth-datatype",
        "payloads-nbirth-rebirth-req",
    ),
    _fault(
        "rebirth metric has an alias",
        alter(said("NBIRTH"), metric(REBIRTH, _set(alias=999))),
        "operational-behavior-data-commands-rebirth-name-aliases",
    ),
    _fault(
        "NBIRTH metric without datatype",
        alter(said("NBIRTH"), metric(0, _clear("datatype"))),
        "topics-nbirth-metrics",
        "operational-behavior-data-publish-nbirth-values",
        "payloads-metric-datatype-req",
    ),
    _fault(
        "NBIRTH metric without value",
        alter(said("NBIRTH"), metric("Gateway/Version", _clear("string_value"))),
        "topics-nbirth-metrics",
        "operational-behavior-data-publish-nbirth-values",
    ),
    _fault(
        "NBIRTH leaves a metric out",
        alter(said("NDATA"), body(_null_metric)),
        "topics-nbirth-metric-reqs",
        "operational-behavior-data-publish-nbirth",
    ),
    _fault(
        "NBIRTH is no protobuf",
        alter(said("NBIRTH"), payload(GARBAGE)),
        "message-flow-edge-node-birth-publish-nbirth-payload",
    ),
    *_messages_of("NDATA", "topics-ndata-seq-num"),
    _fault(
        "NDATA without metrics",
        alter(said("NDATA"), body(_clear("metrics"))),
        "topics-ndata-payload",
    ),
    _fault(
        "NDATA before the NBIRTH",
        first_in_session(said("NDATA")),
        "payloads-ndata-order",
        "principles-birth-certificates-order",
    ),
    _fault(
        "NDATA says the same again",
        doubled(_health),
        "operational-behavior-data-publish-nbirth-change",
        "principles-rbe-recommended",
    ),
    _fault(
        "NDATA goes back in time",
        alter(_health, body(_goes_back)),
        "operational-behavior-data-publish-nbirth-order",
    ),
    _fault(
        "NDEATH under another node",
        alter(said("NDEATH"), topic("gw-seat", "gw-x")),
        "topics-ndeath-topic",
    ),
    _fault(
        "NDEATH says more than bdSeq",
        alter(said("NDEATH"), body(_again(0, name="Other"))),
        "topics-ndeath-payload",
    ),
    _fault(
        "NDEATH with a seq",
        alter(said("NDEATH"), body(_set(seq=1))),
        "topics-ndeath-seq",
        "payloads-ndeath-seq",
    ),
    _fault(
        "NDEATH of another session",
        alter(said("NDEATH"), body(_bd_seq(200))),
        "payloads-ndeath-bdseq",
    ),
    _fault(
        "no will",
        wills(lambda _: None),
        "message-flow-edge-node-birth-publish-will-message",
        "payloads-ndeath-will-message",
        "payloads-ndeath-will-message-publisher",
    ),
    _fault(
        "will under another node",
        wills(lambda will: replace(will, topic=will.topic + "x")),
        "message-flow-edge-node-birth-publish-will-message-topic",
        "topics-ndeath-topic",
    ),
    _fault(
        "will is no protobuf",
        wills(lambda will: replace(will, payload=GARBAGE)),
        "message-flow-edge-node-birth-publish-will-message-payload",
    ),
    _fault(
        "will without bdSeq",
        wills(_will_body(_clear("metrics"))),
        "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
        "topics-ndeath-payload",
    ),
    _fault(
        "will at QoS 0",
        wills(lambda will: replace(will, qos=0)),
        "message-flow-edge-node-birth-publish-will-message-qos",
        "payloads-ndeath-will-message-qos",
    ),
    _fault(
        "will retained",
        wills(lambda will: replace(will, retain=True)),
        "message-flow-edge-node-birth-publish-will-message-will-retained",
        "payloads-ndeath-will-message-retain",
    ),
    _fault(
        "bdSeq leaves numbers out", wills(_will_body(_bd_seq(77))), "topics-nbirth-bdseq-increment"
    ),
    _fault(
        "session is not clean",
        connects(lambda connect: replace(connect, clean=False)),
        "principles-persistence-clean-session-311",
    ),
    _fault(
        "MQTT 5 is spoken",
        connects(lambda connect: replace(connect, version=5)),
        "principles-persistence-clean-session-50",
        "payloads-ndeath-will-message-publisher-disconnect-mqtt50",
    ),
    _fault(
        "commands subscribed at QoS 0",
        subscribes(lambda filters: [(topic, 0) for topic, _ in filters]),
        "message-flow-edge-node-ncmd-subscribe",
        "message-flow-device-dcmd-subscribe",
    ),
    _fault(
        "nothing subscribed",
        subscribes(lambda _: []),
        "message-flow-edge-node-birth-publish-connect",
        "operational-behavior-primary-application-state-with-multiple-servers-state-subs",
    ),
    _fault(
        "birth for another host",
        alter(heard_by_edge, topic("lineside-hub", "somebody")),
        "message-flow-edge-node-birth-publish-phid-wait-id",
    ),
    _fault(
        "birth while the host is offline",
        alter(heard_by_edge, payload(b'{"online": false, "timestamp": 9999999999999}')),
        "message-flow-edge-node-birth-publish-phid-wait",
        "message-flow-edge-node-birth-publish-phid-wait-online",
        "operational-behavior-edge-node-birth-sequence-wait",
    ),
    _fault(
        "birth on an old state",
        alter(heard_by_edge, payload(b'{"online": true, "timestamp": 5}')),
        "message-flow-edge-node-birth-publish-phid-wait-timestamp",
    ),
    _fault(
        "no NDEATH when the host leaves",
        drop(_dead_after_offline),
        "message-flow-edge-node-birth-publish-phid-offline",
        "operational-behavior-edge-node-intentional-disconnect-ndeath",
        "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
    ),
    _fault(
        "no DISCONNECT when the host leaves",
        drop(_goodbye_after_offline),
        "operational-behavior-edge-node-termination-host-offline",
    ),
    _fault(
        "it stays away",
        drop(_later_connections),
        "operational-behavior-edge-node-termination-host-offline-reconnect",
    ),
    _fault(
        "it comes back to a server without host",
        _same_server,
        "operational-behavior-primary-application-state-with-multiple-servers-walk",
    ),
    _fault(
        "it leaves for an old state",
        drop(_all_after_old_word),
        "operational-behavior-edge-node-termination-host-offline-timestamp",
    ),
    _fault(
        "two servers at a time",
        drop(_ends_of_edge),
        "operational-behavior-primary-application-state-with-multiple-servers-single-server",
    ),
    _fault(
        "data after the NDEATH",
        _data_after_death,
        "operational-behavior-edge-node-intentional-disconnect-packet",
    ),
    _fault(
        "data between request and rebirth",
        _data_in_rebirth,
        "operational-behavior-data-commands-rebirth-action-1",
    ),
    _fault(
        "rebirth without a device",
        drop(_dbirths_of_rebirth),
        "operational-behavior-data-commands-rebirth-action-2",
    ),
    _fault(
        "another client speaks as the node",
        _intruder,
        "intro-edge-node-id-uniqueness",
        "topic-structure-namespace-unique-edge-node-descriptor",
        "payloads-nbirth-edge-node-descriptor",
    ),
]

_DEVICE = [
    *_messages_of("DBIRTH", "topics-dbirth-seq"),
    *_messages_of("DDATA", "topics-ddata-seq-num"),
    *_messages_of("DDEATH", "topics-ddeath-seq-num"),
    _fault(
        "DBIRTH with a number left out",
        alter(said("DBIRTH"), body(_add_seq(3))),
        "message-flow-device-birth-publish-dbirth-payload-seq",
    ),
    _fault(
        "DDEATH with a number left out",
        alter(said("DDEATH"), body(_add_seq(3))),
        "payloads-ddeath-seq-number",
    ),
    _fault(
        "DBIRTH before the NBIRTH",
        first_in_session(said("DBIRTH")),
        "message-flow-device-birth-publish-nbirth-wait",
        "payloads-dbirth-order",
    ),
    _fault(
        "DBIRTH of another node than the NBIRTH",
        alter(said("DBIRTH"), topic("gw-seat", "gw-other")),
        "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
    ),
    _fault(
        "DBIRTH is no protobuf",
        alter(said("DBIRTH"), payload(GARBAGE)),
        "message-flow-device-birth-publish-dbirth-payload",
    ),
    _fault(
        "DBIRTH metric without value",
        alter(said("DBIRTH"), metric(0, _clear("is_null"))),
        "topics-dbirth-metrics",
        "operational-behavior-data-publish-dbirth-values",
    ),
    _fault(
        "DDATA names what no birth does",
        alter(_live, metric(-1, _set(alias=4711))),
        "topics-dbirth-metric-reqs",
        "operational-behavior-data-publish-dbirth",
        "payloads-name-requirement",
    ),
    _fault(
        "DDATA without metrics",
        alter(said("DDATA"), body(_clear("metrics"))),
        "topics-ddata-payload",
    ),
    _fault("DDATA before the births", first_in_session(said("DDATA")), "payloads-ddata-order"),
    _fault(
        "DDATA says the same again",
        doubled(_live),
        "operational-behavior-data-publish-dbirth-change",
    ),
    _fault(
        "DDATA goes back in time",
        alter(_live, body(_goes_back)),
        "operational-behavior-data-publish-dbirth-order",
    ),
    _fault("a device goes unsaid", drop(_ddeaths_of_plant), "operational-behavior-device-ddeath"),
]

_PAYLOAD = [
    _fault(
        "an alias names two metrics",
        alter(said("DBIRTH"), body(_again(-1, name="Twin"))),
        "payloads-alias-uniqueness",
    ),
    _fault(
        "an alias without a name in a birth",
        alter(said("DBIRTH"), metric(-1, _clear("name"))),
        "payloads-alias-birth-requirement",
    ),
    _fault(
        "a name beside an alias in data",
        alter(_live, metric(-1, _set(name="Force"))),
        "payloads-alias-data-cmd-requirement",
    ),
    _fault(
        "a metric of data without a time",
        alter(_live, metric(-1, _clear("timestamp"))),
        "payloads-name-birth-data-requirement",
    ),
    _fault(
        "a metric timed in seconds",
        alter(_live, metric(-1, lambda m: _set(timestamp=m.timestamp // 1000)(m))),
        "payloads-metric-timestamp-in-UTC",
    ),
    _fault(
        "a datatype of no standard",
        alter(said("DBIRTH"), metric(-1, _set(datatype=99))),
        "payloads-metric-datatype-value",
    ),
    _fault(
        "a value in the field of another type",
        alter(said("NBIRTH"), metric("Stream/Epoch", _set(double_value=1.0))),
        "payloads-metric-datatype-value-type",
    ),
    _fault(
        "a datatype in data",
        alter(_live, metric(-1, _set(datatype=10))),
        "payloads-metric-datatype-not-req",
    ),
    _fault(
        "more keys than values",
        _property(lambda properties: properties.keys.append("more")),
        "payloads-propertyset-keys-array-size",
        "payloads-propertyset-values-array-size",
    ),
    _fault(
        "a property of another type",
        _property(lambda properties: _set(type=4)(properties.values[0])),
        "payloads-metric-propertyvalue-type-type",
    ),
    _fault(
        "a property type of no standard",
        _property(lambda properties: _set(type=99)(properties.values[0])),
        "payloads-metric-propertyvalue-type-value",
    ),
    _fault(
        "a property without type",
        _property(lambda properties: properties.values[0].ClearField("type")),
        "payloads-metric-propertyvalue-type-req",
    ),
    _fault("Quality is Int64", _quality(_set(type=4)), "payloads-propertyset-quality-value-type"),
    _fault(
        "Quality is 64", _quality(_set(int_value=64)), "payloads-propertyset-quality-value-value"
    ),
    _fault(
        "a data set is sent",
        alter(_live, body(_data_set)),
        *_with_prefix("payload", "payloads-dataset", "payloads-template-dataset"),
    ),
    _fault(
        "a template is sent",
        alter(_live, body(_template)),
        "topics-nbirth-templates",
        *(
            id_
            for id_ in _with_prefix("payload", "payloads-template")
            if id_ != "payloads-template-dataset-value"
        ),
    ),
]

_GENERAL = [
    _fault(
        "a group with NUL",
        alter(said("DDATA"), topic("seatworks", "seat\0works")),
        "intro-group-id-string",
        "topic-structure-namespace-valid-group-id",
    ),
    _fault(
        "a group with +",
        alter(said("DDATA"), topic("seatworks", "seat+works")),
        "intro-group-id-chars",
        "topic-structure-namespace-valid-group-id",
    ),
    _fault(
        "a node with NUL",
        alter(said("DDATA"), topic("gw-seat", "gw\0seat")),
        "intro-edge-node-id-string",
        "topic-structure-namespace-valid-edge-node-id",
    ),
    _fault(
        "a node with #",
        alter(said("DDATA"), topic("gw-seat", "gw#seat")),
        "intro-edge-node-id-chars",
        "topic-structure-namespace-valid-edge-node-id",
    ),
    _fault(
        "a device with NUL",
        alter(said("DDATA"), lambda packet: replace(packet, topic=packet.topic + "\0")),
        "intro-device-id-string",
        "topic-structure-namespace-valid-device-id",
    ),
    _fault(
        "a device with /",
        alter(said("DDATA"), lambda packet: replace(packet, topic=packet.topic + "/x")),
        "intro-device-id-chars",
        "topic-structure",
    ),
    _fault(
        "another namespace",
        alter(said("DDATA"), topic("spBv1.0", "spAv1.0")),
        "topic-structure-namespace-a",
    ),
    _fault(
        "a device is born twice",
        doubled(said("DBIRTH")),
        "topic-structure-namespace-unique-device-id",
    ),
    _fault(
        "device data without a device",
        alter(said("DDATA"), lambda p: replace(p, topic=p.topic.rsplit("/", 1)[0])),
        "topic-structure-namespace-device-id-associated-message-types",
    ),
    _fault(
        "node data with a device",
        alter(said("NDATA"), lambda p: replace(p, topic=p.topic + "/press")),
        "topic-structure-namespace-device-id-non-associated-message-types",
    ),
    _fault(
        "two devices differ in case",
        alter(said("DBIRTH"), lambda p: replace(p, topic=p.topic[:-5] + p.topic[-5:].swapcase())),
        "case-sensitivity-sparkplug-ids",
    ),
    _fault(
        "two metrics differ in case",
        alter(said("DBIRTH"), body(_again(-1, name="program"))),
        "case-sensitivity-metric-names",
    ),
]

_CONNECT_BIRTH = "operational-behavior-host-application-connect-birth"
_CONNECT_WILL = "operational-behavior-host-application-connect-will"
_HOST_DEATH = "operational-behavior-host-application-death"

_HOST = [
    _fault(
        "a connection without STATE",
        drop(_states_of_last_connection),
        "intro-sparkplug-host-state",
        "components-ph-state",
        "conformance-primary-host",
        "host-topic-phid-birth-message",
        "host-topic-phid-birth-required",
        "message-flow-phid-sparkplug-state-publish",
        _CONNECT_BIRTH,
        "payloads-state-birth",
    ),
    _fault(
        "STATE is a word",
        alter(first_states, payload(b"ONLINE")),
        "host-topic-phid-birth-payload",
        "message-flow-phid-sparkplug-state-publish-payload",
        f"{_CONNECT_BIRTH}-payload",
        "payloads-state-birth-payload",
    ),
    _fault(
        "STATE at QoS 0",
        alter(first_states, qos(0)),
        "host-topic-phid-birth-qos",
        f"{_CONNECT_BIRTH}-qos",
    ),
    _fault(
        "STATE not retained",
        alter(first_states, retained(False)),
        "host-topic-phid-birth-retain",
        f"{_CONNECT_BIRTH}-retained",
    ),
    _fault(
        "STATE of another host",
        alter(first_states, topic("lineside-hub", "other")),
        "host-topic-phid-birth-topic",
        f"{_CONNECT_BIRTH}-topic",
    ),
    _fault(
        "STATE timed unlike the will",
        alter(first_states, payload(b'{"online": true, "timestamp": 5}')),
        "host-topic-phid-birth-payload-timestamp",
        "message-flow-phid-sparkplug-state-publish-payload-timestamp",
        "operational-behavior-host-application-multi-server-timestamp",
    ),
    _fault(
        "the host has no will",
        wills(lambda _: None, of="host"),
        "host-topic-phid-death-required",
        _CONNECT_WILL,
        "payloads-state-will-message",
    ),
    _fault(
        "the host's will under another topic",
        wills(lambda will: replace(will, topic=will.topic + "x"), of="host"),
        "host-topic-phid-death-topic",
        f"{_CONNECT_WILL}-topic",
    ),
    _fault(
        "the host's will is a word",
        wills(lambda will: replace(will, payload=b"OFFLINE"), of="host"),
        "host-topic-phid-death-payload",
        f"{_CONNECT_WILL}-payload",
        "payloads-state-will-message-payload",
    ),
    _fault(
        "the host's will at QoS 0",
        wills(lambda will: replace(will, qos=0), of="host"),
        "host-topic-phid-death-qos",
        f"{_CONNECT_WILL}-qos",
        "payloads-state-will-message-qos",
    ),
    _fault(
        "the host's will is not retained",
        wills(lambda will: replace(will, retain=False), of="host"),
        "host-topic-phid-death-retain",
        f"{_CONNECT_WILL}-retained",
        "payloads-state-will-message-retain",
    ),
    _fault(
        "the host's will is of yesterday",
        wills(
            lambda will: replace(will, payload=b'{"online": false, "timestamp": 1600000000000}'),
            of="host",
        ),
        "host-topic-phid-death-payload-timestamp-connect",
    ),
    _fault(
        "the host leaves without STATE offline",
        drop(state(False)),
        "operational-behavior-host-application-termination",
        "operational-behavior-host-application-disconnect-intentional",
    ),
    _fault("STATE offline at QoS 0", alter(state(False), qos(0)), f"{_HOST_DEATH}-qos"),
    _fault(
        "STATE offline not retained",
        alter(state(False), retained(False)),
        f"{_HOST_DEATH}-retained",
    ),
    _fault(
        "STATE offline of another host",
        alter(state(False), topic("lineside-hub", "other")),
        f"{_HOST_DEATH}-topic",
    ),
    _fault(
        "STATE offline says more",
        alter(state(False), payload(b'{"online": false, "timestamp": 1, "why": "tired"}')),
        f"{_HOST_DEATH}-payload",
    ),
    _fault(
        "STATE offline is of yesterday",
        alter(state(False), payload(b'{"online": false, "timestamp": 1600000000000}')),
        "host-topic-phid-death-payload-timestamp-disconnect-clean",
    ),
    _fault(
        "the host leaves without DISCONNECT",
        drop(_goodbyes_of_host),
        "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet",
    ),
    _fault(
        "the host's session is not clean",
        connects(lambda connect: replace(connect, clean=False), of="host"),
        "message-flow-phid-sparkplug-clean-session-311",
    ),
    _fault(
        "the host speaks MQTT 5",
        connects(lambda connect: replace(connect, version=5), of="host"),
        "message-flow-phid-sparkplug-clean-session-50",
    ),
    _fault(
        "the host subscribes to data alone",
        subscribes(lambda _: [("spBv1.0/+/NDATA/+", 1)], of="host"),
        "host-topic-phid-birth-sub-required",
        "message-flow-phid-sparkplug-subscription",
        "payloads-state-subscribe",
    ),
    _fault(
        "the host lets it stand that it is offline",
        drop(_own_word_after_old),
        "message-flow-hid-sparkplug-state-message-delivered",
    ),
    _fault(
        "another host of the same id",
        alter(_somebodys_state, topic("somebody", "lineside-hub")),
        "operational-behavior-host-application-host-id",
    ),
    _fault(
        "the host is on one server only",
        _host_on_one_server,
        "operational-behavior-primary-application-state-with-multiple-servers-state",
    ),
    _fault(
        "NCMD at QoS 1",
        alter(answered, qos(1)),
        "topics-ncmd-mqtt",
        "payloads-ncmd-qos",
    ),
    _fault(
        "NCMD retained",
        alter(answered, retained(True)),
        "topics-ncmd-mqtt",
        "payloads-ncmd-retain",
    ),
    _fault(
        "NCMD without a time",
        alter(answered, body(_clear("timestamp"))),
        "topics-ncmd-timestamp",
        "payloads-ncmd-timestamp",
    ),
    _fault("NCMD with a seq", alter(answered, body(_set(seq=1))), "payloads-ncmd-seq"),
    _fault(
        "NCMD without a value",
        alter(answered, metric(0, _clear("string_value"))),
        "topics-ncmd-payload",
    ),
    _fault(
        "NCMD with a device",
        alter(answered, lambda p: replace(p, topic=p.topic + "/press")),
        "topics-ncmd-topic",
        "operational-behavior-data-commands-ncmd-verb",
    ),
    _fault(
        "NCMD of an unknown metric",
        alter(answered, metric(0, _set(name="Unheard Of"))),
        "operational-behavior-data-commands-ncmd-metric-name",
    ),
    _fault(
        "NCMD of another type",
        alter(answered, metric(0, _set(double_value=1.0))),
        "operational-behavior-data-commands-ncmd-metric-value",
    ),
    _fault(
        "a rebirth is asked of a device",
        alter(asked, topic("/NCMD/", "/DCMD/")),
        "operational-behavior-data-commands-ncmd-rebirth-verb",
        *_with_prefix("host application", "topics-dcmd", "payloads-dcmd"),
        *_with_prefix("host application", "operational-behavior-data-commands-dcmd"),
    ),
    _fault(
        "a rebirth by another name",
        alter(asked, metric(0, _set(name="Node Control/Reboot"))),
        "operational-behavior-data-commands-ncmd-rebirth-name",
    ),
    _fault(
        "a rebirth that says false",
        alter(asked, metric(0, _set(boolean_value=False))),
        "operational-behavior-data-commands-ncmd-rebirth-value",
    ),
    _fault(
        "a dead node is shown as online",
        shown("NDEATH", _online),
        "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
        "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    ),
    _fault(
        "a dead node's devices are shown as online",
        shown("NDEATH", _devices(True, 0)),
        "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    ),
    _fault(
        "a killed node's tags are stale since ever",
        shown("NDEATH", _devices(False, 0), look=0),
        "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
    ),
    _fault(
        "a dead node's tags are stale since ever",
        shown("NDEATH", _devices(False, 0)),
        "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
    ),
    _fault(
        "a dead device is shown as online",
        shown("DDEATH", _devices(True, 0)),
        "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    ),
    _fault(
        "a dead device's tags are stale since ever",
        shown("DDEATH", _devices(False, 0)),
        "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
    ),
    _fault(
        "a rebirth is asked for in haste",
        _hasty(filled=False),
        "operational-behavior-host-reordering-start",
    ),
    _fault("a gap is let stand", _never_asked, "operational-behavior-host-reordering-rebirth"),
    _fault(
        "a rebirth is asked for though nothing is missing",
        _hasty(filled=True),
        "operational-behavior-host-reordering-success",
    ),
]

_BROKER = [
    _fault("QoS 0 is lost", drop(_brought_to_host("DDATA")), "conformance-mqtt-qos0"),
    _fault(
        "deaths are lost",
        drop(_brought_to_host("NDEATH")),
        "conformance-mqtt-qos1",
        "conformance-mqtt-will-messages",
    ),
    _fault(
        "STATE comes as new",
        alter(_states_heard, retained(False)),
        "conformance-mqtt-retained",
    ),
]

FAULTS = [*_GENERAL, *_EDGE, *_DEVICE, *_PAYLOAD, *_HOST, *_BROKER]
