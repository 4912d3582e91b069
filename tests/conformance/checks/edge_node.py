"""What an edge node has to do: its session, its births and deaths, its own data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from tests.conformance.checks.general import one_client_each
from tests.conformance.packets import MQTT_5, Connack, Connect
from tests.conformance.recording import (
    BIRTHS,
    DATA,
    NAMESPACE,
    NUMBERED,
    Connection,
    Message,
    Record,
    Recording,
)
from tests.conformance.rules import (
    BD_SEQ,
    BOOLEAN,
    CROSSED_MS,
    REBIRTH,
    bd_seq_unlike_will,
    born_before,
    connection_of,
    deaths,
    each,
    each_connection,
    each_metric,
    each_will,
    edge,
    edge_connections,
    has_seq,
    incomplete_metric,
    label,
    matches,
    no_bd_seq,
    no_metrics,
    no_protobuf,
    no_rebirth_metric,
    no_seq,
    off_topic,
    qos,
    retain,
    seq_not_next,
    seq_not_zero,
    unborn_metric,
    untimed,
    value_of,
)
from tests.conformance.verdict import Check, Entry, Finding, NotApplicable, Test

MQTT_311 = 4


# --- the connection ----------------------------------------------------------------------------


def _of_version(
    version: int, problem: Callable[[Connect], str]
) -> Callable[[Recording], Iterator[Finding]]:
    """The problem of each CONNECT of one version of MQTT."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in recording.edge:
            if connection.connect.version == version:
                yield Finding(connection.records[0], problem(connection.connect))

    return test


def _unclean_311(connect: Connect) -> str:
    return "" if connect.clean else "clean session is off"


def speaks_mqtt_5(connections: Callable[[Recording], list[Connection]]) -> Test:
    """Disproves that MQTT 5 is never spoken."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in connections(recording):
            if connection.connect.version == MQTT_5:
                yield Finding(connection.records[0], "MQTT 5 is spoken after all")

    return test


def _no_will(_: Recording, connection: Connection) -> str:
    will = connection.will
    return "" if will is not None and will.kind == "NDEATH" else "no NDEATH as will"


def _only_bd_seq(recording: Recording, message: Message) -> str:
    if said := no_bd_seq(recording, message):
        return said
    return "" if len(message.metrics) == 1 else "other metrics beside bdSeq"


def _bd_seq_counts_on(recording: Recording) -> Iterator[Finding]:
    """bdSeq begins at 0 and is one more, mod 256, in each CONNECT, accepted or not."""
    wanted = 0
    for connection in recording.connections:
        if connection.connect.client_id != recording.subject.edge_client:
            continue
        will = connection.will
        metric = will.metric(BD_SEQ) if will is not None else None
        if metric is None:
            yield Finding(connection.records[0], "a CONNECT without bdSeq in its will")
            continue
        said = metric.long_value
        yield Finding(connection.records[0], "" if said == wanted else f"{said}, not {wanted}")
        wanted = (said + 1) % 256


def _connected_first(recording: Recording) -> Iterator[Finding]:
    """The broker's consent, then NCMD subscribed, then the birth."""
    for connection in recording.edge:
        consented = subscribed = False
        wanted = f"{NAMESPACE}/{recording.subject.group}/NCMD/{recording.subject.node}"
        for record in connection.records:
            consented |= isinstance(record.packet, Connack) and record.packet.code == 0
            subscribed |= any(
                r is record and matches(topic, wanted) for r, topic, _ in connection.subscriptions()
            )
            first = next((m for m in connection.sent if m.record is record), None)
            if first is not None:
                fits = consented and subscribed
                yield Finding(record, "" if fits else "a birth before the session stands")
                break


def _subscribed(topic: Callable[[Recording], str], least_qos: int) -> Test:
    """Each connection that gives birth has subscribed to a topic before, at this QoS."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in recording.edge:
            births = connection.published("NBIRTH")
            if not births:
                continue
            granted = [
                given
                for record, given, at in connection.subscriptions()
                if at >= least_qos and recording.before(record, births[0].record)
            ]
            wanted = topic(recording)
            fits = any(matches(given, wanted) for given in granted)
            yield Finding(births[0].record, "" if fits else f"{wanted} is not subscribed before it")

    return test


def _command_topic(recording: Recording) -> str:
    return f"{NAMESPACE}/{recording.subject.group}/NCMD/{recording.subject.node}"


def _state_topic(recording: Recording) -> str:
    return f"{NAMESPACE}/STATE/{recording.subject.host}"


# --- births and the primary host ---------------------------------------------------------------


def _host_states(recording: Recording, connection: Connection, before: Record) -> list[Message]:
    """What was heard of the primary host on a connection before a record."""
    return [
        m
        for m in connection.heard
        if m.topic == _state_topic(recording) and m.state and recording.before(m.record, before)
    ]


def _online_at_birth(recording: Recording) -> Iterator[Finding]:
    """At each NBIRTH the last word of the primary host on this server is that it is online."""
    for birth in recording.from_edge("NBIRTH"):
        heard = _host_states(recording, connection_of(recording, birth.record), birth.record)
        online = bool(heard) and heard[-1].state is not None and heard[-1].state["online"] is True
        yield Finding(birth.record, "" if online else "a birth while the host is not online")


def _own_host_at_birth(recording: Recording) -> Iterator[Finding]:
    """Some word of the host that is configured was heard before each NBIRTH."""
    for birth in recording.from_edge("NBIRTH"):
        heard = _host_states(recording, connection_of(recording, birth.record), birth.record)
        yield Finding(birth.record, "" if heard else "a birth without a word of its own host")


def _newest_host_at_birth(recording: Recording) -> Iterator[Finding]:
    """The online state that a birth relies on is not older than one heard before on that server."""
    newest: dict[str, int] = {}
    for connection in recording.edge:
        births = connection.published("NBIRTH")
        if not births:
            continue
        heard = _host_states(recording, connection, births[0].record)
        said = [m.state["timestamp"] for m in heard if m.state]
        last = said[-1] if said else -1
        fits = last >= newest.get(connection.server, 0)
        yield Finding(births[0].record, "" if fits else f"a birth on a state of {last}, an old one")
        everything = [m for m in connection.heard if m.topic == _state_topic(recording) and m.state]
        newest[connection.server] = max(
            [
                newest.get(connection.server, 0),
                *(m.state["timestamp"] for m in everything if m.state),
            ]
        )


def _offline_words(recording: Recording, *, old: bool) -> Iterator[tuple[Connection, Message]]:
    """Offline states heard while born: those older than the state heard last, or the others."""
    for connection in recording.edge:
        newest = -1
        for message in connection.heard:
            if message.topic != _state_topic(recording) or not message.state:
                continue
            state = message.state
            born = any(
                recording.before(b.record, message.record) for b in connection.published("NBIRTH")
            )
            late = state["timestamp"] < newest
            newest = max(newest, state["timestamp"])
            if born and not state["online"] and late == old:
                yield connection, message


def _dies_with_host(recording: Recording) -> Iterator[Finding]:
    """The host going offline is followed by NDEATH and then DISCONNECT."""
    for connection, message in _offline_words(recording, old=False):
        bye = connection.goodbye
        said = [
            m
            for m in connection.published("NDEATH")
            if recording.before(message.record, m.record)
            and bye is not None
            and recording.before(m.record, bye)
        ]
        yield Finding(message.record, "" if said else "no NDEATH and DISCONNECT follow")


def _leaves_with_host(recording: Recording) -> Iterator[Finding]:
    """The host going offline ends the connection by the edge node."""
    for connection, message in _offline_words(recording, old=False):
        yield Finding(message.record, "" if connection.goodbye else "no DISCONNECT follows")


def _next_connection(recording: Recording, after: Connection) -> Connection | None:
    return next((c for c in recording.edge if c.number > after.number), None)


def _comes_back(recording: Recording) -> Iterator[Finding]:
    """After it left for the host's sake, it connects again."""
    for connection, message in _offline_words(recording, old=False):
        back = _next_connection(recording, connection)
        yield Finding(message.record, "" if back else "it does not connect again")


def _walks_on(recording: Recording) -> Iterator[Finding]:
    """With several servers, it then connects to another one."""
    if len({connection.server for connection in recording.edge}) < 2:
        return
    for connection, message in _offline_words(recording, old=False):
        back = _next_connection(recording, connection)
        fits = back is not None and back.server != connection.server
        yield Finding(message.record, "" if fits else "it does not go to another server")


def _stays_for_old_word(recording: Recording) -> Iterator[Finding]:
    """An offline state that is older than one heard before changes nothing: data goes on."""
    for connection, message in _offline_words(recording, old=True):
        later = [m for m in connection.sent if recording.before(message.record, m.record)]
        goes_on = bool(later) and later[0].kind in (*DATA, *BIRTHS, "DDEATH")
        yield Finding(message.record, "" if goes_on else "it does not go on after an old state")


def _one_server(recording: Recording) -> Iterator[Finding]:
    """A connection is not begun before the one before has ended. Each server is recorded by a
    thread of its own: that end may be written down after what followed it on another server."""
    for before, after in pairwise(recording.edge):
        begins, end = after.records[0], before.end
        over = end is not None and (
            recording.before(end, begins) or end.at_ms - begins.at_ms <= CROSSED_MS
        )
        yield Finding(begins, "" if over else "connected to two servers at a time")


def _says_death(recording: Recording, connection: Connection) -> Message | None:
    """The NDEATH that a connection published last, before its goodbye."""
    bye = connection.goodbye
    said = [
        m
        for m in connection.published("NDEATH")
        if bye is not None and recording.before(m.record, bye)
    ]
    return said[-1] if said else None


def _death_before_goodbye(version: int | None = None) -> Test:
    """Whoever gave birth and leaves in order has said NDEATH."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in recording.edge:
            if version is not None and connection.connect.version != version:
                continue
            if connection.goodbye is not None and connection.published("NBIRTH"):
                said = _says_death(recording, connection)
                yield Finding(connection.goodbye, "" if said else "DISCONNECT without NDEATH")

    return test


def _goodbye_after_death(recording: Recording) -> Iterator[Finding]:
    """Nothing is published between the NDEATH and the DISCONNECT."""
    for connection in recording.edge:
        for death in connection.published("NDEATH"):
            later = [m for m in connection.sent if recording.before(death.record, m.record)]
            fits = not later and connection.goodbye is not None
            yield Finding(death.record, "" if fits else "it does not go after its NDEATH")


def _same_client(recording: Recording) -> Iterator[Finding]:
    """The client that gives birth is the one whose will is the NDEATH."""
    for birth in recording.from_edge("NBIRTH"):
        will = connection_of(recording, birth.record).will
        fits = will is not None and will.topic == birth.topic.replace("NBIRTH", "NDEATH")
        yield Finding(birth.record, "" if fits else "its client has no NDEATH as will")


# --- rebirth -----------------------------------------------------------------------------------


def _requests(recording: Recording) -> Iterator[tuple[Connection, Message, Message | None]]:
    """Each request of a rebirth, and the NBIRTH that follows it on the connection."""
    for connection in recording.edge:
        for message in connection.heard:
            metric = message.metric(REBIRTH) if message.kind == "NCMD" else None
            if metric is None or not metric.boolean_value:
                continue
            births = connection.published("NBIRTH")
            later = [b for b in births if recording.before(message.record, b.record)]
            yield connection, message, later[0] if later else None


def _quiet_until_rebirth(recording: Recording) -> Iterator[Finding]:
    """No data between a request and the birth, but what may have crossed the request."""
    for connection, request, birth in _requests(recording):
        if birth is None:
            continue
        between = [
            m
            for m in connection.published(*DATA)
            if recording.before(request.record, m.record)
            and recording.before(m.record, birth.record)
            and m.record.at_ms > request.record.at_ms + CROSSED_MS
        ]
        yield Finding(request.record, f"then {between[0].topic}" if between else "")


def _reborn_whole(recording: Recording) -> Iterator[Finding]:
    """A request is followed by NBIRTH, and that by the DBIRTH of each device born before."""
    for connection, request, birth in _requests(recording):
        if birth is None:
            ended = connection.end is not None
            yield Finding(request.record, "" if ended else "no NBIRTH follows")
            continue
        before = recording.births.get(id(birth.record))
        earlier = [
            b for b in connection.published("NBIRTH") if recording.before(b.record, birth.record)
        ]
        if not earlier or before is None:
            continue
        names = {
            m.device
            for m in connection.published("DBIRTH")
            if recording.before(earlier[-1].record, m.record)
            and recording.before(m.record, birth.record)
        }
        following = connection.sent[connection.sent.index(birth) + 1 :]
        born: set[str] = set()
        for message in following:
            if message.kind != "DBIRTH":
                break
            born.add(message.device)
        missing = names - born
        yield Finding(request.record, f"no DBIRTH of {sorted(missing)}" if missing else "")


def _same_bd_seq(recording: Recording) -> Iterator[Finding]:
    """All births of a connection bear one bdSeq."""
    for connection in recording.edge:
        births = connection.published("NBIRTH")
        for first, later in pairwise(births):
            pair = [m.metric(BD_SEQ) for m in (first, later)]
            fits = None not in pair and pair[0].long_value == pair[1].long_value
            yield Finding(later.record, "" if fits else "a rebirth with another bdSeq")


def _rebirth_metric(problem: Callable[[Any], str]) -> Test:
    """Each NBIRTH has the rebirth metric, without this problem."""

    def test(recording: Recording) -> Iterator[Finding]:
        for birth in recording.from_edge("NBIRTH"):
            metric = birth.metric(REBIRTH)
            said = f"no {REBIRTH}" if metric is None else problem(metric)
            yield Finding(birth.record, said)

    return test


# --- data --------------------------------------------------------------------------------------


def changes_only(*kinds: str) -> Test:
    """A live value that repeats the one before it, its properties included, is no change. What a
    record says of itself (Stream/…) is not the plant's data, and stands in every record."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in recording.edge:
            last: dict[tuple[str, str], Any] = {}
            for message in connection.published(*kinds, "NBIRTH"):
                if message.kind == "NBIRTH":
                    last.clear()
                    continue
                birth = recording.births.get(id(message.record))
                for metric in message.metrics:
                    born = birth.find(metric, message.device) if birth is not None else None
                    if metric.is_historical or born is None or born.name.startswith("Stream/"):
                        continue
                    key = message.device, born.name
                    said = value_of(metric), metric.properties.SerializeToString()
                    repeats = last.get(key) == said
                    problem = f"{born.name} is said again unchanged" if repeats else ""
                    yield Finding(message.record, problem)
                    last[key] = said

    return test


def chronological(*kinds: str) -> Test:
    """Live values of one metric stand in order of time in a payload."""

    def test(recording: Recording) -> Iterator[Finding]:
        for message in recording.from_edge(*kinds):
            last: dict[str, int] = {}
            said = ""
            for metric in message.metrics:
                if not metric.is_historical:
                    if metric.timestamp < last.get(label(metric), 0):
                        said = f"metric {label(metric)} goes back in time"
                    last[label(metric)] = metric.timestamp
            yield Finding(message.record, said)

    return test


def _template(_: Message, metric: Any) -> str | None:
    return "a template is sent after all" if metric.HasField("template_value") else None


_BIRTH_SEQ = Check("an NBIRTH bears seq 0", each(edge("NBIRTH"), seq_not_zero))
_BIRTH_ANY_SEQ = Check("an NBIRTH bears a seq of 0 … 255", each(edge("NBIRTH"), no_seq))
_BIRTH_TIME = Check("an NBIRTH says when it was sent", each(edge("NBIRTH"), untimed))
_BIRTH_TOPIC = Check("an NBIRTH goes to group and node", each(edge("NBIRTH"), off_topic))
_BIRTH_QOS = Check("an NBIRTH goes at QoS 0", each(edge("NBIRTH"), qos(0)))
_BIRTH_RETAIN = Check("an NBIRTH is not retained", each(edge("NBIRTH"), retain(False)))
_BIRTH_BD_SEQ = Check(
    "an NBIRTH bears the bdSeq of the will", each(edge("NBIRTH"), bd_seq_unlike_will)
)
_BIRTH_HAS_BD_SEQ = Check("an NBIRTH bears a bdSeq", each(edge("NBIRTH"), no_bd_seq))
_BIRTH_REBIRTH = Check(
    "an NBIRTH offers Node Control/Rebirth, Boolean false", each(edge("NBIRTH"), no_rebirth_metric)
)
_BIRTH_COMPLETE = Check(
    "metrics of an NBIRTH have name, datatype and value",
    each_metric(edge("NBIRTH"), incomplete_metric),
)
_BIRTH_NAMES_ALL = Check("an NBIRTH names all that NDATA says", each(edge("NDATA"), unborn_metric))
_DATA_TOPIC = Check("an NDATA goes to group and node", each(edge("NDATA"), off_topic))
_DATA_SEQ = Check("an NDATA bears the next seq", each(edge("NDATA"), seq_not_next))
_DATA_TIME = Check("an NDATA says when it was sent", each(edge("NDATA"), untimed))
_DATA_QOS = Check("an NDATA goes at QoS 0", each(edge("NDATA"), qos(0)))
_DATA_RETAIN = Check("an NDATA is not retained", each(edge("NDATA"), retain(False)))
_NO_DEATH_SEQ = Check("an NDEATH bears no seq", each(deaths, has_seq))
_WILL = Check("each CONNECT has an NDEATH as will", each_connection(edge_connections, _no_will))
_WILL_QOS = Check("the will goes at QoS 1", each_will(edge_connections, qos(1)))
_WILL_RETAIN = Check("the will is not retained", each_will(edge_connections, retain(False)))
_WILL_BD_SEQ = Check("the will bears a bdSeq", each_will(edge_connections, no_bd_seq))
_HOST_FIRST = Check("no birth before the primary host is online on this server", _online_at_birth)
_LEFT_WITH_DEATH = Check("whoever leaves in order says NDEATH first", _death_before_goodbye())

CHECKS: dict[str, Entry] = {
    "principles-rbe-recommended": Check(
        "live values are sent when they change (recommended)", changes_only(*DATA)
    ),
    "principles-persistence-clean-session-311": Check(
        "MQTT 3.1.1 sessions are clean", _of_version(MQTT_311, _unclean_311)
    ),
    "principles-persistence-clean-session-50": NotApplicable(
        "the edge node speaks MQTT 3.1.1", speaks_mqtt_5(edge_connections)
    ),
    "topics-nbirth-topic": _BIRTH_TOPIC,
    "topics-nbirth-mqtt": Check(
        "an NBIRTH goes at QoS 0, not retained", each(edge("NBIRTH"), qos(0), retain(False))
    ),
    "topics-nbirth-seq-num": _BIRTH_SEQ,
    "topics-nbirth-timestamp": _BIRTH_TIME,
    "topics-nbirth-metric-reqs": _BIRTH_NAMES_ALL,
    "topics-nbirth-metrics": _BIRTH_COMPLETE,
    "topics-nbirth-templates": NotApplicable(
        "no templates are sent", each_metric(edge(*NUMBERED), _template)
    ),
    "topics-nbirth-bdseq-included": _BIRTH_HAS_BD_SEQ,
    "topics-nbirth-bdseq-matching": _BIRTH_BD_SEQ,
    "topics-nbirth-bdseq-increment": Check(
        "bdSeq begins at 0 and is one more in each CONNECT", _bd_seq_counts_on
    ),
    "topics-nbirth-rebirth-metric": _BIRTH_REBIRTH,
    "topics-ndata-topic": _DATA_TOPIC,
    "topics-ndata-mqtt": Check(
        "an NDATA goes at QoS 0, not retained", each(edge("NDATA"), qos(0), retain(False))
    ),
    "topics-ndata-seq-num": _DATA_SEQ,
    "topics-ndata-timestamp": _DATA_TIME,
    "topics-ndata-payload": Check("an NDATA has a metric", each(edge("NDATA"), no_metrics)),
    "topics-ndeath-topic": Check("an NDEATH goes to group and node", each(deaths, off_topic)),
    "topics-ndeath-payload": Check("an NDEATH says bdSeq alone", each(deaths, _only_bd_seq)),
    "topics-ndeath-seq": _NO_DEATH_SEQ,
    "message-flow-edge-node-ncmd-subscribe": Check(
        "NCMD is subscribed at QoS 1 before the birth", _subscribed(_command_topic, 1)
    ),
    "message-flow-edge-node-birth-publish-connect": Check(
        "the session stands and hears NCMD before it publishes", _connected_first
    ),
    "message-flow-edge-node-birth-publish-will-message": _WILL,
    "message-flow-edge-node-birth-publish-will-message-topic": Check(
        "the will goes to the node's NDEATH topic", each_will(edge_connections, off_topic)
    ),
    "message-flow-edge-node-birth-publish-will-message-payload": Check(
        "the will is a Sparkplug payload", each_will(edge_connections, no_protobuf)
    ),
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq": _WILL_BD_SEQ,
    "message-flow-edge-node-birth-publish-will-message-qos": _WILL_QOS,
    "message-flow-edge-node-birth-publish-will-message-will-retained": _WILL_RETAIN,
    "message-flow-edge-node-birth-publish-phid-wait": _HOST_FIRST,
    "message-flow-edge-node-birth-publish-phid-wait-id": Check(
        "the host that counts is the one configured", _own_host_at_birth
    ),
    "message-flow-edge-node-birth-publish-phid-wait-online": _HOST_FIRST,
    "message-flow-edge-node-birth-publish-phid-wait-timestamp": Check(
        "the host's online state is not older than one heard before", _newest_host_at_birth
    ),
    "message-flow-edge-node-birth-publish-nbirth-topic": _BIRTH_TOPIC,
    "message-flow-edge-node-birth-publish-nbirth-payload": Check(
        "an NBIRTH is a Sparkplug payload", each(edge("NBIRTH"), no_protobuf)
    ),
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq": _BIRTH_BD_SEQ,
    "message-flow-edge-node-birth-publish-nbirth-qos": _BIRTH_QOS,
    "message-flow-edge-node-birth-publish-nbirth-retained": _BIRTH_RETAIN,
    "message-flow-edge-node-birth-publish-nbirth-payload-seq": _BIRTH_ANY_SEQ,
    "message-flow-edge-node-birth-publish-phid-offline": Check(
        "the host going offline is answered by NDEATH and DISCONNECT", _dies_with_host
    ),
    "operational-behavior-edge-node-intentional-disconnect-ndeath": _LEFT_WITH_DEATH,
    "operational-behavior-edge-node-intentional-disconnect-packet": Check(
        "DISCONNECT follows a spoken NDEATH at once", _goodbye_after_death
    ),
    "operational-behavior-edge-node-termination-host-offline": Check(
        "the host going offline ends the connection", _leaves_with_host
    ),
    "operational-behavior-edge-node-termination-host-offline-reconnect": Check(
        "after that it connects again", _comes_back
    ),
    "operational-behavior-edge-node-termination-host-offline-timestamp": Check(
        "an offline state older than the last changes nothing", _stays_for_old_word
    ),
    "operational-behavior-primary-application-state-with-multiple-servers-state-subs": Check(
        "STATE is subscribed on each server", _subscribed(_state_topic, 0)
    ),
    "operational-behavior-primary-application-state-with-multiple-servers-single-server": Check(
        "one server at a time", _one_server
    ),
    "operational-behavior-primary-application-state-with-multiple-servers-walk": Check(
        "from a server that its host has left it goes to another", _walks_on
    ),
    "operational-behavior-edge-node-birth-sequence-wait": _HOST_FIRST,
    "operational-behavior-data-publish-nbirth": _BIRTH_NAMES_ALL,
    "operational-behavior-data-publish-nbirth-values": _BIRTH_COMPLETE,
    "operational-behavior-data-publish-nbirth-change": Check(
        "an NDATA says what has changed (recommended)", changes_only("NDATA")
    ),
    "operational-behavior-data-publish-nbirth-order": Check(
        "live values of the node are in order of time", chronological("NBIRTH", "NDATA")
    ),
    "operational-behavior-data-commands-rebirth-name": Check(
        "an NBIRTH names Node Control/Rebirth", _rebirth_metric(lambda _: "")
    ),
    "operational-behavior-data-commands-rebirth-name-aliases": Check(
        "Node Control/Rebirth has no alias",
        _rebirth_metric(lambda metric: "it has an alias" if metric.HasField("alias") else ""),
    ),
    "operational-behavior-data-commands-rebirth-datatype": Check(
        "Node Control/Rebirth is Boolean",
        _rebirth_metric(lambda metric: "" if metric.datatype == BOOLEAN else "not Boolean"),
    ),
    "operational-behavior-data-commands-rebirth-value": Check(
        "Node Control/Rebirth is false",
        _rebirth_metric(lambda metric: "" if value_of(metric) is False else "not false"),
    ),
    "operational-behavior-data-commands-rebirth-action-1": Check(
        "from the request of a rebirth to the birth no data is sent", _quiet_until_rebirth
    ),
    "operational-behavior-data-commands-rebirth-action-2": Check(
        "a rebirth is the NBIRTH and all DBIRTHs", _reborn_whole
    ),
    "operational-behavior-data-commands-rebirth-action-3": Check(
        "a rebirth keeps the bdSeq", _same_bd_seq
    ),
    "payloads-nbirth-timestamp": _BIRTH_TIME,
    "payloads-nbirth-edge-node-descriptor": Check(
        "no other client speaks as this node", one_client_each
    ),
    "payloads-nbirth-seq": _BIRTH_ANY_SEQ,
    "payloads-nbirth-bdseq": _BIRTH_HAS_BD_SEQ,
    "payloads-nbirth-bdseq-repeat": _BIRTH_BD_SEQ,
    "payloads-nbirth-rebirth-req": _BIRTH_REBIRTH,
    "payloads-nbirth-qos": _BIRTH_QOS,
    "payloads-nbirth-retain": _BIRTH_RETAIN,
    "payloads-ndata-timestamp": _DATA_TIME,
    "payloads-ndata-seq": Check("an NDATA bears a seq of 0 … 255", each(edge("NDATA"), no_seq)),
    "payloads-ndata-seq-inc": _DATA_SEQ,
    "payloads-ndata-order": Check("no NDATA before the NBIRTH", each(edge("NDATA"), born_before)),
    "payloads-ndata-qos": _DATA_QOS,
    "payloads-ndata-retain": _DATA_RETAIN,
    "payloads-ndeath-seq": _NO_DEATH_SEQ,
    "payloads-ndeath-will-message": _WILL,
    "payloads-ndeath-will-message-qos": _WILL_QOS,
    "payloads-ndeath-will-message-retain": _WILL_RETAIN,
    "payloads-ndeath-bdseq": Check(
        "an NDEATH bears the bdSeq of its NBIRTH", each(deaths, bd_seq_unlike_will)
    ),
    "payloads-ndeath-will-message-publisher": Check(
        "who gives birth has the NDEATH as its will", _same_client
    ),
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311": Check(
        "over MQTT 3.1.1, NDEATH goes before DISCONNECT", _death_before_goodbye(MQTT_311)
    ),
    "payloads-ndeath-will-message-publisher-disconnect-mqtt50": NotApplicable(
        "the edge node speaks MQTT 3.1.1", speaks_mqtt_5(edge_connections)
    ),
}
