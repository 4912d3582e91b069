"""What checks are made of: which messages to look at, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.conformance.recording import NAMESPACE, Connection, Message, Record, Recording
from tests.conformance.verdict import Finding, Test

Select = Callable[[Recording], Iterable[Message]]
Problem = Callable[[Recording, Message], str]
"""What is wrong with a message; empty if nothing is."""

BD_SEQ, REBIRTH = "bdSeq", "Node Control/Rebirth"
INT64, BOOLEAN = 4, 11
LATE_MS = 60_000
"""A time stamp may lie so far behind the moment at which its message was recorded."""
CROSSED_MS = 10_000
"""What was sent so soon after a message may have crossed it: processes may stand still."""
UNDER_WAY_MS = 4_000
"""What was sent so soon before a connection ended may not have come to it any more."""
FIELD_OF_TYPE = {
    **dict.fromkeys((1, 2, 3, 5, 6, 7), "int_value"),
    **dict.fromkeys((4, 8, 13), "long_value"),
    9: "float_value",
    10: "double_value",
    11: "boolean_value",
    **dict.fromkeys((12, 14, 15), "string_value"),
    16: "dataset_value",
    **dict.fromkeys((17, 18, *range(22, 35)), "bytes_value"),
    19: "template_value",
}
"""Which member of the oneof holds a value of each datatype."""


# --- what to look at ---------------------------------------------------------------------------


def edge(*kinds: str) -> Select:
    """Messages of the edge node."""
    return lambda recording: recording.from_edge(*kinds)


def host(*kinds: str) -> Select:
    """Messages of the host application."""
    return lambda recording: recording.from_host(*kinds)


def edge_wills(recording: Recording) -> Iterator[Message]:
    """The edge node's wills, one for each connection that has one."""
    return (will for c in recording.edge if (will := c.will) is not None)


def host_wills(recording: Recording) -> Iterator[Message]:
    """The host application's wills."""
    return (will for c in recording.host if (will := c.will) is not None)


def deaths(recording: Recording) -> Iterator[Message]:
    """NDEATHs: those in a will, and those spoken."""
    yield from edge_wills(recording)
    yield from recording.from_edge("NDEATH")


def states(online: bool) -> Select:
    """The host application's own STATE messages that say so."""
    return lambda recording: [
        m for m in recording.from_host("STATE") if m.state and m.state.get("online") is online
    ]


def rebirths(recording: Recording) -> list[Message]:
    """The host application's commands that ask for a rebirth."""
    return [m for m in recording.from_host("NCMD") if m.metric(REBIRTH) is not None]


def either(*selects: Select) -> Select:
    """All that several selections find."""
    return lambda recording: [m for select in selects for m in select(recording)]


# --- making tests ------------------------------------------------------------------------------


def each(select: Select, *problems: Problem) -> Test:
    """Every selected message has none of these problems."""

    def test(recording: Recording) -> Iterator[Finding]:
        for message in select(recording):
            found = (problem(recording, message) for problem in problems)
            yield Finding(message.record, next(filter(None, found), ""))

    return test


def each_metric(select: Select, problem: Callable[[Message, Any], str | None]) -> Test:
    """No metric of the selected messages has this problem. `problem` returns None for a metric that
    is not its subject."""

    def test(recording: Recording) -> Iterator[Finding]:
        for message in select(recording):
            for metric in message.metrics:
                said = problem(message, metric)
                if said is not None:
                    yield Finding(message.record, said and f"metric {label(metric)}: {said}")

    return test


def each_connection(
    select: Callable[[Recording], Iterable[Connection]],
    problem: Callable[[Recording, Connection], str],
) -> Test:
    """No connection has this problem."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in select(recording):
            yield Finding(connection.records[0], problem(recording, connection))

    return test


def each_will(select: Callable[[Recording], Iterable[Connection]], *problems: Problem) -> Test:
    """No connection lacks a will, and no will has one of these problems."""

    def test(recording: Recording) -> Iterator[Finding]:
        for connection in select(recording):
            will = connection.will
            if will is None:
                yield Finding(connection.records[0], "no will")
            else:
                found = (problem(recording, will) for problem in problems)
                yield Finding(will.record, next(filter(None, found), ""))

    return test


def edge_connections(recording: Recording) -> list[Connection]:
    return recording.edge


def host_connections(recording: Recording) -> list[Connection]:
    return recording.host


# --- what can be wrong -------------------------------------------------------------------------


def qos(wanted: int) -> Problem:
    return lambda _, message: "" if message.qos == wanted else f"QoS {message.qos}"


def retain(wanted: bool) -> Problem:
    said = "not retained" if wanted else "retained"
    return lambda _, message: "" if message.retain is wanted else said


def no_protobuf(_: Recording, message: Message) -> str:
    return "" if message.body is not None else "the payload is no Sparkplug B protobuf"


def off_topic(recording: Recording, message: Message) -> str:
    """Not under namespace, group and node of the subject, and the device where there is one."""
    subject = recording.subject
    wanted = [NAMESPACE, subject.group, message.kind, subject.node]
    levels = 5 if message.kind.startswith("D") else 4
    fits = message.parts[:4] == wanted and len(message.parts) == levels and all(message.parts)
    return "" if fits else f"topic {message.topic}"


def no_seq(_: Recording, message: Message) -> str:
    """No sequence number, or none of 0 … 255."""
    if message.body is None or not message.body.HasField("seq"):
        return "no seq"
    return "" if 0 <= message.body.seq <= 255 else f"seq {message.body.seq}"


def seq_not_zero(recording: Recording, message: Message) -> str:
    return no_seq(recording, message) or ("" if message.body.seq == 0 else "seq is not 0")


def has_seq(_: Recording, message: Message) -> str:
    return "carries a seq" if message.body is not None and message.body.HasField("seq") else ""


def seq_not_next(recording: Recording, message: Message) -> str:
    """The seq is not one more than that of the message before it in its session, mod 256."""
    if said := no_seq(recording, message):
        return said
    connection = connection_of(recording, message.record)
    numbered = connection.published("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH")
    at = next(n for n, m in enumerate(numbered) if m.record is message.record)
    if at == 0:
        return "the first numbered message of its session"
    before = numbered[at - 1].body
    wanted = (before.seq + 1) % 256 if before is not None else None
    return "" if message.body.seq == wanted else f"seq {message.body.seq}, expected {wanted}"


def untimed(_: Recording, message: Message) -> str:
    """No time stamp, or one that is not the moment of sending in UTC milliseconds."""
    if message.body is None or not message.body.HasField("timestamp"):
        return "no payload timestamp"
    late_ms = message.record.at_ms - message.body.timestamp
    return "" if 0 <= late_ms <= LATE_MS else f"timestamp is {late_ms} ms behind its sending"


def no_metrics(_: Recording, message: Message) -> str:
    return "" if message.metrics else "no metric"


def no_bd_seq(_: Recording, message: Message) -> str:
    """No bdSeq metric of type Int64 that says 0 … 255."""
    metric = message.metric(BD_SEQ)
    if metric is None or not metric.HasField("long_value") or metric.datatype != INT64:
        return "no bdSeq of type Int64"
    return "" if 0 <= metric.long_value <= 255 else f"bdSeq {metric.long_value}"


def bd_seq_unlike_will(recording: Recording, message: Message) -> str:
    """A bdSeq other than that of the will of the same connection."""
    if said := no_bd_seq(recording, message):
        return said
    will = connection_of(recording, message.record).will
    if will is None or no_bd_seq(recording, will):
        return "the will has no bdSeq to compare"
    said, wanted = (m.metric(BD_SEQ).long_value for m in (message, will))
    return "" if said == wanted else f"bdSeq {said}, that of the will is {wanted}"


def no_rebirth_metric(_: Recording, message: Message) -> str:
    """No Node Control/Rebirth, or not of type Boolean and false."""
    metric = message.metric(REBIRTH)
    if metric is None:
        return f"no {REBIRTH}"
    fits = metric.datatype == BOOLEAN and metric.HasField("boolean_value")
    return "" if fits and not metric.boolean_value else f"{REBIRTH} is not Boolean and false"


def incomplete_metric(_: Message, metric: Any) -> str:
    """Of a birth: without name, datatype or value (null is one)."""
    if not metric.name:
        return "no name"
    if not metric.HasField("datatype"):
        return "no datatype"
    return "" if has_value(metric) else "no value"


def born_before(recording: Recording, message: Message) -> str:
    """Its births (the node's, and its device's) do not come before it."""
    birth = recording.births.get(id(message.record))
    if birth is None:
        return "before any NBIRTH"
    return "" if not message.device or message.device in birth.devices else "before its DBIRTH"


def unborn_metric(recording: Recording, message: Message) -> str:
    """A metric that the birth in force does not name."""
    birth = recording.births.get(id(message.record))
    if birth is None:
        return "before any birth"
    for metric in message.metrics:
        if birth.find(metric, message.device) is None:
            return f"metric {label(metric)} is in no birth"
    return ""


def state_unsound(_: Recording, message: Message) -> str:
    """A STATE payload that is not {"online": bool, "timestamp": int}."""
    state = message.state
    if state is None or set(state) != {"online", "timestamp"}:
        return "not a JSON object of online and timestamp"
    if not isinstance(state["online"], bool):
        return "online is no boolean"
    if isinstance(state["timestamp"], bool) or not isinstance(state["timestamp"], int):
        return "timestamp is no whole number"
    return ""


def state_says(online: bool) -> Problem:
    """A STATE payload that is unsound or says the opposite."""

    def problem(recording: Recording, message: Message) -> str:
        if said := state_unsound(recording, message):
            return said
        assert message.state is not None
        return "" if message.state["online"] is online else f"online is not {online}"

    return problem


def state_off_topic(recording: Recording, message: Message) -> str:
    wanted = f"{NAMESPACE}/STATE/{recording.subject.host}"
    return "" if message.topic == wanted else f"topic {message.topic}"


# --- small words -------------------------------------------------------------------------------


def label(metric: Any) -> str:
    """A metric's name, or its alias."""
    return repr(metric.name) if metric.name else f"alias {metric.alias}"


def has_value(metric: Any) -> bool:
    """Whether it holds a value, or says that it is null."""
    return bool(metric.is_null) or metric.WhichOneof("value") is not None


def value_of(metric: Any) -> Any:
    """What it holds; None if it is null or holds nothing."""
    field = metric.WhichOneof("value")
    return None if field is None or metric.is_null else getattr(metric, field)


def connection_of(recording: Recording, record: Record) -> Connection:
    """The connection that a record belongs to."""
    return next(c for c in recording.connections if c.number == record.connection)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT topic filter takes in a topic, or a whole branch written `a/b/#`."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    for n, level in enumerate(wanted):
        if level == "#":
            return True
        if n >= len(given) or (level != "+" and level != given[n]):
            return False
    return len(wanted) == len(given)
